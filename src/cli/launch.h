/* SPDX-License-Identifier: Apache-2.0 */
/* launch - from an image to a running instance: what launch, run and the first login share */
#ifndef CROFT_CLI_LAUNCH_H
#define CROFT_CLI_LAUNCH_H

#include "base/err.h"
#include <stddef.h>

/** launch_default() - a machine of the host's default image, with its settings. Return: 0; outcome
 */
nodiscard int launch_default(const char *name, struct err *err);

/**
 * launch_system_job() - an admin's: a command in a machine of SYSTEM_USER's, without network, that
 * is removed with its end
 * Its output goes to this process's standard output and error.
 * Return: 0, @ret_status is the command's; outcome
 */
nodiscard int launch_system_job(const char *image, char **command, int *ret_status,
                                struct err *err);

#endif
