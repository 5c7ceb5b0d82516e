/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sysfilter - loads a ready-made BPF program; what it allows was decided at build time
 * Source: seccomp(2)
 */
#ifndef CROFT_LINUX_SYSFILTER_H
#define CROFT_LINUX_SYSFILTER_H

#include "base/attrs.h"
#include <linux/filter.h>
#include <stddef.h>

#define SYSFILTER_INSTRUCTIONS_MAX 4096U /* BPF_MAXINSNS */

struct sysfilter {
    size_t count;
    struct sock_filter instructions[SYSFILTER_INSTRUCTIONS_MAX];
};

/**
 * sysfilter_read() - reads a whole program from the start of @file
 * @file: borrowed; its position is neither used nor moved, as others may share it
 * Return: 0; -EINVAL empty or not whole instructions; -EFBIG; -errno
 */
nodiscard int sysfilter_read(int file, struct sysfilter *program);

/**
 * sysfilter_load() - puts @program on the caller, for life and for all it starts
 *
 * Does not set no_new_privs, so the caller holds CAP_SYS_ADMIN of its user namespace.
 * Return: 0; -errno
 */
nodiscard int sysfilter_load(const struct sysfilter *program);

#endif
