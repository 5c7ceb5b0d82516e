/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cut - how a grant ends: recorded, closed in the kernel, both ends told, and only then answered
 *
 *   granted_end -> record the intent -> NET_GRANT_GONE -> JOB_SOCKETS on both sides -> record,
 * answer
 *
 * Closing needs nobody's room: it is done whether or not it can be recorded, whoever's records or
 * processes are at their limit. Without croft-net it waits for the next one, which is told nothing
 * of what ended, and asked to close it as soon as it knows all; who waits that long without success
 * is told so, and not that it is closed. An end whose outcome is not written when the monitor dies
 * stands in the records as begun, and is brought to its end by the next one (ends.c).
 *
 * Deleting the elements alone leaves both ends hanging: so the sockets are destroyed, in the
 * machine of the owner and in each one of the grantee, all at the same time. Where no connection
 * was tracked there is nobody to tell.
 *
 * Both are work for others than her who ends it, so they have turns: who ends a thousand at a time
 * waits for her own, and the next user's one for a few. What expires is closed by the kernel's own
 * time-out meanwhile. What is closed waits for its cut for at most CUT_TIMEOUT_MS.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "monitor/grants_internal.h"
#include "monitor/names.h"

#define CLOSE_WAIT_MS  10000U /* for croft-net, or the next one */
#define CUTS_AT_ONCE   4U     /* of one user: each is a process on both sides */
#define CLOSES_AT_ONCE 8U     /* of one user: croft-net looks through all connections for each */

static bool close_has_turn(const struct granted *granted);
static void ask_to_close(struct granted *granted);
static void begin(struct granted *granted, enum grant_over over, uint32_t actor_uid);
static void wait_for(struct granted *granted, struct request *request);
static void on_closed(void *data, const struct net_reply *reply);
static void cut(struct granted *granted);
static bool cut_has_turn(const struct granted *granted);
static void cut_in(struct granted *granted, struct instance *instance, enum sockets_what what);
static void on_cut(void *data, uint32_t what, const uint32_t number[2]);
static void on_end_due(void *data);
static void on_line(void *data);
static void turn(struct monitor *monitor);
static void finish(struct granted *granted);
static void answer(struct granted *granted, const struct err *failure);

void granted_end(struct granted *granted, enum grant_over over, uint32_t actor_uid,
                 struct request *request)
{
    if (granted->state == GRANTED_ENDING) {
        wait_for(granted, request);
        if (!granted->timer.armed)
            loop_arm(granted->monitor->loop, &granted->timer,
                     clock_boot_ns() + CLOSE_WAIT_MS * NS_PER_MS);
        return;
    }
    struct user *grantee = granted->grantee;
    if (granted->state == GRANTED_MAKING)
        granted_made(granted);
    sockets_forget(&granted->jobs);
    if (granted->waiting != NULL)
        granted_answer(granted);
    begin(granted, over, actor_uid);
    wait_for(granted, request);
    granted_close(granted);
    names_changed(grantee);
}

void cuts_init(struct monitor *monitor)
{
    monitor->grants.line = (struct loop_timer){.on_due = on_line, .data = monitor};
}

void granted_close(struct granted *granted)
{
    struct monitor *monitor = granted->monitor;
    const struct instance *instance = granted_instance(granted);

    if (granted->closed)
        return;
    /* After a restart the kernel may have it although this monitor never told anybody. */
    if (granted->told == 0 && !monitor->network.synced && instance != NULL && instance->link.linked)
        granted->told = instance->slot;
    if (granted->told == 0) {
        finish(granted);
        return;
    }
    loop_disarm(monitor->loop, &granted->timer);
    granted->timer = (struct loop_timer){.on_due = on_end_due, .data = granted};
    loop_arm(monitor->loop, &granted->timer, clock_boot_ns() + CLOSE_WAIT_MS * NS_PER_MS);
    if (monitor->network.synced && close_has_turn(granted))
        ask_to_close(granted);
}

/* Not before croft-net knows all: until then the kernel has what the last one was told. */
void grants_synced(struct monitor *monitor)
{
    for (struct granted *granted = monitor->grants.first; granted != NULL; granted = granted->next)
        granted->asked = false;
    on_line(monitor);
}

void grants_user_dropped(struct user *user)
{
    struct granted *next;

    for (struct granted *granted = user->monitor->grants.first; granted != NULL; granted = next) {
        next = granted->next;
        if (granted->owner != user && granted->grantee != user)
            continue;
        if (granted->state == GRANTED_ENDING && granted->told != 0 && !granted->asked)
            ask_to_close(granted);
        if (granted->state == GRANTED_ENDING)
            finish(granted);
        else
            granted_free(granted);
    }
}

static bool close_has_turn(const struct granted *granted)
{
    unsigned int at_work = 0;

    for (const struct granted *other = granted->monitor->grants.first; other != NULL;
         other = other->next)
        if (other->state == GRANTED_ENDING && other->asked && !other->closed &&
            other->actor_uid == granted->actor_uid)
            at_work++;
    return at_work < CLOSES_AT_ONCE;
}

static void ask_to_close(struct granted *granted)
{
    granted->asked = true;
    loop_arm(granted->monitor->loop, &granted->timer, clock_boot_ns() + CLOSE_WAIT_MS * NS_PER_MS);
    const struct net_request gone = granted_request(granted, NET_GRANT_GONE, granted->told);
    network_tell(granted->monitor, &gone, -1, on_closed, granted);
}

static void begin(struct granted *granted, enum grant_over over, uint32_t actor_uid)
{
    struct monitor *monitor = granted->monitor;
    const struct chain_entry intent = {
        .type = RECORD_GRANT_END,
        .actor_uid = actor_uid,
        .number = {granted->grant.id, 0, (uint64_t)over},
        .name = granted->grant.machine,
        .payload = &granted->grant,
        .payload_size = sizeof(granted->grant),
    };
    struct err err;

    granted->grant.over = (uint32_t)over;
    granted->actor_uid = actor_uid;
    granted->state = GRANTED_ENDING;
    if (deed_begin(monitor, granted->owner, &intent, &granted->deed, &err) != 0)
        log_line(LOG_LEVEL_ERROR, "grant %llu ends without a record: %s",
                 (unsigned long long)granted->grant.id, err.text);
}

/* Who hung up waits for nothing: to revoke and hang up, again and again, must not pile up. */
static void wait_for(struct granted *granted, struct request *request)
{
    struct request **place = &granted->waiting;

    if (request == NULL)
        return;

    while (*place != NULL) {
        struct request *waiting = *place;
        if (waiting->client != NULL) {
            place = &waiting->next;
            continue;
        }
        *place = waiting->next;
        waiting->next = NULL;
        request_finish(waiting, NULL);
    }
    *place = request;
}

static void on_closed(void *data, const struct net_reply *reply)
{
    struct granted *granted = data;

    if (reply == NULL)
        return; /* the next croft-net was asked, and answers that */
    if (reply->error != 0) {
        network_resync(granted->monitor, "a grant could not be closed");
        return;
    }
    granted->told = 0;
    granted->closed = true;
    turn(granted->monitor);
    granted->counted = reply->cut;
    loop_arm(granted->monitor->loop, &granted->timer, clock_boot_ns() + CUT_TIMEOUT_MS * NS_PER_MS);
    cut(granted);
}

static void cut(struct granted *granted)
{
    struct instance *server = granted_instance(granted);

    granted->in_line = granted->counted > 0 && !cut_has_turn(granted);
    if (granted->counted > 0 && !granted->in_line) {
        if (server != NULL)
            cut_in(granted, server, SOCKETS_CUT_SERVER);
        for (struct instance *client = granted->grantee->instances; client != NULL;
             client = client->next)
            cut_in(granted, client, SOCKETS_CUT_CLIENT);
    }
    if (granted->jobs == NULL && !granted->in_line)
        finish(granted);
}

static bool cut_has_turn(const struct granted *granted)
{
    unsigned int at_work = 0;

    for (const struct granted *other = granted->monitor->grants.first; other != NULL;
         other = other->next)
        if (other != granted && other->state == GRANTED_ENDING && other->jobs != NULL &&
            other->actor_uid == granted->actor_uid)
            at_work++;
    return at_work < CUTS_AT_ONCE;
}

static void cut_in(struct granted *granted, struct instance *instance, enum sockets_what what)
{
    struct user *payer = users_by_uid(granted->monitor, granted->actor_uid);
    const struct instance *server = granted_instance(granted);
    struct job_sockets job = {
        .what = (uint32_t)what,
        .protocol = granted->grant.terms.protocol,
        .port = granted->grant.terms.port,
        .slot = server != NULL ? server->slot : 0,
    };

    if (instance->state != INSTANCE_RUNNING || instance->slot == 0 || job.slot == 0)
        return;
    for (const struct instance *peer = granted->grantee->instances; peer != NULL; peer = peer->next)
        if (instance_is_up(peer) && peer->slot != 0 && job.peer_count < ARRAY_LEN(job.peer))
            job.peer[job.peer_count++] = peer->slot;
    int rc = sockets_ask(instance, payer != NULL ? payer : granted->owner, &job, on_cut, granted,
                         &granted->jobs);
    if (rc < 0)
        log_line(LOG_LEVEL_WARNING, "%s of %s is not told that grant %llu ended: %s",
                 instance->name, instance->user->name, (unsigned long long)granted->grant.id,
                 strerror(-rc));
}

static void on_cut(void *data, uint32_t what, const uint32_t number[2])
{
    struct granted *granted = data;

    if (number != NULL)
        granted->destroyed[what == SOCKETS_CUT_SERVER ? 0 : 1] += number[0];
    if (granted->jobs == NULL)
        finish(granted);
}

/* Without an answer it is not said to be closed; when only the telling takes long, it is. */
static void on_end_due(void *data)
{
    struct granted *granted = data;
    struct err err;

    if (granted->told == 0) {
        finish(granted);
        return;
    }
    (void)err_set(&err, OUTCOME_HOST_CANNOT,
                  "grant %llu is ended and stays so, but the network does not answer: it may be "
                  "open until it does; croft stop %s closes it now",
                  (unsigned long long)granted->grant.id, granted->grant.machine);
    answer(granted, &err);
}

/* Never from within the end of another: whoever walks the table ends rows of it. */
static void on_line(void *data)
{
    struct monitor *monitor = data;
    struct granted *next;

    for (struct granted *granted = monitor->grants.first; granted != NULL; granted = next) {
        next = granted->next;
        if (granted->state != GRANTED_ENDING)
            continue;
        if (!granted->closed && !granted->asked && monitor->network.synced &&
            close_has_turn(granted))
            ask_to_close(granted);
        if (granted->in_line && cut_has_turn(granted))
            cut(granted);
    }
}

static void turn(struct monitor *monitor)
{
    if (!monitor->grants.line.armed)
        loop_arm(monitor->loop, &monitor->grants.line, clock_boot_ns());
}

static void finish(struct granted *granted)
{
    struct monitor *monitor = granted->monitor;
    uint32_t told = granted->destroyed[0] > granted->destroyed[1] ? granted->destroyed[0]
                                                                  : granted->destroyed[1];

    /* Tracked are also connections that ended by themselves a moment ago. */
    granted->grant.cut = told > 0 ? told : granted->counted;
    granted_record(granted, RECORD_GRANT_END);
    answer(granted, NULL);
    granted_free(granted);
    turn(monitor);
}

static void answer(struct granted *granted, const struct err *failure)
{
    struct grant_view view;

    granted_view(granted, &view);
    while (granted->waiting != NULL) {
        struct request *request = granted->waiting;
        granted->waiting = request->next;
        request->next = NULL;
        if (failure != NULL)
            request_finish(request, failure);
        else
            request_finish_with(request, NULL, &view, sizeof(view), NULL, 0);
    }
}
