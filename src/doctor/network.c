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
#include <linux/veth.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "doctor/controls.h"
#include "doctor/look.h"
#include "doctor/programs.h"

#define MESSAGE_SIZE 512U
#define TABLE(body)  "table inet probe {\n" body "\n}\n"
#define CHAIN(body)  TABLE("chain c {\n" body "\n}")

/* What our table is made of, each alone: a name, and a ruleset that needs it. */
static const struct {
    const char *name;
    const char *rules;
} features[] = {
    {"nftables", CHAIN("type filter hook forward priority 0; policy accept;")},
    {"nft maps of link, address", TABLE("map m { typeof iifname . ip saddr : meta mark; }\n"
                                        "chain c {\ntype filter hook prerouting priority raw;\n"
                                        "meta mark set iifname . ip saddr map @m\n}")},
    {"nft elements that end",
     TABLE("set s { typeof meta mark . ip daddr . meta l4proto . th dport; flags timeout; }")},
    {"nft limits in elements", TABLE("set s {\ntypeof meta mark\nlimit rate over 10/second\n}")},
    {"nft counts in elements",
     TABLE("set s {\ntypeof meta mark\nflags dynamic\nct count over 10\n}")},
    {"nft reject in inet", CHAIN("type filter hook forward priority 0;\n"
                                 "meta l4proto tcp reject with tcp reset\n"
                                 "reject with icmpx admin-prohibited")},
    {"nft masquerade in inet", CHAIN("type nat hook postrouting priority srcnat;\nmasquerade")},
};

struct message {
    struct nlmsghdr head;
    uint8_t body[MESSAGE_SIZE];
};

static size_t current;

static int try_rules(void);
static int try_veth(void);
static int try_conntrack_delete(void);
static int try_destroy(void);
static int ask(int protocol, struct message *message);
static struct rtattr *put(struct message *message, unsigned short type, const void *data,
                          size_t size);
static void put_end(const struct message *message, struct rtattr *nest);

void controls_network(struct controls *controls)
{
    static const struct {
        const char *name;
        int (*probe)(void);
        const char *known;
        const char *without;
    } others[] = {
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

static int try_veth(void)
{
    struct message message = {
        .head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
                 .nlmsg_type = RTM_NEWLINK,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL}};
    if (unshare(CLONE_NEWNET) < 0)
        return errno;
    struct rtattr *info = put(&message, IFLA_LINKINFO | NLA_F_NESTED, NULL, 0);
    put(&message, IFLA_INFO_KIND, "veth", strlen("veth"));
    put_end(&message, info);
    return ask(NETLINK_ROUTE, &message);
}

/* Everything that this namespace, which is empty, remembers. */
static int try_conntrack_delete(void)
{
    struct message message = {
        .head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct nfgenmsg)),
                 .nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK}};
    return unshare(CLONE_NEWNET) < 0 ? errno : ask(NETLINK_NETFILTER, &message);
}

/* There is no socket here: a kernel that could destroy one says so. */
static int try_destroy(void)
{
    const struct inet_diag_req_v2 request = {
        .sdiag_family = AF_INET,
        .sdiag_protocol = IPPROTO_TCP,
        .id = {.idiag_sport = htons(1), .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}};
    struct message message = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(request)),
                                       .nlmsg_type = SOCK_DESTROY,
                                       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK}};
    memcpy(message.body, &request, sizeof(request));
    if (unshare(CLONE_NEWNET) < 0)
        return errno;
    int rc = ask(NETLINK_SOCK_DIAG, &message);
    return rc == ENOENT ? 0 : rc;
}

/* Return: 0; errno, positive, as the kernel's answer has it */
static int ask(int protocol, struct message *message)
{
    struct message reply;
    struct nlmsgerr error;

    auto_close sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (sock < 0 || send(sock, message, message->head.nlmsg_len, 0) < 0)
        return errno;
    ssize_t got = recv(sock, &reply, sizeof(reply), 0);
    if (got < (ssize_t)NLMSG_LENGTH(sizeof(error)) || reply.head.nlmsg_type != NLMSG_ERROR)
        return got < 0 ? errno : EPROTO;
    memcpy(&error, reply.body, sizeof(error));
    return -error.error;
}

static struct rtattr *put(struct message *message, unsigned short type, const void *data,
                          size_t size)
{
    struct rtattr *attribute =
        (struct rtattr *)(void *)((char *)message + NLMSG_ALIGN(message->head.nlmsg_len));

    attribute->rta_type = type;
    attribute->rta_len = (unsigned short)RTA_LENGTH(size);
    if (size > 0)
        memcpy(RTA_DATA(attribute), data, size);
    message->head.nlmsg_len =
        (uint32_t)(NLMSG_ALIGN(message->head.nlmsg_len) + RTA_ALIGN(attribute->rta_len));
    return attribute;
}

static void put_end(const struct message *message, struct rtattr *nest)
{
    nest->rta_len =
        (unsigned short)((const char *)message + message->head.nlmsg_len - (const char *)nest);
}
