/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image - JOB_UNPACK and JOB_REMOVE: croft-image, alone with one directory tree
 *
 * What it reads or deletes was made by a stranger. It has her ids, no network, no other process in
 * sight, one directory as its root, the short filter and five capabilities over her files.
 *
 * Runs as: root up to launch(); then root of the user namespace of her block
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "runtime/confine.h"
#include "runtime/launch.h"
#include "runtime/rootfs.h"
#include "runtime/run.h"

static void become_image(struct run *run);

static const struct run_step steps[] = {
    {READY_USERNS, launch_await_ids},
    {READY_ROOT, rootfs_enter_tree},
    {READY_CGROUP, launch_await_cgroups},
    {READY_STDIO, confine_stdio},
    {READY_LIMITS, confine_limits_image},
    {READY_SECCOMP, confine_filter},
    {READY_CAPABILITIES, confine_capabilities_image},
    {READY_STDIO, confine_descriptors},
};

void run_image(struct run *run)
{
    run_need(READY_LIMITS, launch_expendable());
    launch(run, become_image);
}

static void become_image(struct run *run)
{
    const char *const verb = run->job.kind == JOB_UNPACK ? "unpack" : "remove";
    const char *const argv[] = {"croft-image", verb, NULL};
    const char *const envp[] = {NULL};
    run_steps(run, steps, ARRAY_LEN(steps));
    run_await_go(run);
    execveat(run->fd[JOB_FD_EXEC], "", (char *const *)(uintptr_t)argv,
             (char *const *)(uintptr_t)envp, AT_EMPTY_PATH);
    run_fail(READY_EXEC, -errno);
}
