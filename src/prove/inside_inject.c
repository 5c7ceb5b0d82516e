/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside_inject - attack steps that put forged frames on a wire (N rows)
 *
 * No machine can do that: it has no CAP_NET_RAW and no packet socket. So that the walls at the
 * other end are attacked all the same, the host's root does it in the network of the attacker's
 * machine, as if those two walls had fallen. The control does it on a wire of its own with no wall
 * at all, and counts what comes out of its other end.
 *
 * Runs as: root of the host, in the network of the attacker's machine or in one of its own
 */
#include "prove/step.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define OWN_WIRE   "wire0"
#define OTHER_END  "wire1"
#define INSIDE     "eth0"
#define COPIES     10
#define PAYLOAD    "croft-prove"
#define WIRE_TRIES 150

/* A frame as it is put together; what does not fit is a mistake of ours. */
struct frame {
    uint8_t bytes[256];
    size_t size;
};

/* What the frames are about: whom they pretend to be from, whom they are for. */
struct forgery {
    struct in_addr from4, to4, own4;
    struct in6_addr from6, to6, own6;
    uint16_t port;
    uint8_t mac[ETH_ALEN];     /* of the sending end */
    uint8_t gateway[ETH_ALEN]; /* of the other end */
};

static void *frame_add(struct frame *frame, const void *bytes, size_t size)
{
    uint8_t *at = frame->bytes + frame->size;

    if (frame->size + size > sizeof(frame->bytes))
        size = 0;
    if (bytes && size)
        memcpy(at, bytes, size);
    frame->size += size;
    return at;
}

static uint32_t sum_of(const void *bytes, size_t size, uint32_t sum)
{
    const uint8_t *at = bytes;

    for (size_t i = 0; i + 1 < size; i += 2)
        sum += (uint32_t)(at[i] << 8 | at[i + 1]);
    if (size % 2)
        sum += (uint32_t)(at[size - 1] << 8);
    return sum;
}

static uint16_t checksum(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

static void add_ethernet(struct frame *frame, const struct forgery *forgery, const uint8_t *to,
                         uint16_t type)
{
    struct ethhdr head = {.h_proto = htons(type)};

    *frame = (struct frame){.size = 0};
    memcpy(head.h_dest, to, ETH_ALEN);
    memcpy(head.h_source, forgery->mac, ETH_ALEN);
    (void)frame_add(frame, &head, sizeof(head));
}

static void add_ipv4(struct frame *frame, struct in_addr from, struct in_addr to, uint8_t protocol,
                     size_t body, bool options)
{
    static const uint8_t route[] = {131, 7, 4, 10, 0, 0, 1, 0}; /* loose source route */
    struct iphdr head = {.version = 4,
                         .ihl = options ? 7 : 5,
                         .tot_len = htons((uint16_t)(sizeof(head) + body + (options ? 8 : 0))),
                         .ttl = 64,
                         .protocol = protocol,
                         .saddr = from.s_addr,
                         .daddr = to.s_addr};
    uint32_t sum = sum_of(&head, sizeof(head), 0);

    head.check = checksum(options ? sum_of(route, sizeof(route), sum) : sum);
    (void)frame_add(frame, &head, sizeof(head));
    if (options)
        (void)frame_add(frame, route, sizeof(route));
}

static void add_ipv6(struct frame *frame, const struct in6_addr *from, const struct in6_addr *to,
                     uint8_t protocol, size_t body, uint8_t hops)
{
    struct ip6_hdr head = {.ip6_src = *from, .ip6_dst = *to};

    head.ip6_flow = htonl(6U << 28);
    head.ip6_plen = htons((uint16_t)body);
    head.ip6_nxt = protocol;
    head.ip6_hlim = hops;
    (void)frame_add(frame, &head, sizeof(head));
}

/* Of an ICMPv6 or UDP message over IPv6, which begins at @at. */
static uint16_t checksum6(const struct in6_addr *from, const struct in6_addr *to, uint8_t protocol,
                          const void *at, size_t size)
{
    uint32_t sum = sum_of(from, sizeof(*from), 0);

    sum = sum_of(to, sizeof(*to), sum);
    return checksum(sum_of(at, size, sum + (uint32_t)size + protocol));
}

static void make_udp4(struct frame *frame, const struct forgery *forgery, const uint8_t *mac,
                      struct in_addr from, struct in_addr to, bool options)
{
    const struct udphdr head = {.source = htons(4711),
                                .dest = htons(forgery->port),
                                .len = htons(sizeof(head) + sizeof(PAYLOAD))};

    add_ethernet(frame, forgery, mac, ETH_P_IP);
    add_ipv4(frame, from, to, IPPROTO_UDP, sizeof(head) + sizeof(PAYLOAD), options);
    (void)frame_add(frame, &head, sizeof(head));
    (void)frame_add(frame, PAYLOAD, sizeof(PAYLOAD));
}

static void make_udp6(struct frame *frame, const struct forgery *forgery, const uint8_t *mac,
                      const struct in6_addr *from, const struct in6_addr *to)
{
    uint8_t body[sizeof(struct udphdr) + sizeof(PAYLOAD)];
    struct udphdr head = {
        .source = htons(4711), .dest = htons(forgery->port), .len = htons(sizeof(body))};

    memcpy(body, &head, sizeof(head));
    memcpy(body + sizeof(head), PAYLOAD, sizeof(PAYLOAD));
    head.check = checksum6(from, to, IPPROTO_UDP, body, sizeof(body));
    memcpy(body, &head, sizeof(head));
    add_ethernet(frame, forgery, mac, ETH_P_IPV6);
    add_ipv6(frame, from, to, IPPROTO_UDP, sizeof(body), 64);
    (void)frame_add(frame, body, sizeof(body));
}

/* An ICMPv6 message with @body behind its first four bytes. */
static void make_icmp6(struct frame *frame, const struct forgery *forgery, const uint8_t *mac,
                       const struct in6_addr *from, const struct in6_addr *to, uint8_t type,
                       const void *body, size_t size)
{
    uint8_t message[160] = {type, 0, 0, 0};
    uint16_t sum;

    memcpy(message + 4, body, size);
    sum = checksum6(from, to, IPPROTO_ICMPV6, message, size + 4);
    memcpy(message + 2, &sum, sizeof(sum));
    add_ethernet(frame, forgery, mac, ETH_P_IPV6);
    add_ipv6(frame, from, to, IPPROTO_ICMPV6, size + 4, 255);
    (void)frame_add(frame, message, size + 4);
}

/* "I have her address", as a request and as a reply. */
static void make_arp(struct frame *frame, const struct forgery *forgery, const uint8_t *mac,
                     struct in_addr whose, struct in_addr to, uint16_t operation)
{
    const struct {
        uint16_t hardware, protocol;
        uint8_t hardware_size, protocol_size;
        uint16_t operation;
    } head = {htons(1), htons(ETH_P_IP), ETH_ALEN, 4, htons(operation)};

    add_ethernet(frame, forgery, mac, ETH_P_ARP);
    (void)frame_add(frame, &head, sizeof(head));
    (void)frame_add(frame, forgery->mac, ETH_ALEN);
    (void)frame_add(frame, &whose, sizeof(whose));
    (void)frame_add(frame, mac, ETH_ALEN);
    (void)frame_add(frame, &to, sizeof(to));
}

static void put(struct step_run *run, int sock, int link, const struct frame *frame)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = link, .sll_halen = ETH_ALEN};

    memcpy(to.sll_addr, frame->bytes, ETH_ALEN);
    for (int i = 0; i < COPIES; i++)
        (void)fact_tried(&run->fact, sendto(sock, frame->bytes, frame->size, 0,
                                            (const struct sockaddr *)&to, sizeof(to)));
}

static const uint8_t everybody[ETH_ALEN] = {255, 255, 255, 255, 255, 255};
static const uint8_t all_nodes_mac[ETH_ALEN] = {0x33, 0x33, 0, 0, 0, 1};

static void forge_source(struct step_run *run, int sock, int link, const struct forgery *forgery)
{
    struct frame frame;

    make_udp4(&frame, forgery, forgery->gateway, forgery->from4, forgery->to4, false);
    put(run, sock, link, &frame);
    make_udp6(&frame, forgery, forgery->gateway, &forgery->from6, &forgery->to6);
    put(run, sock, link, &frame);
    /* Replies by their look: from a port that somebody may have asked. */
    make_udp4(&frame, forgery, everybody, forgery->from4, forgery->to4, false);
    put(run, sock, link, &frame);
}

static void forge_neighbour(struct step_run *run, int sock, int link, const struct forgery *forgery)
{
    struct frame frame;

    make_arp(&frame, forgery, everybody, forgery->to4, forgery->to4, 1);
    put(run, sock, link, &frame);
    make_arp(&frame, forgery, everybody, forgery->from4, forgery->to4, 2);
    put(run, sock, link, &frame);
    make_arp(&frame, forgery, forgery->gateway, forgery->to4, forgery->own4, 2);
    put(run, sock, link, &frame);
}

static void forge_discovery(struct step_run *run, int sock, int link, const struct forgery *forgery)
{
    struct in6_addr all_nodes, link_local;
    uint8_t body[64] = {0};
    struct frame frame;

    (void)inet_pton(AF_INET6, "ff02::1", &all_nodes);
    (void)inet_pton(AF_INET6, "fe80::1", &link_local);
    /* Neighbour advertisement: override, her address, our MAC. */
    body[0] = 0x20;
    memcpy(body + 4, &forgery->to6, 16);
    body[20] = 2;
    body[21] = 1;
    memcpy(body + 22, forgery->mac, ETH_ALEN);
    make_icmp6(&frame, forgery, all_nodes_mac, &forgery->to6, &all_nodes, ND_NEIGHBOR_ADVERT, body,
               28);
    put(run, sock, link, &frame);
    make_icmp6(&frame, forgery, forgery->gateway, &forgery->to6, &forgery->own6, ND_NEIGHBOR_ADVERT,
               body, 28);
    put(run, sock, link, &frame);
    /* Router advertisement: we are the router, and 2001:db8::/64 is here. */
    memset(body, 0, sizeof(body));
    body[0] = 64;
    body[2] = 7;
    body[12] = 3;
    body[13] = 4;
    body[14] = 64;
    body[15] = 0xc0;
    memset(body + 16, 0xff, 8);
    memcpy(body + 28, "\x20\x01\x0d\xb8", 4);
    make_icmp6(&frame, forgery, all_nodes_mac, &link_local, &all_nodes, ND_ROUTER_ADVERT, body, 44);
    put(run, sock, link, &frame);
    make_icmp6(&frame, forgery, forgery->gateway, &link_local, &forgery->to6, ND_ROUTER_ADVERT,
               body, 44);
    put(run, sock, link, &frame);
    /* Redirect: what goes to the source we forge goes by us. */
    memset(body, 0, sizeof(body));
    memcpy(body + 4, &forgery->own6, 16);
    memcpy(body + 20, &forgery->from6, 16);
    make_icmp6(&frame, forgery, forgery->gateway, &link_local, &forgery->to6, ND_REDIRECT, body,
               36);
    put(run, sock, link, &frame);
}

/* What no wire should carry: loopback, source routes, the other end's own addresses. */
static void forge_martian(struct step_run *run, int sock, int link, const struct forgery *forgery)
{
    static const char *const targets[] = {"127.0.0.1", "127.0.0.53", "0.0.0.0", "240.0.0.1"};
    struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;
    struct frame frame;

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct in_addr to;

        (void)inet_pton(AF_INET, targets[i], &to);
        make_udp4(&frame, forgery, forgery->gateway, forgery->own4, to, false);
        put(run, sock, link, &frame);
        make_udp4(&frame, forgery, forgery->gateway, to, forgery->to4, false);
        put(run, sock, link, &frame);
    }
    make_udp4(&frame, forgery, forgery->gateway, forgery->own4, forgery->to4, true);
    put(run, sock, link, &frame);
    make_udp6(&frame, forgery, forgery->gateway, &forgery->own6, &loopback);
    put(run, sock, link, &frame);
    make_udp6(&frame, forgery, forgery->gateway, &loopback, &forgery->to6);
    put(run, sock, link, &frame);
}

/* "What you sent is too big": an error about a packet of hers, as a router would report it. */
static void forge_error(struct step_run *run, int sock, int link, const struct forgery *forgery)
{
    struct frame inner, frame;
    struct icmphdr head = {.type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED};
    uint8_t body[28];
    uint8_t message[100] = {0};

    make_udp4(&inner, forgery, forgery->gateway, forgery->to4, forgery->from4, false);
    memcpy(body, inner.bytes + ETH_HLEN, sizeof(body));
    head.un.frag.mtu = htons(68);
    head.checksum = checksum(sum_of(body, sizeof(body), sum_of(&head, sizeof(head), 0)));
    add_ethernet(&frame, forgery, forgery->gateway, ETH_P_IP);
    add_ipv4(&frame, forgery->own4, forgery->to4, IPPROTO_ICMP, sizeof(head) + sizeof(body), false);
    (void)frame_add(&frame, &head, sizeof(head));
    (void)frame_add(&frame, body, sizeof(body));
    put(run, sock, link, &frame);
    make_udp6(&inner, forgery, forgery->gateway, &forgery->to6, &forgery->from6);
    message[2] = 1280 >> 8;
    memcpy(message + 4, inner.bytes + ETH_HLEN, inner.size - ETH_HLEN);
    make_icmp6(&frame, forgery, forgery->gateway, &forgery->own6, &forgery->to6,
               ICMP6_PACKET_TOO_BIG, message, 4 + inner.size - ETH_HLEN);
    put(run, sock, link, &frame);
}

/* mDNS, LLMNR, SSDP, all hosts, broadcast. */
static void forge_multicast(struct step_run *run, int sock, int link, const struct forgery *forgery)
{
    static const char *const groups4[] = {"224.0.0.1", "224.0.0.251", "224.0.0.252",
                                          "239.255.255.250", "255.255.255.255"};
    static const char *const groups6[] = {"ff02::1", "ff02::fb", "ff02::1:3", "ff05::c", "ff0e::1"};
    struct frame frame;

    for (size_t i = 0; i < ARRAY_LEN(groups4); i++) {
        struct in_addr to4;
        struct in6_addr to6;

        (void)inet_pton(AF_INET, groups4[i], &to4);
        (void)inet_pton(AF_INET6, groups6[i], &to6);
        make_udp4(&frame, forgery, everybody, forgery->own4, to4, false);
        put(run, sock, link, &frame);
        make_udp4(&frame, forgery, forgery->gateway, forgery->own4, to4, false);
        put(run, sock, link, &frame);
        make_udp6(&frame, forgery, all_nodes_mac, &forgery->own6, &to6);
        put(run, sock, link, &frame);
        make_udp6(&frame, forgery, forgery->gateway, &forgery->own6, &to6);
        put(run, sock, link, &frame);
    }
}

static int link_ioctl(unsigned long what, const char *name, struct ifreq *ask)
{
    auto_close sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (str_copy(ask->ifr_name, sizeof(ask->ifr_name), name) < 0 || sock < 0)
        return -EINVAL;
    return ioctl(sock, what, ask) < 0 ? -errno : 0;
}

static int link_up(const char *name)
{
    struct ifreq ask = {.ifr_flags = 0};
    int error = link_ioctl(SIOCGIFFLAGS, name, &ask);

    ask.ifr_flags |= IFF_UP;
    return error < 0 ? error : link_ioctl(SIOCSIFFLAGS, name, &ask);
}

/* Frames that came in by a link of this network. */
static uint64_t link_received(const char *name)
{
    FILE *file = fopen("/proc/self/net/dev", "re");
    uint64_t frames = 0;
    char line[512];

    while (file && fgets(line, sizeof(line), file)) {
        char *at = line + strspn(line, " ");

        if (strncmp(at, name, strlen(name)) != 0 || at[strlen(name)] != ':')
            continue;
        at += strlen(name) + 1;
        at += strspn(at, " ");
        at += strcspn(at, " "); /* bytes */
        at += strspn(at, " ");
        at[strcspn(at, " ")] = '\0';
        (void)(str_u64(at, 0, UINT64_MAX, &frames) < 0);
    }
    if (file)
        (void)fclose(file);
    return frames;
}

static void add_attribute(struct nlmsghdr *head, uint16_t type, const void *bytes, size_t size)
{
    struct rtattr *at = (void *)((char *)head + NLMSG_ALIGN(head->nlmsg_len));

    at->rta_type = type;
    at->rta_len = (uint16_t)RTA_LENGTH(size);
    if (size)
        memcpy(RTA_DATA(at), bytes, size);
    head->nlmsg_len = NLMSG_ALIGN(head->nlmsg_len) + RTA_ALIGN(at->rta_len);
}

/* A pair of links, both ends here: nothing stands between them. */
static int wire_make(void)
{
    union {
        struct nlmsghdr head;
        char room[512];
    } ask = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
                      .nlmsg_type = RTM_NEWLINK,
                      .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK}};
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        char room[256];
    } answer;
    struct rtattr *info, *data, *peer;

    auto_close sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    add_attribute(&ask.head, IFLA_IFNAME, OWN_WIRE, sizeof(OWN_WIRE));
    info = (void *)((char *)&ask + ask.head.nlmsg_len);
    add_attribute(&ask.head, IFLA_LINKINFO, NULL, 0);
    add_attribute(&ask.head, IFLA_INFO_KIND, "veth", 4);
    data = (void *)((char *)&ask + ask.head.nlmsg_len);
    add_attribute(&ask.head, IFLA_INFO_DATA, NULL, 0);
    peer = (void *)((char *)&ask + ask.head.nlmsg_len);
    add_attribute(&ask.head, VETH_INFO_PEER, NULL, 0);
    ask.head.nlmsg_len += NLMSG_ALIGN((uint32_t)sizeof(struct ifinfomsg));
    add_attribute(&ask.head, IFLA_IFNAME, OTHER_END, sizeof(OTHER_END));
    const char *end = (char *)&ask + ask.head.nlmsg_len;
    peer->rta_len = (uint16_t)(end - (char *)peer);
    data->rta_len = (uint16_t)(end - (char *)data);
    info->rta_len = (uint16_t)(end - (char *)info);
    if (sock < 0 || send(sock, &ask, ask.head.nlmsg_len, 0) < 0)
        return -errno;
    if (recv(sock, &answer, sizeof(answer), 0) < (ssize_t)NLMSG_LENGTH(sizeof(answer.error)))
        return -EPROTO;
    return answer.error.error;
}

/* A link that came up just now drops what is sent until the kernel has noticed. */
static void wait_for_wire(int sock, int link, const struct forgery *forgery)
{
    struct step_run probe = {.argc = 0};
    struct frame frame;
    uint64_t before = link_received(OTHER_END);

    add_ethernet(&frame, forgery, everybody, ETH_P_LOOP);
    (void)frame_add(&frame, PAYLOAD, sizeof(PAYLOAD));
    for (int i = 0; i < WIRE_TRIES && link_received(OTHER_END) < before + COPIES; i++) {
        put(&probe, sock, link, &frame);
        (void)usleep(10000);
    }
    (void)usleep(10000);
}

static bool look_at_link(const char *name, const char *gateway, struct forgery *forgery,
                         int *ret_index)
{
    struct ifreq ask = {.ifr_flags = 0};
    char digits[2 * ETH_ALEN + 1];
    size_t count = 0;

    if (link_ioctl(SIOCGIFHWADDR, name, &ask) < 0)
        return false;
    memcpy(forgery->mac, ask.ifr_hwaddr.sa_data, ETH_ALEN);
    *ret_index = (int)if_nametoindex(name);
    memset(forgery->gateway, 255, ETH_ALEN);
    for (const char *at = gateway; *at && count < sizeof(digits) - 1; at++)
        if (*at != ':')
            digits[count++] = *at;
    digits[count] = '\0';
    if (str_unhex(digits, forgery->gateway, ETH_ALEN) < 0)
        memset(forgery->gateway, 255, ETH_ALEN);
    return *ret_index > 0;
}

/*
 * argv: "own" for a wire of one's own (control), else ""; MAC of the other end; whom the frames
 * pretend to be from, whom they are for, whose wire it is: an IPv4 and an IPv6 address each; port.
 * number[0]: frames that were sent; number[2]: of them, at the other end of the own wire.
 */
static void inject(struct step_run *run, void (*forge)(struct step_run *run, int sock, int link,
                                                       const struct forgery *forgery))
{
    bool own = strcmp(step_arg(run, 0), "own") == 0;
    const char *name = own ? OWN_WIRE : INSIDE;
    struct forgery forgery = {.port = (uint16_t)step_number(run, 8)};
    int index = 0;

    (void)inet_pton(AF_INET, step_arg(run, 2), &forgery.from4);
    (void)inet_pton(AF_INET6, step_arg(run, 3), &forgery.from6);
    (void)inet_pton(AF_INET, step_arg(run, 4), &forgery.to4);
    (void)inet_pton(AF_INET6, step_arg(run, 5), &forgery.to6);
    (void)inet_pton(AF_INET, step_arg(run, 6), &forgery.own4);
    (void)inet_pton(AF_INET6, step_arg(run, 7), &forgery.own6);
    int error = own ? wire_make() : 0;
    if (own && error == 0)
        error = link_up(OWN_WIRE);
    if (own && error == 0)
        error = link_up(OTHER_END);
    auto_close sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (error < 0 || sock < 0 || !look_at_link(name, step_arg(run, 1), &forgery, &index)) {
        run->fact.error = error < 0 ? -error : errno;
        return;
    }
    if (own)
        wait_for_wire(sock, index, &forgery);
    uint64_t before = link_received(OTHER_END);
    forge(run, sock, index, &forgery);
    (void)usleep(20000);
    run->fact.number[2] = own ? link_received(OTHER_END) - before : 0;
}

static void act_forge_source(struct step_run *run)
{
    inject(run, forge_source);
}

static void act_forge_neighbour(struct step_run *run)
{
    inject(run, forge_neighbour);
}

static void act_forge_discovery(struct step_run *run)
{
    inject(run, forge_discovery);
}

static void act_forge_martian(struct step_run *run)
{
    inject(run, forge_martian);
}

static void act_forge_error(struct step_run *run)
{
    inject(run, forge_error);
}

static void act_forge_multicast(struct step_run *run)
{
    inject(run, forge_multicast);
}

const struct step steps_inject[] = {
    {"N-02", act_forge_source, NULL},    {"N-04", act_forge_neighbour, NULL},
    {"N-05", act_forge_discovery, NULL}, {"N-12", act_forge_martian, NULL},
    {"N-24", act_forge_error, NULL},     {"N-38", act_forge_multicast, NULL},
};
const size_t steps_inject_count = ARRAY_LEN(steps_inject);
