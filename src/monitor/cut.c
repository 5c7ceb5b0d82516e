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
 * All of it is work for others than her who ends it, so it has turns, counted for each user: who
 * ends a thousand at a time waits for her own, and the next user's one for a few. What expires is
 * closed by the kernel's own time-out meanwhile. What is closed waits for its cut for at most
 * CUT_TIMEOUT_MS. An end that nobody ordered is recorded when it has its turn: a crash before that
 * brings nothing back, for it is over by the clock, or by the record of what took it away.
 *
 * What cannot be recorded stays here, closed, and is tried again until it is: else a restart would
 * find the grant alive.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "monitor/grants_internal.h"
#include "monitor/names.h"

#define CLOSE_WAIT_MS   10000U /* for croft-net, or the next one */
#define CUTS_AT_ONCE    4U     /* of one user: each is a process on both sides */
#define CLOSES_AT_ONCE  8U     /* of one user: croft-net looks through all connections for each */
#define ENDS_AT_ONCE    8U     /* of one user, in one turn: what was not open is recorded only */
#define RECORDS_AT_ONCE 64U    /* of one user, when the records can be written again */
#define RECORD_WAIT_MS  1000U

static void begin(struct granted *granted);
static void advance(struct granted *granted);
static void ask_to_close(struct granted *granted);
static void set_asked(struct granted *granted, bool asked);
static void set_cutting(struct granted *granted, bool cutting);
static void wait_for(struct granted *granted, struct request *request);
static void on_closed(void *data, const struct net_reply *reply);
static void cut(struct granted *granted);
static void cut_in(struct granted *granted, struct instance *instance, enum sockets_what what);
static void on_cut(void *data, uint32_t what, const uint32_t number[2]);
static void on_end_due(void *data);
static void on_line(void *data);
static void turn(struct monitor *monitor);
static void finish(struct granted *granted);
static int record_end(struct granted *granted);
static void stay(struct granted *granted);
static void on_record_due(void *data);
static void leave(struct granted *granted);
static void close_again(const struct granted *granted);
static void answer(struct request *waiting, const struct grant_view *view,
                   const struct err *failure);

/* Who granted it is answered last: from there on it may be anything's, or nobody's, memory. */
void granted_end(struct granted *granted, enum grant_over over, uint32_t actor_uid,
                 struct request *request)
{
    struct reply_grant made = {.listening = granted->listening};
    struct request *maker = granted->waiting;
    struct err err = {.outcome = OUTCOME_OK};

    if (granted->state == GRANTED_ENDING) {
        if (!granted->timer.armed)
            loop_arm(granted->monitor->loop, &granted->timer,
                     clock_boot_ns() + CLOSE_WAIT_MS * NS_PER_MS);
        wait_for(granted, request);
        if (granted->unwritten)
            finish(granted);
        return;
    }
    /* It ends in either case; what cannot be recorded of its end is tried again. */
    int rc = granted->state == GRANTED_MAKING ? granted_made(granted) : 0;
    if (rc < 0)
        (void)err_errno(&err, OUTCOME_HOST_CANNOT, rc,
                        "cannot write the records, so port %u of %s is not granted",
                        granted->grant.terms.port, granted->grant.machine);
    sockets_forget(&granted->jobs);
    granted_view(granted, &made.view);
    granted->waiting = NULL;
    granted_ends(granted, over, actor_uid);
    names_changed(granted->grantee);
    if (request != NULL)
        begin(granted);
    wait_for(granted, request);
    granted_close(granted);
    if (rc == 0)
        request_finish_with(maker, NULL, &made, sizeof(made), NULL, 0);
    else
        request_finish(maker, &err);
}

void cuts_init(struct monitor *monitor)
{
    monitor->grants.line = (struct loop_timer){.on_due = on_line, .data = monitor};
    monitor->grants.unwritten = (struct loop_timer){.on_due = on_record_due, .data = monitor};
}

void granted_ends(struct granted *granted, enum grant_over over, uint32_t actor_uid)
{
    granted->grant.over = (uint32_t)over;
    granted->actor_uid = actor_uid;
    granted->state = GRANTED_ENDING;
    loop_disarm(granted->monitor->loop, &granted->timer);
    granted->timer = (struct loop_timer){.on_due = on_end_due, .data = granted};
    /* What an admin ends is the owner's to wait for. */
    granted->ender = granted->grantee->uid == actor_uid ? granted->grantee : granted->owner;
    struct endings *endings = &granted->ender->endings;
    granted->previous_ending = endings->last;
    *(endings->last != NULL ? &endings->last->next_ending : &endings->first) = granted;
    endings->last = granted;
}

void granted_ended(struct granted *granted)
{
    if (granted->ender == NULL)
        return;
    struct endings *endings = &granted->ender->endings;
    struct granted *before = granted->previous_ending;
    struct granted *after = granted->next_ending;
    set_asked(granted, false);
    set_cutting(granted, false);
    *(before != NULL ? &before->next_ending : &endings->first) = after;
    *(after != NULL ? &after->previous_ending : &endings->last) = before;
    granted->ender = NULL;
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
    if (granted->waiting != NULL && granted->told != 0)
        loop_arm(monitor->loop, &granted->timer, clock_boot_ns() + CLOSE_WAIT_MS * NS_PER_MS);
    advance(granted);
}

/* Not before croft-net knows all: until then the kernel has what the last one was told. */
void grants_synced(struct monitor *monitor)
{
    for (struct user *user = monitor->users.first; user != NULL; user = user->next)
        for (struct granted *granted = user->endings.first; granted != NULL;
             granted = granted->next_ending)
            set_asked(granted, false);
    on_line(monitor);
}

void grants_user_dropped(struct user *user)
{
    struct granted *next;

    for (struct granted *granted = user->monitor->grants.first; granted != NULL; granted = next) {
        next = granted->next;
        if (granted->owner != user && granted->grantee != user)
            continue;
        if (granted->state != GRANTED_ENDING) {
            granted_free(granted);
            continue;
        }
        if (granted->told != 0 && !granted->asked)
            ask_to_close(granted);
        (void)record_end(granted); /* there is nobody left whom it could be given back to */
        leave(granted);
    }
}

static void begin(struct granted *granted)
{
    const struct chain_entry intent = {
        .type = RECORD_GRANT_END,
        .actor_uid = granted->actor_uid,
        .number = {granted->grant.id, 0, granted->grant.over},
        .name = granted->grant.machine,
        .payload = &granted->grant,
        .payload_size = sizeof(granted->grant),
    };
    struct err err;

    if (granted->deed.chain != NULL)
        return;
    if (deed_begin(granted->monitor, granted->owner, &intent, &granted->deed, &err) == 0)
        allowance_written(granted->owner, granted->actor_uid, sizeof(granted->grant));
    else
        log_line(LOG_LEVEL_ERROR, "grant %llu ends without a record: %s",
                 (unsigned long long)granted->grant.id, err.text);
}

/* What comes next, if it has a turn; it may be gone afterwards. */
static void advance(struct granted *granted)
{
    struct monitor *monitor = granted->monitor;
    struct endings *endings = &granted->ender->endings;

    if (granted->unwritten)
        return;
    if (granted->told == 0 && !granted->closed) {
        turn(monitor);
        if (granted->waiting == NULL && endings->at_once >= ENDS_AT_ONCE)
            return;
        endings->at_once++;
        finish(granted);
    } else if (!granted->closed) {
        if (!granted->asked && monitor->network.synced && endings->closing < CLOSES_AT_ONCE)
            ask_to_close(granted);
    } else if (granted->in_line && endings->cutting < CUTS_AT_ONCE) {
        cut(granted);
    }
}

static void ask_to_close(struct granted *granted)
{
    begin(granted);
    set_asked(granted, true);
    granted->closed_slot = granted->told;
    if (granted->waiting != NULL)
        loop_arm(granted->monitor->loop, &granted->timer,
                 clock_boot_ns() + CLOSE_WAIT_MS * NS_PER_MS);
    const struct net_request gone = granted_request(granted, NET_GRANT_GONE, granted->told);
    network_tell(granted->monitor, &gone, -1, on_closed, granted);
}

static void set_asked(struct granted *granted, bool asked)
{
    uint32_t *closing = &granted->ender->endings.closing;

    *closing += asked;
    *closing -= granted->asked;
    granted->asked = asked;
}

static void set_cutting(struct granted *granted, bool cutting)
{
    uint32_t *at_work = &granted->ender->endings.cutting;

    *at_work += cutting;
    *at_work -= granted->cutting;
    granted->cutting = cutting;
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
    set_asked(granted, false);
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

    granted->in_line = granted->counted > 0 && granted->ender->endings.cutting >= CUTS_AT_ONCE;
    if (granted->counted > 0 && !granted->in_line) {
        if (server != NULL)
            cut_in(granted, server, SOCKETS_CUT_SERVER);
        for (struct instance *client = granted->grantee->instances; client != NULL;
             client = client->next)
            cut_in(granted, client, SOCKETS_CUT_CLIENT);
    }
    set_cutting(granted, granted->jobs != NULL);
    if (granted->jobs == NULL && !granted->in_line)
        finish(granted);
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
    struct request *waiting = granted->waiting;
    struct err err;

    if (granted->told == 0) {
        finish(granted);
        return;
    }
    (void)err_set(&err, OUTCOME_HOST_CANNOT,
                  "grant %llu is ended and stays so, but the network does not answer: it may be "
                  "open until it does; croft stop %s closes it now",
                  (unsigned long long)granted->grant.id, granted->grant.machine);
    granted->waiting = NULL;
    answer(waiting, NULL, &err);
}

/* Never from within the end of another: whoever walks the table ends rows of it. */
static void on_line(void *data)
{
    struct monitor *monitor = data;
    struct granted *next;

    for (struct user *user = monitor->users.first; user != NULL; user = user->next) {
        struct endings *endings = &user->endings;
        endings->at_once = 0;
        for (struct granted *granted = endings->first; granted != NULL; granted = next) {
            next = granted->next_ending;
            if (endings->closing >= CLOSES_AT_ONCE && endings->cutting >= CUTS_AT_ONCE)
                break;
            advance(granted);
        }
    }
}

static void turn(struct monitor *monitor)
{
    if (!monitor->grants.line.armed)
        loop_arm(monitor->loop, &monitor->grants.line, clock_boot_ns());
}

static void finish(struct granted *granted)
{
    if (record_end(granted) < 0)
        stay(granted);
    else
        leave(granted);
}

static int record_end(struct granted *granted)
{
    uint32_t told = granted->destroyed[0] > granted->destroyed[1] ? granted->destroyed[0]
                                                                  : granted->destroyed[1];

    /* Tracked are also connections that ended by themselves a moment ago. */
    granted->grant.cut = told > 0 ? told : granted->counted;
    return granted_record(granted, RECORD_GRANT_END);
}

/* It is closed, and nobody's; only that a restart would not know it. */
static void stay(struct granted *granted)
{
    struct monitor *monitor = granted->monitor;
    struct request *waiting = granted->waiting;
    struct err err;

    granted->unwritten = granted->closed = true;
    granted->in_line = false;
    granted->waiting = NULL;
    set_cutting(granted, false);
    loop_disarm(monitor->loop, &granted->timer);
    if (!monitor->grants.unwritten.armed)
        loop_arm(monitor->loop, &monitor->grants.unwritten,
                 clock_boot_ns() + RECORD_WAIT_MS * NS_PER_MS);
    turn(monitor);
    (void)err_set(&err, OUTCOME_HOST_CANNOT,
                  "grant %llu is closed, but the host cannot write that down: it stays closed as "
                  "long as Croft runs, and is written as soon as there is room on the host's disk",
                  (unsigned long long)granted->grant.id);
    answer(waiting, NULL, &err);
}

/* Where one cannot be written the next cannot either. */
static void on_record_due(void *data)
{
    struct monitor *monitor = data;
    struct granted *next;
    bool more = false;

    for (struct user *user = monitor->users.first; user != NULL; user = user->next) {
        unsigned int tried = 0;
        bool failed = false;
        for (struct granted *granted = user->endings.first; granted != NULL; granted = next) {
            next = granted->next_ending;
            if (!granted->unwritten)
                continue;
            failed = tried++ == RECORDS_AT_ONCE || record_end(granted) < 0;
            if (failed)
                break;
            leave(granted);
        }
        more = more || failed;
    }
    if (more)
        loop_arm(monitor->loop, &monitor->grants.unwritten,
                 clock_boot_ns() + RECORD_WAIT_MS * NS_PER_MS);
}

/* Who waits is answered last: what an answer sets off finds no trace of it. */
static void leave(struct granted *granted)
{
    struct monitor *monitor = granted->monitor;
    struct request *waiting = granted->waiting;
    struct grant_view view;

    granted_view(granted, &view);
    granted->waiting = NULL;
    close_again(granted);
    granted_free(granted);
    turn(monitor);
    answer(waiting, &view, NULL);
}

/*
 * A packet that had passed just before it was closed is tracked after croft-net has looked. By now
 * it is there to be found, and a new grant of the same, by which it could go on, comes after this.
 */
static void close_again(const struct granted *granted)
{
    const struct net_request gone = granted_request(granted, NET_GRANT_GONE, granted->closed_slot);

    if (granted->closed_slot != 0)
        network_tell(granted->monitor, &gone, -1, NULL, NULL);
}

static void answer(struct request *waiting, const struct grant_view *view,
                   const struct err *failure)
{
    while (waiting != NULL) {
        struct request *request = waiting;
        waiting = request->next;
        request->next = NULL;
        if (failure != NULL)
            request_finish(request, failure);
        else
            request_finish_with(request, NULL, view, sizeof(*view), NULL, 0);
    }
}
