/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link - the link of one machine: a pair of interfaces, the outside end on the host
 *
 * A routed point-to-point link: no bridge, no neighbour to be asked for, nothing learnt. The inside
 * end, eth0 in the machine's network namespace, gets its addresses from croft-runtime.
 * Source: rtnetlink(7), veth(4)
 */
#ifndef CROFT_NET_LINK_H
#define CROFT_NET_LINK_H

#include "base/attrs.h"
#include "net/netlink.h"
#include "wire/net.h"

/**
 * link_make() - makes the link of @slot, its outside end down
 * @netns: network namespace that gets the inside end (borrowed)
 *
 * What is left of a link of the same slot goes first.
 * Return: 0; -errno
 */
nodiscard int link_make(struct netlink *route, uint32_t slot, int netns);

/** link_up() - sets the outside end up, with its addresses and its neighbours; doing it again is
 * fine. @ipv6: the host has IPv6. Return: 0; -ENODEV; -errno */
nodiscard int link_up(struct netlink *route, const struct net_prefix *prefix, uint32_t slot,
                      bool ipv6);

/** link_index() - the number of the outside end. Return: 0; -ENODEV there is none; -errno */
nodiscard int link_index(struct netlink *route, uint32_t slot, unsigned int *ret_index);

/** link_remove() - Return: 0, also when there is none; -errno. Slow: the kernel waits for RCU */
nodiscard int link_remove(struct netlink *route, uint32_t slot);

/** links_list() - the slots of all outside ends there are
 * @ret_slots: room for NET_SLOT_LAST + 1. Return: their number; -errno */
nodiscard int links_list(struct netlink *route, uint16_t *ret_slots);

/** links_down() - sets all of them down, the others too when one fails. Return: 0; the first -errno
 */
nodiscard int links_down(struct netlink *route);

#endif
