/* SPDX-License-Identifier: Apache-2.0 */
/*
 * planner - from what a person wishes to a struct plan: the waterline is written here
 *
 * Whether the name is free is not asked here: the view is a moment behind the records, and the
 * monitor, which is not, answers it.
 */
#include "daemon/planner.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "base/str.h"

#define DEFAULT_PATH  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define DEFAULT_HOME  "HOME=/root"
#define DEFAULT_TERM  "TERM=xterm"
#define DEFAULT_SHELL "/bin/sh"
/* croft-init runs alone (wire/plan.h) */
#define NO_COMMAND "-"
#define SHOWN      40

/* The strings of a command while they are put together. */
struct strings {
    char *to;
    size_t used;
    bool full;
};

static int check_names(const struct wish *wish, const struct view_user *owner, struct err *err);
static int check_limits(const struct wish *wish, const struct view_user *owner, struct err *err);
static int check_env(const struct wish *wish, struct err *err);
static void add_command(struct strings *strings, const struct wish *wish, struct command *command);
static void add_env(struct strings *strings, const struct wish *wish, struct command *command);
static void fill(struct plan *plan, const struct wish *wish, const struct view_user *owner);

int planner_make(const struct wish *wish, const struct view_user *owner,
                 union plan_buffer *ret_plan, struct err *err)
{
    struct plan *plan = &ret_plan->plan;
    struct strings strings = {.to = ret_plan->bytes + sizeof(*plan)};
    const struct plan_owner against = {
        .uid = owner->uid,
        .block_first = owner->block_first,
        .keeper_id = owner->keeper_id,
        .memory_bytes = owner->limits.memory_bytes,
        .pids = owner->limits.pids,
        .cpu_milli = owner->limits.cpu_milli,
    };
    int rc = check_names(wish, owner, err);
    if (rc == 0)
        rc = check_limits(wish, owner, err);
    if (rc == 0)
        rc = check_env(wish, err);
    if (rc != 0)
        return rc;
    memset(plan, 0, sizeof(*plan));
    fill(plan, wish, owner);
    add_command(&strings, wish, &plan->command);
    add_env(&strings, wish, &plan->command);
    if (strings.full)
        return err_set(err, OUTCOME_USAGE,
                       "the command and its environment take more than %u bytes: pass large input "
                       "by standard input",
                       PLAN_STRINGS_MAX);
    plan->command.strings_len = (uint32_t)strings.used;
    return plan_check(plan, plan_size(plan), &against, err);
}

void planner_job_name(const uint8_t random[4], char ret_name[NAME_SIZE])
{
    static const char prefix[] = "job-";
    memset(ret_name, 0, NAME_SIZE);
    memcpy(ret_name, prefix, sizeof(prefix) - 1);
    str_hex(random, 4, ret_name + sizeof(prefix) - 1);
}

static int check_names(const struct wish *wish, const struct view_user *owner, struct err *err)
{
    if (!str_is_name(wish->name))
        return err_set(err, OUTCOME_USAGE,
                       "'%.*s' cannot name a machine: give a-z, 0-9 and -, at most %d", SHOWN,
                       wish->name, NAME_MAX_LEN);
    if (!str_is_name(wish->image))
        return err_set(err, OUTCOME_USAGE,
                       "'%.*s' cannot name an image: give a-z, 0-9 and -, at most %d", SHOWN,
                       wish->image, NAME_MAX_LEN);
    if (strlen(wish->user) >= NAME_SIZE)
        return err_set(err, OUTCOME_USAGE, "the user's name '%.*s...' is too long", SHOWN,
                       wish->user);
    if (view_image(owner, wish->image) == NULL)
        return err_set(err, OUTCOME_NOT_FOUND, "no image named %s; `croft image ls` shows yours",
                       wish->image);
    return 0;
}

static int check_limits(const struct wish *wish, const struct view_user *owner, struct err *err)
{
    const struct user_limits *most = &owner->limits;
    char asked[32];
    char limit[32];

    if (wish->memory_bytes > most->memory_bytes)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "%s of memory is more than the %s that all your machines have together",
                       str_size_text(wish->memory_bytes, asked, sizeof(asked)),
                       str_size_text(most->memory_bytes, limit, sizeof(limit)));
    if (wish->memory_bytes != 0 && wish->memory_bytes < MEMORY_MIN_BYTES)
        return err_set(err, OUTCOME_USAGE, "%s of memory is too little: give at least %s",
                       str_size_text(wish->memory_bytes, asked, sizeof(asked)),
                       str_size_text(MEMORY_MIN_BYTES, limit, sizeof(limit)));
    if (wish->pids > most->pids)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "%" PRIu32 " processes are more than the %" PRIu32
                       " that all your machines have together",
                       wish->pids, most->pids);
    if (wish->pids != 0 && wish->pids < PIDS_MIN)
        return err_set(err, OUTCOME_USAGE, "%" PRIu32 " processes are too few: give at least %u",
                       wish->pids, PIDS_MIN);
    if (most->cpu_milli != 0 && wish->cpu_milli > most->cpu_milli)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "%" PRIu32 ".%03" PRIu32 " CPUs are more than the %" PRIu32 ".%03" PRIu32
                       " that all your machines have together",
                       wish->cpu_milli / 1000, wish->cpu_milli % 1000, most->cpu_milli / 1000,
                       most->cpu_milli % 1000);
    return 0;
}

static int check_env(const struct wish *wish, struct err *err)
{
    if (wish->command_count > PLAN_ARGS_MAX || wish->env_count > PLAN_ARGS_MAX)
        return err_set(err, OUTCOME_USAGE, "%zu words and %zu variables: give at most %u of each",
                       wish->command_count, wish->env_count, PLAN_ARGS_MAX);
    for (size_t i = 0; i < wish->env_count; i++) {
        const char *equals = strchr(wish->env[i], '=');
        if (equals == NULL || equals == wish->env[i])
            return err_set(err, OUTCOME_USAGE, "the variable '%.*s' is not NAME=VALUE", SHOWN,
                           wish->env[i]);
    }
    return 0;
}

static void fill(struct plan *plan, const struct wish *wish, const struct view_user *owner)
{
    const struct view_image *image = view_image(owner, wish->image);

    plan->version = PLAN_VERSION;
    plan->kind = wish->kind;
    plan->flags = (wish->remove ? PLAN_REMOVE : 0U) | (wish->tty ? PLAN_TTY : 0U) |
                  (wish->stdin_open ? PLAN_STDIN : 0U) | (wish->offline ? PLAN_OFFLINE : 0U);
    plan->filter = PLAN_FILTER_DEFAULT;
    plan->owner_uid = owner->uid;
    plan->block_first = owner->block_first;
    plan->block_count = BLOCK_COUNT;
    plan->keeper_id = owner->keeper_id;
    plan->layer_count = 1;
    plan->stop_signal = SIGTERM;
    plan->pids = wish->pids;
    plan->cpu_milli = wish->cpu_milli;
    plan->memory_bytes = wish->memory_bytes;
    memcpy(plan->name, wish->name, strlen(wish->name));
    memcpy(plan->image, wish->image, strlen(wish->image));
    memcpy(plan->layer[0], image->digest, sizeof(plan->layer[0]));
    memcpy(plan->command.user, wish->user, strlen(wish->user));
}

static void add_string(struct strings *strings, const char *text)
{
    size_t size = strlen(text) + 1;
    if (size > PLAN_STRINGS_MAX - strings->used) {
        strings->full = true;
        return;
    }
    memcpy(strings->to + strings->used, text, size);
    strings->used += size;
}

static void add_command(struct strings *strings, const struct wish *wish, struct command *command)
{
    add_string(strings, wish->workdir);
    if (wish->command_count == 0) {
        add_string(strings, wish->kind == PLAN_MACHINE ? NO_COMMAND : DEFAULT_SHELL);
        command->argc = 1;
        return;
    }
    for (size_t i = 0; i < wish->command_count; i++)
        add_string(strings, wish->command[i]);
    command->argc = (uint32_t)wish->command_count;
}

/* Whether one of the wish's variables from @first on has the name of @variable. */
static bool is_given(const struct wish *wish, size_t first, const char *variable)
{
    size_t name_size = strcspn(variable, "=") + 1;
    for (size_t i = first; i < wish->env_count; i++)
        if (strncmp(wish->env[i], variable, name_size) == 0)
            return true;
    return false;
}

static void add_variable(struct strings *strings, struct command *command, const char *variable)
{
    add_string(strings, variable);
    command->envc++;
}

/* Given twice, the last one counts, so that there is one of each name. */
static void add_env(struct strings *strings, const struct wish *wish, struct command *command)
{
    static const char *const defaults[] = {DEFAULT_PATH, DEFAULT_HOME, DEFAULT_TERM};
    char hostname[sizeof("HOSTNAME=") + NAME_SIZE];

    for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
        bool wanted = strcmp(defaults[i], DEFAULT_TERM) != 0 || wish->tty;
        if (strcmp(defaults[i], DEFAULT_HOME) == 0 && wish->user[0] != '\0')
            wanted = false; /* croft-init knows whose home it is */
        if (wanted && !is_given(wish, 0, defaults[i]))
            add_variable(strings, command, defaults[i]);
    }
    if (!is_given(wish, 0, "HOSTNAME=") &&
        str_format(hostname, sizeof(hostname), "HOSTNAME=%s", wish->name) == 0)
        add_variable(strings, command, hostname);
    for (size_t i = 0; i < wish->env_count; i++)
        if (!is_given(wish, i + 1, wish->env[i]))
            add_variable(strings, command, wish->env[i]);
}
