/* SPDX-License-Identifier: Apache-2.0 */
/* net - the state of croft-net: one struct, made in main.c */
#ifndef CROFT_NET_NET_H
#define CROFT_NET_NET_H

#include "base/err.h"
#include "base/loop.h"
#include "net/netlink.h"
#include "net/state.h"
#include "net/sysctls.h"
#include "net/table.h"
#include "net/watch.h"
#include "wire/net.h"
#include <stdbool.h>

/*
 * channel:   to the monitor
 * route, netfilter: asked and answered; what the kernel says by itself comes to the watch
 * retire:    due when a slot was retired: its entries in connection tracking go, with others'
 * signals:   SIGTERM: `croft host stop`
 * synced:    NET_SYNCED came: from then on each request is applied at once
 */
struct net {
    struct loop *loop;
    struct loop_source channel;
    struct netlink route;
    struct netlink netfilter;
    struct state state;
    struct table table;
    struct sysctls sysctls;
    struct watch watch;
    struct loop_source signals;
    struct loop_timer retire;
    bool synced;
    int keep;   /* the file of struct table */
    int status; /* of the process, once the loop ends */
};

/** serve_open() - from now on requests are answered. Return: 0; -errno */
nodiscard int serve_open(struct net *net);

/** serve_reply() - answers @request. @reply: error, cut, rule, counts; the rest is filled in.
 * Return: 0; -errno */
nodiscard int serve_reply(struct net *net, const struct net_request *request,
                          struct net_reply *reply);

/** serve_end() - all links, and what connection tracking knows of them, go. Return: 0; -errno */
nodiscard int serve_end(struct net *net);

/** why_rule() - which rule decides about @target, for @uid: read from the kernel. Return: 0; -errno
 */
nodiscard int why_rule(struct net *net, const struct net_request *request, struct net_reply *reply);

/** why_look() - what is in the kernel. Return: 0; -errno */
nodiscard int why_look(struct netlink *route, struct netlink *netfilter,
                       struct net_counts *ret_counts);

#endif
