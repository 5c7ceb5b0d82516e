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

static bool is_one_of(const char *variable, const char *const *names);
static bool join(char *to, size_t size, const char *first, const char *second);

const char *const *environment_make(const char *const *envp, const struct user *user)
{
    static const char *const of_user[] = {"HOME=", "USER=", "LOGNAME=", NULL};
    const bool has_home = exec_variable(envp, "HOME") != NULL;
    const bool has_path = exec_variable(envp, "PATH") != NULL;
    size_t count = 0;
    for (; *envp && count < PLAN_ARGS_MAX; envp++)
        if (!user || !is_one_of(*envp, of_user))
            made[count++] = *envp;
    if (user && join(home, sizeof(home), "HOME=", user->home))
        made[count++] = home;
    if (user && user->name[0] && join(name, sizeof(name), "USER=", user->name))
        made[count++] = name;
    if (user && user->name[0] && join(logname, sizeof(logname), "LOGNAME=", user->name))
        made[count++] = logname;
    if (!user && !has_home)
        made[count++] = "HOME=/root";
    if (!has_path)
        made[count++] = "PATH=" EXEC_PATH_DEFAULT;
    made[count] = NULL;
    return made;
}

static bool is_one_of(const char *variable, const char *const *names)
{
    for (; *names; names++)
        if (strncmp(variable, *names, strlen(*names)) == 0)
            return true;
    return false;
}

static bool join(char *to, size_t size, const char *first, const char *second)
{
    size_t length = strlen(first);
    return str_copy(to, size, first) == 0 && str_copy(to + length, size - length, second) == 0;
}
