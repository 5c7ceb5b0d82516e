/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox - croftd gives up what it does not need, before it hears anybody */
#ifndef CROFT_DAEMON_SANDBOX_H
#define CROFT_DAEMON_SANDBOX_H

#include "base/attrs.h"
#include "base/err.h"
#include "daemon/usage.h"

/**
 * sandbox_enter() - for life
 * @usage: the directories that stay readable
 * Fails closed: without each of its layers croftd does not start.
 * Return: 0; OUTCOME_HOST_CANNOT with the layer that failed
 */
nodiscard int sandbox_enter(const struct usage *usage, struct err *err);

#endif
