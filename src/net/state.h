/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state - what the monitor told this croft-net; what is in the kernel follows from it
 *
 * It is no truth: after a start it is empty, and is told again.
 */
#ifndef CROFT_NET_STATE_H
#define CROFT_NET_STATE_H

#include "base/attrs.h"
#include "wire/limits.h"
#include "wire/net.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct told_user {
    uint32_t uid;
    struct net_limits limits;
    struct told_user *next;
};

/* In the list of the slot it is about. end_boot_ns 0: for ever. */
struct told_grant {
    uint32_t uid;
    uint32_t slot;
    uint16_t protocol;
    uint16_t port;
    struct net_limits limits;
    uint64_t end_boot_ns;
    struct told_grant *next;
};

/* uid 0: nobody's. retired: it was somebody's, and entries about it may be left. */
struct told_slot {
    uint32_t uid;
    bool retired;
    struct told_grant *grants;
};

struct state {
    struct net_prefix prefix;
    struct told_user *users;
    struct told_slot *slots; /* NET_SLOT_LAST + 1 of them */
    struct net_target services[NETWORK_SERVICES_MAX];
    size_t service_count;
};

void state_init(struct state *state, const struct net_prefix *prefix);

/** state_user() - Return: borrowed; NULL: not told of */
struct told_user *state_user(const struct state *state, uint32_t uid);

/** state_user_set() - keeps a copy of @user */
void state_user_set(struct state *state, const struct told_user *user);
void state_user_forget(struct state *state, uint32_t uid);

/** state_grant() - Return: borrowed; NULL */
struct told_grant *state_grant(const struct state *state, const struct told_grant *like);

/** state_grant_set() - keeps a copy of @grant */
void state_grant_set(struct state *state, const struct told_grant *grant);
void state_grant_forget(struct state *state, const struct told_grant *like);

/** state_slot_of() - the slot that has this address (16 or 4 bytes), 0: none of ours */
uint32_t state_slot_of(const struct net_prefix *prefix, const uint8_t *address, bool ipv6);

#endif
