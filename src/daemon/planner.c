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

#include "base/exec.h"
#include "base/str.h"

#define DEFAULT_PATH "PATH=" EXEC_PATH_DEFAULT
#define DEFAULT_HOME "HOME=/root"
#define DEFAULT_TERM "TERM=xterm"
#define SHOWN        40

/* Ours, before what the image and the wish may have together. */
#define VARIABLES_OURS 5U

/* The strings of a command while they are put together. */
struct strings {
    char *to;
    size_t used;
    bool full;
};

/* What the image says; each points to the first of so many strings, one behind the other. */
struct image_says {
    uint32_t stop_signal;
    const char *user;
    const char *workdir;
    const char *entry;
    size_t entry_count;
    const char *cmd;
    size_t cmd_count;
    const char *env;
    size_t env_count;
};

static int check_names(const struct wish *wish, const struct view_user *owner, struct err *err);
static int check_limits(const struct wish *wish, const struct view_user *owner, struct err *err);
static int check_env(const struct wish *wish, struct err *err);
static void read_image(const struct image_config *config, struct image_says *says);
static void add_command(struct strings *strings, const struct wish *wish,
                        const struct image_says *says, struct command *command);
static void add_env(struct strings *strings, const struct wish *wish, const char *owner,
                    const struct image_says *says, struct command *command);
static void fill(struct plan *plan, const struct wish *wish, const struct view_user *owner,
                 const struct image_says *says);

int planner_make(const struct wish *wish, const struct view_user *owner,
                 union plan_buffer *ret_plan, struct err *err)
{
    struct plan *plan = &ret_plan->plan;
    struct strings strings = {.to = ret_plan->bytes + sizeof(*plan)};
    struct image_says says;
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
    read_image(view_image(owner, wish->image)->config, &says);
    if (says.env_count + wish->env_count > PLAN_ARGS_MAX)
        return err_set(err, OUTCOME_USAGE, "%zu variables with the image's own: give at most %u",
                       says.env_count + wish->env_count, PLAN_ARGS_MAX);
    memset(plan, 0, sizeof(*plan));
    fill(plan, wish, owner, &says);
    add_command(&strings, wish, &says, &plan->command);
    add_env(&strings, wish, owner->name, &says, &plan->command);
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
    static const char prefix[] = PLAN_JOB_PREFIX;

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

static const char *skip_strings(const char *at, size_t count)
{
    for (size_t i = 0; i < count; i++)
        at += strlen(at) + 1;
    return at;
}

static void read_image(const struct image_config *config, struct image_says *says)
{
    *says = (struct image_says){.user = "", .workdir = "", .stop_signal = SIGTERM};
    if (config == NULL)
        return;
    if (config->stop_signal != 0)
        says->stop_signal = config->stop_signal;
    says->user = config->user;
    says->workdir = config->strings;
    says->entry = skip_strings(config->strings, 1);
    says->entry_count = config->entry_count;
    says->cmd = skip_strings(says->entry, says->entry_count);
    says->cmd_count = config->cmd_count;
    says->env = skip_strings(says->cmd, says->cmd_count);
    says->env_count = config->env_count;
}

static void fill(struct plan *plan, const struct wish *wish, const struct view_user *owner,
                 const struct image_says *says)
{
    const char *user = wish->user[0] != '\0' ? wish->user : says->user;
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
    plan->stop_signal = says->stop_signal;
    plan->pids = wish->pids;
    plan->cpu_milli = wish->cpu_milli;
    plan->memory_bytes = wish->memory_bytes;
    memcpy(plan->name, wish->name, strlen(wish->name));
    memcpy(plan->image, wish->image, strlen(wish->image));
    memcpy(plan->layer[0], image->digest, sizeof(plan->layer[0]));
    memcpy(plan->command.user, user, strlen(user));
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

static void add_word(struct strings *strings, struct command *command, const char *word)
{
    add_string(strings, word);
    command->argc++;
}

static void add_words(struct strings *strings, struct command *command, const char *words,
                      size_t count)
{
    for (size_t i = 0; i < count; i++, words = skip_strings(words, 1))
        add_word(strings, command, words);
}

/* As Docker does it: CMD belongs to the image's own entry point. */
static void add_command(struct strings *strings, const struct wish *wish,
                        const struct image_says *says, struct command *command)
{
    add_string(strings, wish->workdir[0] != '\0' ? wish->workdir : says->workdir);
    if (wish->entrypoint == NULL)
        add_words(strings, command, says->entry, says->entry_count);
    else if (wish->entrypoint[0] != '\0')
        add_word(strings, command, wish->entrypoint);
    for (size_t i = 0; i < wish->command_count; i++)
        add_word(strings, command, wish->command[i]);
    if (wish->command_count == 0 && wish->entrypoint == NULL)
        add_words(strings, command, says->cmd, says->cmd_count);
    if (command->argc == 0)
        add_word(strings, command, wish->kind == PLAN_MACHINE ? PLAN_NO_COMMAND : PLAN_SHELL);
}

/*
 * From what Croft sets over the image to the wish: of one name the last counts, so that there is
 * one of each.
 */
static void add_env(struct strings *strings, const struct wish *wish, const char *owner,
                    const struct image_says *says, struct command *command)
{
    static const char *variables[VARIABLES_OURS + PLAN_ARGS_MAX];
    char hostname[sizeof("HOSTNAME=") + NAME_SIZE];
    char owner_is[sizeof("CROFT_OWNER=") + NAME_SIZE];
    const char *next = says->env;
    size_t count = 0;

    variables[count++] = DEFAULT_PATH;
    if (command->user[0] == '\0') /* else croft-init knows whose home it is */
        variables[count++] = DEFAULT_HOME;
    if (wish->tty)
        variables[count++] = DEFAULT_TERM;
    if (str_format(hostname, sizeof(hostname), "HOSTNAME=%s", wish->name) == 0)
        variables[count++] = hostname;
    if (str_format(owner_is, sizeof(owner_is), "CROFT_OWNER=%s", owner) == 0)
        variables[count++] = owner_is;
    for (size_t i = 0; i < says->env_count; i++, next = skip_strings(next, 1))
        variables[count++] = next;
    for (size_t i = 0; i < wish->env_count; i++)
        variables[count++] = wish->env[i];

    for (size_t i = 0; i < count; i++) {
        size_t later = i + 1;
        while (later < count && !exec_same_variable(variables[i], variables[later]))
            later++;
        if (later < count)
            continue;
        add_string(strings, variables[i]);
        command->envc++;
    }
}
