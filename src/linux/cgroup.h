/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup - control groups behind one interface: hybrid v1 and v2
 *
 * A group is named by its path below Croft's top group: "" (the top), "1001/all", "1001/all/db",
 * "1001/gate". Detection: v2 when /sys/fs/cgroup is cgroup2 with memory and pids among its
 * controllers, else v1 with at least memory, pids, cpu and freezer mounted.
 * Source: cgroups(7), Documentation/admin-guide/cgroup-v1 and cgroup-v2
 */
#ifndef CROFT_LINUX_CGROUP_H
#define CROFT_LINUX_CGROUP_H

#include "base/attrs.h"
#include "base/err.h"
#include "wire/limits.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Descriptors that put a process into a group, at most: one per hierarchy. */
#define CGROUP_ATTACH_MAX 10

struct cgroup_host; /* which hierarchies there are, open top directories */

/* cpu_milli that takes a limit away again: all CPUs at equal weight */
#define CGROUP_CPU_ALL UINT32_MAX

/* 0: leave as it is. cpu_milli: thousandths of one CPU, or CGROUP_CPU_ALL. */
struct cgroup_limits {
    uint64_t memory_bytes;
    uint64_t memory_min_bytes;
    uint32_t pids;
    uint32_t cpu_milli;
    uint32_t cpu_weight; /* 0: leave */
    bool devices;        /* v1: set the short list of devices; v2: see cgroup_limit_devices() */
};

struct cgroup_usage {
    uint64_t memory_bytes;
    uint64_t memory_peak_bytes;
    uint64_t oom_kills;
    uint64_t pids;
    uint64_t pids_refused; /* forks refused at the limit */
};

/** cgroup_host_open() - finds the layout and opens (makes) the top group @name. Return: 0; outcome
 */
nodiscard int cgroup_host_open(const char *name, struct cgroup_host **ret_host, struct err *err);
void cgroup_host_close(struct cgroup_host *host);
bool cgroup_host_is_v2(const struct cgroup_host *host);

/**
 * cgroup_make() - makes the group in every hierarchy that its level has, parents must exist
 * @instance: below an envelope: only memory, pids, cpu, freezer on v1
 * -EEXIST is no failure. Return: 0; -errno
 */
nodiscard int cgroup_make(struct cgroup_host *host, const char *group, bool instance);
/** cgroup_limit() - sets what is not 0; a memory limit below what is used fails with -EBUSY */
nodiscard int cgroup_limit(struct cgroup_host *host, const char *group,
                           const struct cgroup_limits *limits);
/**
 * cgroup_limit_devices() - v2: the short list of devices, for all groups below the top
 *
 * Once and at the top, so that whoever makes the groups of users needs no bpf(2). On v1 each group
 * gets it by its limits. Return: 0; -errno
 */
nodiscard int cgroup_limit_devices(struct cgroup_host *host);
/** cgroup_remove() - removes the (empty) group everywhere; absent is fine. Return: 0; -EBUSY;
 * -errno */
nodiscard int cgroup_remove(struct cgroup_host *host, const char *group);

/**
 * cgroup_attach_fds() - what a process needs to put itself there: v1: cgroup.procs files open for
 * writing, in hierarchies without a level for the instance those of the envelope; v2: one directory
 * @ret_fds: CGROUP_ATTACH_MAX entries (caller owns what is set)
 * Return: how many; -errno
 */
nodiscard int cgroup_attach_fds(struct cgroup_host *host, const char *group, int *ret_fds);

/** cgroup_pids() - host pids in the group itself. Return: how many there are (may be > @max);
 * -errno */
nodiscard ssize_t cgroup_pids(struct cgroup_host *host, const char *group, pid_t *pids, size_t max);

/** cgroup_kill() - kills all in the group: cgroup.kill, or freeze, SIGKILL, thaw. Return: 0; -errno
 */
nodiscard int cgroup_kill(struct cgroup_host *host, const char *group);

nodiscard int cgroup_usage(struct cgroup_host *host, const char *group,
                           struct cgroup_usage *ret_usage);

/** cgroup_reclaimable() - bytes of memory in use that the kernel takes back when it needs them:
 * cached file pages. Return: 0; -errno */
nodiscard int cgroup_reclaimable(struct cgroup_host *host, const char *group, uint64_t *ret_bytes);

/** cgroup_host_remove() - removes the (empty) top group, and closes @host. Return: 0; -EBUSY;
 * -errno */
nodiscard int cgroup_host_remove(struct cgroup_host *host);

/** cgroup_list() - calls @each with the name of each child group of @group. Return: 0; -errno */
nodiscard int cgroup_list(struct cgroup_host *host, const char *group,
                          void (*each)(const char *name, void *data), void *data);

#endif
