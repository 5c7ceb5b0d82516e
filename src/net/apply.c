/* SPDX-License-Identifier: Apache-2.0 */
/* apply - makes the elements in the kernel what the state says */
#include "net/apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/elements.h"

/* What "not limited" is: the kernel's own arithmetic ends a little above. */
#define BYTES_PER_S_MAX 16000000000ULL
#define ELEMENTS_MAX    6U

/* The elements of one thing. */
struct bundle {
    size_t count;
    enum set_id set[ELEMENTS_MAX];
    struct element element[ELEMENTS_MAX];
};

/* All elements that a set is to have. */
struct collected {
    struct element *elements;
    size_t count;
    size_t room;
};

static void collect_users(struct collected *collected, const struct state *state);
static void collect_slot(struct collected *collected, const struct state *state, uint32_t slot,
                         bool ended);
static void collect(struct collected *collected, const struct bundle *bundle);
static int recount(struct netlink *netfilter, struct netlink_batch *batch, enum set_id set,
                   struct collected *wanted);
static int compare_counted(const void *one, const void *other);
static enum set_id service_set(const struct net_target *target);
static struct bundle bundle_user(const struct told_user *user);
static struct bundle bundle_slot(const struct state *state, uint32_t slot);
static struct bundle bundle_grant(const struct state *state, const struct told_grant *grant);
static void bundle_put(struct bundle *bundle, enum set_id set, struct element element);
static void bundle_keep_counts(struct bundle *before, const struct bundle *after);
static void bundle_add(struct netlink_batch *batch, const struct bundle *bundle);
static void bundle_delete(struct netlink_batch *batch, const struct bundle *bundle);
static int bundle_delete_found(struct netlink *netfilter, const struct bundle *bundle);
static int bundle_replace(struct netlink *netfilter, const struct bundle *before,
                          const struct bundle *after);

int apply_user(struct netlink *netfilter, const struct state *state, const struct told_user *user)
{
    const struct bundle none = {.count = 0};
    const struct told_user *before = state_user(state, user->uid);
    const struct bundle new = bundle_user(user);
    struct bundle old = before != NULL ? bundle_user(before) : none;

    bundle_keep_counts(&old, &new);
    return bundle_replace(netfilter, &old, &new);
}

int apply_user_gone(struct netlink *netfilter, const struct told_user *user)
{
    const struct bundle none = {.count = 0};
    const struct bundle old = bundle_user(user);
    return bundle_replace(netfilter, &old, &none);
}

int apply_slot(struct netlink *netfilter, const struct state *state, uint32_t slot)
{
    const struct bundle none = {.count = 0};
    const struct bundle new = bundle_slot(state, slot);
    return bundle_replace(netfilter, &none, &new);
}

int apply_slot_gone(struct netlink *netfilter, const struct state *state, uint32_t slot)
{
    const struct bundle none = {.count = 0};
    const struct bundle old = bundle_slot(state, slot);
    struct collected collected[SET_COUNT] = {{.count = 0}};
    auto_batch batch;

    collect_slot(collected, state, slot, true);
    netlink_batch_start(&batch, netfilter, true);
    for (enum set_id set = 0; set < SET_COUNT; set++) {
        elements_delete(&batch, set, collected[set].elements, collected[set].count);
        free(collected[set].elements);
    }
    int rc = netlink_commit(&batch);
    if (rc != -ENOENT)
        return rc;
    /* The time of one was over. */
    rc = bundle_replace(netfilter, &old, &none);
    for (const struct told_grant *grant = state->slots[slot].grants; grant != NULL && rc == 0;
         grant = grant->next)
        rc = apply_grant_gone(netfilter, state, grant);
    return rc;
}

int apply_grant(struct netlink *netfilter, const struct state *state,
                const struct told_grant *grant)
{
    const struct bundle none = {.count = 0};
    const struct told_grant *before = state_grant(state, grant);
    const struct bundle new = bundle_grant(state, grant);
    struct bundle old = before != NULL ? bundle_grant(state, before) : none;

    bundle_keep_counts(&old, &new);
    return bundle_replace(netfilter, &old, &new);
}

int apply_grant_gone(struct netlink *netfilter, const struct state *state,
                     const struct told_grant *grant)
{
    const struct bundle none = {.count = 0};
    const struct bundle old = bundle_grant(state, grant);

    /* Most that are not known are not there: they went with their link, or were closed before. */
    return state_grant(state, grant) != NULL ? bundle_replace(netfilter, &old, &none)
                                             : bundle_delete_found(netfilter, &old);
}

int apply_service(struct netlink *netfilter, const struct net_target *target)
{
    const struct element element = key_service(target);
    auto_batch batch;

    netlink_batch_start(&batch, netfilter, true);
    elements_add(&batch, service_set(target), &element, 1);
    return netlink_commit(&batch);
}

int apply_all(struct netlink *netfilter, const struct state *state)
{
    static const enum set_id told[] = {
        SET_OWNER4,      SET_OWNER6,    SET_MEMBERS4,  SET_MEMBERS6, SET_GRANTS4,
        SET_GRANTS6,     SET_USER_OUT,  SET_USER_IN,   SET_USER_LAN, SET_GRANTS_NEW4,
        SET_GRANTS_NEW6, SET_SERVICES4, SET_SERVICES6,
    };
    static const enum set_id counted[] = {
        SET_GRANT_CONNECTIONS4,
        SET_GRANT_CONNECTIONS6,
        SET_USER_CONNECTIONS,
    };
    struct collected collected[SET_COUNT] = {{.count = 0}};
    auto_batch batch;
    int rc = 0;

    collect_users(collected, state);
    for (uint32_t slot = NET_SLOT_FIRST; slot <= NET_SLOT_LAST; slot++)
        if (state->slots[slot].uid != 0)
            collect_slot(collected, state, slot, false);
    netlink_batch_start(&batch, netfilter, true);
    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        elements_flush(&batch, told[i]);
        elements_add(&batch, told[i], collected[told[i]].elements, collected[told[i]].count);
    }
    for (size_t i = 0; i < ARRAY_LEN(counted) && rc == 0; i++)
        rc = recount(netfilter, &batch, counted[i], &collected[counted[i]]);
    for (enum set_id set = 0; set < SET_COUNT; set++)
        free(collected[set].elements);
    return rc < 0 ? rc : netlink_commit(&batch);
}

/* An element that is made anew counts from nothing again. So one that has its limit already stays:
 * to add it once more changes nothing. */
static int recount(struct netlink *netfilter, struct netlink_batch *batch, enum set_id set,
                   struct collected *wanted)
{
    auto_free struct element *there = NULL;
    size_t count = 0;
    size_t stale = 0;

    int rc = elements_list(netfilter, set, &there, &count);
    if (rc < 0)
        return rc;
    if (wanted->count > 1)
        qsort(wanted->elements, wanted->count, sizeof(*wanted->elements), compare_counted);
    for (size_t i = 0; i < count; i++)
        if (wanted->count == 0 || bsearch(&there[i], wanted->elements, wanted->count,
                                          sizeof(*wanted->elements), compare_counted) == NULL)
            there[stale++] = there[i];
    elements_delete(batch, set, there, stale);
    elements_add(batch, set, wanted->elements, wanted->count);
    return 0;
}

static int compare_counted(const void *one, const void *other)
{
    const struct element *left = one;
    const struct element *right = other;
    const int keys = memcmp(left->key, right->key, sizeof(left->key));

    if (keys != 0)
        return keys;
    return (left->connections > right->connections) - (left->connections < right->connections);
}

static void collect_users(struct collected *collected, const struct state *state)
{
    for (const struct told_user *user = state->users; user != NULL; user = user->next) {
        const struct bundle bundle = bundle_user(user);
        collect(collected, &bundle);
    }
    for (size_t i = 0; i < state->service_count; i++) {
        struct bundle bundle = {.count = 0};
        bundle_put(&bundle, service_set(&state->services[i]), key_service(&state->services[i]));
        collect(collected, &bundle);
    }
}

/* @ended: with grants whose time is over */
static void collect_slot(struct collected *collected, const struct state *state, uint32_t slot,
                         bool ended)
{
    const struct bundle bundle = bundle_slot(state, slot);
    const struct told_grant *grant = state->slots[slot].grants;

    collect(collected, &bundle);
    for (; grant != NULL; grant = grant->next) {
        const struct bundle opened = bundle_grant(state, grant);
        if (ended || grant->end_boot_ns == 0 || grant->end_boot_ns > clock_boot_ns())
            collect(collected, &opened);
    }
}

static void collect(struct collected *collected, const struct bundle *bundle)
{
    for (size_t i = 0; i < bundle->count; i++) {
        struct collected *one = &collected[bundle->set[i]];
        if (one->count == one->room) {
            one->room = one->room * 2 + 16;
            one->elements = mem_grow(one->elements, one->room, sizeof(struct element));
        }
        one->elements[one->count++] = bundle->element[i];
    }
}

static enum set_id service_set(const struct net_target *target)
{
    return target->flags & NET_IPV6 ? SET_SERVICES6 : SET_SERVICES4;
}

static struct bundle bundle_user(const struct told_user *user)
{
    const struct net_limits *limits = &user->limits;
    struct bundle bundle = {.count = 0};
    struct element element = key_user(user->uid);

    element.packets_per_s =
        limits->packets_per_s != 0 ? limits->packets_per_s : DEFAULT_NET_PACKETS;
    element.bytes_per_s = limits->bytes_per_s != 0 && limits->bytes_per_s < BYTES_PER_S_MAX
                              ? limits->bytes_per_s
                              : BYTES_PER_S_MAX;
    element.connections = limits->connections != 0 ? limits->connections : DEFAULT_NET_CONNECTIONS;
    bundle_put(&bundle, SET_USER_OUT, element);
    bundle_put(&bundle, SET_USER_IN, element);
    bundle_put(&bundle, SET_USER_CONNECTIONS, element);
    if (limits->flags & NET_LAN)
        bundle_put(&bundle, SET_USER_LAN, element);
    return bundle;
}

static struct bundle bundle_slot(const struct state *state, uint32_t slot)
{
    const uint32_t uid = state->slots[slot].uid;
    struct bundle bundle = {.count = 0};

    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        struct element owner = key_owner(&state->prefix, slot, ipv6);
        owner.owner = uid;
        bundle_put(&bundle, ipv6 ? SET_OWNER6 : SET_OWNER4, owner);
        bundle_put(&bundle, ipv6 ? SET_MEMBERS6 : SET_MEMBERS4,
                   key_member(&state->prefix, uid, slot, ipv6));
    }
    return bundle;
}

static struct bundle bundle_grant(const struct state *state, const struct told_grant *grant)
{
    const uint64_t now = clock_boot_ns();
    struct bundle bundle = {.count = 0};

    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        struct element element =
            key_grant(&state->prefix, grant->uid, grant->slot, grant->protocol, grant->port, ipv6);
        element.packets_per_s = grant->limits.rate != 0 ? grant->limits.rate : GRANT_RATE_DEFAULT;
        element.connections =
            grant->limits.connections != 0 ? grant->limits.connections : GRANT_CONNECTIONS_DEFAULT;
        /* 0 would be for ever. */
        if (grant->end_boot_ns != 0)
            element.timeout_ms =
                grant->end_boot_ns > now ? (grant->end_boot_ns - now) / NS_PER_MS + 1 : 1;
        bundle_put(&bundle, ipv6 ? SET_GRANTS6 : SET_GRANTS4, element);
        bundle_put(&bundle, ipv6 ? SET_GRANTS_NEW6 : SET_GRANTS_NEW4, element);
        /* A set that counts has no timeouts; this one opens nothing. */
        element.timeout_ms = 0;
        bundle_put(&bundle, ipv6 ? SET_GRANT_CONNECTIONS6 : SET_GRANT_CONNECTIONS4, element);
    }
    return bundle;
}

static void bundle_put(struct bundle *bundle, enum set_id set, struct element element)
{
    bundle->set[bundle->count] = set;
    bundle->element[bundle->count] = element;
    bundle->count++;
}

/* What counts connections by the same limit is not taken out of @before's sets: see recount(). */
static void bundle_keep_counts(struct bundle *before, const struct bundle *after)
{
    size_t left = 0;

    for (size_t i = 0; i < before->count; i++) {
        const enum set_id set = before->set[i];
        bool same = false;
        if (set == SET_USER_CONNECTIONS || set == SET_GRANT_CONNECTIONS4 ||
            set == SET_GRANT_CONNECTIONS6)
            for (size_t j = 0; j < after->count; j++)
                same = same || (after->set[j] == set &&
                                compare_counted(&before->element[i], &after->element[j]) == 0);
        if (same)
            continue;
        before->set[left] = set;
        before->element[left++] = before->element[i];
    }
    before->count = left;
}

static void bundle_add(struct netlink_batch *batch, const struct bundle *bundle)
{
    for (size_t i = 0; i < bundle->count; i++)
        elements_add(batch, bundle->set[i], &bundle->element[i], 1);
}

static void bundle_delete(struct netlink_batch *batch, const struct bundle *bundle)
{
    for (size_t i = 0; i < bundle->count; i++)
        elements_delete(batch, bundle->set[i], &bundle->element[i], 1);
}

/* Of what may be gone already: to look takes microseconds, a transaction that fails many
 * milliseconds. One that went meanwhile is gone. */
static int bundle_delete_found(struct netlink *netfilter, const struct bundle *bundle)
{
    for (size_t i = 0; i < bundle->count; i++) {
        struct element_found there;
        auto_batch one;
        int rc = element_look(netfilter, bundle->set[i], &bundle->element[i], &there);
        if (rc < 0)
            return rc;
        if (!there.found)
            continue;
        netlink_batch_start(&one, netfilter, true);
        one.ignore = -ENOENT;
        elements_delete(&one, bundle->set[i], &bundle->element[i], 1);
        rc = netlink_commit(&one);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* When one of those to be deleted is gone already (its time was over), nothing of the transaction
 * is done: then each is deleted by itself. */
static int bundle_replace(struct netlink *netfilter, const struct bundle *before,
                          const struct bundle *after)
{
    auto_batch batch;

    netlink_batch_start(&batch, netfilter, true);
    bundle_delete(&batch, before);
    bundle_add(&batch, after);
    int rc = netlink_commit(&batch);
    if (rc != -ENOENT)
        return rc;
    rc = bundle_delete_found(netfilter, before);
    if (rc < 0)
        return rc;
    auto_batch rest;
    netlink_batch_start(&rest, netfilter, true);
    bundle_add(&rest, after);
    return netlink_commit(&rest);
}
