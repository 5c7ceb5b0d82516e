/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asks - a user asks for a port of another's machine, and its owner answers
 *
 * An ask opens nothing. It says the same whether there is such a machine or not; what is approved
 * is exactly what was asked. It stands in both files of records, and goes when it is answered,
 * taken back, or older than ASK_TTL_S. Who asks has a few waiting at a time; who is asked has room
 * for many, and for one of each asker even when that is full, so nobody can take it all.
 */
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "monitor/grants_internal.h"

#define LIST_MAX ((MESSAGE_SIZE_MAX - sizeof(struct reply)) / sizeof(struct ask_view))

static struct asked *asked_new(struct monitor *monitor, const struct ask *ask);
static void asked_free(struct asked *asked);
static struct asked *asked_by_id(const struct monitor *monitor, uint64_t id);
static int check_room(const struct user *asker, const struct user *owner, const struct ask *wanted,
                      struct err *err);
static bool same_what(const struct ask *one, const struct ask *other);
static int record_both(const struct asked *asked, enum record_type type, uint32_t actor_uid,
                       const char *text, enum durability durability);
static uint64_t due_wall_ns(const struct asked *asked);

/*
 * Safe for a stranger: a line of text for one other user, whose name everybody can list; bounded in
 * number and in what it fills of her records. Nothing is looked up among her machines.
 */
int ask_order_ask(struct request *request, struct user *user, struct err *err)
{
    struct monitor *monitor = request->monitor;
    struct order_ask wanted;

    memcpy(&wanted, request_body(request), sizeof(wanted));
    struct user *owner = grants_user(user, wanted.user, err);
    if (owner == NULL)
        return (int)err->outcome;
    int rc = grant_terms_check(&wanted.terms, clock_wall_ns(), err);
    if (rc != 0)
        return rc;
    struct ask ask = {
        .id = monitor->grants.next_id,
        .asker_uid = user->uid,
        .owner_uid = owner->uid,
        .terms = wanted.terms,
        .made_wall_ns = clock_wall_ns(),
    };
    memcpy(ask.machine, request->order.name, sizeof(ask.machine));
    memcpy(ask.why, wanted.why, sizeof(ask.why));
    rc = check_room(user, owner, &ask, err);
    if (rc == 0)
        rc = allowance_take(user, owner, err);
    if (rc != 0)
        return rc;
    struct asked *asked = asked_new(monitor, &ask);
    rc = record_both(asked, RECORD_ASK, user->uid, ask.why, DURABLE_NOW);
    if (rc < 0) {
        asked_free(asked);
        return err_errno(err, OUTCOME_HOST_CANNOT, rc,
                         "cannot write the records, so nothing was asked");
    }
    ends_note(monitor, UINT64_MAX, due_wall_ns(asked));
    const uint64_t numbers[4] = {ask.id};
    request_finish_with(request, numbers, NULL, 0, NULL, 0);
    return REQUEST_PENDING;
}

/* Safe for a stranger: what she asked and what she was asked. */
int ask_order_list(struct request *request, struct user *user, struct err *err)
{
    static struct ask_view views[LIST_MAX];
    size_t count = 0;
    (void)err;

    for (const struct asked *asked = request->monitor->grants.asks;
         asked != NULL && count < ARRAY_LEN(views); asked = asked->next) {
        if ((asked->asker != user && asked->owner != user) ||
            asked->ask.id <= request->order.number)
            continue;
        struct ask_view *view = &views[count++];
        *view = (struct ask_view){.ask = asked->ask};
        memcpy(view->asker, asked->asker->name, sizeof(view->asker));
        memcpy(view->owner, asked->owner->name, sizeof(view->owner));
    }
    request_finish_with(request, NULL, views, count * sizeof(views[0]), NULL, 0);
    return REQUEST_PENDING;
}

/* Safe for a stranger: it is a grant by her of hers; the ask says what, and she says that. */
int ask_order_approve(struct request *request, struct user *user, struct err *err)
{
    const struct asked *asked = asked_by_id(request->monitor, request->order.number);

    if (asked == NULL || asked->owner != user)
        return err_set(err, OUTCOME_NOT_FOUND,
                       "nobody waits for an answer of yours to ask %" PRIu64,
                       request->order.number);
    return granted_make(request, user, asked->asker, asked->ask.machine, &asked->ask.terms,
                        asked->ask.id, err);
}

/* Safe for a stranger: it takes away an ask that is hers or was made to her. */
int ask_order_deny(struct request *request, struct user *user, struct err *err)
{
    struct asked *asked = asked_by_id(request->monitor, request->order.number);

    if (asked == NULL || (asked->owner != user && asked->asker != user))
        return err_set(err, OUTCOME_NOT_FOUND, "no ask %" PRIu64 " by you or to you waits",
                       request->order.number);
    int rc = record_both(asked, RECORD_DENY, user->uid,
                         asked->owner == user ? "denied" : "taken back", DURABLE_NOW);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc,
                         "cannot write the records, so ask %" PRIu64 " still waits",
                         request->order.number);
    asked_free(asked);
    return 0;
}

void asks_recorded(struct user *owner, const struct record *record, const struct ask *ask)
{
    struct monitor *monitor = owner->monitor;
    const struct user *asker = users_by_uid(monitor, ask->asker_uid);
    struct asked *asked = asked_by_id(monitor, ask->id);

    if (record->type == RECORD_DENY) {
        if (asked != NULL && asked->owner == owner)
            asked_free(asked);
        return;
    }
    if (asked == NULL && asker != NULL && record->number[3] == asker->slot &&
        str_terminated(ask->machine, sizeof(ask->machine)) && str_is_name(ask->machine) &&
        grant_why_check(ask->why) == 0)
        asked_new(monitor, ask);
}

void asks_answered(struct monitor *monitor, uint64_t id)
{
    struct asked *asked = asked_by_id(monitor, id);
    if (asked != NULL)
        asked_free(asked);
}

uint64_t asks_expire(struct monitor *monitor, uint64_t now_wall_ns)
{
    uint64_t nearest = UINT64_MAX;
    struct asked *next;

    for (struct asked *asked = monitor->grants.asks; asked != NULL; asked = next) {
        uint64_t due = due_wall_ns(asked);
        next = asked->next;
        if (due <= now_wall_ns) {
            /* By the clock it is over after a restart too, recorded or not. */
            (void)record_both(asked, RECORD_DENY, asked->ask.owner_uid, "not answered in time",
                              DURABLE_SOON);
            asked_free(asked);
        } else if (due < nearest) {
            nearest = due;
        }
    }
    return nearest;
}

void asks_user_gone(struct user *user)
{
    struct asked *next;

    for (struct asked *asked = user->monitor->grants.asks; asked != NULL; asked = next) {
        next = asked->next;
        if (asked->asker != user && asked->owner != user)
            continue;
        /* Nor is it there after a restart: a later user of that uid has another slot. */
        (void)record_both(asked, RECORD_DENY, 0, "one of the two was removed", DURABLE_SOON);
        asked_free(asked);
    }
}

static struct asked *asked_new(struct monitor *monitor, const struct ask *ask)
{
    struct grants *grants = &monitor->grants;
    struct asked *asked = mem_new(1, sizeof(*asked));
    struct asked *before = grants->asks_last;

    *asked = (struct asked){
        .monitor = monitor,
        .asker = users_by_uid(monitor, ask->asker_uid),
        .owner = users_by_uid(monitor, ask->owner_uid),
        .ask = *ask,
    };
    while (before != NULL && before->ask.id > ask->id)
        before = before->previous;
    asked->previous = before;
    asked->next = before != NULL ? before->next : grants->asks;
    *(before != NULL ? &before->next : &grants->asks) = asked;
    *(asked->next != NULL ? &asked->next->previous : &grants->asks_last) = asked;
    if (grants->next_id <= ask->id)
        grants->next_id = ask->id + 1;
    return asked;
}

static void asked_free(struct asked *asked)
{
    struct grants *grants = &asked->monitor->grants;

    *(asked->previous != NULL ? &asked->previous->next : &grants->asks) = asked->next;
    *(asked->next != NULL ? &asked->next->previous : &grants->asks_last) = asked->previous;
    mem_cleanup(&asked);
}

static struct asked *asked_by_id(const struct monitor *monitor, uint64_t id)
{
    struct asked *asked = monitor->grants.asks;
    while (asked != NULL && asked->ask.id != id)
        asked = asked->next;
    return asked;
}

static int check_room(const struct user *asker, const struct user *owner, const struct ask *wanted,
                      struct err *err)
{
    unsigned int by = 0;
    unsigned int to = 0;
    unsigned int between = 0;

    for (const struct asked *asked = asker->monitor->grants.asks; asked != NULL;
         asked = asked->next) {
        by += asked->asker == asker ? 1 : 0;
        to += asked->owner == owner ? 1 : 0;
        if (asked->asker != asker || asked->owner != owner)
            continue;
        between++;
        if (same_what(&asked->ask, wanted))
            return err_set(err, OUTCOME_FAILED,
                           "you have asked that already: ask %" PRIu64 " waits; croft deny %" PRIu64
                           " takes it back",
                           asked->ask.id, asked->ask.id);
    }
    if (by >= ASKS_PER_USER_MAX)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "%u asks of yours wait already, which is the limit; "
                       "take one back: croft asks, croft deny",
                       ASKS_PER_USER_MAX);
    if (to >= ASKS_TO_USER_MAX && between > 0)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "%u asks wait for %s already, which is the limit; "
                       "try again later",
                       ASKS_TO_USER_MAX, owner->name);
    return 0;
}

static bool same_what(const struct ask *one, const struct ask *other)
{
    return one->terms.kind == other->terms.kind && one->terms.protocol == other->terms.protocol &&
           one->terms.port == other->terms.port && strcmp(one->machine, other->machine) == 0;
}

/* Return: 0; -errno: it is not in the owner's file, which is the one that counts */
static int record_both(const struct asked *asked, enum record_type type, uint32_t actor_uid,
                       const char *text, enum durability durability)
{
    const struct ask *ask = &asked->ask;
    const struct chain_entry entry = {
        .type = type,
        .actor_uid = actor_uid,
        .subject_uid = ask->owner_uid,
        .number = {ask->id, 0, 0, asked->asker->slot},
        .name = ask->machine,
        .text = text,
        .payload = ask,
        .payload_size = sizeof(*ask),
    };
    struct user *const both[] = {asked->owner, asked->asker};

    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        int rc = records_outcome(asked->monitor, &both[i]->chain, &entry, durability);
        if (rc == 0)
            allowance_written(both[i], actor_uid, sizeof(*ask));
        else if (both[i] == asked->owner)
            return rc;
    }
    return 0;
}

static uint64_t due_wall_ns(const struct asked *asked)
{
    return asked->ask.made_wall_ns + ASK_TTL_S * NS_PER_S;
}
