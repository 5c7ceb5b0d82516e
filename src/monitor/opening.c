/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opening - how a grant opens: the kernel first, then the records, and a look at what listens
 *
 * The intent is on the disk before croft-net is asked. While croft-net is at work, a process looks
 * in the machine whether anything listens; that look holds nothing up, and when it is slow, nobody
 * knows. Without croft-net the grant stands all the same: the next one is told of it.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "monitor/grants_internal.h"
#include "monitor/names.h"

#define LOOK_WAIT_MS 250U  /* many times what it takes; then nobody knows what listens */
#define OPEN_WAIT_MS 3000U /* for croft-net, or the next one; then it opens later */

static void answer(struct granted *granted);
static uint32_t link_slot(const struct instance *instance);
static void tell(struct granted *granted, const struct instance *instance);
static void on_told(void *data, const struct net_reply *reply);
static void look(struct granted *granted, struct instance *instance);
static void on_looked(void *data, uint32_t what, const uint32_t number[2]);
static void on_open_due(void *data);
static void open_failed(struct granted *granted, int error);
static void not_recorded(struct granted *granted, int error);

void granted_open(struct granted *granted)
{
    struct monitor *monitor = granted->monitor;
    struct instance *instance = granted_instance(granted);

    granted->timer = (struct loop_timer){.on_due = on_open_due, .data = granted};
    if (instance == NULL || link_slot(instance) == 0) {
        int rc = granted_made(granted);
        if (rc == 0)
            answer(granted);
        else
            not_recorded(granted, rc);
        return;
    }
    if (chain_sync(&granted->owner->chain) < 0) {
        open_failed(granted, -EIO);
        return;
    }
    tell(granted, instance);
    look(granted, instance);
    loop_arm(monitor->loop, &granted->timer, clock_boot_ns() + LOOK_WAIT_MS * NS_PER_MS);
}

int granted_made(struct granted *granted)
{
    uint64_t until = granted->grant.terms.until_wall_ns;
    int rc = granted_record(granted, RECORD_GRANT);

    granted->state = GRANTED_LIVE;
    if (rc < 0)
        return rc;
    if (granted->ask_id != 0)
        asks_answered(granted->monitor, granted->ask_id);
    ends_note(granted->monitor, granted_left(granted), until);
    names_changed(granted->grantee);
    return 0;
}

static void answer(struct granted *granted)
{
    struct request *request = granted->waiting;
    struct reply_grant reply = {.listening = granted->listening};

    loop_disarm(granted->monitor->loop, &granted->timer);
    granted->waiting = NULL;
    names_settle(granted->grantee);
    granted_view(granted, &reply.view);
    request_finish_with(request, NULL, &reply, sizeof(reply), NULL, 0);
}

struct net_request granted_request(const struct granted *granted, enum net_request_type type,
                                   uint32_t slot)
{
    const struct grant *grant = &granted->grant;
    uint64_t left = granted_left(granted);

    return (struct net_request){
        .type = (uint32_t)type,
        .uid = grant->grantee_uid,
        .slot = slot,
        .protocol = grant->terms.protocol,
        .port = grant->terms.port,
        .timeout_ms = left == UINT64_MAX ? 0 : left / NS_PER_MS + 1,
        .limits = {.connections = grant->terms.connections, .rate = grant->terms.rate},
    };
}

void grants_tell_all(struct monitor *monitor)
{
    for (struct granted *granted = monitor->grants.first; granted != NULL;
         granted = granted->next) {
        const struct instance *instance = granted_instance(granted);
        if (granted->state == GRANTED_ENDING)
            continue; /* grants_synced() */
        granted->told = 0;
        granted->open = false;
        if (instance != NULL && link_slot(instance) != 0)
            tell(granted, instance);
    }
}

uint32_t grants_open(const struct monitor *monitor)
{
    uint32_t count = 0;

    for (const struct granted *granted = monitor->grants.first; granted != NULL;
         granted = granted->next)
        count += granted->state != GRANTED_ENDING && granted->open ? 1 : 0;
    return count;
}

void grants_linked(struct instance *instance)
{
    for (struct granted *granted = instance->user->monitor->grants.first; granted != NULL;
         granted = granted->next) {
        if (!granted_is_of(granted, instance) || granted->state == GRANTED_ENDING)
            continue;
        tell(granted, instance);
        names_changed(granted->grantee);
    }
}

void grants_unlinked(struct instance *instance)
{
    for (struct granted *granted = instance->user->monitor->grants.first; granted != NULL;
         granted = granted->next) {
        if (!granted_is_of(granted, instance) || granted->state == GRANTED_ENDING)
            continue;
        /* The elements go with the link. */
        granted->told = 0;
        granted->open = false;
        names_changed(granted->grantee);
    }
}

/* Its slot as long as packets could reach it. Return: 0: none could */
static uint32_t link_slot(const struct instance *instance)
{
    return instance->link.linked ? instance->slot : 0;
}

static void tell(struct granted *granted, const struct instance *instance)
{
    if (granted->told != 0)
        return;
    const struct net_request request = granted_request(granted, NET_GRANT, instance->slot);
    int rc = network_ask(granted->monitor, &request, -1, on_told, granted);
    if (rc == 0)
        granted->told = instance->slot;
    else if (rc != -ENOTCONN)
        network_resync(granted->monitor, "a grant could not be told");
}

static void on_told(void *data, const struct net_reply *reply)
{
    struct granted *granted = data;

    if (reply == NULL)
        return; /* the next croft-net was told, and answers that */
    if (reply->error != 0) {
        granted->told = 0;
        log_line(LOG_LEVEL_ERROR, "croft-net cannot open grant %llu: %s",
                 (unsigned long long)granted->grant.id, strerror(reply->error));
        if (granted->state == GRANTED_MAKING)
            open_failed(granted, -reply->error);
        return;
    }
    granted->open = granted->told != 0;
    if (granted->state != GRANTED_MAKING)
        return;
    int rc = granted_made(granted);
    if (rc < 0)
        not_recorded(granted, rc);
    else if (granted->jobs == NULL)
        answer(granted);
}

static void look(struct granted *granted, struct instance *instance)
{
    const struct job_sockets what = {
        .what = SOCKETS_LOOK,
        .protocol = granted->grant.terms.protocol,
        .port = granted->grant.terms.port,
        .slot = instance->slot,
    };

    if (instance->state != INSTANCE_RUNNING)
        return;
    int rc = sockets_ask(instance, granted->owner, &what, on_looked, granted, &granted->jobs);
    if (rc < 0)
        log_line(LOG_LEVEL_WARNING, "cannot look who listens in %s of %s: %s", instance->name,
                 granted->owner->name, strerror(-rc));
}

static void on_looked(void *data, uint32_t what, const uint32_t number[2])
{
    struct granted *granted = data;
    (void)what;

    if (number != NULL)
        granted->listening = number[0] > 0   ? LISTENING_YES
                             : number[1] > 0 ? LISTENING_LOOPBACK
                                             : LISTENING_NOTHING;
    if (granted->state == GRANTED_LIVE && granted->waiting != NULL)
        answer(granted);
}

/* First the look is given up, then the wait for croft-net. */
static void on_open_due(void *data)
{
    struct granted *granted = data;

    sockets_forget(&granted->jobs);
    if (granted->state == GRANTED_MAKING && !granted->late) {
        granted->late = true;
        loop_arm(granted->monitor->loop, &granted->timer,
                 clock_boot_ns() + OPEN_WAIT_MS * NS_PER_MS);
        return;
    }
    int rc = granted->state == GRANTED_MAKING ? granted_made(granted) : 0;
    if (rc == 0)
        answer(granted);
    else
        not_recorded(granted, rc);
}

static void open_failed(struct granted *granted, int error)
{
    struct err err;

    (void)err_errno(&err, OUTCOME_HOST_CANNOT, error, "cannot open port %u of %s",
                    granted->grant.terms.port, granted->grant.machine);
    deed_end(granted->monitor, &granted->deed, DURABLE_NOW, &err, NULL);
    request_finish(granted->waiting, &err);
    granted->waiting = NULL;
    granted_free(granted);
}

/*
 * It may be open by now, and a record whose sync failed may yet reach the disk. So it ends as any
 * other: closed, cut, and kept until its end stands in the records, else a restart could find it.
 */
static void not_recorded(struct granted *granted, int error)
{
    struct request *waiting = granted->waiting;
    struct err err;

    (void)err_errno(&err, OUTCOME_HOST_CANNOT, error,
                    "cannot write the records, so port %u of %s is not granted",
                    granted->grant.terms.port, granted->grant.machine);
    granted->waiting = NULL;
    granted_end(granted, GRANT_REVOKED, granted->grant.owner_uid, NULL);
    request_finish(waiting, &err);
}
