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

/** remove_content() - empties @dir (borrowed; stays itself). Return: 0; -errno something is left */
nodiscard int remove_content(int dir);

/** remove_tree() - deletes @name, one component in @dir, with all beneath it. Return: 0; -ENOENT;
 * -errno */
nodiscard int remove_tree(int dir, const char *name);

#endif
