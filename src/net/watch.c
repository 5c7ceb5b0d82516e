/* SPDX-License-Identifier: Apache-2.0 */
/* watch - sees what others do: to our table, and to the host's subnets */
#include "net/watch.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/elements.h"
#include "net/link.h"
#include "net/net.h"

#define LOOK_NS        NS_PER_S
#define ROUTES_WAIT_NS (50U * NS_PER_MS) /* an interface that comes up has several routes */
#define GROUP_BIT(n)   (1U << ((n)-1))

static void on_table(struct loop_source *source, uint32_t events, void *data);
static void on_route(struct loop_source *source, uint32_t events, void *data);
static void on_look(void *data);
static void on_read_routes(void *data);
static void look(struct net *net);
static void give_up(struct net *net, const char *why);

int watch_listen(struct watch *watch)
{
    int rc = netlink_open(&watch->table, NETLINK_NETFILTER, GROUP_BIT(NFNLGRP_NFTABLES));
    if (rc < 0)
        return rc;
    return netlink_open(&watch->route, NETLINK_ROUTE,
                        GROUP_BIT(RTNLGRP_IPV4_ROUTE) | GROUP_BIT(RTNLGRP_IPV6_ROUTE));
}

int watch_start(struct net *net)
{
    struct watch *watch = &net->watch;

    watch->table_source =
        (struct loop_source){.fd = netlink_fd(&watch->table), .on_io = on_table, .data = net};
    watch->route_source =
        (struct loop_source){.fd = netlink_fd(&watch->route), .on_io = on_route, .data = net};
    watch->look = (struct loop_timer){.on_due = on_look, .data = net};
    watch->read_routes = (struct loop_timer){.on_due = on_read_routes, .data = net};
    int rc = loop_add(net->loop, &watch->table_source, EPOLLIN);
    if (rc == 0)
        rc = loop_add(net->loop, &watch->route_source, EPOLLIN);
    if (rc == 0)
        loop_arm(net->loop, &watch->look, clock_boot_ns() + LOOK_NS);
    return rc;
}

bool watch_message(const struct nlmsghdr *message, uint32_t own)
{
    const struct nfgenmsg *generic = mnl_nlmsg_get_payload(message);
    const uint16_t what = message->nlmsg_type & 0xffU;
    const struct nlattr *attribute;

    if (message->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || what == NFT_MSG_NEWGEN ||
        mnl_nlmsg_get_payload_len(message) < sizeof(*generic) || message->nlmsg_pid == own)
        return false;
    /* The kernel itself: the time of an element was over. */
    if (what == NFT_MSG_DELSETELEM && message->nlmsg_pid == 0)
        return false;
    if (generic->nfgen_family != NFPROTO_INET)
        return false;
    /* NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_SET_TABLE, ...: the same number in all. */
    each_attribute (attribute, message, sizeof(*generic)) {
        if (mnl_attr_get_type(attribute) == NFTA_RULE_TABLE &&
            mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
            return strcmp(mnl_attr_get_str(attribute), TABLE_NAME) == 0;
    }
    return false;
}

static void on_table(struct loop_source *source, uint32_t events, void *data)
{
    static char bytes[64 * 1024];
    struct net *net = data;
    (void)source;
    (void)events;

    for (;;) {
        ssize_t got = mnl_socket_recvfrom(net->watch.table.socket, bytes, sizeof(bytes));
        if (got < 0 && errno == EAGAIN)
            return;
        /* Some were lost: then the table itself has to say. */
        if (got < 0) {
            look(net);
            return;
        }
        const struct nlmsghdr *message;
        size_t left = (size_t)got;
        each_message (message, left, bytes) {
            if (!watch_message(message, net->netfilter.port))
                continue;
            give_up(net, "somebody changed the table inet croft");
            return;
        }
    }
}

static void on_route(struct loop_source *source, uint32_t events, void *data)
{
    static char bytes[64 * 1024];
    struct net *net = data;
    bool concerned = false;
    ssize_t got;
    (void)source;
    (void)events;

    while ((got = mnl_socket_recvfrom(net->watch.route.socket, bytes, sizeof(bytes))) >= 0) {
        const struct nlmsghdr *message;
        size_t left = (size_t)got;
        each_message (message, left, bytes) {
            concerned = concerned || routes_concerned(message, &net->state.prefix);
        }
    }
    if ((concerned || errno != EAGAIN) && !net->watch.read_routes.armed)
        loop_arm(net->loop, &net->watch.read_routes, clock_boot_ns() + ROUTES_WAIT_NS);
}

static void on_look(void *data)
{
    struct net *net = data;
    uint32_t generation;

    loop_arm(net->loop, &net->watch.look, clock_boot_ns() + LOOK_NS);
    int rc = table_generation(&net->netfilter, &generation);
    if (rc < 0) {
        give_up(net, strerror(-rc));
        return;
    }
    if (generation == net->watch.generation)
        return;
    net->watch.generation = generation;
    look(net);
}

static void on_read_routes(void *data)
{
    struct net *net = data;
    static struct routes routes;
    struct err err;

    int rc = routes_read(&net->route, &net->state.prefix, &routes, &err);
    if (rc == 0 && !routes_same(&routes, &net->watch.routes)) {
        rc = routes_apply(&net->netfilter, &routes);
        if (rc < 0)
            rc = err_errno(&err, OUTCOME_FAILED, rc, "cannot close the host's own subnets");
    }
    if (rc != 0)
        give_up(net, err.text);
    else
        net->watch.routes = routes;
}

static void look(struct net *net)
{
    int changed = table_changed(&net->netfilter, &net->table);
    if (changed != 0)
        give_up(net, changed < 0 ? strerror(-changed) : "the table inet croft is not as loaded");
}

static void give_up(struct net *net, const char *why)
{
    log_line(LOG_LEVEL_ERROR, "croft-net: %s: links go down until it is loaded anew", why);
    if (links_down(&net->route) < 0)
        log_line(LOG_LEVEL_ERROR, "croft-net: cannot take the links down");
    net->status = OUTCOME_FAILED;
    loop_stop(net->loop);
}
