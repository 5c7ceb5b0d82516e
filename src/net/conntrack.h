/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conntrack - ends connections that the kernel knows: their entries are deleted, so that the next
 * packet is one of a connection that never was
 *
 * Source: linux/netfilter/nfnetlink_conntrack.h
 */
#ifndef CROFT_NET_CONNTRACK_H
#define CROFT_NET_CONNTRACK_H

#include "base/attrs.h"
#include "net/netlink.h"
#include "net/state.h"

/* Connections from machines of @uid to this port of @slot. */
struct conntrack_grant {
    uint32_t uid;
    uint32_t slot;
    uint16_t protocol;
    uint16_t port;
};

/** conntrack_cut() - deletes the entries of one grant, of both families
 * Return: 0, and how many there were; -errno */
nodiscard int conntrack_cut(struct netlink *netfilter, const struct state *state,
                            const struct conntrack_grant *grant, uint32_t *ret_cut);

/** conntrack_retire() - deletes every entry of every retired slot, with one look at the table.
 * Return: 0; -errno */
nodiscard int conntrack_retire(struct netlink *netfilter, const struct state *state);

#endif
