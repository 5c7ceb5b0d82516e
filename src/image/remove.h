/* SPDX-License-Identifier: Apache-2.0 */
/* remove - deletes everything beneath a directory, however deep, wide or strangely named */
#ifndef CROFT_IMAGE_REMOVE_H
#define CROFT_IMAGE_REMOVE_H

#include "base/attrs.h"

/**
 * remove_all() - empties @root (borrowed; stays itself), reports on @output
 * Goes on after errors; the report's skipped says how many things are left.
 * Return: 0 all gone; 1
 */
nodiscard int remove_all(int root, int output);

#endif
