/* SPDX-License-Identifier: Apache-2.0 */
/* expected - what Croft's records say there is: users, their machines, the grants */
#include "doctor/expected.h"
#include "croft-paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "doctor/look.h"
#include "linux/path.h"

/* A user's file and the host's are limited to less. */
#define FILE_MAX RECORD_HOST_FILE_MAX

typedef void (*replay_fn)(const struct record *record, const void *payload, size_t payload_size,
                          void *data);

static int replay(const uint8_t *bytes, size_t size, replay_fn each, void *data);
static int read_file(const char *name, uint8_t **ret_bytes, size_t *ret_size);
static void replay_host(const struct record *record, const void *payload, size_t payload_size,
                        void *data);
static void replay_own(const struct record *record, const void *payload, size_t payload_size,
                       void *data);
static void replay_machine(struct expected_user *user, const struct record *record);
static void replay_grant(struct expected_user *user, const struct record *record,
                         const void *payload, size_t payload_size);
static void drop_user(struct expected *expected, const char *name);
static struct expected_machine *machine_named(struct expected_user *user, const char *name);

int expected_read(struct expected *expected)
{
    auto_free uint8_t *bytes = NULL;
    char name[16];
    size_t size = 0;

    int rc = read_file("host", &bytes, &size);
    if (rc < 0)
        return rc;
    if (expected_host(expected, bytes, size) < 0)
        expected->broken = look_format("the host's records do not hold together: `croft audit "
                                       "verify --host` says where");
    for (size_t i = 0; i < expected->user_count; i++) {
        struct expected_user *user = &expected->users[i];
        auto_free uint8_t *own = NULL;
        if (str_format(name, sizeof(name), "%u", user->user.uid) < 0)
            continue;
        rc = read_file(name, &own, &size);
        if (rc == 0)
            rc = expected_own(user, own, size);
        if (rc < 0 && expected->broken == NULL)
            expected->broken =
                look_format("the records of %s do not hold together: `croft audit verify --user "
                            "%s` says where",
                            user->name, user->name);
    }
    return 0;
}

void expected_free(struct expected *expected)
{
    while (expected->user_count > 0)
        drop_user(expected, expected->users[0].name);
    free(expected->users);
    free(expected->broken);
    *expected = (struct expected){0};
}

int expected_host(struct expected *expected, const uint8_t *bytes, size_t size)
{
    return replay(bytes, size, replay_host, expected);
}

int expected_own(struct expected_user *user, const uint8_t *bytes, size_t size)
{
    return replay(bytes, size, replay_own, user);
}

static int replay(const uint8_t *bytes, size_t size, replay_fn each, void *data)
{
    uint8_t previous[SHA256_SIZE] = {0};
    size_t at = 0;

    for (uint64_t seq = 1; bytes != NULL && at < size; seq++) {
        uint8_t hash[SHA256_SIZE];
        struct record record;
        size_t length;
        int rc = record_check(bytes + at, size - at, seq, previous, &length, hash);
        if (rc == -EAGAIN)
            return 0;
        if (rc < 0)
            return rc;
        memcpy(&record, bytes + at, sizeof(record));
        each(&record, bytes + at + sizeof(record), length - sizeof(record) - SHA256_SIZE, data);
        memcpy(previous, hash, sizeof(previous));
        at += length;
    }
    return 0;
}

static int read_file(const char *name, uint8_t **ret_bytes, size_t *ret_size)
{
    struct stat meta;
    auto_close records = path_root(CROFT_STATE_DIR "/records", O_RDONLY | O_DIRECTORY);
    if (records < 0)
        return records;
    auto_close file = path_open(records, name, O_RDONLY);
    if (file < 0)
        return file;
    if (fstat(file, &meta) < 0)
        return -errno;
    if (meta.st_size < 0 || (uint64_t)meta.st_size > FILE_MAX)
        return -EFBIG;
    auto_free uint8_t *bytes = mem_new((size_t)meta.st_size, 1);
    ssize_t got = fd_read_full(file, bytes, (size_t)meta.st_size);
    if (got < 0)
        return (int)got;
    *ret_size = (size_t)got;
    *ret_bytes = take_ptr(bytes);
    return 0;
}

static void replay_host(const struct record *record, const void *payload, size_t payload_size,
                        void *data)
{
    struct expected *expected = data;
    struct record_user about;
    bool has_user = payload_size == sizeof(about);

    if (record->phase != RECORD_OUTCOME || record->outcome != OUTCOME_OK ||
        !str_terminated(record->name, sizeof(record->name)))
        return;
    if (record->type == RECORD_USER_REMOVE || (record->type == RECORD_USER_ADD && has_user))
        drop_user(expected, record->name);
    if (record->type != RECORD_USER_ADD || !has_user)
        return;
    memcpy(&about, payload, sizeof(about));
    expected->users = mem_grow(expected->users, expected->user_count + 1, sizeof(*expected->users));
    struct expected_user *user = &expected->users[expected->user_count++];
    *user = (struct expected_user){.user = about};
    memcpy(user->name, record->name, sizeof(user->name));
}

static void replay_own(const struct record *record, const void *payload, size_t payload_size,
                       void *data)
{
    if (!str_terminated(record->name, sizeof(record->name)))
        return;
    if (record->type == RECORD_GRANT || record->type == RECORD_GRANT_END)
        replay_grant(data, record, payload, payload_size);
    else
        replay_machine(data, record);
}

static void replay_machine(struct expected_user *user, const struct record *record)
{
    struct expected_machine *machine = machine_named(user, record->name);
    bool is_ok = record->phase == RECORD_OUTCOME && record->outcome == OUTCOME_OK;
    bool makes = record->type == RECORD_LAUNCH || record->type == RECORD_RUN;

    if (makes && machine == NULL && record->phase == RECORD_INTENT) {
        user->machines = mem_grow(user->machines, user->machine_count + 1, sizeof(*user->machines));
        machine = &user->machines[user->machine_count++];
        *machine = (struct expected_machine){.running = record->type == RECORD_RUN};
        memcpy(machine->name, record->name, sizeof(machine->name));
        return;
    }
    if (machine == NULL || record->phase == RECORD_INTENT)
        return;
    if ((makes && !is_ok) || (is_ok && record->type == RECORD_REMOVE)) {
        *machine = user->machines[--user->machine_count];
        return;
    }
    /* The outcome of a run comes with its end. */
    if (record->type == RECORD_RUN || record->type == RECORD_ENDED ||
        (is_ok && record->type == RECORD_STOP))
        machine->running = false;
    else if (is_ok && (record->type == RECORD_LAUNCH || record->type == RECORD_START))
        machine->running = true;
}

/* Both ends have it in their files; it counts in the owner's. */
static void replay_grant(struct expected_user *user, const struct record *record,
                         const void *payload, size_t payload_size)
{
    struct grant grant;

    if (payload_size != sizeof(grant) || record->phase != RECORD_OUTCOME ||
        record->outcome != OUTCOME_OK)
        return;
    memcpy(&grant, payload, sizeof(grant));
    if (grant.owner_uid != user->user.uid)
        return;
    for (size_t i = 0; i < user->grant_count; i++)
        if (user->grants[i].id == grant.id)
            user->grants[i--] = user->grants[--user->grant_count];
    if (record->type == RECORD_GRANT_END)
        return;
    user->grants = mem_grow(user->grants, user->grant_count + 1, sizeof(*user->grants));
    user->grants[user->grant_count++] = grant;
}

static void drop_user(struct expected *expected, const char *name)
{
    for (size_t i = 0; i < expected->user_count; i++) {
        if (strcmp(expected->users[i].name, name) != 0)
            continue;
        free(expected->users[i].machines);
        free(expected->users[i].grants);
        memmove(&expected->users[i], &expected->users[i + 1],
                (expected->user_count - i - 1) * sizeof(*expected->users));
        expected->user_count--;
        return;
    }
}

static struct expected_machine *machine_named(struct expected_user *user, const char *name)
{
    for (size_t i = 0; i < user->machine_count; i++)
        if (strcmp(user->machines[i].name, name) == 0)
            return &user->machines[i];
    return NULL;
}
