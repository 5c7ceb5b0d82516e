/* SPDX-License-Identifier: Apache-2.0 */
/* environment - the command's environment */
#include "init/environment.h"

#include <string.h>

#include "base/exec.h"
#include "base/str.h"
#include "wire/limits.h"

#define ADDED_MAX 4U

static const char *made[PLAN_ARGS_MAX + ADDED_MAX + 1];
static char home[USER_HOME_SIZE + 8];
static char name[USER_NAME_SIZE + 8];
static char logname[USER_NAME_SIZE + 8];

static bool add(char *to, size_t size, const char *const *given, const char *variable,
                const char *value);

const char *const *environment_make(const char *const *envp, const struct user *user)
{
    const char *const *given = envp;
    size_t count = 0;
    for (; *envp && count < PLAN_ARGS_MAX; envp++)
        made[count++] = *envp;
    if (add(home, sizeof(home), given, "HOME", user ? user->home : "/root"))
        made[count++] = home;
    if (user && user->name[0] && add(name, sizeof(name), given, "USER", user->name))
        made[count++] = name;
    if (user && user->name[0] && add(logname, sizeof(logname), given, "LOGNAME", user->name))
        made[count++] = logname;
    if (exec_variable(given, "PATH") == NULL)
        made[count++] = "PATH=" EXEC_PATH_DEFAULT;
    made[count] = NULL;
    return made;
}

/* Return: false when it was given, or does not fit */
static bool add(char *to, size_t size, const char *const *given, const char *variable,
                const char *value)
{
    const size_t length = strlen(variable);
    if (exec_variable(given, variable) != NULL || str_copy(to, size, variable) < 0)
        return false;
    to[length] = '=';
    return str_copy(to + length + 1, size - length - 1, value) == 0;
}
