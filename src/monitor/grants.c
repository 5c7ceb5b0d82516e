/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grants - who may what of whom: the table, and the orders of the two sides
 *
 * Theory of operation
 *
 *   MAKING --croft-net has answered--> LIVE --revoked, expired, machine or user gone--> ENDING
 *   (opening.c)                                                              (cut.c, ends.c)
 *
 * The owner's file of records is the truth: intent before, outcome after, on the disk before the
 * answer; the grantee's file has the outcome too, for her to read. A grant is of a machine by its
 * name and of two users by their uids, and ends with any of the three: a later one of the same name
 * or uid inherits nothing. The slot of the grantee, which nobody gets twice, stands in the record,
 * so that this holds even when the end could not be written.
 *
 * What is ENDING is nobody's any more: it is in no list, its name is gone from the grantee's
 * machines, and no order but another revoke finds it, which waits for the same end. As there is one
 * table, one loop, and requests to croft-net are answered in their order, a grant that follows an
 * end opens after it has closed, and none that was answered before the end is open after it.
 */
#include "monitor/grants.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "monitor/grants_internal.h"
#include "monitor/names.h"

#define LIST_MAX (MESSAGE_SIZE_MAX - sizeof(struct reply))

/* What there is already, of the same owner and grantee, that a new grant is held against. */
struct tally {
    uint32_t given;
    uint32_t received;
    uint32_t between;
    const struct granted *same;
};

static struct tally tally_new(const struct monitor *monitor, const struct user *owner,
                              const struct user *grantee, const char *machine,
                              const struct grant_terms *terms);
static int tally_check(const struct tally *tally, const struct user *owner,
                       const struct user *grantee, struct err *err);
static struct granted *granted_find(const struct user *user, const struct order_grant *wanted,
                                    const char *machine);
static bool is_what(const struct granted *granted, const char *machine,
                    const struct grant_terms *terms);

struct granted *granted_new(struct monitor *monitor, const struct grant *grant)
{
    struct grants *grants = &monitor->grants;
    struct granted *granted = mem_new(1, sizeof(*granted));
    struct granted *before = grants->last;

    *granted = (struct granted){
        .monitor = monitor,
        .owner = users_by_uid(monitor, grant->owner_uid),
        .grantee = users_by_uid(monitor, grant->grantee_uid),
        .grant = *grant,
        .state = GRANTED_MAKING,
    };
    while (before != NULL && before->grant.id > grant->id)
        before = before->previous;
    granted->previous = before;
    granted->next = before != NULL ? before->next : grants->first;
    *(before != NULL ? &before->next : &grants->first) = granted;
    *(granted->next != NULL ? &granted->next->previous : &grants->last) = granted;
    if (grants->next_id <= grant->id)
        grants->next_id = grant->id + 1;
    return granted;
}

void granted_free(struct granted *granted)
{
    struct monitor *monitor = granted->monitor;
    struct grants *grants = &monitor->grants;

    granted_ended(granted);
    sockets_forget(&granted->jobs);
    network_forget(monitor, granted);
    loop_disarm(monitor->loop, &granted->timer);
    *(granted->previous != NULL ? &granted->previous->next : &grants->first) = granted->next;
    *(granted->next != NULL ? &granted->next->previous : &grants->last) = granted->previous;
    mem_cleanup(&granted);
}

struct granted *granted_by_id(const struct monitor *monitor, uint64_t id)
{
    struct granted *granted = monitor->grants.first;
    while (granted != NULL && granted->grant.id != id)
        granted = granted->next;
    return granted;
}

struct instance *granted_instance(const struct granted *granted)
{
    return instances_by_name(granted->owner, granted->grant.machine);
}

bool granted_is_of(const struct granted *granted, const struct instance *instance)
{
    return granted->owner == instance->user && strcmp(granted->grant.machine, instance->name) == 0;
}

uint64_t granted_left(const struct granted *granted)
{
    struct grant_clocks now;

    grants_clocks(granted->monitor, &now);
    return grant_left(&granted->grant, &now, granted->written_wall_ns);
}

void granted_view(const struct granted *granted, struct grant_view *ret_view)
{
    *ret_view = (struct grant_view){
        .grant = granted->grant,
        .left_ns = granted_left(granted),
        .flags = granted->open && granted->state == GRANTED_LIVE ? GRANT_OPEN : 0,
    };
    memcpy(ret_view->owner, granted->owner->name, sizeof(ret_view->owner));
    memcpy(ret_view->grantee, granted->grantee->name, sizeof(ret_view->grantee));
}

int granted_record(struct granted *granted, enum record_type type)
{
    struct monitor *monitor = granted->monitor;
    enum durability durability = granted->waiting != NULL ? DURABLE_NOW : DURABLE_SOON;
    const struct grant *grant = &granted->grant;
    char text[sizeof(((struct record *)0)->text)];
    struct chain_entry entry = {
        .type = type,
        .actor_uid = granted->actor_uid,
        .subject_uid = grant->owner_uid,
        .number = {grant->id, type == RECORD_GRANT ? granted->ask_id : grant->cut, grant->over,
                   granted->grantee->slot},
        .name = grant->machine,
        .text = text,
        .payload = grant,
        .payload_size = sizeof(*grant),
    };

    if (str_format(text, sizeof(text), "%" PRIu64 ": %s port %u to %s", grant->id,
                   grant->terms.protocol == IPPROTO_UDP ? "udp" : "tcp", grant->terms.port,
                   granted->grantee->name) < 0)
        croft_bug("the text of a record is too long");
    int rc = granted->deed.chain != NULL
                 ? deed_end(monitor, &granted->deed, durability, NULL, &entry)
                 : records_outcome(monitor, &granted->owner->chain, &entry, durability);
    if (rc < 0)
        return rc;
    allowance_written(granted->owner, granted->actor_uid, sizeof(*grant));
    if (records_outcome(monitor, &granted->grantee->chain, &entry, durability) == 0)
        allowance_written(granted->grantee, granted->actor_uid, sizeof(*grant));
    return 0;
}

void grants_clocks(const struct monitor *monitor, struct grant_clocks *ret_clocks)
{
    *ret_clocks = (struct grant_clocks){.wall_ns = clock_wall_ns(), .boot_ns = clock_boot_ns()};
    memcpy(ret_clocks->boot_id, monitor->boot_id, sizeof(ret_clocks->boot_id));
}

struct user *grants_user(const struct user *user, const char *name, struct err *err)
{
    struct user *other = users_by_name(user->monitor, name);

    if (other == NULL || other->state != USER_ACTIVE) {
        (void)err_set(err, OUTCOME_NOT_FOUND, "no user named %s", name);
        return NULL;
    }
    if (other != user)
        return other;
    (void)err_set(err, OUTCOME_USAGE,
                  "%s is yourself: your own machines reach each other without a grant", name);
    return NULL;
}

/*
 * Safe for a stranger: the machine is looked up among her own, so nobody opens what is another's;
 * whom she opens it to is a name that everybody can list. What root does is numbers in a message to
 * croft-net, made of her machine's slot, the grantee's uid and checked terms.
 */
int grant_order_grant(struct request *request, struct user *user, struct err *err)
{
    struct order_grant wanted;

    memcpy(&wanted, request_body(request), sizeof(wanted));
    if (wanted.id != 0 || wanted.user[0] == '\0')
        return err_set(err, OUTCOME_USAGE, "grant: give the user it is for, and no id");
    struct user *grantee = grants_user(user, wanted.user, err);
    if (grantee == NULL)
        return (int)err->outcome;
    return granted_make(request, user, grantee, request->order.name, &wanted.terms, 0, err);
}

int granted_make(struct request *request, struct user *owner, struct user *grantee,
                 const char *machine, const struct grant_terms *terms, uint64_t ask_id,
                 struct err *err)
{
    struct monitor *monitor = owner->monitor;
    const struct instance *instance = instances_by_name(owner, machine);
    const struct tally tally = tally_new(monitor, owner, grantee, machine, terms);
    struct grant_clocks now;

    grants_clocks(monitor, &now);
    int rc = grant_terms_check(terms, now.wall_ns, err);
    if (rc != 0)
        return rc;
    if (instance == NULL || instance->removal != NULL)
        return err_set(err, OUTCOME_NOT_FOUND, "no machine named %s", machine);
    if (instance->flags & PLAN_OFFLINE)
        return err_set(err, OUTCOME_FAILED,
                       "%s has no network (--network none): no port of it can be "
                       "granted",
                       machine);
    rc = tally_check(&tally, owner, grantee, err);
    if (rc == 0)
        rc = allowance_take(owner, grantee, err);
    if (rc != 0)
        return rc;

    struct grant grant = {
        .id = monitor->grants.next_id,
        .owner_uid = owner->uid,
        .grantee_uid = grantee->uid,
        .terms = *terms,
        .made_wall_ns = now.wall_ns,
        .made_boot_ns = now.boot_ns,
        .left_ns = terms->end == GRANT_FOR     ? terms->for_ns
                   : terms->end == GRANT_UNTIL ? terms->until_wall_ns - now.wall_ns
                                               : UINT64_MAX,
    };
    memcpy(grant.boot_id, now.boot_id, sizeof(grant.boot_id));
    memcpy(grant.machine, instance->name, sizeof(grant.machine));
    if (grant.terms.connections == 0)
        grant.terms.connections = GRANT_CONNECTIONS_DEFAULT;
    if (grant.terms.rate == 0)
        grant.terms.rate = GRANT_RATE_DEFAULT;
    const struct chain_entry intent = {
        .type = RECORD_GRANT,
        .actor_uid = owner->uid,
        .number = {grant.id, ask_id, 0, grantee->slot},
        .name = machine,
        .payload = &grant,
        .payload_size = sizeof(grant),
    };
    struct deed deed = {0};
    rc = deed_begin(monitor, owner, &intent, &deed, err);
    if (rc != 0)
        return rc;
    struct granted *granted = granted_new(monitor, &grant);
    granted->deed = deed;
    granted->ask_id = ask_id;
    granted->actor_uid = owner->uid;
    granted->waiting = request;
    request_park(request);
    granted_open(granted);
    return REQUEST_PENDING;
}

/*
 * Safe for a stranger: it is looked up among what she gave and what was given to her, and it only
 * closes. Never refused for want of room, of croft-net or of a machine.
 */
int grant_order_revoke(struct request *request, struct user *user, struct err *err)
{
    struct order_grant wanted;

    memcpy(&wanted, request_body(request), sizeof(wanted));
    if (wanted.id == 0 && (wanted.user[0] == '\0' || request->order.name[0] == '\0'))
        return err_set(err, OUTCOME_USAGE,
                       "revoke: give the grant's id, or user, machine and port");
    struct granted *granted = granted_find(user, &wanted, request->order.name);
    if (granted == NULL && wanted.id != 0)
        return err_set(err, OUTCOME_NOT_FOUND, "no grant %" PRIu64 " by you or to you", wanted.id);
    if (granted == NULL)
        return err_set(err, OUTCOME_NOT_FOUND, "no grant of %s port %u between you and %s",
                       request->order.name, wanted.terms.port, wanted.user);
    request_park(request);
    granted_end(granted, granted->owner == user ? GRANT_REVOKED : GRANT_GIVEN_BACK, user->uid,
                request);
    return REQUEST_PENDING;
}

/* Safe for a stranger: what she gave and what was given to her. */
int grant_order_list(struct request *request, struct user *user, struct err *err)
{
    static struct grant_view views[LIST_MAX / sizeof(struct grant_view)];
    size_t count = 0;
    (void)err;

    for (const struct granted *granted = request->monitor->grants.first;
         granted != NULL && count < ARRAY_LEN(views); granted = granted->next) {
        bool hers = granted->owner == user || granted->grantee == user;
        if (hers && granted->state == GRANTED_LIVE && granted->grant.id > request->order.number)
            granted_view(granted, &views[count++]);
    }
    request_finish_with(request, NULL, views, count * sizeof(views[0]), NULL, 0);
    return REQUEST_PENDING;
}

void grants_each_to(const struct user *user,
                    void (*each)(const struct instance *instance, void *data), void *data)
{
    /* By slot: each machine once, however many of its ports she has. */
    static uint64_t seen[(NET_SLOT_LAST + 64U) / 64U];

    memset(seen, 0, sizeof(seen));
    for (const struct granted *granted = user->monitor->grants.first; granted != NULL;
         granted = granted->next) {
        if (granted->grantee != user || granted->state != GRANTED_LIVE)
            continue;
        const struct instance *instance = granted_instance(granted);
        if (instance == NULL || !instance->link.linked)
            continue;
        uint64_t *word = &seen[instance->slot / 64U];
        const uint64_t bit = 1ULL << (instance->slot % 64U);
        if ((*word & bit) == 0)
            each(instance, data);
        *word |= bit;
    }
}

void grants_instance_gone(struct instance *instance)
{
    struct granted *next;

    for (struct granted *granted = instance->user->monitor->grants.first; granted != NULL;
         granted = next) {
        next = granted->next;
        if (!granted_is_of(granted, instance) || granted->state == GRANTED_ENDING)
            continue;
        if (instance->user->monitor->grants.replaying)
            granted_free(granted);
        else
            granted_end(granted, GRANT_MACHINE_GONE, instance->user->uid, NULL);
    }
}

void grants_user_gone(struct user *user)
{
    struct granted *next;

    for (struct granted *granted = user->monitor->grants.first; granted != NULL; granted = next) {
        next = granted->next;
        if ((granted->owner == user || granted->grantee == user) &&
            granted->state != GRANTED_ENDING)
            granted_end(granted, GRANT_USER_GONE, 0, NULL);
    }
    asks_user_gone(user);
}

static struct tally tally_new(const struct monitor *monitor, const struct user *owner,
                              const struct user *grantee, const char *machine,
                              const struct grant_terms *terms)
{
    struct tally tally = {0};

    for (const struct granted *granted = monitor->grants.first; granted != NULL;
         granted = granted->next) {
        bool by = granted->owner == owner;
        bool to = granted->grantee == grantee;
        tally.given += by ? 1 : 0;
        tally.received += to ? 1 : 0;
        tally.between += by && to ? 1 : 0;
        if (by && to && is_what(granted, machine, terms))
            tally.same = granted;
    }
    return tally;
}

/*
 * What she has received may be the gift of one who wants that nobody else can give: so one owner
 * gets a part of it only, and who has given nothing yet can always give something.
 */
static int tally_check(const struct tally *tally, const struct user *owner,
                       const struct user *grantee, struct err *err)
{
    if (tally->same != NULL && tally->same->state == GRANTED_ENDING)
        return err_set(err, OUTCOME_FAILED,
                       "grant %" PRIu64 " of the same is just being ended; "
                       "try again",
                       tally->same->grant.id);
    if (tally->same != NULL)
        return err_set(err, OUTCOME_FAILED,
                       "%s has that already, by grant %" PRIu64 ": to change "
                       "it, croft revoke %" PRIu64 ", then grant it anew",
                       grantee->name, tally->same->grant.id, tally->same->grant.id);
    if (tally->given >= GRANTS_PER_USER_MAX)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "%s has given %u grants, which is the limit; "
                       "revoke one (croft grants)",
                       owner->name, GRANTS_PER_USER_MAX);
    if (tally->between >= GRANTS_TO_ONE_MAX)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "%s has given %u grants to %s, which is the limit; "
                       "revoke one (croft grants)",
                       owner->name, GRANTS_TO_ONE_MAX, grantee->name);
    if (tally->received >= GRANTS_PER_USER_MAX && tally->between > 0)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "%s was given %u grants, which is the limit; "
                       "she gives one back by croft revoke",
                       grantee->name, GRANTS_PER_USER_MAX);
    return 0;
}

static struct granted *granted_find(const struct user *user, const struct order_grant *wanted,
                                    const char *machine)
{
    const struct user *other = users_by_name(user->monitor, wanted->user);
    struct granted *received = NULL;

    for (struct granted *granted = user->monitor->grants.first; granted != NULL;
         granted = granted->next) {
        bool hers = granted->owner == user || granted->grantee == user;
        if (!hers)
            continue;
        if (wanted->id != 0) {
            if (granted->grant.id == wanted->id)
                return granted;
            continue;
        }
        if (other == NULL || !is_what(granted, machine, &wanted->terms))
            continue;
        if (granted->owner == user && granted->grantee == other)
            return granted;
        if (granted->owner == other)
            received = granted;
    }
    return received;
}

static bool is_what(const struct granted *granted, const char *machine,
                    const struct grant_terms *terms)
{
    const struct grant_terms *own = &granted->grant.terms;
    return own->kind == terms->kind && own->protocol == terms->protocol &&
           own->port == terms->port && strcmp(granted->grant.machine, machine) == 0;
}
