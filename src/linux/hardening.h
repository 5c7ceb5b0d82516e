/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hardening - what every process that stays up gives up, whatever else it needs
 * Source: prctl(2), getrlimit(2), PR_SET_MDWE(2const)
 */
#ifndef CROFT_LINUX_HARDENING_H
#define CROFT_LINUX_HARDENING_H

#include "base/attrs.h"

/**
 * hardening_enter() - no core file, no tracing by the same uid, no setuid program ever, and no
 * memory that is written and then executed
 *
 * For life. The last since Linux 6.3: an older kernel goes without.
 * Return: 0; -errno
 */
nodiscard int hardening_enter(void);

#endif
