/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobs - what runs as root without root: cron, at, systemd's units; and what root's own programs
 * and logins read; each judged by who else can change it
 */
#ifndef CROFT_DOCTOR_JOBS_H
#define CROFT_DOCTOR_JOBS_H

#include "doctor/roads.h"

void cron_look(struct roads *roads);
void units_look(struct roads *roads);

/** files_look() - settings, libraries and programs that root's processes read or run, by PATH too
 */
void files_look(struct roads *roads);

#endif
