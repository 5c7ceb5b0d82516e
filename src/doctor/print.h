/* SPDX-License-Identifier: Apache-2.0 */
/* print - the answers, for people or as JSON */
#ifndef CROFT_DOCTOR_PRINT_H
#define CROFT_DOCTOR_PRINT_H

#include "doctor/controls.h"
#include "doctor/roads.h"
#include "doctor/verify.h"

/** print_host() - controls and roads, and what they come to */
void print_host(const struct controls *controls, const struct roads *roads, bool as_json);

/** print_differences() - of --verify */
void print_differences(const struct differences *differences, bool as_json);

#endif
