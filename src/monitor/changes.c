/* SPDX-License-Identifier: Apache-2.0 */
/*
 * changes - how a user comes and changes
 *
 * Theory of operation
 * An addition takes several steps that wait for others, so it waits in a struct change, which one
 * function after another carries on:
 *
 *   record the intent; the slot is burnt from here on
 *   croft-setup       account, groups, key, disk
 *   make ready        mount, groups of processes; record the outcome
 *   import busybox    answer
 *
 * What fails on the way is taken back by croft-setup, and recorded. A crash in between leaves the
 * intent without an outcome: changes_resume() takes an addition back and goes on with a removal.
 */
#include "monitor/changes_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "croft-paths.h"
#include "monitor/diskuse.h"
#include "monitor/images.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"
#include "monitor/sessions.h"
#include "monitor/setups.h"

#define SIZE_TEXT 32U

/* An addition or removal that the records know only the intent of. */
struct unfinished {
    struct unfinished *next;
    enum record_type type;
    uint64_t seq;
    uint32_t actor_uid;
    bool purge;
    char name[NAME_SIZE];
};

static int room_for(struct monitor *monitor, const struct user *besides, struct host_room *ret_room,
                    struct err *err);
static int check_key(const struct order_user *asked, struct err *err);
static void note_disk(struct change *change);
static void add_ask_setup(struct change *change, const struct record_user *planned,
                          const struct order_user *asked);
static void add_done_setup(void *data, const struct setup_reply *reply);
static int add_make_ready(struct change *change);
static void add_take_back(struct change *change);
static void add_taken_back(void *data, const struct setup_reply *reply);
static void add_failed(struct change *change);
static void add_imported(void *data, const struct err *err);
static int set_apply(struct user *user, const struct user_limits *limits, struct err *err);
static int set_record(struct change *change);
static void set_finish(struct change *change);
static void set_ask_key(struct change *change, const struct order_user *asked);
static void set_done_key(void *data, const struct setup_reply *reply);
static void answer_user(struct change *change);

/*
 * Safe for an admin, who is not trusted with more than this: the name is [a-z][a-z0-9-]*, the
 * numbers are held against what the host has, ids come from the records, and croft-setup refuses a
 * name that the host knows.
 */
int change_order_add(struct request *request, struct user *admin, struct err *err)
{
    const struct order_user *asked = request_body(request);
    struct monitor *monitor = request->monitor;
    struct host_room room;
    struct user_limits limits;
    struct deed deed;
    (void)admin; /* who orders it need not be a Croft user */

    if (users_by_name(monitor, request->order.name) != NULL)
        return err_set(err, OUTCOME_USAGE, "%s is a Croft user already: croft user set %s",
                       request->order.name, request->order.name);
    if (monitor->users.next_slot >= USERS_MAX)
        return err_set(err, OUTCOME_OVER_LIMIT, "all %u blocks of ids have been given out",
                       USERS_MAX);
    int rc = check_key(asked, err);
    if (rc == 0)
        rc = room_for(monitor, NULL, &room, err);
    if (rc == 0)
        rc = envelope_decide(&room, asked->fields, &asked->limits, NULL, &limits, err);
    if (rc != 0)
        return rc;
    const struct record_user planned = {.slot = monitor->users.next_slot, .limits = limits};
    const struct chain_entry intent = {
        .type = RECORD_USER_ADD,
        .actor_uid = request->peer.uid,
        .name = request->order.name,
        .payload = &planned,
        .payload_size = sizeof(planned),
    };
    rc = deed_begin(monitor, NULL, &intent, &deed, err);
    if (rc != 0)
        return rc;
    /* A slot that may have been used and is forgotten would be given to two users. */
    records_sync_all(monitor);
    monitor->users.next_slot++;

    struct change *change = mem_new(1, sizeof(*change));
    *change = (struct change){
        .monitor = monitor,
        .user = user_new(monitor, request->order.name, USER_ADDING),
        .request = request,
        .deed = deed,
        .disk_free_before = room.disk_free_bytes,
    };
    user_fill(change->user, &planned);
    note_disk(change);
    add_ask_setup(change, &planned, asked);
    request_park(request);
    return REQUEST_PENDING;
}

static void add_ask_setup(struct change *change, const struct record_user *planned,
                          const struct order_user *asked)
{
    struct setup setup = {
        .version = SETUP_VERSION,
        .type = SETUP_USER_ADD,
        .block_first = slot_block(planned->slot),
        .block_count = BLOCK_COUNT,
        .keeper_id = slot_keeper(planned->slot),
        .key_size = asked->key_size,
        .disk_bytes = planned->limits.disk_bytes,
        .inodes = planned->limits.inodes,
    };
    memcpy(setup.name, change->request->order.name, sizeof(setup.name));
    setup_ask(change->monitor, &setup, asked->key, add_done_setup, change);
}

/* Safe for an admin: as the addition; no id and no disk can be changed by it. */
int change_order_set(struct request *request, struct user *admin, struct err *err)
{
    const struct order_user *asked = request_body(request);
    struct monitor *monitor = request->monitor;
    struct user *user = users_by_name(monitor, request->order.name);
    struct host_room room;
    struct user_limits limits;
    (void)admin;

    if (user == NULL)
        return err_set(err, OUTCOME_NOT_FOUND, "no user named %s", request->order.name);
    if (user->state != USER_ACTIVE)
        return err_set(err, OUTCOME_FAILED, "%s is being %s; try again soon", user->name,
                       user->state == USER_ADDING ? "added" : "removed");
    if (asked->fields & (USER_DISK | USER_INODES))
        return err_set(err, OUTCOME_USAGE,
                       "the size of a disk is set when the user is added; %s has %" PRIu64
                       " MiB and %" PRIu64 " inodes",
                       user->name, (uint64_t)(user->limits.disk_bytes / MIB), user->limits.inodes);
    int rc = check_key(asked, err);
    if (rc == 0)
        rc = room_for(monitor, user, &room, err);
    if (rc == 0)
        rc = envelope_decide(&room, asked->fields, &asked->limits, &user->limits, &limits, err);
    if (rc != 0)
        return rc;
    struct change *change = mem_new(1, sizeof(*change));
    *change = (struct change){
        .monitor = monitor,
        .user = user,
        .request = request,
        .record = user_record(user),
        .disk_free_before = room.disk_free_bytes,
    };
    change->record.limits = limits;
    const struct chain_entry intent = {
        .type = RECORD_USER_SET,
        .actor_uid = request->peer.uid,
        .subject_uid = user->uid,
        .name = user->name,
        .payload = &change->record,
        .payload_size = sizeof(change->record),
    };
    rc = deed_begin(monitor, NULL, &intent, &change->deed, err);
    if (rc == 0)
        rc = set_apply(user, &limits, err);
    if (rc != 0) {
        deed_end(monitor, &change->deed, DURABLE_NOW, err, NULL);
        change_free(change);
        return rc;
    }
    user->limits = limits;
    if (!(asked->fields & USER_KEY)) {
        set_finish(change);
        return REQUEST_PENDING;
    }
    set_ask_key(change, asked);
    return REQUEST_PENDING;
}

static void set_ask_key(struct change *change, const struct order_user *asked)
{
    struct setup setup = {
        .version = SETUP_VERSION,
        .type = SETUP_USER_KEY,
        .uid = change->user->uid,
        .key_size = asked->key_size,
    };
    memcpy(setup.name, change->user->name, sizeof(setup.name));
    setup_ask(change->monitor, &setup, asked->key, set_done_key, change);
}

void changes_replay(struct monitor *monitor, const struct record *record)
{
    struct unfinished **place = &monitor->users.unfinished;

    while (*place != NULL &&
           (strcmp((*place)->name, record->name) != 0 || (uint32_t)(*place)->type != record->type))
        place = &(*place)->next;
    if (record->phase == RECORD_OUTCOME && *place != NULL) {
        struct unfinished *ended = *place;
        *place = ended->next;
        mem_cleanup(&ended);
    } else if (record->phase == RECORD_INTENT && *place == NULL && order_is_user(record->name)) {
        *place = mem_new(1, sizeof(**place));
        **place = (struct unfinished){
            .type = (enum record_type)record->type,
            .seq = record->seq,
            .actor_uid = record->actor_uid,
            .purge = record->number[0] != 0,
        };
        memcpy((*place)->name, record->name, sizeof((*place)->name));
    }
}

void changes_resume(struct monitor *monitor)
{
    while (monitor->users.unfinished != NULL) {
        struct unfinished *unfinished = monitor->users.unfinished;
        struct user *user = users_by_name(monitor, unfinished->name);
        struct change *change = mem_new(1, sizeof(*change));

        *change = (struct change){
            .monitor = monitor,
            .user = user,
            .deed = {.chain = &monitor->records.host,
                     .type = unfinished->type,
                     .seq = unfinished->seq,
                     .actor_uid = unfinished->actor_uid},
            .purge = unfinished->purge,
        };
        memcpy(change->deed.name, unfinished->name, sizeof(change->deed.name));
        log_line(LOG_LEVEL_WARNING, "%s of %s was interrupted; it is %s",
                 record_type_name(unfinished->type), unfinished->name,
                 user == NULL ? "taken back" : "finished now");
        if (unfinished->type == RECORD_USER_REMOVE && user != NULL) {
            change_remove(change);
        } else if (unfinished->type == RECORD_USER_ADD && user == NULL) {
            change->user = user_new(monitor, unfinished->name, USER_ADDING);
            err_set(&change->failure, OUTCOME_FAILED, "interrupted");
            add_take_back(change);
        } else {
            change_free(change);
        }
        monitor->users.unfinished = unfinished->next;
        mem_cleanup(&unfinished);
    }
}

/* What the host has for a user, without what the others were promised. */
static int room_for(struct monitor *monitor, const struct user *besides, struct host_room *ret_room,
                    struct err *err)
{
    struct host_room room;
    int rc = host_room_read(monitor->dirs.volumes, monitor->dirs.proc, &room);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot see how much this host has");
    for (const struct user *user = monitor->users.first; user != NULL; user = user->next)
        if (user != besides)
            room.memory_promised_bytes += user->limits.memory_min_bytes;
    room.disk_name = CROFT_STATE_DIR;
    *ret_room = room;
    return 0;
}

/* order_check() saw to it that it is text of a bounded size; an empty one takes the key away. */
static int check_key(const struct order_user *asked, struct err *err)
{
    if (asked->fields & USER_KEY && asked->key_size > 0 && asked->key[asked->key_size - 1] != '\n')
        return err_set(err, OUTCOME_USAGE, "the key file does not end with a line break");
    return 0;
}

static void note_disk(struct change *change)
{
    char disk[SIZE_TEXT];
    char before[SIZE_TEXT];
    char after[SIZE_TEXT];
    const struct user *user = change->user;

    str_size_text(user->limits.disk_bytes, disk, sizeof(disk));
    str_size_text(change->disk_free_before, before, sizeof(before));
    str_size_text(change->disk_free_before - user->limits.disk_bytes, after, sizeof(after));
    request_note(change->request, "disk for %s: %s, of %s free on %s; %s are left then", user->name,
                 disk, before, CROFT_STATE_DIR, after);
}

static void add_done_setup(void *data, const struct setup_reply *reply)
{
    struct change *change = data;

    if (reply == NULL || reply->outcome != OUTCOME_OK) {
        if (reply == NULL)
            err_set(&change->failure, OUTCOME_FAILED, "croft-setup ended before it was done");
        else
            err_set(&change->failure, (enum outcome)reply->outcome, "%s", reply->text);
        /* It undid what it did, unless it died. */
        if (reply == NULL)
            add_take_back(change);
        else
            add_failed(change);
        return;
    }
    change->user->uid = reply->uid;
    change->user->gid = reply->gid;
    change->user->audit_gid = reply->audit_gid;
    if (add_make_ready(change) != 0) {
        add_take_back(change);
        return;
    }
    image_import_built_in(change->user, add_imported, change);
}

/* Everything that may fail, and then the record that she is there. */
static int add_make_ready(struct change *change)
{
    struct user *user = change->user;
    struct err *err = &change->failure;

    int rc = user_need(user, err);
    if (rc != 0)
        return rc;
    rc = records_user_open(change->monitor, user);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot make the records of %s", user->name);
    change->record = user_record(user);
    const struct chain_entry outcome = {.payload = &change->record,
                                        .payload_size = sizeof(change->record)};
    uint32_t actor = change->deed.actor_uid;
    change_record_own(change, RECORD_USER_ADD, actor);
    change->deed.subject_uid = user->uid;
    deed_end(change->monitor, &change->deed, DURABLE_NOW, NULL, &outcome);
    user->state = USER_ACTIVE;
    records_sync_all(change->monitor); /* her head: her file is watched from its first record on */
    events_mark(change->monitor, &user->event);
    network_user(user);
    return 0;
}

static void add_take_back(struct change *change)
{
    struct setup setup = {
        .version = SETUP_VERSION,
        .type = SETUP_USER_REMOVE,
        .flags = SETUP_PURGE,
        .uid = change->user->uid,
    };

    memcpy(setup.name, change->user->name, sizeof(setup.name));
    if (volume_release(change->user) < 0 || user_groups_remove(change->user) < 0)
        log_line(LOG_LEVEL_WARNING, "something of %s stays until the host is stopped",
                 change->user->name);
    setup_ask(change->monitor, &setup, NULL, add_taken_back, change);
}

static void add_taken_back(void *data, const struct setup_reply *reply)
{
    struct change *change = data;

    if (reply == NULL || reply->outcome != OUTCOME_OK)
        log_line(LOG_LEVEL_ERROR, "cannot take back the addition of %s: %s", change->user->name,
                 reply == NULL ? "croft-setup ended" : reply->text);
    if (change->user->chain.fd >= 0)
        records_user_retire(change->monitor, change->user);
    add_failed(change);
}

static void add_failed(struct change *change)
{
    user_drop(change->user);
    deed_end(change->monitor, &change->deed, DURABLE_NOW, &change->failure, NULL);
    request_finish(change->request, &change->failure);
    change_free(change);
}

static void add_imported(void *data, const struct err *err)
{
    struct change *change = data;

    if (err != NULL)
        request_note(change->request, "%s is added, but without the image %s: %s",
                     change->user->name, IMAGE_BUILT_IN, err->text);
    answer_user(change);
}

/* Takes effect at once, on everything that runs. */
static int set_apply(struct user *user, const struct user_limits *limits, struct err *err)
{
    char group[GROUP_NAME_SIZE];
    const struct user_limits before = user->limits;

    int rc = user_need_groups(user, err);
    if (rc != 0)
        return rc;
    user->limits = *limits;
    const struct cgroup_limits envelope = user_envelope(user);
    user->limits = before;
    user_group(user, "all", group);
    rc = cgroup_limit(user->monitor->cgroups, group, &envelope);
    if (rc == 0)
        return 0;
    const struct cgroup_limits old = user_envelope(user);
    if (cgroup_limit(user->monitor->cgroups, group, &old) < 0)
        log_line(LOG_LEVEL_ERROR, "the limits of %s are neither the old nor the new ones",
                 user->name);
    if (rc == -EBUSY)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "%s uses more memory than that now: stop machines of hers first",
                       user->name);
    return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot set the limits of %s", user->name);
}

/* Return: 0; an outcome, which @change->failure says: the record is not on the disk */
static int set_record(struct change *change)
{
    const struct chain_entry outcome = {.payload = &change->record,
                                        .payload_size = sizeof(change->record)};
    uint32_t actor = change->deed.actor_uid;

    int rc = deed_done(change->monitor, &change->deed, &outcome, &change->failure);
    change_record_own(change, RECORD_USER_SET, actor);
    records_sync_all(change->monitor); /* her head: what an admin did is not cut off unseen */
    events_mark(change->monitor, &change->user->event);
    network_user(change->user);
    return rc;
}

static void set_finish(struct change *change)
{
    if (set_record(change) == 0) {
        answer_user(change);
        return;
    }
    request_finish(change->request, &change->failure);
    change_free(change);
}

static void set_done_key(void *data, const struct setup_reply *reply)
{
    struct change *change = data;

    if (reply != NULL && reply->outcome == OUTCOME_OK) {
        set_finish(change);
        return;
    }
    /* The limits are set by now, and said to be: what failed is the key. */
    (void)set_record(change);
    err_set(&change->failure, OUTCOME_FAILED, "the key of %s was not changed: %s",
            change->user->name, reply == NULL ? "croft-setup ended" : reply->text);
    request_finish(change->request, &change->failure);
    change_free(change);
}

static void answer_user(struct change *change)
{
    const struct user *user = change->user;
    const struct reply_user body = {
        .uid = user->uid,
        .gid = user->gid,
        .block_first = user_block(user),
        .keeper_id = user_keeper(user),
        .limits = user->limits,
        .disk_free_before = change->disk_free_before,
    };

    request_finish_with(change->request, NULL, &body, sizeof(body), NULL, 0);
    change_free(change);
}

/* What an admin did to her stands in her own file too (invariant 10). */
void change_record_own(struct change *change, enum record_type type, uint32_t actor_uid)
{
    struct user *user = change->user;
    const struct chain_entry entry = {
        .type = type,
        .actor_uid = actor_uid,
        .subject_uid = user->uid,
        .name = user->name,
        .payload = type == RECORD_USER_REMOVE ? NULL : &change->record,
        .payload_size = type == RECORD_USER_REMOVE ? 0 : sizeof(change->record),
    };

    if (!user->chain.broken)
        records_outcome(change->monitor, &user->chain, &entry, DURABLE_NOW);
}

void change_free(struct change *change)
{
    mem_cleanup(&change);
}
