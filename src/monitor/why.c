/* SPDX-License-Identifier: Apache-2.0 */
/*
 * why - what decides about a connection from a machine of hers: the kernel is asked
 *
 * The rule is read by croft-net from the kernel's table for her mark and the target's address. Of
 * another's machine that was not granted to her nothing is looked up: whether it exists or not, the
 * kernel is asked about an address that is nobody's.
 *
 * croft-net's answer may be long in coming: the user's other orders go on meanwhile, and she has
 * one question on its way at a time.
 */
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>

#include "base/mem.h"
#include "monitor/grants_internal.h"

#define SLOT_NOBODY (NET_SLOT_LAST + 1U)
#define NOT_READY   "the network is just being made ready; try again"

/* One question on its way; the answer finds the grant again, for it may have ended meanwhile. */
struct why {
    struct request *request;
    uint32_t uid;
    uint64_t grant_id;
    uint32_t running;
};

static int look_from(const struct request *request, const struct user *user, uint32_t *ret_running,
                     struct err *err);
static int look_to(const struct user *user, const struct order_why *asked,
                   const struct instance **ret_to, struct err *err);
static const struct granted *find(const struct user *user, const struct instance *to,
                                  const struct order_why *asked);
static const struct instance *find_address(const struct user *user, const struct order_why *asked);
static bool may_know(const struct user *user, const struct instance *to);
static void on_why(void *data, const struct net_reply *reply);

/*
 * Safe for a stranger: a question about a packet of her own, with numbers only; what it tells of
 * others she could try out, and of what was not granted to her it tells nothing.
 */
int why_order(struct request *request, struct user *user, struct err *err)
{
    struct monitor *monitor = request->monitor;
    struct net_request question = {.type = NET_WHY, .uid = user->uid};
    const struct instance *to = NULL;
    struct order_why asked;
    uint32_t running = 0;

    memcpy(&asked, request_body(request), sizeof(asked));
    if (!monitor->network.synced)
        return err_set(err, OUTCOME_HOST_CANNOT, NOT_READY);
    if (user->asks_why)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "another question of yours is being answered; try again");
    int rc = look_from(request, user, &running, err);
    if (rc == 0)
        rc = look_to(user, &asked, &to, err);
    if (rc != 0)
        return rc;
    if (asked.user[0] == '\0' && asked.machine[0] == '\0') {
        memcpy(question.target.address, asked.address, sizeof(asked.address));
        question.target.flags = asked.ipv6 ? NET_IPV6 : 0;
    } else {
        uint32_t slot = to != NULL && to->slot != 0 ? to->slot : SLOT_NOBODY;
        uint32_t address = htonl(net_address4(&monitor->network.prefix, slot));
        memcpy(question.target.address, &address, sizeof(address));
    }
    question.target.protocol = asked.protocol;
    question.target.port = asked.port;

    struct why *why = mem_new(1, sizeof(*why));
    const struct granted *granted = find(user, to, &asked);
    *why = (struct why){
        .request = request,
        .uid = user->uid,
        .grant_id = granted != NULL ? granted->grant.id : 0,
        .running = running | (to != NULL && instance_is_up(to) ? WHY_TO_RUNS : 0),
    };
    rc = network_ask(monitor, &question, -1, on_why, why);
    if (rc == 0) {
        user->asks_why = true;
        request_park(request);
        return REQUEST_PENDING;
    }
    mem_cleanup(&why);
    return err_errno(err, OUTCOME_HOST_CANNOT, rc, NOT_READY);
}

static int look_from(const struct request *request, const struct user *user, uint32_t *ret_running,
                     struct err *err)
{
    const char *name = request->order.name;
    const struct instance *from = instances_by_name(user, name);

    if (name[0] == '\0') {
        *ret_running = instances_running(user) ? WHY_FROM_RUNS : 0;
        return 0;
    }
    if (from == NULL)
        return err_set(err, OUTCOME_NOT_FOUND, "no machine named %s", name);
    if (from->flags & PLAN_OFFLINE)
        return err_set(err, OUTCOME_FAILED,
                       "%s has no network (--network none): it reaches itself only", name);
    *ret_running = instance_is_up(from) ? WHY_FROM_RUNS : 0;
    return 0;
}

/* @ret_to: NULL: none that she may know of */
static int look_to(const struct user *user, const struct order_why *asked,
                   const struct instance **ret_to, struct err *err)
{
    const struct user *owner = user;

    if (asked->user[0] == '\0' && asked->machine[0] == '\0') {
        *ret_to = find_address(user, asked);
        return 0;
    }
    if (asked->user[0] != '\0')
        owner = users_by_name(user->monitor, asked->user);
    if (owner == NULL || owner->state == USER_ADDING)
        return err_set(err, OUTCOME_NOT_FOUND, "no user named %s", asked->user);
    *ret_to = instances_by_name(owner, asked->machine);
    if (owner == user && *ret_to == NULL)
        return err_set(err, OUTCOME_NOT_FOUND, "no machine named %s", asked->machine);
    if (*ret_to != NULL && !may_know(user, *ret_to))
        *ret_to = NULL;
    return 0;
}

static const struct granted *find(const struct user *user, const struct instance *to,
                                  const struct order_why *asked)
{
    const struct granted *granted = user->monitor->grants.first;

    while (granted != NULL &&
           !(to != NULL && granted->grantee == user && granted->state == GRANTED_LIVE &&
             granted_is_of(granted, to) && granted->grant.terms.protocol == asked->protocol &&
             granted->grant.terms.port == asked->port))
        granted = granted->next;
    return granted;
}

/* Hers or granted to her, by its address. */
static const struct instance *find_address(const struct user *user, const struct order_why *asked)
{
    const struct net_prefix *prefix = &user->monitor->network.prefix;

    for (const struct user *owner = user->monitor->users.first; owner != NULL; owner = owner->next)
        for (const struct instance *to = owner->instances; to != NULL; to = to->next) {
            uint8_t address[16] = {0};
            uint32_t ipv4 = htonl(net_address4(prefix, to->slot));
            if (asked->ipv6)
                net_address6(prefix, to->slot, address);
            else
                memcpy(address, &ipv4, sizeof(ipv4));
            if (to->slot != 0 && memcmp(address, asked->address, asked->ipv6 ? 16 : 4) == 0)
                return may_know(user, to) ? to : NULL;
        }
    return NULL;
}

static bool may_know(const struct user *user, const struct instance *to)
{
    const struct granted *granted = user->monitor->grants.first;

    while (granted != NULL && !(granted->grantee == user && granted->state == GRANTED_LIVE &&
                                granted_is_of(granted, to)))
        granted = granted->next;
    return to->user == user || granted != NULL;
}

static void on_why(void *data, const struct net_reply *reply)
{
    struct why *why = data;
    struct request *request = why->request;
    const struct granted *granted = granted_by_id(request->monitor, why->grant_id);
    struct reply_why answer = {.running = why->running};
    struct user *user = users_by_uid(request->monitor, why->uid);
    struct err err;

    if (user != NULL)
        user->asks_why = false;
    if (reply == NULL || reply->error != 0) {
        (void)err_set(&err, OUTCOME_HOST_CANNOT, NOT_READY);
        request_finish(request, &err);
        mem_cleanup(&why);
        return;
    }
    bool hers =
        granted != NULL && granted->state == GRANTED_LIVE && granted->grant.grantee_uid == why->uid;
    answer.rule = reply->rule;
    answer.expires_ms = reply->expires_ms;
    /* In the kernel there is nothing yet: the grant decides when the machine runs. */
    if (hers && !(why->running & WHY_TO_RUNS))
        answer.rule = NET_RULE_GRANT;
    if (hers && answer.rule == NET_RULE_GRANT)
        granted_view(granted, &answer.view);
    request_finish_with(request, NULL, &answer, sizeof(answer), NULL, 0);
    mem_cleanup(&why);
}
