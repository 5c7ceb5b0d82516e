/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wish - holds the plan that croftd wrote against what was asked for
 *
 * The monitor lets a user start whatever is hers to start, so it cannot see that a plan of hers is
 * not the one she meant. Her own client can: it is the only one that knows what she typed.
 */
#include "cli/wish.h"

#include <string.h>

#include "base/exec.h"
#include "base/str.h"

static bool is_name(const struct wish *wish, const struct plan *plan)
{
    if (wish->name == NULL)
        return strncmp(plan->name, PLAN_JOB_PREFIX, sizeof(PLAN_JOB_PREFIX) - 1) == 0;
    return strcmp(plan->name, wish->name) == 0;
}

static uint32_t wished_flags(const struct wish *wish)
{
    return (wish->remove ? PLAN_REMOVE : 0U) | (wish->tty ? PLAN_TTY : 0U) |
           (wish->input ? PLAN_STDIN : 0U) | (wish->network != NULL ? PLAN_OFFLINE : 0U);
}

/* The typed words are the last ones; before them stands the entry point, the typed or the image's.
 */
static bool is_command(const struct wish *wish, uint32_t kind, const char *const *argv, size_t argc)
{
    const bool own_entry = wish->entrypoint != NULL && wish->entrypoint[0] != '\0';
    size_t typed = 0;

    while (wish->command != NULL && wish->command[typed] != NULL)
        typed++;
    if (typed > argc)
        return false;
    for (size_t i = 0; i < typed; i++)
        if (strcmp(argv[argc - typed + i], wish->command[i]) != 0)
            return false;
    if (wish->entrypoint == NULL)
        return true;
    if (own_entry)
        return argc == typed + 1 && strcmp(argv[0], wish->entrypoint) == 0;
    if (typed > 0)
        return argc == typed;
    return argc == 1 && strcmp(argv[0], kind == PLAN_MACHINE ? PLAN_NO_COMMAND : PLAN_SHELL) == 0;
}

/* Each variable that was asked for, the last of each name, is there and is the only one of its
 * name: what a program finds when there are two is its own choice. */
static bool has_env(const struct option_list *asked, const char *const *envp)
{
    for (size_t i = 0; i < asked->count; i++) {
        const char *wanted = asked->item[i];
        size_t found = 0;

        for (size_t later = i + 1; later < asked->count; later++)
            if (exec_same_variable(wanted, asked->item[later]))
                wanted = asked->item[later];
        for (size_t j = 0; envp[j] != NULL; j++) {
            if (!exec_same_variable(wanted, envp[j]))
                continue;
            if (strcmp(envp[j], wanted) != 0)
                return false;
            found++;
        }
        if (found != 1)
            return false;
    }
    return true;
}

static int another(const char *what, struct err *err)
{
    return err_set(err, OUTCOME_FAILED, "croftd answered with another plan than was asked for: %s",
                   what);
}

int wish_check_plan(const struct wish *wish, uint32_t owner_uid, const struct plan *plan,
                    size_t size, struct err *err)
{
    static const char *argv[PLAN_ARGS_MAX + 1];
    static const char *envp[PLAN_ARGS_MAX + 1];
    const uint32_t kind = strcmp(wish->kind, "machine") == 0 ? PLAN_MACHINE : PLAN_JOB;
    const char *workdir = NULL;

    if (size < sizeof(*plan) || !str_terminated(plan->name, sizeof(plan->name)) ||
        !str_terminated(plan->image, sizeof(plan->image)) ||
        command_check(&plan->command, size - offsetof(struct plan, command), err) != 0)
        return another("it is none", err);
    command_strings(&plan->command, &workdir, argv, envp);
    if (plan->kind != kind || plan->flags != wished_flags(wish))
        return another("its kind or its flags", err);
    if (plan->owner_uid != owner_uid)
        return another("its owner", err);
    if (!is_name(wish, plan))
        return another("its name", err);
    if (strcmp(plan->image, wish->image) != 0)
        return another("its image", err);
    if (plan->memory_bytes != wish->memory_bytes || plan->pids != wish->pids ||
        plan->cpu_milli != wish->cpu_milli)
        return another("its limits", err);
    if (wish->user != NULL && strcmp(plan->command.user, wish->user) != 0)
        return another("its user", err);
    if (wish->workdir != NULL && strcmp(workdir, wish->workdir) != 0)
        return another("its working directory", err);
    if (!is_command(wish, kind, argv, plan->command.argc))
        return another("its command", err);
    if (!has_env(&wish->env, envp))
        return another("its environment", err);
    return 0;
}
