/* SPDX-License-Identifier: Apache-2.0 */
/* programs - what a few programs of the host print: compiled-in words, an empty environment */
#ifndef CROFT_DOCTOR_PROGRAMS_H
#define CROFT_DOCTOR_PROGRAMS_H

#include "base/attrs.h"
#include <stdbool.h>

/** program_ruleset() - `nft -j list ruleset`. Return: what it printed (caller frees); NULL: it
 * failed or is not there */
nodiscard char *program_ruleset(void);

/**
 * program_nft() - gives @rules to `nft -f -`, in the network namespace of the caller
 * Return: whether it took them
 */
nodiscard bool program_nft(const char *rules);

/**
 * program_child() - calls @probe in a child, with what it returns as exit status
 * Return: that; -errno
 */
nodiscard int program_child(int (*probe)(void));

#endif
