/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restriction - a process gives up the file system, but for reading beneath some directories
 * Source: landlock(7), Documentation/userspace-api/landlock.rst
 */
#ifndef CROFT_LINUX_RESTRICTION_H
#define CROFT_LINUX_RESTRICTION_H

#include "base/attrs.h"
#include <stddef.h>

/**
 * restriction_read_only() - from now on the caller reads beneath @dirs and reaches no other file
 * @dirs: open directories (borrowed), may be O_PATH
 *
 * For life, and for all it starts. What is open already stays usable. Where the kernel knows them,
 * TCP (6.7), signals to processes outside and abstract sockets (6.12) are given up as well.
 * Needs no_new_privs.
 * Return: 0; -ENOSYS, -EOPNOTSUPP the kernel has no Landlock; -errno
 */
nodiscard int restriction_read_only(const int *dirs, size_t count);

#endif
