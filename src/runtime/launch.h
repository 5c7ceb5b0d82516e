/* SPDX-License-Identifier: Apache-2.0 */
/* launch - the root half: makes the process that becomes the instance, maps its ids, ends */
#ifndef CROFT_RUNTIME_LAUNCH_H
#define CROFT_RUNTIME_LAUNCH_H

#include "runtime/run.h"

/**
 * launch() - makes a child in a new user, pid and mount namespace of the keeper's; it runs @become
 *
 * The caller ends when the child has its ids and its control groups.
 * Runs as: root, in the staging namespace
 */
noreturn_fn void launch(struct run *run, void (*become)(struct run *run));

/**
 * launch_inside() - makes a child in the namespaces the caller has joined; it runs @become
 * The caller ends.
 */
noreturn_fn void launch_inside(struct run *run, void (*become)(struct run *run));

/** launch_await_process() - in the child of launch_inside(): waits until READY_PROCESS is said */
nodiscard int launch_await_process(struct run *run);

/** launch_await_ids() - in the child: waits for its ids, becomes root of its namespace */
nodiscard int launch_await_ids(struct run *run);

/**
 * launch_await_cgroups() - in the child: waits until it is in its control groups, then makes the
 * namespaces whose memory shall be charged there
 */
nodiscard int launch_await_cgroups(struct run *run);

/** launch_attach() - writes @pid (0: the caller) into the job's control groups. Return: 0; -errno
 */
nodiscard int launch_attach(const struct run *run, pid_t pid);

/**
 * launch_expendable() - when memory runs out, the caller and what it becomes go before pid 1
 * Runs as: root, in the staging namespace
 * Return: 0; -errno
 */
nodiscard int launch_expendable(void);

/** launch_cgroup() - the v2 directory for ns_clone(), or -1 */
int launch_cgroup(const struct run *run);

#endif
