/* SPDX-License-Identifier: Apache-2.0 */
/* exec - executes a command that is found as execvp(3) finds it, without allocating */
#ifndef CROFT_BASE_EXEC_H
#define CROFT_BASE_EXEC_H

#include "base/attrs.h"
#include <stdbool.h>

/* What a command is searched in when its environment has no PATH. */
#define EXEC_PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/**
 * exec_search() - becomes @argv[0], searched in the PATH of @envp unless it has a slash
 *
 * Unlike execvp(3) a file without a known format is not given to a shell.
 * Return: only on failure: -ENOENT nowhere; -EACCES found, but not executable; -errno
 */
nodiscard int exec_search(const char *const *argv, const char *const *envp);

/** exec_same_variable() - whether @one and @other, "NAME=VALUE", have the same NAME */
bool exec_same_variable(const char *one, const char *other);

/** exec_variable() - the value of @name in @envp. Return: borrowed; NULL when it is not set */
const char *exec_variable(const char *const *envp, const char *name);

#endif
