/* SPDX-License-Identifier: Apache-2.0 */
/* drive_net - plays croft-net for one link, in a network namespace of drive's own */
#include "drive_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/link.h"
#include "linux/nlmsg.h"

#define HEAD sizeof(struct nlattr)

const struct net_prefix drive_prefix = {
    .ipv4 = 0x64600000U,
    .ipv6 = {0xfd, 0x43, 0x72, 0x6f, 0x66, 0x74},
};

/* What an attribute of a new veth link holds, one in the other. */
struct veth_info {
    struct nlattr kind;
    char kind_name[8];
    struct nlattr data;
    struct nlattr peer;
    struct ifinfomsg peer_info;
    struct nlattr name;
    char name_text[8];
    struct nlattr mac;
    uint8_t mac_bytes[8];
    struct nlattr netns;
    int netns_fd;
};

static int add_link(int sock, const char *name, int netns);
static void add_end(struct nlmsg_batch *batch, int index, uint8_t family, const void *own,
                    const void *peer, uint8_t size);

int drive_net_open(void)
{
    if (unshare(CLONE_NEWNET) < 0)
        return -errno;
    return link_loopback_up();
}

int drive_net_link(int netns)
{
    struct nlmsg_batch batch = {.used = 0};
    char name[NET_LINK_NAME_SIZE];
    struct in6_addr peer6;
    const struct in_addr gateway4 = {htonl(net_address4(&drive_prefix, NET_SLOT_GATEWAY))};
    const struct in_addr peer4 = {htonl(net_address4(&drive_prefix, DRIVE_SLOT))};
    const struct in6_addr gateway6 = {.s6_addr = {0xfe, 0x80, [15] = 1}};
    auto_close sock = nlmsg_open(NETLINK_ROUTE);
    if (sock < 0)
        return sock;
    net_link_name(DRIVE_SLOT, name);
    int rc = add_link(sock, name, netns);
    if (rc < 0)
        return rc;
    const int index = (int)if_nametoindex(name);
    const struct ifinfomsg up = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    nlmsg_begin(&batch, RTM_NEWLINK, 0, &up, sizeof(up));
    net_address6(&drive_prefix, DRIVE_SLOT, peer6.s6_addr);
    add_end(&batch, index, AF_INET, &gateway4, &peer4, sizeof(peer4));
    add_end(&batch, index, AF_INET6, &gateway6, &peer6, sizeof(peer6));
    return nlmsg_exchange(sock, &batch, NULL);
}

int drive_net_unlink(void)
{
    struct nlmsg_batch batch = {.used = 0};
    const struct ifinfomsg none = {.ifi_family = AF_UNSPEC};
    char name[NET_LINK_NAME_SIZE];
    auto_close sock = nlmsg_open(NETLINK_ROUTE);
    if (sock < 0)
        return sock;
    net_link_name(DRIVE_SLOT, name);
    nlmsg_begin(&batch, RTM_DELLINK, 0, &none, sizeof(none));
    nlmsg_attribute(&batch, IFLA_IFNAME, name, strlen(name) + 1);
    return nlmsg_exchange(sock, &batch, NULL);
}

static int add_link(int sock, const char *name, int netns)
{
    struct nlmsg_batch batch = {.used = 0};
    const struct ifinfomsg none = {.ifi_family = AF_UNSPEC};
    uint8_t mac[6];
    struct veth_info info = {
        .kind = {.nla_len = HEAD + 5, .nla_type = IFLA_INFO_KIND},
        .kind_name = "veth",
        .data = {.nla_len = sizeof(info) - offsetof(struct veth_info, data),
                 .nla_type = IFLA_INFO_DATA},
        .peer = {.nla_len = sizeof(info) - offsetof(struct veth_info, peer),
                 .nla_type = VETH_INFO_PEER},
        .name = {.nla_len = HEAD + sizeof(NET_INSIDE), .nla_type = IFLA_IFNAME},
        .name_text = NET_INSIDE,
        .mac = {.nla_len = HEAD + 6, .nla_type = IFLA_ADDRESS},
        .netns = {.nla_len = HEAD + sizeof(int), .nla_type = IFLA_NET_NS_FD},
        .netns_fd = netns,
    };
    net_mac(DRIVE_SLOT, 1, info.mac_bytes);
    net_mac(DRIVE_SLOT, 0, mac);
    nlmsg_begin(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &none, sizeof(none));
    nlmsg_attribute(&batch, IFLA_IFNAME, name, strlen(name) + 1);
    nlmsg_attribute(&batch, IFLA_ADDRESS, mac, sizeof(mac));
    nlmsg_attribute(&batch, IFLA_LINKINFO | NLA_F_NESTED, &info, sizeof(info));
    return nlmsg_exchange(sock, &batch, NULL);
}

static void add_end(struct nlmsg_batch *batch, int index, uint8_t family, const void *own,
                    const void *peer, uint8_t size)
{
    uint8_t mac[6];
    const struct ifaddrmsg info = {.ifa_family = family,
                                   .ifa_prefixlen = (uint8_t)(size * 8U),
                                   .ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0,
                                   .ifa_index = (unsigned int)index};
    const struct ndmsg neighbour = {
        .ndm_family = family, .ndm_ifindex = index, .ndm_state = NUD_PERMANENT};
    net_mac(DRIVE_SLOT, 1, mac);
    nlmsg_begin(batch, RTM_NEWADDR, NLM_F_CREATE, &info, sizeof(info));
    nlmsg_attribute(batch, IFA_LOCAL, own, size);
    nlmsg_attribute(batch, IFA_ADDRESS, peer, size);
    nlmsg_begin(batch, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &neighbour, sizeof(neighbour));
    nlmsg_attribute(batch, NDA_DST, peer, size);
    nlmsg_attribute(batch, NDA_LLADDR, mac, sizeof(mac));
}
