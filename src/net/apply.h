/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply - makes the elements in the kernel what the state says
 *
 * Each change is one transaction: a packet sees all of it or nothing.
 */
#ifndef CROFT_NET_APPLY_H
#define CROFT_NET_APPLY_H

#include "base/attrs.h"
#include "net/netlink.h"
#include "net/state.h"

/** apply_user() - her limits, in the place of those that @state has, if it has any. What her
 * connections count as stays, unless their limit changes. Return: 0; -errno */
nodiscard int apply_user(struct netlink *netfilter, const struct state *state,
                         const struct told_user *user);
/** apply_user_gone() - Return: 0; -errno */
nodiscard int apply_user_gone(struct netlink *netfilter, const struct told_user *user);

/** apply_slot() - who owns it; apply_slot_gone() - nobody any more, and its grants are over.
 * Return: 0; -errno */
nodiscard int apply_slot(struct netlink *netfilter, const struct state *state, uint32_t slot);
nodiscard int apply_slot_gone(struct netlink *netfilter, const struct state *state, uint32_t slot);

/** apply_grant() - open it, likewise; apply_grant_gone() - close it, whether @state knows it or
 * not. Return: 0, the kernel has acknowledged it; -errno */
nodiscard int apply_grant(struct netlink *netfilter, const struct state *state,
                          const struct told_grant *grant);
nodiscard int apply_grant_gone(struct netlink *netfilter, const struct state *state,
                               const struct told_grant *grant);

/** apply_service() - open to all. Return: 0; -errno */
nodiscard int apply_service(struct netlink *netfilter, const struct net_target *target);

/** apply_all() - the whole state instead of whatever there is, in one transaction. Return: 0;
 * -errno */
nodiscard int apply_all(struct netlink *netfilter, const struct state *state);

#endif
