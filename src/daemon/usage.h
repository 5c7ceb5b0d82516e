/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage - memory and processes in use, read from the kernel's world-readable cgroup files
 * Source: cgroups(7); Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst
 */
#ifndef CROFT_DAEMON_USAGE_H
#define CROFT_DAEMON_USAGE_H

#include "base/attrs.h"
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

/* memory, pids: directories of the hierarchies (v2: the same one) */
struct usage {
    int memory;
    int pids;
    bool is_v2;
};

/* known: the group was there */
struct usage_now {
    bool known;
    uint64_t memory_bytes;
    uint64_t pids;
};

/** usage_open() - finds the hierarchies, hybrid v1 or v2. Return: 0; OUTCOME_HOST_CANNOT */
nodiscard int usage_open(struct usage *usage, struct err *err);

/** usage_read() - of all of @uid's instances together, or of the one named @name (or NULL) */
struct usage_now usage_read(const struct usage *usage, uint32_t uid, const char *name);

#endif
