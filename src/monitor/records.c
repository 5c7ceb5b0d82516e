/* SPDX-License-Identifier: Apache-2.0 */
/*
 * records - the truth: intent before, outcome after, in the user's file and the host's
 *
 * Theory of operation
 * The host's file says who the users are; each user's file says what images and instances she has,
 * and what an admin did to her. Replay builds the world from the outcomes; an intent without an
 * outcome is what a crash interrupted, and is looked at by whoever resumes it:
 *
 *   user add, user rm     changes_resume() takes it back, or finishes it
 *   launch, run           the instance is taken over if its processes are there, else discarded
 *   everything else       changed nothing that the world would not show
 *
 * A deed is an intent whose outcome is still to come. Launch, start, user set and the like wait for
 * the disk before they are answered; run and exec are synced in groups within RECORD_SYNC_MS,
 * because a wait of some milliseconds would be most of their time (invariant 10).
 *
 * The host's file gets the head of each changed user's file once in HEADS_S, when the monitor ends
 * and with what an admin does, each time after that file was synced: so a user's file that ends
 * before its head has lost something, and is refused. Not more often, because a user decides how
 * often hers changes, and the host's file is everybody's.
 */
#include "monitor/records.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "monitor/changes.h"
#include "monitor/images.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"

#define HOST_FILE      "host"
#define HEADS_S        3600U
#define FILE_NAME_SIZE 32U
#define OLD_FILES_MAX  1000U

static bool is_ending(enum record_type type);
static int need_room(const struct user *user, struct chain *chain, struct err *err);
static void on_sync(void *data);
static void on_heads(void *data);
static int close_to_all(struct monitor *monitor, const char *name);
static void sync_chain(struct chain *chain, const char *whose);
static void write_heads(struct monitor *monitor);
static void append(struct monitor *monitor, struct chain *chain, const struct chain_entry *entry,
                   enum durability durability, uint64_t *ret_seq, int *ret_rc);
static void user_file(const struct user *user, char name[FILE_NAME_SIZE]);
static void replay_host(const struct record *record, const void *payload, size_t payload_size,
                        void *data);
static void replay_user_added(struct monitor *monitor, const struct record *record,
                              const struct record_user *added);
static void replay_head(struct monitor *monitor, const struct record *record, const void *payload,
                        size_t payload_size);
static void replay_own(const struct record *record, const void *payload, size_t payload_size,
                       void *data);
static void replay_instance(struct user *user, const struct record *record, const void *payload,
                            size_t payload_size);
static void replay_started(struct instance *instance, const struct record *record);
static void replay_ended(struct instance *instance, const struct record *record);
static void replay_image(struct user *user, const struct record *record, const void *payload,
                         size_t payload_size);
static void refuse_broken(struct user *user);

int deed_begin(struct monitor *monitor, struct user *user, const struct chain_entry *entry,
               struct deed *ret_deed, struct err *err)
{
    struct chain *chain = user != NULL ? &user->chain : &monitor->records.host;
    struct chain_entry intent = *entry;
    struct deed deed = {.chain = chain, .type = entry->type, .actor_uid = entry->actor_uid};
    int rc;

    if (user != NULL && user->chain.broken)
        return err_set(err, OUTCOME_HOST_CANNOT,
                       "the records of %s are damaged; an admin looks at them: croft audit verify",
                       user->name);
    rc = is_ending(entry->type) ? 0 : need_room(user, chain, err);
    if (rc != 0)
        return rc;
    intent.phase = RECORD_INTENT;
    intent.subject_uid = user != NULL ? user->uid : entry->subject_uid;
    deed.subject_uid = intent.subject_uid;
    if (entry->name != NULL && str_copy(deed.name, sizeof(deed.name), entry->name) < 0)
        croft_bug("a deed about something without a name");
    append(monitor, chain, &intent, DURABLE_SOON, &deed.seq, &rc);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc,
                         "cannot write the records, so nothing was done");
    *ret_deed = deed;
    return 0;
}

int deed_end(struct monitor *monitor, struct deed *deed, enum durability durability,
             const struct err *failure, const struct chain_entry *entry)
{
    struct chain_entry outcome = {0};
    int rc;

    if (deed->chain == NULL)
        return 0;
    if (entry != NULL)
        outcome = *entry;
    outcome.type = deed->type;
    outcome.phase = RECORD_OUTCOME;
    outcome.intent_seq = deed->seq;
    outcome.actor_uid = deed->actor_uid;
    outcome.subject_uid = deed->subject_uid;
    outcome.name = deed->name;
    if (failure != NULL) {
        outcome.outcome = (uint32_t)failure->outcome;
        outcome.text = failure->text;
    }
    append(monitor, deed->chain, &outcome, durability, NULL, &rc);
    deed->chain = NULL;
    return rc;
}

int deed_done(struct monitor *monitor, struct deed *deed, const struct chain_entry *entry,
              struct err *err)
{
    int rc = deed_end(monitor, deed, DURABLE_NOW, NULL, entry);
    if (rc == 0)
        return 0;
    return err_errno(err, OUTCOME_HOST_CANNOT, rc,
                     "it was done, but its record is not on the disk, which an admin has to look "
                     "at");
}

bool records_full(struct chain *chain)
{
    return chain->size_bytes > RECORD_FILE_MAX || !chain_has_reserve(chain);
}

int records_outcome(struct monitor *monitor, struct chain *chain, const struct chain_entry *entry,
                    enum durability durability)
{
    struct chain_entry outcome = *entry;
    int rc;

    outcome.phase = RECORD_OUTCOME;
    append(monitor, chain, &outcome, durability, NULL, &rc);
    return rc;
}

void records_sync_all(struct monitor *monitor)
{
    on_sync(monitor);
    write_heads(monitor);
    sync_chain(&monitor->records.host, "the host");
}

int records_open(struct monitor *monitor, struct err *err)
{
    struct records *records = &monitor->records;
    const struct chain_head none = {0};

    records->sync = (struct loop_timer){.on_due = on_sync, .data = monitor};
    records->heads = (struct loop_timer){.on_due = on_heads, .data = monitor};
    int rc = chain_open(monitor->dirs.records, HOST_FILE, 0400, 0, &none, replay_host, monitor,
                        &records->host);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot read the host's records");
    if (records->host.broken)
        return err_set(err, OUTCOME_HOST_CANNOT,
                       "the host's records are damaged after entry %llu: nobody could say who the "
                       "users are; look at %s",
                       (unsigned long long)records->host.seq, "records/" HOST_FILE);
    for (struct user *user = monitor->users.first; user != NULL; user = user->next) {
        char name[FILE_NAME_SIZE];
        user_file(user, name);
        rc = chain_open(monitor->dirs.records, name, 0440, user->audit_gid, &user->head, replay_own,
                        user, &user->chain);
        if (rc < 0) {
            log_line(LOG_LEVEL_ERROR, "cannot read records/%s: %s", name, strerror(-rc));
            user->chain.broken = true;
        }
        if (user->chain.broken)
            refuse_broken(user);
    }
    monitor->grants.replaying = false;
    return 0;
}

int records_user_open(struct monitor *monitor, struct user *user)
{
    const struct chain_head none = {0};
    char name[FILE_NAME_SIZE];

    /* One of an earlier user of the same uid is history, and must not become hers. */
    records_user_retire(monitor, user);
    user_file(user, name);
    return chain_open(monitor->dirs.records, name, 0440, user->audit_gid, &none, replay_own, user,
                      &user->chain);
}

void records_user_retire(struct monitor *monitor, struct user *user)
{
    char name[FILE_NAME_SIZE];
    char old[FILE_NAME_SIZE];

    if (user->chain.fd >= 0) {
        sync_chain(&user->chain, user->name);
        chain_close(&user->chain);
    }
    user_file(user, name);
    int rc = close_to_all(monitor, name);
    if (rc == 0)
        rc = -EEXIST;
    for (unsigned int i = 1; i < OLD_FILES_MAX && rc == -EEXIST; i++) {
        rc = str_format(old, sizeof(old), "%s.%u", name, i);
        if (rc == 0)
            rc = path_rename(monitor->dirs.records, name, monitor->dirs.records, old, false);
    }
    if (rc < 0 && rc != -ENOENT)
        log_line(LOG_LEVEL_ERROR, "cannot move records/%s aside: %s", name, strerror(-rc));
}

/* The gid of a group that is removed may soon be that of another user's. */
static int close_to_all(struct monitor *monitor, const char *name)
{
    auto_close file = path_open(monitor->dirs.records, name, O_RDONLY);
    if (file < 0)
        return file;
    if (fchmod(file, 0400) < 0)
        return -errno;
    return path_chown(file, 0, 0);
}

/* What ends or takes away is always possible. */
static bool is_ending(enum record_type type)
{
    return type == RECORD_STOP || type == RECORD_REMOVE || type == RECORD_GRANT_END ||
           type == RECORD_USER_REMOVE || type == RECORD_HOST_STOP;
}

static int need_room(const struct user *user, struct chain *chain, struct err *err)
{
    const uint64_t most = user != NULL ? RECORD_FILE_MAX : RECORD_HOST_FILE_MAX;

    if (chain->size_bytes > most)
        return err_set(
            err, OUTCOME_OVER_LIMIT,
            "the records of %s are full (%llu MiB): machines can be stopped and removed, grants "
            "revoked; an admin adds the user anew (croft user rm, croft user add)",
            user != NULL ? user->name : "the host", (unsigned long long)most / MIB);
    if (!chain_has_reserve(chain))
        return err_set(err, OUTCOME_HOST_CANNOT,
                       "the disk of %s is full: nothing was done; machines can be stopped and "
                       "removed, grants revoked, until an admin makes room there",
                       CROFT_STATE_DIR);
    return 0;
}

static void on_sync(void *data)
{
    struct monitor *monitor = data;

    sync_chain(&monitor->records.host, "the host");
    for (struct user *user = monitor->users.first; user != NULL; user = user->next)
        sync_chain(&user->chain, user->name);
}

static void on_heads(void *data)
{
    struct monitor *monitor = data;
    records_sync_all(monitor);
}

static void sync_chain(struct chain *chain, const char *whose)
{
    int rc = chain_sync(chain);
    if (rc < 0)
        log_line(LOG_LEVEL_ERROR, "the records of %s cannot be written: %s; nothing more is done",
                 whose, strerror(-rc));
}

static void write_heads(struct monitor *monitor)
{
    for (struct user *user = monitor->users.first; user != NULL; user = user->next) {
        if (!user->chain.unheaded || user->chain.unsynced || user->chain.broken)
            continue;
        const struct chain_entry head = {
            .type = RECORD_HEAD,
            .phase = RECORD_OUTCOME,
            .subject_uid = user->uid,
            .number = {user->chain.seq, monitor->grants.next_id},
            .name = user->name,
            .payload = user->chain.hash,
            .payload_size = SHA256_SIZE,
        };
        /* On a full disk the next hour's does as well; what is left is for what ends something. */
        if (chain_has_reserve(&monitor->records.host) &&
            chain_append(&monitor->records.host, &head, NULL) == 0)
            user->chain.unheaded = false;
    }
}

static void append(struct monitor *monitor, struct chain *chain, const struct chain_entry *entry,
                   enum durability durability, uint64_t *ret_seq, int *ret_rc)
{
    struct records *records = &monitor->records;
    int rc = chain_append(chain, entry, ret_seq);

    if (rc == 0 && durability == DURABLE_NOW)
        rc = chain_sync(chain);
    if (rc < 0)
        log_line(LOG_LEVEL_ERROR, "cannot write the record of a %s: %s",
                 record_type_name((uint32_t)entry->type), strerror(-rc));
    if (chain->unsynced && !records->sync.armed)
        loop_arm(monitor->loop, &records->sync, clock_boot_ns() + RECORD_SYNC_MS * NS_PER_MS);
    if (!records->heads.armed)
        loop_arm(monitor->loop, &records->heads, clock_boot_ns() + HEADS_S * NS_PER_S);
    *ret_rc = rc;
}

static void user_file(const struct user *user, char name[FILE_NAME_SIZE])
{
    if (str_format(name, FILE_NAME_SIZE, "%u", user->uid) < 0)
        croft_bug("a uid is longer than a file name");
}

static void replay_host(const struct record *record, const void *payload, size_t payload_size,
                        void *data)
{
    struct monitor *monitor = data;
    struct user *user;
    struct record_user about;
    bool is_ok = record->phase == RECORD_OUTCOME && record->outcome == OUTCOME_OK;
    bool has_user = payload_size == sizeof(about);

    if (has_user)
        memcpy(&about, payload, sizeof(about));
    switch ((enum record_type)record->type) {
    case RECORD_USER_ADD:
        changes_replay(monitor, record);
        if (has_user && about.slot >= monitor->users.next_slot)
            monitor->users.next_slot = about.slot + 1;
        if (is_ok && has_user)
            replay_user_added(monitor, record, &about);
        break;
    case RECORD_USER_SET:
        user = users_by_name(monitor, record->name);
        if (is_ok && has_user && user != NULL)
            user_fill(user, &about);
        break;
    case RECORD_USER_REMOVE:
        changes_replay(monitor, record);
        user = users_by_name(monitor, record->name);
        if (is_ok && user != NULL)
            user_drop(user);
        break;
    case RECORD_HEAD:
        replay_head(monitor, record, payload, payload_size);
        break;
    case RECORD_HOST_NETWORK:
        if (is_ok)
            network_recorded(monitor, payload, payload_size);
        break;
    case RECORD_HOST_START:
    case RECORD_HOST_STOP:
    case RECORD_LAUNCH:
    case RECORD_RUN:
    case RECORD_START:
    case RECORD_STOP:
    case RECORD_REMOVE:
    case RECORD_EXEC:
    case RECORD_IMAGE_IMPORT:
    case RECORD_IMAGE_REMOVE:
    case RECORD_ENDED:
    case RECORD_LOGIN:
    case RECORD_GRANT:
    case RECORD_GRANT_END:
    case RECORD_ASK:
    case RECORD_DENY:
    case RECORD_TYPE_COUNT:
        break;
    }
}

static void replay_user_added(struct monitor *monitor, const struct record *record,
                              const struct record_user *added)
{
    if (!order_is_user(record->name) || added->uid == 0 || added->slot >= USERS_MAX)
        return;
    struct user *user = user_new(monitor, record->name, USER_ACTIVE);
    user_fill(user, added);
}

static void replay_head(struct monitor *monitor, const struct record *record, const void *payload,
                        size_t payload_size)
{
    struct user *user = users_by_uid(monitor, record->subject_uid);

    /* Also of users who are gone, with their files: no id is given twice. */
    if (monitor->grants.next_id < record->number[1])
        monitor->grants.next_id = record->number[1];
    if (user == NULL || payload_size != SHA256_SIZE)
        return;
    user->head.seq = record->number[0];
    memcpy(user->head.hash, payload, SHA256_SIZE);
}

static void replay_own(const struct record *record, const void *payload, size_t payload_size,
                       void *data)
{
    struct user *user = data;

    switch ((enum record_type)record->type) {
    case RECORD_LAUNCH:
    case RECORD_RUN:
    case RECORD_START:
    case RECORD_STOP:
    case RECORD_REMOVE:
    case RECORD_ENDED:
        replay_instance(user, record, payload, payload_size);
        break;
    case RECORD_IMAGE_IMPORT:
    case RECORD_IMAGE_REMOVE:
        if (record->phase == RECORD_OUTCOME && record->outcome == OUTCOME_OK)
            replay_image(user, record, payload, payload_size);
        break;
    case RECORD_GRANT:
    case RECORD_GRANT_END:
    case RECORD_ASK:
    case RECORD_DENY:
        grants_recorded(user, record, payload, payload_size);
        break;
    case RECORD_HOST_START:
    case RECORD_HOST_STOP:
    case RECORD_HEAD:
    case RECORD_USER_ADD:
    case RECORD_USER_SET:
    case RECORD_USER_REMOVE:
    case RECORD_EXEC:
    case RECORD_LOGIN:
    case RECORD_HOST_NETWORK:
    case RECORD_TYPE_COUNT:
        break;
    }
}

static void replay_instance(struct user *user, const struct record *record, const void *payload,
                            size_t payload_size)
{
    struct instance *instance = instances_by_name(user, record->name);
    bool makes = record->type == RECORD_LAUNCH || record->type == RECORD_RUN;
    bool is_ok = record->outcome == OUTCOME_OK;

    if (makes && record->phase == RECORD_INTENT) {
        if (instance == NULL && str_is_name(record->name))
            instance_recorded(user, record, payload, payload_size);
        return;
    }
    if (instance == NULL || record->phase == RECORD_INTENT)
        return;
    if (makes)
        instance->deed.chain = NULL;
    if ((makes && !is_ok) || (is_ok && record->type == RECORD_REMOVE))
        instance_drop(instance);
    else if (record->type == RECORD_RUN || record->type == RECORD_ENDED)
        replay_ended(instance, record);
    else if (is_ok)
        replay_started(instance, record);
}

static void replay_started(struct instance *instance, const struct record *record)
{
    instance->wanted = record->type != RECORD_STOP && instance->kind == PLAN_MACHINE;
    instance->since_wall_ns = record->wall_ns;
}

static void replay_ended(struct instance *instance, const struct record *record)
{
    if (instance->flags & PLAN_REMOVE) {
        instance_drop(instance);
        return;
    }
    instance->exit_code = (int)record->number[RECORD_ENDED_CODE];
    instance->exit_signal = (int)record->number[RECORD_ENDED_SIGNAL];
    instance->oom_kills = record->number[RECORD_ENDED_OOM];
    instance->since_wall_ns = record->wall_ns;
    /* What the host's stop ended, the host's start brings back. */
    if (record->number[RECORD_ENDED_WANTED] == 0)
        instance->wanted = false;
}

static void replay_image(struct user *user, const struct record *record, const void *payload,
                         size_t payload_size)
{
    uint8_t digest[SHA256_SIZE];
    struct image *image;

    if (record->type == RECORD_IMAGE_REMOVE) {
        image = images_by_name(user, record->name);
        if (image != NULL)
            image_drop(image);
        return;
    }
    if (payload_size < sizeof(digest) || !str_is_name(record->name))
        return;
    memcpy(digest, payload, sizeof(digest));
    image = image_set(user, record->name, digest);
    image_set_config(image, (const uint8_t *)payload + sizeof(digest),
                     payload_size - sizeof(digest));
    image->entries = record->number[0];
    image->bytes = record->number[1];
    image->wall_ns = record->wall_ns;
}

/* She keeps her name, ids and limits, which the host's file says; nothing else is believed. */
static void refuse_broken(struct user *user)
{
    log_line(LOG_LEVEL_ERROR,
             "records/%u is damaged after entry %llu: %s can do nothing until an admin has looked "
             "at it; all other users are served",
             user->uid, (unsigned long long)user->chain.seq, user->name);
    while (user->instances != NULL)
        instance_drop(user->instances);
    while (user->images != NULL)
        image_drop(user->images);
    grants_disbelieved(user);
}
