/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch - sees what others do: to our table, and to the host's subnets
 *
 * The kernel tells of each change, and who made it. Who changes our table by hand makes croft-net
 * take the links down and end: the next one loads it anew. A look each second is for what was lost.
 */
#ifndef CROFT_NET_WATCH_H
#define CROFT_NET_WATCH_H

#include "base/attrs.h"
#include "base/loop.h"
#include "net/netlink.h"
#include "net/routes.h"
#include <stdbool.h>

struct net;

struct watch {
    struct netlink table;
    struct netlink route;
    struct loop_source table_source;
    struct loop_source route_source;
    struct loop_timer look;
    struct loop_timer read_routes;
    struct routes routes; /* as applied */
    uint32_t generation;  /* at the last look */
};

/** watch_listen() - opens the sockets: what happens from now on is seen. Return: 0; -errno */
nodiscard int watch_listen(struct watch *watch);

/** watch_start() - the loop serves them. Return: 0; -errno */
nodiscard int watch_start(struct net *net);

/** watch_message() - whether a notification says that somebody else changed our table
 * @own: the address of the socket that croft-net changes it over. Pure; fuzzed. */
bool watch_message(const struct nlmsghdr *message, uint32_t own);

#endif
