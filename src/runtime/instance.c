/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instance - JOB_START: from a plan and descriptors to pid 1 of a new instance
 *
 * Runs as: root up to launch(); then root of the user namespace of her block
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "runtime/confine.h"
#include "runtime/launch.h"
#include "runtime/network.h"
#include "runtime/rootfs.h"
#include "runtime/run.h"

#define INIT_OPTIONS_MAX 8

static void become_instance(struct run *run);
static void execute_init(struct run *run);

/* In this order; each says what is no longer possible after it. */
static const struct run_step steps[] = {
    {READY_USERNS, launch_await_ids}, /* no id outside her block */
    {READY_OVERLAY, rootfs_mount_overlay},
    {READY_OVERLAY, rootfs_mount_names},
    {READY_PROC, rootfs_mount_dev},
    {READY_PROC, rootfs_mount_proc},
    {READY_CGROUP, launch_await_cgroups}, /* nothing is charged to the host any more */
    {READY_NETNS, network_offer},
    {READY_PROC, rootfs_mount_sys},
    {READY_PROC, rootfs_cover},
    {READY_ROOT, rootfs_enter}, /* no file of the host by name */
    {READY_STDIO, confine_stdio},
    {READY_LIMITS, confine_limits},  /* an exec can no longer add a capability */
    {READY_SECCOMP, confine_filter}, /* no mount, no namespace, no new root */
    {READY_NETWORK, network_set_up}, /* late: the link is made beside all that */
    {READY_CAPABILITIES, confine_capabilities},
    {READY_STDIO, confine_descriptors}, /* no descriptor of the host's */
};

void run_start(struct run *run)
{
    run_need(READY_MOUNTS, rootfs_make_dev(run));
    launch(run, become_instance);
}

static void become_instance(struct run *run)
{
    sigset_t all;

    run_steps(run, steps, ARRAY_LEN(steps));
    /* The kernel drops what pid 1 is not ready for: a hangup that comes before croft-init listens
     * waits for it instead. It blocks them itself and hands none of that on. */
    sigfillset(&all);
    if (sigprocmask(SIG_BLOCK, &all, NULL) < 0)
        run_fail(READY_WAITING, -errno);
    run_await_go(run);
    execute_init(run);
}

/* The options are init/README's: croft-init [-t] [-l] [-u USER] [-w DIRECTORY] -- COMMAND... */
static void execute_init(struct run *run)
{
    static const char *argv[INIT_OPTIONS_MAX + PLAN_ARGS_MAX + 1];
    static const char *envp[PLAN_ARGS_MAX + 1];
    const char *workdir = NULL;
    size_t count = 0;
    argv[count++] = "croft-init";
    if (run->job.flags & JOB_TTY)
        argv[count++] = "-t";
    if (run->fd[JOB_FD_LOG0] >= 0 && run->fd[JOB_FD_LOG1] >= 0)
        argv[count++] = "-l";
    if (run->command->user[0] != '\0') {
        argv[count++] = "-u";
        argv[count++] = run->command->user;
    }
    const size_t room_for_workdir = count;
    count += 3;
    command_strings(run->command, &workdir, argv + count, envp);
    argv[room_for_workdir] = "-w";
    argv[room_for_workdir + 1] = workdir[0] != '\0' ? workdir : "/";
    argv[room_for_workdir + 2] = "--";
    /* execveat() lacks the const for historical reasons only. */
    execveat(run->fd[JOB_FD_EXEC], "", (char *const *)(uintptr_t)argv,
             (char *const *)(uintptr_t)envp, AT_EMPTY_PATH);
    run_fail(READY_EXEC, -errno);
}
