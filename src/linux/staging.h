/* SPDX-License-Identifier: Apache-2.0 */
/*
 * staging - the mount namespace in which every croft-runtime starts: almost nothing
 *
 * Each instance begins with a copy of it, so what is not in it cannot leak into an instance:
 *   /proc, /sys  whole and uncovered, because the kernel lets a user namespace mount its own only
 *                where such a one is in sight (mount_too_revealing() in fs/namespace.c)
 *   /dev/null    for standard input and output before there is an instance
 *   /volume      where a runtime attaches the user's volume, in its own copy
 *   /root        where it mounts the instance's root file system
 * Source: mount_namespaces(7)
 */
#ifndef CROFT_LINUX_STAGING_H
#define CROFT_LINUX_STAGING_H

#include "base/attrs.h"

#define STAGING_NULL   "/dev/null"
#define STAGING_VOLUME "/volume"
#define STAGING_ROOT   "/root"

/**
 * staging_make() - makes the namespace; the caller stays in its own
 * @ret_ns: descriptor of it (caller owns); it lives as long as this or a process in it
 * Runs as: super, CAP_SYS_ADMIN and CAP_MKNOD
 * Return: 0; -errno
 */
nodiscard int staging_make(int *ret_ns);

#endif
