/* SPDX-License-Identifier: Apache-2.0 */
/* launch - from an image to a running instance: what launch, run and the first login share */
#ifndef CROFT_CLI_LAUNCH_H
#define CROFT_CLI_LAUNCH_H

#include "base/err.h"
#include <stddef.h>

/** launch_machine() - plans and starts a machine with the image's own settings. Return: 0; outcome
 */
nodiscard int launch_machine(const char *image, const char *name, struct err *err);

#endif
