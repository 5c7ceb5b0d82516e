/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network - what the network's walls need: tried in a network namespace that is thrown away
 * Source: rtnetlink(7), sock_diag(7), linux/netfilter/nfnetlink_conntrack.h
 */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "doctor/controls.h"
#include "doctor/look.h"
#include "doctor/programs.h"
#include "linux/nlmsg.h"

/* The kernel looks for elements that count nothing once a second, and takes them away from sets
 * like ours before this version; distributions' older ones may have the mending too (6.1.134 has
 * it). */
#define COUNTED_MAJOR   6U
#define COUNTED_MINOR   15U
#define COUNTED_WAIT_NS 500000000L
#define COUNTED_WAIT_S  1

#define TABLE(body) "table inet probe {\n" body "\n}\n"
#define CHAIN(body) TABLE("chain c {\n" body "\n}")
#define SET(body)   TABLE("set s {\n" body "\n}")

/* What our table is made of, each alone and as croft.nft has it: a name, and a ruleset that needs
 * it. */
static const struct {
    const char *name;
    const char *rules;
} features[] = {
    {"nftables", CHAIN("type filter hook forward priority 0; policy accept;")},
    {"nft maps of link, address", TABLE("map m { typeof iifname . ip saddr : meta mark; }\n"
                                        "chain c {\ntype filter hook prerouting priority raw;\n"
                                        "meta mark set iifname . ip saddr map @m\n}")},
    {"nft elements that end",
     SET("typeof meta mark . ip daddr . meta l4proto . th dport\nsize 4194304\nflags timeout\n"
         "elements = { 1 . 192.0.2.1 . tcp . 1 timeout 1h }")},
    {"nft limits in elements",
     SET("typeof meta mark\nlimit rate 200000/second limit rate 16000 mbytes/second\n"
         "elements = { 1 }")},
    {"nft limits in elements that end",
     SET("typeof meta mark\nsize 4194304\nflags timeout\nlimit rate 200/second\n"
         "elements = { 1 limit rate 10/second timeout 1h }")},
    {"nft elements made by rules",
     TABLE("set s {\ntypeof meta mark\nsize 8192\nflags dynamic,timeout\ntimeout 1m\n}\n"
           "chain c {\ntype filter hook forward priority 0;\n"
           "add @s { meta mark limit rate over 2/second burst 30 packets } drop\n}")},
    {"nft reject in inet", CHAIN("type filter hook forward priority 0;\n"
                                 "meta l4proto tcp reject with tcp reset\n"
                                 "reject with icmpx admin-prohibited")},
    {"nft masquerade in inet", CHAIN("type nat hook postrouting priority srcnat;\nmasquerade")},
};

static size_t current;

static int try_rules(void);
static int try_counts(void);
static int try_veth(void);
static int try_conntrack_delete(void);
static int try_destroy(void);
static int ask(int protocol, struct nlmsg_batch *batch);

void controls_network(struct controls *controls)
{
    static const struct {
        const char *name;
        int (*probe)(void);
        const char *known;
        const char *without;
    } others[] = {
        {"nft counts in elements", try_counts, "one that counts connections stays",
         "the newest kernel of Debian 12, or 6.1.134, 6.15 or newer: before, limits of connections "
         "(--connections) do not hold"},
        {"veth", try_veth, "a pair was made and thrown away", "modprobe veth"},
        {"conntrack delete", try_conntrack_delete, "the kernel took an order to forget",
         "modprobe nf_conntrack_netlink"},
        {"sock_diag destroy", try_destroy, "the kernel knows SOCK_DESTROY",
         "a kernel with CONFIG_INET_DIAG_DESTROY: without it who is cut off waits for a timeout"},
    };

    for (current = 0; current < ARRAY_LEN(features); current++) {
        bool works = program_child(try_rules) == 0;
        controls_add(controls, works ? CONTROL_PRESENT : CONTROL_MISSING, features[current].name,
                     look_format(works ? "nft loaded a table with it" : "nft did not load it"),
                     works ? NULL : look_format("apt-get install nftables; a kernel from 6.1 on"));
        if (!works && current == 0)
            break;
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        int rc = program_child(others[i].probe);
        controls_add(controls, rc == 0 ? CONTROL_PRESENT : CONTROL_MISSING, others[i].name,
                     rc == 0 ? look_format("%s", others[i].known)
                             : look_format("tried: %s", strerror(rc < 0 ? -rc : rc)),
                     rc == 0 ? NULL : look_format("%s", others[i].without));
    }
}

static int try_rules(void)
{
    if (unshare(CLONE_NEWNET) < 0)
        return errno;
    return program_nft(features[current].rules) ? 0 : EOPNOTSUPP;
}

/* An element that counts connections stays while it counts none: to delete one that has gone fails.
 */
static int try_counts(void)
{
    const struct timespec wait = {.tv_sec = COUNTED_WAIT_S, .tv_nsec = COUNTED_WAIT_NS};

    if (unshare(CLONE_NEWNET) < 0)
        return errno;
    if (!program_nft(
            SET("typeof meta mark\nct count over 8192\nelements = { 1 ct count over 10 }")))
        return EOPNOTSUPP;
    if (!kernel_since(COUNTED_MAJOR, COUNTED_MINOR))
        nanosleep(&wait, NULL);
    return program_nft("delete element inet probe s { 1 }\n") ? 0 : ENOENT;
}

static int try_veth(void)
{
    static const struct {
        struct nlattr head;
        char kind[4];
    } info = {.head = {.nla_len = sizeof(info), .nla_type = IFLA_INFO_KIND}, .kind = "veth"};
    const struct ifinfomsg link = {.ifi_family = AF_UNSPEC};
    struct nlmsg_batch batch = {.used = 0};

    if (unshare(CLONE_NEWNET) < 0)
        return errno;
    nlmsg_begin(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof(link));
    nlmsg_attribute(&batch, IFLA_LINKINFO | NLA_F_NESTED, &info, sizeof(info));
    return ask(NETLINK_ROUTE, &batch);
}

/* Everything that this namespace, which is empty, remembers. */
static int try_conntrack_delete(void)
{
    const struct nfgenmsg generic = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0};
    struct nlmsg_batch batch = {.used = 0};

    if (unshare(CLONE_NEWNET) < 0)
        return errno;
    nlmsg_begin(&batch, (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE, 0, &generic,
                sizeof(generic));
    return ask(NETLINK_NETFILTER, &batch);
}

/* There is no socket here: a kernel that could destroy one says so. */
static int try_destroy(void)
{
    const struct inet_diag_req_v2 request = {
        .sdiag_family = AF_INET,
        .sdiag_protocol = IPPROTO_TCP,
        .id = {.idiag_sport = htons(1), .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}};
    struct nlmsg_batch batch = {.used = 0};

    if (unshare(CLONE_NEWNET) < 0)
        return errno;
    nlmsg_begin(&batch, SOCK_DESTROY, 0, &request, sizeof(request));
    int rc = ask(NETLINK_SOCK_DIAG, &batch);
    return rc == ENOENT ? 0 : rc;
}

/* Return: 0; errno, positive, as an exit status is */
static int ask(int protocol, struct nlmsg_batch *batch)
{
    auto_close sock = nlmsg_open(protocol);
    return sock < 0 ? -sock : -nlmsg_exchange(sock, batch, NULL);
}
