/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ns - namespaces and the processes in them
 * Source: namespaces(7), user_namespaces(7), clone(2), setns(2)
 */
#ifndef CROFT_LINUX_NS_H
#define CROFT_LINUX_NS_H

#include "base/attrs.h"
#include <stdint.h>
#include <sys/types.h>

/* Inside id @first_inside .. + count - 1 is host id @first_host .. */
struct ns_id_range {
    uint32_t first_inside;
    uint32_t first_host;
    uint32_t count;
};

/**
 * ns_clone() - clone3(2): a copy of the caller, in new namespaces
 * @flags:      CLONE_*; CLONE_PIDFD is added
 * @cgroup:     directory of a v2 group in which the child is born, or -1
 * @ret_pidfd:  of the child, close-on-exec (caller owns); set in the parent only
 *
 * The child may allocate nothing: it is a fork.
 * Return: pid in the parent, 0 in the child; -errno
 */
nodiscard pid_t ns_clone(uint64_t flags, int cgroup, int *ret_pidfd);

/**
 * ns_own_as() - makes @id the effective uid and gid, so that a user namespace that the caller makes
 * next belongs to @id and everything in it is charged to @id; groups are dropped
 *
 * Capabilities stay effective (hosts may refuse user namespaces to who has none); the real id
 * stays. Runs as: root Return: 0; -errno
 */
nodiscard int ns_own_as(uint32_t id);

/** ns_own_back() - takes the real ids back after ns_own_as(). Return: 0; -errno */
nodiscard int ns_own_back(void);

/**
 * ns_map_ids() - writes the same map for uids and gids of @pid's new user namespace
 * Runs as: CAP_SETUID and CAP_SETGID in the parent namespace; the caller's /proc is the host's
 * Return: 0; -errno
 */
nodiscard int ns_map_ids(pid_t pid, const struct ns_id_range *ranges, size_t count);

/** ns_become_root() - uid and gid 0 of the own user namespace, no groups, not dumpable. Return: 0;
 * -errno */
nodiscard int ns_become_root(void);

#endif
