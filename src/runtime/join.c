/* SPDX-License-Identifier: Apache-2.0 */
/*
 * join - JOB_JOIN: one more process in a running instance; JOB_MOVE: processes into groups
 *
 * Theory of operation
 * The caller enters the control groups and then, in one setns(2) by the pidfd of the instance's
 * pid 1, all of its namespaces. The child it then makes is in the pid namespace and wears the same
 * as pid 1 does. Everybody inside is hostile from here on:
 *  - nobody can look into or stop the child by ptrace: it is not dumpable, and its memory belongs
 * to the host's user namespace until it executes something of the instance;
 *  - no program, library or configuration of the instance is touched before everything is dropped;
 *  - nothing of the host's is executed inside, but her own copy of croft-init when a user must be
 *    looked up.
 *
 * Runs as: root up to join_namespaces(); then root of the user namespace of her block
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/exec.h"
#include "base/fd.h"
#include "linux/ns.h"
#include "linux/path.h"
#include "linux/pty.h"
#include "runtime/confine.h"
#include "runtime/launch.h"
#include "runtime/run.h"

#define NAMESPACES                                                                                 \
    (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |     \
     CLONE_NEWCGROUP)
#define INIT_OPTIONS_MAX 6

static int join_namespaces(struct run *run);
static int join_session(struct run *run);
static int join_null(struct run *run);
static void become_command(struct run *run);
static int execute_as_user(struct run *run, const char *workdir, const char **argv,
                           const char **envp);

static const struct run_step steps[] = {
    {READY_STDIO, join_null},
    {READY_STDIO, confine_stdio},
    {READY_TERMINAL, join_session},
    {READY_LIMITS, confine_limits},
    {READY_SECCOMP, confine_filter},
    {READY_CAPABILITIES, confine_capabilities},
    {READY_PROCESS, launch_await_process},
    {READY_STDIO, confine_descriptors},
};

void run_join(struct run *run)
{
    run_need(READY_LIMITS, launch_expendable());
    run_need(READY_CGROUP, launch_attach(run, 0));
    run_need(READY_JOIN, join_namespaces(run));
    launch_inside(run, become_command);
}

void run_move(struct run *run)
{
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(run->job.pids) && rc == 0; i++)
        if (run->job.pids[i] > 0)
            rc = launch_attach(run, run->job.pids[i]);
    run_need(READY_CGROUP, rc);
    run_say(READY_CGROUP, 0, -1);
    _exit(0);
}

static int join_namespaces(struct run *run)
{
    int namespaces = NAMESPACES;
    if (run_without(run, ABLATE_USERNS))
        namespaces &= ~CLONE_NEWUSER;
    if (setns(run->fd[JOB_FD_PIDFD], namespaces) < 0)
        return -errno;
    return ns_become_root();
}

/*
 * The null device of her /dev where it still is one, else the staging tree's: a descriptor of her
 * own shares no inode with anybody.
 */
static int join_null(struct run *run)
{
    struct stat found;
    auto_close root = path_root("/", O_PATH | O_DIRECTORY);
    if (root < 0)
        return root;
    auto_close null = path_open_xdev(root, "dev/null", O_PATH);
    if (null < 0 || fstat(null, &found) < 0 || !S_ISCHR(found.st_mode) ||
        found.st_rdev != makedev(1, 3))
        return 0;
    fd_close(&null);
    null = path_open_xdev(root, "dev/null", O_RDWR | O_NONBLOCK | O_NOCTTY);
    if (null < 0 || fstat(null, &found) < 0 || !S_ISCHR(found.st_mode) ||
        found.st_rdev != makedev(1, 3) || fcntl(null, F_SETFL, O_RDWR) < 0)
        return 0;
    fd_close(&run->null);
    run->null = take_fd(&null);
    return 0;
}

static int join_session(struct run *run)
{
    if (run->job.flags & JOB_TTY)
        return pty_control(STDIN_FILENO);
    return setsid() < 0 && errno != EPERM ? -errno : 0;
}

static void become_command(struct run *run)
{
    static const char *argv[INIT_OPTIONS_MAX + PLAN_ARGS_MAX + 1];
    static const char *envp[PLAN_ARGS_MAX + 1];
    const char **const command = argv + INIT_OPTIONS_MAX;
    const char *workdir = NULL;
    run_steps(run, steps, ARRAY_LEN(steps));
    command_strings(run->command, &workdir, command, envp);
    run_await_go(run);
    if (run->command->user[0] != '\0')
        run_need(READY_EXEC, execute_as_user(run, workdir, argv, envp));
    /* By name, but inside: root, filter and capabilities are the instance's by now. */
    if (workdir[0] != '\0' && chdir(workdir) < 0)
        run_fail(READY_WORKDIR, -errno);
    run_fail(READY_EXEC, exec_search(command, envp));
}

/* croft-init as USER -w DIRECTORY -- COMMAND...; her own root-owned copy, which looks USER up. */
static int execute_as_user(struct run *run, const char *workdir, const char **argv,
                           const char **envp)
{
    argv[0] = "croft-init";
    argv[1] = "as";
    argv[2] = run->command->user;
    argv[3] = "-w";
    argv[4] = workdir[0] != '\0' ? workdir : "/";
    argv[5] = "--";
    _Static_assert(INIT_OPTIONS_MAX == 6, "the command follows the options");
    execveat(run->fd[JOB_FD_EXEC], "", (char *const *)(uintptr_t)argv,
             (char *const *)(uintptr_t)envp, AT_EMPTY_PATH);
    return -errno;
}
