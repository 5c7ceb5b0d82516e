/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_internal - what the files of cgroup share, and what its unit tests may see */
#ifndef CROFT_LINUX_CGROUP_INTERNAL_H
#define CROFT_LINUX_CGROUP_INTERNAL_H

#include "linux/cgroup.h"

#define GROUP_SIZE 128U

enum hierarchy {
    HIERARCHY_MEMORY = 0, /* on v2 the one and only */
    HIERARCHY_PIDS,
    HIERARCHY_CPU,
    HIERARCHY_FREEZER,
    HIERARCHY_CPUACCT,
    HIERARCHY_BLKIO,
    HIERARCHY_DEVICES,
    HIERARCHY_COUNT,
};

/* mount, top: each hierarchy and Croft's top group in it, named name; -1: not on this host */
struct cgroup_host {
    bool v2;
    char name[GROUP_SIZE];
    int mount[HIERARCHY_COUNT];
    int top[HIERARCHY_COUNT];
};

/** cgroup_open() - opens the directory of @group. Return: descriptor (caller owns); -errno */
nodiscard int cgroup_open(const struct cgroup_host *host, enum hierarchy hierarchy,
                          const char *group);

/**
 * cgroup_host_open_at() - cgroup_host_open() for the tree at @root
 * @root: a directory that looks like /sys/fs/cgroup (borrowed)
 * @v2:   whether it is one tree (v2), or one directory per hierarchy (v1)
 * Return: 0; outcome
 */
nodiscard int cgroup_host_open_at(int root, bool v2, const char *name,
                                  struct cgroup_host **ret_host, struct err *err);

#endif
