/* SPDX-License-Identifier: Apache-2.0 */
/*
 * routes - the host's own subnets, which are closed to machines, and what stands in Croft's way
 * Source: rtnetlink(7)
 */
#ifndef CROFT_NET_ROUTES_H
#define CROFT_NET_ROUTES_H

#include "base/attrs.h"
#include "base/err.h"
#include "net/intervals.h"
#include "net/netlink.h"
#include "wire/net.h"

#define ROUTES_SUBNETS_MAX     512U
#define ROUTES_ADVERTISERS_MAX 32U

/*
 * subnet, count: by family, [0] IPv4: private ranges and the subnets the host is connected to
 * overlap:       a route of the host's that is not Croft's covers addresses of machines
 * advertiser:    interfaces whose default route was told by a router (IPv6)
 */
struct routes {
    struct interval subnet[2][ROUTES_SUBNETS_MAX];
    size_t count[2];
    bool overlap;
    unsigned int advertiser[ROUTES_ADVERTISERS_MAX];
    size_t advertiser_count;
};

/** routes_read() - Return: 0; outcome, more subnets than there is room for too */
nodiscard int routes_read(struct netlink *route, const struct net_prefix *prefix,
                          struct routes *ret_routes, struct err *err);

/** routes_apply() - makes @lan4 and @lan6 what @routes has. Return: 0; -errno */
nodiscard int routes_apply(struct netlink *netfilter, const struct routes *routes);

/** routes_same() - whether both have the same subnets */
bool routes_same(const struct routes *one, const struct routes *other);

/** routes_concerned() - whether a notification is about a subnet of the host's, not about a link of
 * ours */
bool routes_concerned(const struct nlmsghdr *message, const struct net_prefix *prefix);

/** routes_machines() - whether @address is of the nets of machines, given out or not */
bool routes_machines(const struct net_prefix *prefix, const uint8_t *address, bool ipv6);

/** routes_local() - whether @address is one of the host's own. Return: 1; 0; -errno */
nodiscard int routes_local(struct netlink *route, const uint8_t *address, bool ipv6);

#endif
