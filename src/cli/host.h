/* SPDX-License-Identifier: Apache-2.0 */
/* host - kernel.pid_max, the one setting of the host that Croft changes, and its old value */
#ifndef CROFT_CLI_HOST_H
#define CROFT_CLI_HOST_H

#include "base/err.h"

/**
 * host_raise_pid_max() - raises kernel.pid_max to HOST_PID_MAX and writes the old value down
 * Runs as: root
 * Return: 0; OUTCOME_HOST_CANNOT
 */
nodiscard int host_raise_pid_max(struct err *err);

/**
 * host_restore_pid_max() - puts the old value back, unless somebody has changed it since
 * Runs as: root
 * Return: 0; OUTCOME_FAILED
 */
nodiscard int host_restore_pid_max(struct err *err);

#endif
