/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_internal - what the unit tests of cgroup.c may see: the same over a tree of plain files */
#ifndef CROFT_LINUX_CGROUP_INTERNAL_H
#define CROFT_LINUX_CGROUP_INTERNAL_H

#include "linux/cgroup.h"

/**
 * cgroup_host_open_at() - cgroup_host_open() for the tree at @root
 * @root: a directory that looks like /sys/fs/cgroup (borrowed)
 * @v2:   whether it is one tree (v2), or one directory per hierarchy (v1)
 * Return: 0; outcome
 */
nodiscard int cgroup_host_open_at(int root, bool v2, const char *name,
                                  struct cgroup_host **ret_host, struct err *err);

#endif
