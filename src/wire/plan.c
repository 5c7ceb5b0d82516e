/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan - holds a plan against what the monitor's records say about its owner
 *
 * Theory of operation: the bytes come from anyone. Nothing is read before the size says that it is
 * there, and heads are copied before they are looked at, so that no alignment is assumed. Every
 * sentence names the field, what it held and what it must hold.
 */
#include "wire/plan.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/str.h"

_Static_assert(NAME_MAX_LEN == STR_NAME_MAX_LEN, "one longest name");
_Static_assert(NAME_MAX_LEN < NAME_SIZE, "a name and its end fit");
_Static_assert((ID_RANGE_LAST - ID_RANGE_FIRST + 1U) / BLOCK_COUNT > USERS_MAX,
               "every user's block and keeper id lie in the range, and the two never meet");

#define STOP_SIGNAL_MAX 64U
#define INSIDE_ID_MAX   (BLOCK_COUNT - 2U) /* 65535 is (uid_t)-1 for 16-bit callers */

static int command_user_check(const char *user, struct err *err);
static int command_strings_check(const struct command *head, const char *strings, struct err *err);
static int plan_form_check(const struct plan *plan, struct err *err);
static int plan_identity_check(const struct plan *plan, const struct plan_owner *owner,
                               struct err *err);
static int plan_limits_check(const struct plan *plan, const struct plan_owner *owner,
                             struct err *err);

int command_check(const struct command *command, size_t size, struct err *err)
{
    struct command head;

    if (size < sizeof(head))
        return err_set(err, OUTCOME_USAGE, "command: %zu bytes are too few; a command has %zu",
                       size, sizeof(head));
    memcpy(&head, command, sizeof(head));
    if (head.reserved != 0)
        return err_set(err, OUTCOME_USAGE, "command: the reserved field must be 0");
    if (head.argc == 0 || head.argc > PLAN_ARGS_MAX)
        return err_set(err, OUTCOME_USAGE, "command: %" PRIu32 " words; give 1 to %u", head.argc,
                       PLAN_ARGS_MAX);
    if (head.envc > PLAN_ARGS_MAX)
        return err_set(err, OUTCOME_USAGE,
                       "command: %" PRIu32 " environment variables; give at most %u", head.envc,
                       PLAN_ARGS_MAX);
    if (head.strings_len > PLAN_STRINGS_MAX)
        return err_set(err, OUTCOME_USAGE,
                       "command: words and environment take %" PRIu32
                       " bytes; at most %u fit: pass large input by standard input",
                       head.strings_len, PLAN_STRINGS_MAX);
    if (size - sizeof(head) != head.strings_len)
        return err_set(err, OUTCOME_USAGE,
                       "command: %" PRIu32 " bytes of strings announced, %zu sent",
                       head.strings_len, size - sizeof(head));
    if (command_user_check(head.user, err) != 0)
        return OUTCOME_USAGE;
    return command_strings_check(&head, (const char *)command + sizeof(head), err);
}

int plan_check(const struct plan *plan, size_t size, const struct plan_owner *owner,
               struct err *err)
{
    const size_t command_offset = offsetof(struct plan, command);
    struct plan head;
    int r;

    if (size < sizeof(head) || size > PLAN_SIZE_MAX)
        return err_set(err, OUTCOME_USAGE, "plan: %zu bytes; a plan has %zu to %zu", size,
                       sizeof(head), (size_t)PLAN_SIZE_MAX);
    memcpy(&head, plan, sizeof(head));
    r = plan_form_check(&head, err);
    if (r == 0)
        r = plan_identity_check(&head, owner, err);
    if (r == 0)
        r = plan_limits_check(&head, owner, err);
    if (r != 0)
        return r;
    return command_check(
        (const struct command *)(const void *)((const char *)plan + command_offset),
        size - command_offset, err);
}

void command_strings(const struct command *command, const char **ret_workdir, const char **argv,
                     const char **envp)
{
    const char *next = (const char *)command + sizeof(*command);
    struct command head;
    uint32_t i;

    memcpy(&head, command, sizeof(head));
    *ret_workdir = next;
    next += strlen(next) + 1;
    for (i = 0; i < head.argc; i++, next += strlen(next) + 1)
        argv[i] = next;
    argv[head.argc] = NULL;
    for (i = 0; i < head.envc; i++, next += strlen(next) + 1)
        envp[i] = next;
    envp[head.envc] = NULL;
}

/* A decimal id of the block, or a name as passwd or group inside may have it. */
static int command_account_check(const char *name, struct err *err)
{
    static const char *const may_lead = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    static const char *const may_follow =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789-.";
    uint64_t id;

    if (name[0] >= '0' && name[0] <= '9') {
        if (str_u64(name, 0, INSIDE_ID_MAX, &id) == 0)
            return 0;
        return err_set(err, OUTCOME_USAGE, "command: '%s' is no user id; give 0 to %u", name,
                       INSIDE_ID_MAX);
    }
    if (strspn(name, may_lead) > 0 && strspn(name, may_follow) == strlen(name))
        return 0;
    return err_set(err, OUTCOME_USAGE,
                   "command: '%s' is no user's name; give letters, digits, _, - and ., or "
                   "a number",
                   name);
}

/* "" is root inside; else USER, USER:GROUP or ?USER (plan.h). */
static int command_user_check(const char *user, struct err *err)
{
    char name[NAME_SIZE];
    char *colon;
    int r;

    if (!str_terminated(user, NAME_SIZE))
        return err_set(err, OUTCOME_USAGE, "command: the user's name has no end");
    if (user[0] == '\0')
        return 0;
    memcpy(name, user, sizeof(name));
    colon = strchr(name, ':');
    if (colon != NULL)
        *colon = '\0';
    r = command_account_check(name + (name[0] == '?'), err);
    if (r == 0 && colon != NULL)
        r = command_account_check(colon + 1, err);
    return r;
}

static int command_strings_check(const struct command *head, const char *strings, struct err *err)
{
    const size_t wanted = (size_t)1 + head->argc + head->envc;
    const char *next = strings;
    size_t left = head->strings_len;
    size_t count = 0;

    while (left) {
        size_t length = strnlen(next, left);

        if (length == left)
            return err_set(err, OUTCOME_USAGE, "command: string %zu has no end", count);
        count++;
        next += length + 1;
        left -= length + 1;
    }
    if (count != wanted)
        return err_set(err, OUTCOME_USAGE,
                       "command: %zu strings; the working directory, %" PRIu32 " words and %" PRIu32
                       " variables make %zu",
                       count, head->argc, head->envc, wanted);
    if (strings[0] != '\0' && strings[0] != '/')
        return err_set(err, OUTCOME_USAGE,
                       "command: working directory '%s' is not absolute; start it with /", strings);
    if (strings[strlen(strings) + 1] == '\0')
        return err_set(err, OUTCOME_USAGE, "command: the program's name is empty; give one");
    return 0;
}

static int plan_form_check(const struct plan *plan, struct err *err)
{
    if (plan->version != PLAN_VERSION)
        return err_set(err, OUTCOME_USAGE,
                       "plan: version %" PRIu32 ", this Croft speaks %u; use one version of both",
                       plan->version, PLAN_VERSION);
    if (plan->kind != PLAN_MACHINE && plan->kind != PLAN_JOB)
        return err_set(err, OUTCOME_USAGE, "plan: kind %" PRIu32 " is neither machine nor job",
                       plan->kind);
    if (plan->flags & ~(uint32_t)PLAN_FLAGS_ALL)
        return err_set(err, OUTCOME_USAGE, "plan: unknown flags %#" PRIx32, plan->flags);
    if (plan->layer_count == 0 || plan->layer_count > PLAN_LAYERS_MAX)
        return err_set(err, OUTCOME_USAGE, "plan: %" PRIu32 " layers; give 1 to %u",
                       plan->layer_count, PLAN_LAYERS_MAX);
    if (plan->stop_signal == 0 || plan->stop_signal > STOP_SIGNAL_MAX)
        return err_set(err, OUTCOME_USAGE, "plan: stop signal %" PRIu32 "; give 1 to %u",
                       plan->stop_signal, STOP_SIGNAL_MAX);
    if (!str_terminated(plan->name, sizeof(plan->name)) || !str_is_name(plan->name))
        return err_set(err, OUTCOME_USAGE,
                       "plan: '%.*s' cannot name a machine; give a-z, 0-9 and -, at most %d",
                       NAME_SIZE, plan->name, NAME_MAX_LEN);
    if (!str_terminated(plan->image, sizeof(plan->image)) || !str_is_name(plan->image))
        return err_set(err, OUTCOME_USAGE,
                       "plan: '%.*s' cannot name an image; give a-z, 0-9 and -, at most %d",
                       NAME_SIZE, plan->image, NAME_MAX_LEN);
    return 0;
}

static int plan_identity_check(const struct plan *plan, const struct plan_owner *owner,
                               struct err *err)
{
    if (plan->owner_uid != owner->uid)
        return err_set(err, OUTCOME_NOT_PERMITTED,
                       "plan: its owner is uid %" PRIu32 ", you are uid %" PRIu32
                       "; only your own plans start",
                       plan->owner_uid, owner->uid);
    if (plan->filter != PLAN_FILTER_DEFAULT)
        return err_set(err, OUTCOME_NOT_PERMITTED,
                       "plan: system call filter %" PRIu32 " may not be chosen; use %d",
                       plan->filter, PLAN_FILTER_DEFAULT);
    if (plan->block_first != owner->block_first || plan->block_count != BLOCK_COUNT)
        return err_set(err, OUTCOME_NOT_PERMITTED,
                       "plan: ids %" PRIu32 "+%" PRIu32 " are not the owner's block %" PRIu32 "+%u",
                       plan->block_first, plan->block_count, owner->block_first, BLOCK_COUNT);
    if (plan->keeper_id != owner->keeper_id)
        return err_set(err, OUTCOME_NOT_PERMITTED,
                       "plan: keeper id %" PRIu32 " is not the owner's, %" PRIu32, plan->keeper_id,
                       owner->keeper_id);
    if (plan->mount_count != 0 || plan->device_count != 0)
        return err_set(err, OUTCOME_NOT_PERMITTED,
                       "plan: %" PRIu32 " mounts and %" PRIu32
                       " devices asked for, none is granted; leave them out",
                       plan->mount_count, plan->device_count);
    return 0;
}

static int plan_limits_check(const struct plan *plan, const struct plan_owner *owner,
                             struct err *err)
{
    if (plan->memory_bytes > owner->memory_bytes)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "plan: %" PRIu64 " bytes of memory, the owner has %" PRIu64 "; ask for less",
                       plan->memory_bytes, owner->memory_bytes);
    if (plan->memory_bytes != 0 && plan->memory_bytes < MEMORY_MIN_BYTES)
        return err_set(err, OUTCOME_USAGE,
                       "plan: %" PRIu64 " bytes of memory are too few; give at least %llu",
                       plan->memory_bytes, MEMORY_MIN_BYTES);
    if (plan->pids > owner->pids)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "plan: %" PRIu32 " processes, the owner has %" PRIu32 "; ask for fewer",
                       plan->pids, owner->pids);
    if (plan->pids != 0 && plan->pids < PIDS_MIN)
        return err_set(err, OUTCOME_USAGE,
                       "plan: %" PRIu32 " processes are too few; give at least %u", plan->pids,
                       PIDS_MIN);
    if (owner->cpu_milli != 0 && plan->cpu_milli > owner->cpu_milli)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "plan: %" PRIu32 " thousandths of a CPU, the owner has %" PRIu32
                       "; ask for less",
                       plan->cpu_milli, owner->cpu_milli);
    if (plan->cpu_milli != 0 && plan->cpu_milli < CPU_MILLI_MIN)
        return err_set(err, OUTCOME_USAGE,
                       "plan: %" PRIu32 " thousandths of a CPU are too few; give at least %u",
                       plan->cpu_milli, CPU_MILLI_MIN);
    return 0;
}
