/* SPDX-License-Identifier: Apache-2.0 */
/* state - what the monitor told this croft-net */
#include "net/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static bool same_grant(const struct told_grant *one, const struct told_grant *other);

void state_init(struct state *state, const struct net_prefix *prefix)
{
    *state = (struct state){
        .prefix = *prefix,
        /* Pages of slots that were never given out are never touched. */
        .slots = mem_new(NET_SLOT_LAST + 1U, sizeof(struct told_slot)),
    };
}

struct told_user *state_user(const struct state *state, uint32_t uid)
{
    struct told_user *user = state->users;
    while (user != NULL && user->uid != uid)
        user = user->next;
    return user;
}

void state_user_set(struct state *state, const struct told_user *user)
{
    struct told_user *kept = state_user(state, user->uid);
    struct told_user *next = kept != NULL ? kept->next : state->users;

    if (kept == NULL)
        kept = state->users = mem_new(1, sizeof(*kept));
    *kept = *user;
    kept->next = next;
}

void state_user_forget(struct state *state, uint32_t uid)
{
    for (struct told_user **at = &state->users; *at != NULL; at = &(*at)->next) {
        struct told_user *user = *at;
        if (user->uid != uid)
            continue;
        *at = user->next;
        free(user);
        return;
    }
}

struct told_grant *state_grant(const struct state *state, const struct told_grant *like)
{
    struct told_grant *grant = state->slots[like->slot].grants;
    while (grant != NULL && !same_grant(grant, like))
        grant = grant->next;
    return grant;
}

void state_grant_set(struct state *state, const struct told_grant *grant)
{
    struct told_grant **first = &state->slots[grant->slot].grants;
    struct told_grant *kept = state_grant(state, grant);
    struct told_grant *next = kept != NULL ? kept->next : *first;

    if (kept == NULL)
        kept = *first = mem_new(1, sizeof(*kept));
    *kept = *grant;
    kept->next = next;
}

void state_grant_forget(struct state *state, const struct told_grant *like)
{
    for (struct told_grant **at = &state->slots[like->slot].grants; *at != NULL;
         at = &(*at)->next) {
        struct told_grant *grant = *at;
        if (!same_grant(grant, like))
            continue;
        *at = grant->next;
        free(grant);
        return;
    }
}

uint32_t state_slot_of(const struct net_prefix *prefix, const uint8_t *address, bool ipv6)
{
    uint8_t ours[16];
    uint32_t slot = (uint32_t)address[ipv6 ? 14 : 2] << 8 | address[ipv6 ? 15 : 3];

    if (ipv6) {
        net_address6(prefix, slot, ours);
    } else {
        uint32_t number = net_address4(prefix, slot);
        for (unsigned int i = 0; i < 4; i++)
            ours[i] = (uint8_t)(number >> (24 - 8 * i));
    }
    if (memcmp(ours, address, ipv6 ? 16 : 4) != 0 || slot < NET_SLOT_FIRST || slot > NET_SLOT_LAST)
        return 0;
    return slot;
}

static bool same_grant(const struct told_grant *one, const struct told_grant *other)
{
    return one->uid == other->uid && one->slot == other->slot && one->protocol == other->protocol &&
           one->port == other->port;
}
