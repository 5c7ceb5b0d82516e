/* SPDX-License-Identifier: Apache-2.0 */
/*
 * removals - how a user goes
 *
 * Theory of operation
 *   record the intent
 *   end the grants and asks of hers and to her
 *   kill everything of hers, and wait until it has ended
 *   unmount
 *   croft-setup       account, groups, key; with --purge the disk
 *   remove the groups of processes; record the outcome; answer
 *
 * Nothing of her runs on the host any more when her account goes, and nothing of hers is given to
 * anybody: her slot is burnt, her records and (without --purge) her disk are moved aside, so that a
 * later user of the same uid or name inherits neither.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "monitor/changes_internal.h"
#include "monitor/door.h"
#include "monitor/images.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"
#include "monitor/sessions.h"
#include "monitor/setups.h"

#define GROUPS_RETRY_MS 20U
#define GROUPS_RETRIES  250U

static void remove_account(struct change *change);
static void remove_done_setup(void *data, const struct setup_reply *reply);
static void remove_groups(void *data);
static void remove_finish(struct change *change);

/* Safe for an admin: it is what he may do; the disk stays unless he says --purge, the records stay.
 */
int change_order_remove(struct request *request, struct user *admin, struct err *err)
{
    struct monitor *monitor = request->monitor;
    struct user *user = users_by_name(monitor, request->order.name);
    (void)admin;

    if (user == NULL)
        return err_set(err, OUTCOME_NOT_FOUND, "no user named %s", request->order.name);
    if (user->state != USER_ACTIVE)
        return err_set(err, OUTCOME_FAILED, "%s is being %s; try again soon", user->name,
                       user->state == USER_ADDING ? "added" : "removed");
    struct change *change = mem_new(1, sizeof(*change));
    *change = (struct change){
        .monitor = monitor,
        .user = user,
        .request = request,
        .purge = (request->order.flags & ORDER_PURGE) != 0,
    };
    const struct chain_entry intent = {
        .type = RECORD_USER_REMOVE,
        .actor_uid = request->peer.uid,
        .subject_uid = user->uid,
        .name = user->name,
        .number = {change->purge},
    };
    int rc = deed_begin(monitor, NULL, &intent, &change->deed, err);
    if (rc != 0) {
        change_free(change);
        return rc;
    }
    records_sync_all(monitor);
    request_park(request);
    change_remove(change);
    return REQUEST_PENDING;
}

void changes_at_rest(struct user *user)
{
    struct change *next;

    for (struct change *change = user->monitor->users.removals; change != NULL; change = next) {
        next = change->next;
        if (change->user == user)
            remove_account(change);
    }
}

void change_remove(struct change *change)
{
    struct user *user = change->user;
    struct instance *next;
    static const char *const groups[] = {"all", "gate", "rescue"};
    char group[GROUP_NAME_SIZE];

    user->state = USER_REMOVING;
    grants_user_gone(user);
    for (struct instance *instance = user->instances; instance != NULL; instance = next) {
        next = instance->next; /* one that only starts is dropped at once */
        instance_stop(instance, 0, NULL);
    }
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        user_group(user, groups[i], group);
        if (cgroup_kill(change->monitor->cgroups, group) < 0)
            log_line(LOG_LEVEL_WARNING, "cannot kill all of %s", group);
    }
    /* Only now in the list: the last that was dropped above would have gone on with it already. */
    change->next = change->monitor->users.removals;
    change->monitor->users.removals = change;
    remove_account(change);
}

/* When nothing of hers runs any more; takes @change out of the list, so it happens once. */
static void remove_account(struct change *change)
{
    struct user *user = change->user;
    struct setup setup = {
        .version = SETUP_VERSION,
        .type = SETUP_USER_REMOVE,
        .flags = change->purge ? SETUP_PURGE : 0,
        .uid = user->uid,
    };

    if (instances_running(user))
        return;
    struct change **place = &change->monitor->users.removals;
    while (*place != change)
        place = &(*place)->next;
    *place = change->next;
    memcpy(setup.name, user->name, sizeof(setup.name));
    images_cancel(user);
    sessions_cancel(user);
    int rc = volume_release(user);
    if (rc < 0)
        log_line(LOG_LEVEL_WARNING, "cannot unmount the disk of %s: %s", user->name, strerror(-rc));
    setup_ask(change->monitor, &setup, NULL, remove_done_setup, change);
}

static void remove_done_setup(void *data, const struct setup_reply *reply)
{
    struct change *change = data;

    if (reply != NULL && reply->outcome == OUTCOME_OK) {
        if (reply->text[0] != '\0')
            request_note(change->request, "%s", reply->text);
        change->timer = (struct loop_timer){.on_due = remove_groups, .data = change};
        remove_groups(change);
        return;
    }
    err_set(&change->failure, OUTCOME_FAILED, "%s",
            reply == NULL ? "croft-setup ended before it was done" : reply->text);
    change->user->state = USER_ACTIVE;
    deed_end(change->monitor, &change->deed, DURABLE_NOW, &change->failure, NULL);
    request_finish(change->request, &change->failure);
    change_free(change);
}

/* What was killed needs a moment to be gone. */
static void remove_groups(void *data)
{
    struct change *change = data;

    if (user_groups_remove(change->user) < 0 && change->retries++ < GROUPS_RETRIES) {
        loop_arm(change->monitor->loop, &change->timer,
                 clock_boot_ns() + GROUPS_RETRY_MS * NS_PER_MS);
        return;
    }
    remove_finish(change);
}

static void remove_finish(struct change *change)
{
    grants_user_dropped(change->user);
    change_record_own(change, RECORD_USER_REMOVE, change->deed.actor_uid);
    records_user_retire(change->monitor, change->user);
    /* A connection of hers would speak as whoever is given the same uid next. */
    door_end_uid(change->monitor, change->user->uid);
    user_drop(change->user);
    int rc = deed_done(change->monitor, &change->deed, NULL, &change->failure);
    records_sync_all(change->monitor);
    request_finish(change->request, rc == 0 ? NULL : &change->failure);
    change_free(change);
}
