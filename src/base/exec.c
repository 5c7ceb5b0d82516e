/* SPDX-License-Identifier: Apache-2.0 */
/* exec - executes a command that is found as execvp(3) finds it, without allocating */
#include "base/exec.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static int exec_one(const char *file, const char *const *argv, const char *const *envp);

int exec_search(const char *const *argv, const char *const *envp)
{
    const char *path = exec_variable(envp, "PATH");
    size_t name_size = strlen(argv[0]) + 1;
    char file[PATH_MAX];
    int result = -ENOENT;

    if (argv[0][0] == '\0')
        return -ENOENT;
    if (strchr(argv[0], '/'))
        return exec_one(argv[0], argv, envp);
    if (!path)
        path = EXEC_PATH_DEFAULT;
    for (; path; path = strchr(path, ':') ? strchr(path, ':') + 1 : NULL) {
        size_t length = strcspn(path, ":");
        int r;

        /* An empty part means the working directory, where nobody wants a command from. */
        if (length == 0 || length + 1 + name_size > sizeof(file))
            continue;
        memcpy(file, path, length);
        file[length] = '/';
        memcpy(file + length + 1, argv[0], name_size);
        r = exec_one(file, argv, envp);
        if (r == -EACCES)
            result = r;
        else if (r != -ENOENT && r != -ENOTDIR)
            return r;
    }
    return result;
}

const char *exec_variable(const char *const *envp, const char *name)
{
    size_t length = strlen(name);

    for (; *envp; envp++)
        if (strncmp(*envp, name, length) == 0 && (*envp)[length] == '=')
            return *envp + length + 1;
    return NULL;
}

bool exec_same_variable(const char *one, const char *other)
{
    return strncmp(one, other, strcspn(one, "=") + 1) == 0;
}

static int exec_one(const char *file, const char *const *argv, const char *const *envp)
{
    /* execve() lacks the const for historical reasons only. */
    execve(file, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)envp);
    return -errno;
}
