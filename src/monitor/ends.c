/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ends - when a grant ends by itself, and what the records say of grants when Croft starts
 *
 * Theory of operation
 * grant_left() says what is left of a grant; both kinds of an end count by CLOCK_BOOTTIME what was
 * left when they were written, so no setting of the clock prolongs anything, and UNTIL ends at its
 * moment of CLOCK_REALTIME too, if that comes first. Two timers wake the monitor: one counts what
 * is left, the other is due by the clock and whenever somebody sets the clock. Each time all grants
 * are looked at. The kernel's elements have the same time-out, for when there is no monitor.
 *
 * A reboot makes what was left unknowable but by the clock: what passed is what the clock says, and
 * at least until the last record of the owner. The grant is written anew then, with what is left,
 * so that it counts in this boot.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "monitor/grants_internal.h"

static void recorded_grant(struct user *owner, const struct record *record,
                           const struct grant *grant);
static void recorded_end(struct user *owner, const struct record *record,
                         const struct grant *grant);
static void carry_over(struct granted *granted, const struct grant_clocks *now);
static void on_due(void *data);
static void on_clock(struct loop_source *source, uint32_t events, void *data);
static void wall_set(struct monitor *monitor, uint64_t due_ns);

int grants_init(struct monitor *monitor)
{
    struct grants *grants = &monitor->grants;

    grants->next_id = 1;
    grants->replaying = true;
    grants->timer = (struct loop_timer){.on_due = on_due, .data = monitor};
    cuts_init(monitor);
    grants->wall_due_ns = UINT64_MAX;
    grants->wall = (struct loop_source){
        .fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK),
        .on_io = on_clock,
        .data = monitor,
    };
    if (grants->wall.fd < 0)
        return -errno;
    return loop_add(monitor->loop, &grants->wall, EPOLLIN);
}

void grants_recorded(struct user *user, const struct record *record, const void *payload,
                     size_t payload_size)
{
    struct grants *grants = &user->monitor->grants;
    struct grant grant;
    struct ask ask;
    bool is_grant = record->type == RECORD_GRANT || record->type == RECORD_GRANT_END;

    if (payload_size != (is_grant ? sizeof(grant) : sizeof(ask)))
        return;
    allowance_written(user, record->actor_uid, payload_size);
    if (grants->next_id <= record->number[0])
        grants->next_id = record->number[0] + 1;
    if (!is_grant) {
        memcpy(&ask, payload, sizeof(ask));
        if (ask.owner_uid == user->uid)
            asks_recorded(user, record, &ask);
        return;
    }
    memcpy(&grant, payload, sizeof(grant));
    if (grant.owner_uid != user->uid)
        return; /* in the grantee's file, for her to read */
    if (record->type == RECORD_GRANT)
        recorded_grant(user, record, &grant);
    else
        recorded_end(user, record, &grant);
}

void grants_disbelieved(struct user *user)
{
    struct granted *next;

    for (struct granted *granted = user->monitor->grants.first; granted != NULL; granted = next) {
        next = granted->next;
        if (granted->owner == user)
            granted_free(granted);
    }
}

void grants_replayed(struct monitor *monitor)
{
    struct grant_clocks now;
    struct granted *next;

    grants_clocks(monitor, &now);
    for (struct granted *granted = monitor->grants.first; granted != NULL; granted = next) {
        next = granted->next;
        if (granted->state == GRANTED_ENDING)
            granted_close(granted);
        else if (granted_instance(granted) == NULL)
            granted_end(granted, GRANT_MACHINE_GONE, granted->grant.owner_uid, NULL);
        else
            carry_over(granted, &now);
    }
    on_due(monitor);
}

void ends_note(struct monitor *monitor, uint64_t left_ns, uint64_t until_wall_ns)
{
    struct grants *grants = &monitor->grants;
    uint64_t now = clock_boot_ns();

    if (left_ns < UINT64_MAX - now &&
        (!grants->timer.armed || now + left_ns < grants->timer.due_boot_ns))
        loop_arm(monitor->loop, &grants->timer, now + left_ns);
    if (until_wall_ns != 0 && until_wall_ns < grants->wall_due_ns)
        wall_set(monitor, until_wall_ns);
}

/* The grantee must be the same person as then: her slot is nobody else's, ever. */
static void recorded_grant(struct user *owner, const struct record *record,
                           const struct grant *grant)
{
    struct monitor *monitor = owner->monitor;
    const struct user *grantee = users_by_uid(monitor, grant->grantee_uid);
    struct granted *granted = granted_by_id(monitor, grant->id);

    if (record->phase != RECORD_OUTCOME || record->outcome != OUTCOME_OK || grantee == NULL ||
        record->number[3] != grantee->slot ||
        !str_terminated(grant->machine, sizeof(grant->machine)) || !str_is_name(grant->machine))
        return;
    if (granted == NULL)
        granted = granted_new(monitor, grant);
    granted->grant = *grant;
    granted->state = GRANTED_LIVE;
    granted->written_wall_ns = record->wall_ns;
    asks_answered(monitor, record->number[1]);
}

/* Whose end was begun is over, whether or not the crash let it come to its end. */
static void recorded_end(struct user *owner, const struct record *record, const struct grant *grant)
{
    struct granted *granted = granted_by_id(owner->monitor, grant->id);

    if (granted == NULL || granted->owner != owner)
        return;
    if (record->phase == RECORD_OUTCOME) {
        granted_free(granted);
        return;
    }
    granted_ends(granted, (enum grant_over)record->number[2], record->actor_uid);
    granted->deed = (struct deed){
        .chain = &owner->chain,
        .type = RECORD_GRANT_END,
        .seq = record->seq,
        .actor_uid = record->actor_uid,
        .subject_uid = record->subject_uid,
    };
    memcpy(granted->deed.name, record->name, sizeof(granted->deed.name));
}

/* Into this boot: what is left of it counts from now on. */
static void carry_over(struct granted *granted, const struct grant_clocks *now)
{
    struct grant *grant = &granted->grant;
    struct grant_clocks at_least = *now;
    uint64_t recorded = granted->owner->chain.wall_ns;

    if (grant->terms.end == GRANT_FOREVER ||
        memcmp(grant->boot_id, now->boot_id, sizeof(grant->boot_id)) == 0)
        return;
    if (at_least.wall_ns < recorded)
        at_least.wall_ns = recorded;
    grant->left_ns = grant_left(grant, &at_least, granted->written_wall_ns);
    grant->made_boot_ns = now->boot_ns;
    memcpy(grant->boot_id, now->boot_id, sizeof(grant->boot_id));
    if (grant->left_ns == 0)
        return; /* its end is recorded next */
    granted->actor_uid = grant->owner_uid;
    const struct chain_entry entry = {
        .type = RECORD_GRANT,
        .actor_uid = 0,
        .subject_uid = grant->owner_uid,
        .number = {grant->id, 0, 0, granted->grantee->slot},
        .name = grant->machine,
        .text = "goes on after the host was started again",
        .payload = grant,
        .payload_size = sizeof(*grant),
    };
    records_outcome(granted->monitor, &granted->owner->chain, &entry, DURABLE_SOON);
}

/* Ends what is over, and sets both timers to what ends next. */
static void on_due(void *data)
{
    struct monitor *monitor = data;
    struct granted *next;
    struct grant_clocks now;
    uint64_t nearest = UINT64_MAX;
    uint64_t nearest_wall = asks_expire(monitor, clock_wall_ns());

    grants_clocks(monitor, &now);
    loop_disarm(monitor->loop, &monitor->grants.timer);
    for (struct granted *granted = monitor->grants.first; granted != NULL; granted = next) {
        next = granted->next;
        if (granted->state == GRANTED_ENDING)
            continue;
        uint64_t left = grant_left(&granted->grant, &now, granted->written_wall_ns);
        uint64_t until = granted->grant.terms.until_wall_ns;
        if (left == 0) {
            granted_end(granted, GRANT_EXPIRED, granted->grant.owner_uid, NULL);
            continue;
        }
        if (left < nearest)
            nearest = left;
        if (until != 0 && until < nearest_wall)
            nearest_wall = until;
    }
    monitor->grants.wall_due_ns = UINT64_MAX;
    ends_note(monitor, nearest, nearest_wall == UINT64_MAX ? 0 : nearest_wall);
}

/* Its time has come, or somebody set the clock (ECANCELED). */
static void on_clock(struct loop_source *source, uint32_t events, void *data)
{
    uint64_t expirations;
    (void)events;

    if (fd_read_full(source->fd, &expirations, sizeof(expirations)) == -EAGAIN)
        return;
    on_due(data);
}

static void wall_set(struct monitor *monitor, uint64_t due_ns)
{
    const struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(due_ns / NS_PER_S), .tv_nsec = (long)(due_ns % NS_PER_S)}};

    monitor->grants.wall_due_ns = due_ns;
    if (timerfd_settime(monitor->grants.wall.fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when,
                        NULL) < 0)
        log_line(LOG_LEVEL_ERROR, "cannot set the timer of grants: %s", strerror(errno));
}
