/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside_network - attack steps on other machines and the host over the network (N rows), with what
 * a machine has: TCP and UDP sockets, ping sockets, and requests that it may not make
 *
 * A target is written "ADDRESS PORT" or, for a link-local address, "ADDRESS%LINK PORT". What counts
 * as reached is an answer of the other side's program; a reset or an error is none.
 *
 * Runs as: root inside the attacker's machine; in the victim's own for the control
 */
#include "prove/step.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"

#define ANSWER_MS  100
#define SCAN_BATCH 256
#define SCAN_MS    20000
#define WORD       "croft-prove"
#define FLOWS_MAX  2048

union address {
    struct sockaddr head;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t address_size(const union address *address)
{
    return address->head.sa_family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
}

static void set_port(union address *address, uint16_t port)
{
    if (address->head.sa_family == AF_INET)
        address->v4.sin_port = htons(port);
    else
        address->v6.sin6_port = htons(port);
}

/* Return: whether @text is an address; @port is set when it has one */
static bool parse_target(const char *text, union address *ret_address)
{
    char copy[128];
    uint64_t port = 0;

    memset(ret_address, 0, sizeof(*ret_address));
    if (str_copy(copy, sizeof(copy), text) < 0)
        return false;
    char *blank = strchr(copy, ' ');
    if (blank) {
        *blank = '\0';
        if (str_u64(blank + 1, 0, 65535, &port) < 0)
            return false;
    }
    char *link = strchr(copy, '%');
    if (link)
        *link++ = '\0';
    if (inet_pton(AF_INET, copy, &ret_address->v4.sin_addr) == 1) {
        ret_address->head.sa_family = AF_INET;
    } else if (inet_pton(AF_INET6, copy, &ret_address->v6.sin6_addr) == 1) {
        ret_address->head.sa_family = AF_INET6;
        ret_address->v6.sin6_scope_id = link ? if_nametoindex(link) : 0;
    } else {
        return false;
    }
    set_port(ret_address, (uint16_t)port);
    return true;
}

/* Whether a connection is taken: the other side's program greets. Return: 0; errno */
static int try_tcp(const union address *to, const union address *from)
{
    struct pollfd wait = {.events = POLLOUT};
    char bytes[16];
    int error = 0, one = 1;
    socklen_t size = sizeof(error);

    auto_close sock = socket(to->head.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock < 0)
        return errno;
    if (from && (setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
                 bind(sock, &from->head, address_size(from)) < 0))
        return errno;
    if (connect(sock, &to->head, address_size(to)) < 0 && errno != EINPROGRESS)
        return errno;
    wait.fd = sock;
    if (poll(&wait, 1, ANSWER_MS) <= 0)
        return ETIMEDOUT;
    if (getsockopt(sock, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error)
        return error ? error : errno;
    wait.events = POLLIN;
    return poll(&wait, 1, ANSWER_MS) > 0 && recv(sock, bytes, sizeof(bytes), 0) > 0 ? 0 : ENODATA;
}

/* Whether a datagram is answered. Return: 0; errno */
static int try_udp(const union address *to, const union address *from)
{
    struct pollfd wait = {.events = POLLIN};
    char bytes[16];

    auto_close sock = socket(to->head.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock < 0 || (from && bind(sock, &from->head, address_size(from)) < 0))
        return errno;
    if (connect(sock, &to->head, address_size(to)) < 0 || send(sock, WORD, sizeof(WORD), 0) < 0)
        return errno;
    wait.fd = sock;
    if (poll(&wait, 1, ANSWER_MS) <= 0)
        return ETIMEDOUT;
    return recv(sock, bytes, sizeof(bytes), 0) > 0 ? 0 : errno;
}

/* Whether an echo is answered. Return: 0; errno */
static int try_ping(const union address *to)
{
    bool v4 = to->head.sa_family == AF_INET;
    uint8_t echo[12] = {v4 ? 8 : 128};
    struct pollfd wait = {.events = POLLIN};

    auto_close sock = socket(to->head.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                             v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
    if (sock < 0 || sendto(sock, echo, sizeof(echo), 0, &to->head, address_size(to)) < 0)
        return errno;
    wait.fd = sock;
    if (poll(&wait, 1, ANSWER_MS) <= 0)
        return ETIMEDOUT;
    return recv(sock, echo, sizeof(echo), 0) > 0 ? 0 : errno;
}

static void note_try(struct fact *fact, int error, const char *how, const char *whom)
{
    errno = error;
    if (fact_tried(fact, error ? -1 : 0))
        fact_note(fact, "%s %.60s", how, whom);
}

/* Whether an echo to it would be answered by one's own machine too. */
static bool is_oneself(const union address *to)
{
    if (to->head.sa_family == AF_INET)
        return to->v4.sin_addr.s_addr == 0 || IN_MULTICAST(ntohl(to->v4.sin_addr.s_addr));
    return IN6_IS_ADDR_UNSPECIFIED(&to->v6.sin6_addr) || IN6_IS_ADDR_MULTICAST(&to->v6.sin6_addr);
}

/* argv: targets. number[0]: reached by TCP, UDP or an echo. */
static void act_reach(struct step_run *run)
{
    for (int i = 0; i < run->argc; i++) {
        union address to;

        if (!parse_target(run->argv[i], &to)) {
            note_try(&run->fact, EINVAL, "", "");
            continue;
        }
        note_try(&run->fact, try_tcp(&to, NULL), "tcp", run->argv[i]);
        note_try(&run->fact, try_udp(&to, NULL), "udp", run->argv[i]);
        if (!is_oneself(&to))
            note_try(&run->fact, try_ping(&to), "echo", run->argv[i]);
    }
}

/* Waits for a batch of connections. Return: how many were taken */
static uint64_t scan_end(struct fact *fact, struct pollfd *fds, size_t count)
{
    uint64_t taken = 0;
    size_t open = count;

    for (int rounds = 0; open > 0 && rounds < 10; rounds++) {
        if (poll(fds, count, 20) <= 0)
            continue;
        for (size_t i = 0; i < count; i++) {
            int error = 0;
            socklen_t size = sizeof(error);

            if (fds[i].fd < 0 || !fds[i].revents)
                continue;
            (void)getsockopt(fds[i].fd, SOL_SOCKET, SO_ERROR, &error, &size);
            taken += error == 0;
            if (error)
                fact->error = error;
            fd_close(&fds[i].fd);
            open--;
        }
    }
    fact->number[2] += open; /* no answer at all */
    for (size_t i = 0; i < count; i++)
        fd_close(&fds[i].fd);
    return taken;
}

/* Every port of one address. */
static void scan(struct fact *fact, union address *to, uint64_t deadline_boot_ns)
{
    struct pollfd fds[SCAN_BATCH];
    size_t count = 0;

    for (unsigned port = 1; port <= 65535 && clock_boot_ns() < deadline_boot_ns; port++) {
        int sock = socket(to->head.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        set_port(to, (uint16_t)port);
        fact->number[1]++;
        if (sock >= 0 && connect(sock, &to->head, address_size(to)) < 0 && errno != EINPROGRESS) {
            fact->error = errno;
            fd_close(&sock);
        }
        if (sock >= 0)
            fds[count++] = (struct pollfd){.fd = sock, .events = POLLOUT};
        if (count == SCAN_BATCH || (port == 65535 && count)) {
            fact->number[0] += scan_end(fact, fds, count);
            count = 0;
        }
    }
}

/* argv: targets. All TCP ports of each, its UDP port, an echo. number[0]: reached; number[2]: ports
 * that gave no answer at all. */
static void act_scan(struct step_run *run)
{
    uint64_t deadline = clock_boot_ns() + SCAN_MS * NS_PER_MS;

    for (int i = 0; i < run->argc; i++) {
        union address to;

        if (!parse_target(run->argv[i], &to))
            continue;
        note_try(&run->fact, try_udp(&to, NULL), "udp", run->argv[i]);
        note_try(&run->fact, try_ping(&to), "echo", run->argv[i]);
        scan(&run->fact, &to, deadline);
    }
}

/* One socket that wants to be somebody else, by every option that there is for that. */
static void claim(struct fact *fact, const union address *from, const union address *to)
{
    static const struct {
        int level4, name4, level6, name6;
    } options[] = {{IPPROTO_IP, IP_FREEBIND, IPPROTO_IPV6, IPV6_FREEBIND},
                   {IPPROTO_IP, IP_TRANSPARENT, IPPROTO_IPV6, IPV6_TRANSPARENT},
                   {IPPROTO_IP, IP_HDRINCL, IPPROTO_IPV6, IPV6_HDRINCL},
                   {SOL_SOCKET, SO_MARK, SOL_SOCKET, SO_MARK}};
    bool v4 = from->head.sa_family == AF_INET;
    int one = 1;

    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        auto_close sock = socket(from->head.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (sock < 0)
            continue;
        (void)setsockopt(sock, v4 ? options[i].level4 : options[i].level6,
                         v4 ? options[i].name4 : options[i].name6, &one, sizeof(one));
        if (bind(sock, &from->head, address_size(from)) < 0) {
            note_try(fact, errno, "", "");
            continue;
        }
        long sent = sendto(sock, WORD, sizeof(WORD), 0, &to->head, address_size(to));
        note_try(fact, sent < 0 ? errno : 0, "sent from", "a foreign address");
    }
    auto_close raw = socket(from->head.sa_family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    note_try(fact, raw < 0 ? errno : 0, "raw", "socket");
    auto_close packet = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    note_try(fact, packet < 0 ? errno : 0, "packet", "socket");
}

/* A source of the control block of one datagram. */
static void claim_by_message(struct fact *fact, const union address *from, const union address *to)
{
    bool v4 = from->head.sa_family == AF_INET;
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control = {.head = {.cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6,
                          .cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO}};
    struct in_pktinfo info4 = {.ipi_spec_dst = from->v4.sin_addr};
    struct in6_pktinfo info6 = {.ipi6_addr = from->v6.sin6_addr};
    union address copy = *to;
    struct iovec piece = {.iov_base = (void *)(uintptr_t)WORD, .iov_len = sizeof(WORD)};
    struct msghdr message = {.msg_name = &copy,
                             .msg_namelen = address_size(to),
                             .msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(v4 ? sizeof(info4) : sizeof(info6))};

    control.head.cmsg_len = CMSG_LEN(v4 ? sizeof(info4) : sizeof(info6));
    memcpy(CMSG_DATA(&control.head), v4 ? (void *)&info4 : (void *)&info6,
           v4 ? sizeof(info4) : sizeof(info6));
    auto_close sock = socket(from->head.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    note_try(fact, sendmsg(sock, &message, 0) < 0 ? errno : 0, "sent by", "a control message");
}

/* The address as one of one's own. */
static void add_address(struct fact *fact, const union address *address)
{
    bool v4 = address->head.sa_family == AF_INET;
    size_t size = v4 ? 4 : 16;
    struct {
        struct nlmsghdr head;
        struct ifaddrmsg body;
        struct rtattr attribute;
        uint8_t bytes[16];
    } ask = {.head = {.nlmsg_type = RTM_NEWADDR,
                      .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK},
             .body = {.ifa_family = (uint8_t)address->head.sa_family,
                      .ifa_prefixlen = v4 ? 32 : 128,
                      .ifa_index = if_nametoindex("eth0")},
             .attribute = {.rta_type = IFA_LOCAL, .rta_len = (uint16_t)RTA_LENGTH(size)}};
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        char room[256];
    } answer = {.error = {.error = -EPERM}};

    ask.head.nlmsg_len = (uint32_t)(offsetof(__typeof__(ask), bytes) + size);
    memcpy(ask.bytes, v4 ? (const void *)&address->v4.sin_addr : &address->v6.sin6_addr, size);
    auto_close sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (sock < 0 || send(sock, &ask, ask.head.nlmsg_len, 0) < 0 ||
        recv(sock, &answer, sizeof(answer), 0) < 0)
        note_try(fact, errno, "", "");
    else
        note_try(fact, -answer.error.error, "added", "a foreign address");
}

/* argv: targets to send to, then "as", then addresses to be. number[0]: what the kernel let pass.
 */
static void act_claim(struct step_run *run)
{
    int as = 0;

    while (as < run->argc && strcmp(run->argv[as], "as") != 0)
        as++;
    for (int i = as + 1; i < run->argc; i++)
        for (int j = 0; j < as; j++) {
            union address from, to;

            if (!parse_target(run->argv[i], &from) || !parse_target(run->argv[j], &to) ||
                from.head.sa_family != to.head.sa_family)
                continue;
            claim(&run->fact, &from, &to);
            claim_by_message(&run->fact, &from, &to);
            add_address(&run->fact, &from);
        }
}

/* argv: words. number[0]: how many of the network's files in /proc show one of them. */
static void act_proc_net(struct step_run *run)
{
    static const char *const files[] = {"tcp", "tcp6", "udp",   "udp6",         "unix",
                                        "dev", "arp",  "route", "nf_conntrack", "if_inet6"};

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char path[64], line[1024];
        bool found = false;

        if (str_format(path, sizeof(path), "/proc/net/%s", files[i]) < 0)
            continue;
        FILE *file = fopen(path, "re");
        while (file && !found && fgets(line, sizeof(line), file))
            for (int j = 0; j < run->argc && !found; j++)
                found = strstr(line, run->argv[j]) != NULL;
        note_try(&run->fact, found ? 0 : ENODATA, "seen in", files[i]);
        if (file)
            (void)fclose(file);
    }
}

/* argv: kinds of links to make. number[0]: made. */
static void act_links(struct step_run *run)
{
    for (int i = 0; i < run->argc; i++) {
        struct {
            struct nlmsghdr head;
            struct ifinfomsg body;
            struct rtattr info;
            struct rtattr kind;
            char name[16];
        } ask = {.head = {.nlmsg_len = sizeof(ask),
                          .nlmsg_type = RTM_NEWLINK,
                          .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK},
                 .info = {.rta_type = IFLA_LINKINFO,
                          .rta_len = 2 * sizeof(struct rtattr) + sizeof(ask.name)},
                 .kind = {.rta_type = IFLA_INFO_KIND,
                          .rta_len = sizeof(struct rtattr) + sizeof(ask.name)}};
        struct {
            struct nlmsghdr head;
            struct nlmsgerr error;
            char room[256];
        } answer = {.error = {.error = -EPERM}};

        if (str_copy(ask.name, sizeof(ask.name), run->argv[i]) < 0)
            continue;
        auto_close sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        if (sock < 0 || send(sock, &ask, sizeof(ask), 0) < 0 ||
            recv(sock, &answer, sizeof(answer), 0) < 0)
            note_try(&run->fact, errno, "", "");
        else
            note_try(&run->fact, -answer.error.error, "made", run->argv[i]);
    }
}

/* argv: milliseconds, targets. As fast as it goes, from the first moment on. number[0]: answers. */
static void act_shoot(struct step_run *run)
{
    uint64_t end = clock_boot_ns() + step_number(run, 0) * NS_PER_MS;
    int socks[STEP_ARGS_MAX];
    char byte;

    for (int i = 1; i < run->argc; i++) {
        union address to;

        socks[i] = -1;
        if (!parse_target(run->argv[i], &to))
            continue;
        socks[i] = socket(to.head.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (socks[i] >= 0 && connect(socks[i], &to.head, address_size(&to)) < 0)
            run->fact.error = errno;
    }
    while (clock_boot_ns() < end)
        for (int i = 1; i < run->argc; i++) {
            run->fact.number[1]++;
            if (send(socks[i], WORD, sizeof(WORD), 0) < 0)
                run->fact.error = errno;
            run->fact.number[0] += recv(socks[i], &byte, 1, 0) > 0;
        }
    (void)usleep(ANSWER_MS * 1000);
    for (int i = 1; i < run->argc; i++) {
        run->fact.number[0] += recv(socks[i], &byte, 1, 0) > 0;
        fd_close(&socks[i]);
    }
}

/*
 * argv: "tcp" or "udp", a target, "" or the address and port to come from.
 * number[0]: 1 when it was answered; error: why not
 */
static void act_talk(struct step_run *run)
{
    bool tcp = strcmp(step_arg(run, 0), "tcp") == 0;
    union address to, from;
    bool bound = parse_target(step_arg(run, 2), &from);

    if (!parse_target(step_arg(run, 1), &to))
        return;
    int error = tcp ? try_tcp(&to, bound ? &from : NULL) : try_udp(&to, bound ? &from : NULL);
    note_try(&run->fact, error, "answered", run->argv[1]);
}

/* Sends on a connection until it ends, or for @ms. Exit status: 1 when it ended by an error */
static int stream(int sock, uint64_t ms)
{
    static char bytes[4096];
    uint64_t end = clock_boot_ns() + ms * NS_PER_MS;

    (void)signal(SIGPIPE, SIG_IGN);
    while (clock_boot_ns() < end) {
        if (send(sock, bytes, sizeof(bytes), 0) < 0)
            return 1;
        (void)usleep(2000);
    }
    return 0;
}

/*
 * argv: a target, milliseconds. A connection that is used all the time, by a process of its own.
 * number[0]: 1 when it stands; number[2]: pid of that process
 */
static void act_hold(struct step_run *run)
{
    union address to;
    char bytes[16];

    if (!parse_target(step_arg(run, 0), &to))
        return;
    auto_close sock = socket(to.head.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool open = sock >= 0 && connect(sock, &to.head, address_size(&to)) == 0 &&
                recv(sock, bytes, sizeof(bytes), 0) > 0;
    note_try(&run->fact, open ? 0 : errno, "holds", run->argv[0]);
    if (!open)
        return;
    pid_t child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(stream(sock, step_number(run, 1)));
    }
    run->fact.number[2] = (uint64_t)child;
}

/* argv: target, most. UDP flows from as many ports, kept open. number[0]: of them, answered. */
static void act_flows(struct step_run *run)
{
    uint64_t most = step_number(run, 1);
    static int socks[FLOWS_MAX];
    union address to;
    char byte;

    if (!parse_target(step_arg(run, 0), &to))
        return;
    for (uint64_t i = 0; i < most && i < FLOWS_MAX; i++) {
        socks[i] = socket(to.head.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        run->fact.number[1]++;
        if (socks[i] < 0 || connect(socks[i], &to.head, address_size(&to)) < 0 ||
            send(socks[i], WORD, sizeof(WORD), 0) < 0)
            run->fact.error = errno;
        (void)usleep(200);
    }
    (void)usleep(ANSWER_MS * 1000);
    for (uint64_t i = 0; i < most && i < FLOWS_MAX; i++)
        run->fact.number[0] += recv(socks[i], &byte, 1, 0) > 0;
}

/* argv: milliseconds, targets. New connections without a pause, by TCP and UDP. number[1]: tried.
 */
static void act_race(struct step_run *run)
{
    uint64_t end = clock_boot_ns() + step_number(run, 0) * NS_PER_MS;

    while (clock_boot_ns() < end)
        for (int i = 1; i < run->argc; i++) {
            union address to;

            if (!parse_target(run->argv[i], &to))
                continue;
            auto_close tcp =
                socket(to.head.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            auto_close udp =
                socket(to.head.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            run->fact.number[1] += 2;
            if (connect(tcp, &to.head, address_size(&to)) == 0 ||
                sendto(udp, WORD, sizeof(WORD), 0, &to.head, address_size(&to)) > 0)
                run->fact.number[0]++;
            (void)usleep(300);
        }
}

const struct step steps_network[] = {
    {"N-01", act_scan, NULL},  {"N-11", act_reach, NULL},    {"N-13", act_proc_net, NULL},
    {"N-16", act_flows, NULL}, {"N-19", act_shoot, NULL},    {"N-25", act_links, NULL},
    {"N-32", act_shoot, NULL}, {"N-35", act_hold, NULL},     {"N-36", act_reach, NULL},
    {"D-18", act_race, NULL},  {"N-claim", act_claim, NULL}, {"N-talk", act_talk, NULL},
};
const size_t steps_network_count = ARRAY_LEN(steps_network);
