/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users - who is a Croft user, what she may use, and how she comes and goes
 *
 * Theory of operation
 * Adding and removing take several steps that wait for others. Each waits in a struct change, which
 * one function after another carries on:
 *
 *   user add: record the intent (the slot is burnt from here on) -> croft-setup: account, groups,
 * key, disk -> mount, groups of processes -> record the outcome -> import busybox -> answer what
 * fails on the way is taken back by croft-setup, and recorded user rm:  record the intent -> kill
 * everything of hers -> when it has ended: unmount -> croft-setup: account, groups, key, with
 * --purge the disk -> remove the groups of processes -> record the outcome -> answer
 *
 * A crash in between leaves the intent without an outcome; users_resume() takes an addition back
 * and goes on with a removal.
 */
#include "monitor/users.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "monitor/images.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"
#include "monitor/sessions.h"

#define SIZE_TEXT         32U
#define SLOT_NONE         UINT32_MAX
#define GROUPS_RETRY_MS   20U
#define GROUPS_RETRIES    250U
#define FULL_MEMORY_BYTES (1ULL * MIB) /* less than this is not enough to start a process */
#define FULL_PIDS         2U           /* the runtime and what it becomes */

/* An addition, a change or a removal on its way. */
struct change {
    struct monitor *monitor;
    struct change *next;
    struct user *user;
    struct request *request;
    struct deed deed;
    struct record_user record;
    struct err failure;
    uint64_t disk_free_before;
    bool purge;
    unsigned int retries;
    struct loop_timer timer;
};

/* An addition or removal that the records know only the intent of. */
struct unfinished {
    struct unfinished *next;
    enum record_type type;
    char name[NAME_SIZE];
};

/* Removals that wait until everything has ended. */
static struct change *removals;

static void describe(const struct event_item *item, struct event *ret_event);
static int room_for(struct monitor *monitor, const struct user *besides, struct host_room *ret_room,
                    struct err *err);
static int check_key(const struct order_user *asked, struct err *err);
static void note_disk(struct change *change);
static void add_done_setup(void *data, const struct setup_reply *reply);
static int add_make_ready(struct change *change);
static void add_take_back(struct change *change);
static void add_taken_back(void *data, const struct setup_reply *reply);
static void add_failed(struct change *change);
static void add_imported(void *data, const struct err *err);
static int set_apply(struct user *user, const struct user_limits *limits, struct err *err);
static void set_record(struct change *change, const struct err *failure);
static void set_done_key(void *data, const struct setup_reply *reply);
static void answer_user(struct change *change);
static void remove_begin(struct change *change);
static void remove_account(struct change *change);
static void remove_done_setup(void *data, const struct setup_reply *reply);
static void remove_groups(void *data);
static void remove_finish(struct change *change);
static void record_in_own_file(struct change *change, enum record_type type, uint32_t actor_uid);
static void change_free(struct change *change);

uint32_t slot_block(uint32_t slot)
{
    return ID_RANGE_FIRST + slot * BLOCK_COUNT;
}

uint32_t slot_keeper(uint32_t slot)
{
    return ID_RANGE_LAST - slot;
}

uint32_t user_block(const struct user *user)
{
    return slot_block(user->slot);
}

uint32_t user_keeper(const struct user *user)
{
    return slot_keeper(user->slot);
}

struct user *users_by_uid(const struct monitor *monitor, uid_t uid)
{
    struct user *user = monitor->users.first;
    while (user != NULL && (user->uid != uid || user->state == USER_ADDING))
        user = user->next;
    return user;
}

struct user *users_by_name(const struct monitor *monitor, const char *name)
{
    struct user *user = monitor->users.first;
    while (user != NULL && strcmp(user->name, name) != 0)
        user = user->next;
    return user;
}

struct user *user_new(struct monitor *monitor, const char *name, enum user_state state)
{
    struct user *user = mem_new(1, sizeof(*user));

    *user = (struct user){
        .monitor = monitor,
        .next = monitor->users.first,
        .event.describe = describe,
        .state = state,
        .slot = SLOT_NONE,
        .chain.fd = -1,
    };
    if (str_copy(user->name, sizeof(user->name), name) < 0)
        croft_bug("a user's name is longer than a name");
    volume_init(user);
    diskuse_init(user);
    monitor->users.first = user;
    return user;
}

void user_drop(struct user *user)
{
    struct monitor *monitor = user->monitor;

    images_cancel(user);
    sessions_cancel(user);
    sweep_cancel(user);
    while (user->instances != NULL)
        instance_drop(user->instances);
    while (user->images != NULL)
        image_drop(user->images);
    events_forget(monitor, &user->disk.event);
    if (user->state != USER_ADDING)
        events_gone(monitor, &user->event, EVENT_USER_GONE);
    if (volume_release(user) < 0)
        log_line(LOG_LEVEL_WARNING, "the disk of %s stays mounted", user->name);
    chain_close(&user->chain);
    struct user **place = &monitor->users.first;
    while (*place != user)
        place = &(*place)->next;
    *place = user->next;
    mem_cleanup(&user);
}

void user_fill(struct user *user, const struct record_user *from)
{
    user->uid = from->uid;
    user->gid = from->gid;
    user->audit_gid = from->audit_gid;
    user->slot = from->slot;
    user->limits = from->limits;
}

struct record_user user_record(const struct user *user)
{
    return (struct record_user){
        .uid = user->uid,
        .gid = user->gid,
        .audit_gid = user->audit_gid,
        .slot = user->slot,
        .limits = user->limits,
    };
}

void user_group(const struct user *user, const char *what, char ret_group[GROUP_NAME_SIZE])
{
    int rc = what[0] == '\0' ? str_format(ret_group, GROUP_NAME_SIZE, "%u", user->uid)
                             : str_format(ret_group, GROUP_NAME_SIZE, "%u/%s", user->uid, what);
    if (rc < 0)
        croft_bug("the name of a group is too long");
}

struct cgroup_limits user_envelope(const struct user *user)
{
    return (struct cgroup_limits){
        .memory_bytes = user->limits.memory_bytes,
        .memory_min_bytes = user->limits.memory_min_bytes,
        .pids = user->limits.pids,
        .cpu_milli = user->limits.cpu_milli == 0 ? CGROUP_CPU_ALL : user->limits.cpu_milli,
        .devices = true,
    };
}

int user_need(struct user *user, struct err *err)
{
    int rc = user_need_groups(user, err);
    return rc != 0 ? rc : volume_need(user, err);
}

int user_need_groups(struct user *user, struct err *err)
{
    const struct cgroup_limits envelope = user_envelope(user);
    const struct {
        const char *name;
        struct cgroup_limits limits;
        bool instance;
    } groups[] = {
        {"", {0}, false},
        {"all", envelope, false},
        {"all/_jobs", {0}, true},
        {"gate", {.memory_bytes = GATE_MEMORY, .pids = GATE_PIDS}, false},
        {"rescue", {.memory_bytes = RESCUE_MEMORY, .pids = RESCUE_PIDS, .devices = true}, false},
    };
    struct cgroup_host *host = user->monitor->cgroups;
    char group[GROUP_NAME_SIZE];

    for (size_t i = 0; i < ARRAY_LEN(groups) && !user->has_groups; i++) {
        user_group(user, groups[i].name, group);
        int rc = cgroup_make(host, group, groups[i].instance);
        if (rc == 0)
            rc = cgroup_limit(host, group, &groups[i].limits);
        /* After a restart of the monitor the groups are there, with processes and their limits. */
        if (rc < 0 && rc != -EBUSY)
            return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot limit %s: control group %s/%s",
                             user->name, CROFT_CGROUP, group);
    }
    user->has_groups = true;
    return 0;
}

int user_groups_remove(struct user *user)
{
    static const char *const groups[] = {"all/_jobs", "all", "gate", "rescue", ""};
    char group[GROUP_NAME_SIZE];
    int result = 0;

    user->has_groups = false;
    sweep_strangers(user);
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        user_group(user, groups[i], group);
        int rc = cgroup_remove(user->monitor->cgroups, group);
        if (rc < 0)
            result = rc;
    }
    return result;
}

int user_job(struct user *user, struct job_order *order, const char *group, enum plan_filter filter)
{
    struct monitor *monitor = user->monitor;
    struct rlimit nofile;
    char name[GROUP_NAME_SIZE];

    order->job.block_first = user_block(user);
    order->job.block_count = BLOCK_COUNT;
    order->job.keeper_id = user_keeper(user);
    order->job.without = monitor->without;
    order->job.nofile = DEFAULT_NOFILE;
    if (getrlimit(RLIMIT_NOFILE, &nofile) == 0 && nofile.rlim_max < order->job.nofile)
        order->job.nofile = (uint32_t)nofile.rlim_max;
    int rc = str_format(name, sizeof(name), "filters/%u.bpf", (unsigned int)filter);
    if (rc == 0)
        rc = order->fd[JOB_FD_FILTER] = path_open(monitor->dirs.lib, name, O_RDONLY);
    if (rc < 0)
        return rc;
    _Static_assert(CGROUP_ATTACH_MAX <= JOB_CGROUPS_MAX, "a job carries all groups");
    user_group(user, group, name);
    rc = cgroup_attach_fds(monitor->cgroups, name, order->cgroup);
    if (rc < 0)
        return rc;
    order->job.cgroup_count = (uint32_t)rc;
    if (cgroup_host_is_v2(monitor->cgroups))
        order->job.flags |= JOB_CGROUP_V2;
    return 0;
}

const char *user_jobs_group(const struct user *user)
{
    const struct cgroup_limits envelope = user_envelope(user);
    return user_full(user, "all", &envelope, NULL) ? "rescue" : "all/_jobs";
}

bool user_full(const struct user *user, const char *what, const struct cgroup_limits *limits,
               const char **ret_limit)
{
    struct cgroup_host *host = user->monitor->cgroups;
    struct cgroup_usage usage;
    char group[GROUP_NAME_SIZE];
    const char *full = NULL;
    uint64_t reclaimable = 0;

    user_group(user, what, group);
    if (cgroup_usage(host, group, &usage) < 0)
        return false;
    if (limits->pids != 0 && usage.pids + FULL_PIDS > limits->pids) {
        full = "pids";
    } else if (limits->memory_bytes != 0 &&
               usage.memory_bytes + FULL_MEMORY_BYTES > limits->memory_bytes) {
        /* Cached files make memory look full all the time; they give way. */
        if (cgroup_reclaimable(host, group, &reclaimable) == 0 &&
            usage.memory_bytes - reclaimable + FULL_MEMORY_BYTES > limits->memory_bytes)
            full = "memory";
    }
    if (full != NULL && ret_limit != NULL)
        *ret_limit = full;
    return full != NULL;
}

int user_add(struct request *request, struct err *err)
{
    const struct order_user *asked = request_body(request);
    struct monitor *monitor = request->monitor;
    struct host_room room;
    struct user_limits limits;
    struct deed deed;

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
    struct setup setup = {
        .version = SETUP_VERSION,
        .type = SETUP_USER_ADD,
        .block_first = slot_block(planned.slot),
        .block_count = BLOCK_COUNT,
        .keeper_id = slot_keeper(planned.slot),
        .key_size = asked->key_size,
        .disk_bytes = limits.disk_bytes,
        .inodes = limits.inodes,
    };
    memcpy(setup.name, request->order.name, sizeof(setup.name));
    setup_ask(monitor, &setup, asked->key, add_done_setup, change);
    request_park(request);
    return REQUEST_PENDING;
}

int user_set(struct request *request, struct err *err)
{
    const struct order_user *asked = request_body(request);
    struct monitor *monitor = request->monitor;
    struct user *user = users_by_name(monitor, request->order.name);
    struct host_room room;
    struct user_limits limits;

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
        set_record(change, err);
        change_free(change);
        return rc;
    }
    user->limits = limits;
    if (!(asked->fields & USER_KEY)) {
        set_record(change, NULL);
        answer_user(change);
        return REQUEST_PENDING;
    }
    struct setup setup = {
        .version = SETUP_VERSION,
        .type = SETUP_USER_KEY,
        .uid = user->uid,
        .key_size = asked->key_size,
    };
    memcpy(setup.name, user->name, sizeof(setup.name));
    setup_ask(monitor, &setup, asked->key, set_done_key, change);
    return REQUEST_PENDING;
}

int user_remove(struct request *request, struct err *err)
{
    struct monitor *monitor = request->monitor;
    struct user *user = users_by_name(monitor, request->order.name);

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
    remove_begin(change);
    return REQUEST_PENDING;
}

void users_unfinished(struct monitor *monitor, const char *name, enum record_type type, bool done)
{
    struct unfinished **place = &monitor->users.unfinished;

    while (*place != NULL && (strcmp((*place)->name, name) != 0 || (*place)->type != type))
        place = &(*place)->next;
    if (done && *place != NULL) {
        struct unfinished *ended = *place;
        *place = ended->next;
        mem_cleanup(&ended);
    } else if (!done && *place == NULL && str_is_name(name)) {
        *place = mem_new(1, sizeof(**place));
        (*place)->type = type;
        if (str_copy((*place)->name, sizeof((*place)->name), name) < 0)
            croft_bug("a name is longer than a name");
    }
}

void users_resume(struct monitor *monitor)
{
    while (monitor->users.unfinished != NULL) {
        struct unfinished *unfinished = monitor->users.unfinished;
        struct user *user = users_by_name(monitor, unfinished->name);
        struct change *change = mem_new(1, sizeof(*change));

        *change = (struct change){
            .monitor = monitor,
            .user = user,
            .deed = {.chain = &monitor->records.host, .type = unfinished->type},
        };
        memcpy(change->deed.name, unfinished->name, sizeof(change->deed.name));
        log_line(LOG_LEVEL_WARNING, "%s of %s was interrupted; it is %s",
                 record_type_name(unfinished->type), unfinished->name,
                 user == NULL ? "taken back" : "finished now");
        if (unfinished->type == RECORD_USER_REMOVE && user != NULL) {
            remove_begin(change);
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

void user_at_rest(struct user *user)
{
    struct change *next;

    for (struct change *change = removals; change != NULL; change = next) {
        next = change->next;
        if (change->user == user)
            remove_account(change);
    }
}

static void describe(const struct event_item *item, struct event *ret_event)
{
    const struct user *user = event_owner(item, struct user);

    *ret_event = (struct event){
        .type = EVENT_USER,
        .uid = user->uid,
        .gid = user->gid,
        .block_first = user_block(user),
        .keeper_id = user_keeper(user),
        .exit_code = -1,
        .limits = user->limits,
    };
    memcpy(ret_event->name, user->name, sizeof(ret_event->name));
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
    request_note(change->request, "disk for %s: %s, of %s free on %s; %s are left then",
                 user->name, disk, before, CROFT_STATE_DIR, after);
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
    record_in_own_file(change, RECORD_USER_ADD, actor);
    change->deed.subject_uid = user->uid;
    deed_end(change->monitor, &change->deed, DURABLE_NOW, NULL, &outcome);
    user->state = USER_ACTIVE;
    events_mark(change->monitor, &user->event);
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

static void set_record(struct change *change, const struct err *failure)
{
    const struct chain_entry outcome = {.payload = &change->record,
                                        .payload_size = sizeof(change->record)};
    uint32_t actor = change->deed.actor_uid;

    deed_end(change->monitor, &change->deed, DURABLE_NOW, failure, &outcome);
    if (failure != NULL)
        return;
    record_in_own_file(change, RECORD_USER_SET, actor);
    events_mark(change->monitor, &change->user->event);
}

static void set_done_key(void *data, const struct setup_reply *reply)
{
    struct change *change = data;

    if (reply != NULL && reply->outcome == OUTCOME_OK) {
        set_record(change, NULL);
        answer_user(change);
        return;
    }
    /* The limits are set by now, and said to be: what failed is the key. */
    set_record(change, NULL);
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

static void remove_begin(struct change *change)
{
    struct user *user = change->user;
    static const char *const groups[] = {"all", "gate", "rescue"};
    char group[GROUP_NAME_SIZE];

    user->state = USER_REMOVING;
    change->next = removals;
    removals = change;
    for (struct instance *instance = user->instances; instance != NULL; instance = instance->next)
        instance_stop(instance, 0, NULL);
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        user_group(user, groups[i], group);
        if (cgroup_kill(change->monitor->cgroups, group) < 0)
            log_line(LOG_LEVEL_WARNING, "cannot kill all of %s", group);
    }
    remove_account(change);
}

/* When nothing of hers runs any more. */
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
    struct change **place = &removals;
    while (*place != change)
        place = &(*place)->next;
    *place = change->next;
    memcpy(setup.name, user->name, sizeof(setup.name));
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
    record_in_own_file(change, RECORD_USER_REMOVE, change->deed.actor_uid);
    records_user_retire(change->monitor, change->user);
    user_drop(change->user);
    deed_end(change->monitor, &change->deed, DURABLE_NOW, NULL, NULL);
    request_finish(change->request, NULL);
    change_free(change);
}

/* What an admin did to her stands in her own file too (invariant 10). */
static void record_in_own_file(struct change *change, enum record_type type, uint32_t actor_uid)
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

static void change_free(struct change *change)
{
    mem_cleanup(&change);
}
