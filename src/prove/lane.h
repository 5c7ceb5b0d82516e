/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lane - runs the rows: most one after the other, some beside them in a process of their own, the
 * storms and counts last and alone
 */
#ifndef CROFT_PROVE_LANE_H
#define CROFT_PROVE_LANE_H

#include "prove/report.h"
#include <signal.h>

/** lane_run() - runs @rows in a scene that stands and reports each; ends early when @interrupted */
void lane_run(struct scene *scene, const struct row *const *rows, size_t count,
              struct report *report, const volatile sig_atomic_t *interrupted);

#endif
