/* SPDX-License-Identifier: Apache-2.0 */
/* environment - the command's environment */
#ifndef CROFT_INIT_ENVIRONMENT_H
#define CROFT_INIT_ENVIRONMENT_H

#include "init/user.h"

/**
 * environment_make() - @envp and what is missing of HOME, USER and LOGNAME of @user, and of PATH
 * @user: NULL: root; then it is HOME and PATH
 * Return: static memory that points into @envp and @user
 */
const char *const *environment_make(const char *const *envp, const struct user *user);

#endif
