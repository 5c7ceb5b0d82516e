/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox - what croft-monitor takes from itself, for life */
#ifndef CROFT_MONITOR_SANDBOX_H
#define CROFT_MONITOR_SANDBOX_H

#include "base/attrs.h"
#include "base/err.h"

/** sandbox_enter() - from now on only what the monitor needs. @lib: CROFT_LIB_DIR. Return: 0;
 * outcome */
nodiscard int sandbox_enter(int lib, struct err *err);

#endif
