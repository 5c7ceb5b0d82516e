/* SPDX-License-Identifier: Apache-2.0 */
/* image - a tar streamed into the user's own disk by her own order */
#ifndef CROFT_CLI_IMAGE_H
#define CROFT_CLI_IMAGE_H

#include "base/err.h"
#include <stdbool.h>

/** image_is_built_in() - whether Croft was installed with an image of that (valid) name */
bool image_is_built_in(const char *name);

/** image_import_built_in() - imports it for the caller. Return: 0; outcome */
nodiscard int image_import_built_in(const char *name, struct err *err);

#endif
