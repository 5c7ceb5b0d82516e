/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch - the root half: makes the process that becomes the instance, maps its ids, ends
 *
 * Theory of operation
 * Two processes, and the second becomes the instance's pid 1:
 *
 *   launcher (root)                           child (born in the user namespace)
 *   becomes the keeper, effectively
 *   clone3 ---------------------------------> waits for 'i'
 *   READY_PROCESS with the pidfd
 *   is root again
 *   writes uid_map and gid_map, 'i' --------> is uid 0 of her block; mounts
 *   writes the pid into cgroup.procs, 'c' --> makes the other namespaces; goes on
 *   ends
 *
 * The clone is done with the keeper as the effective id, because the kernel charges a user
 * namespace, and what is counted in it for life, to whoever made it. CLONE_PARENT makes the child
 * croft-super's. On cgroup v1 the first attach after a pause waits 7 to 20 ms for an RCU grace
 * period: it runs beside the child's mounts. The network, IPC and UTS namespaces are made after it,
 * so that their memory is charged to the user. On v2 the child is born in its group.
 *
 * Runs as: root with its capabilities; no byte of a user is looked at here
 */
#include "runtime/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "linux/ns.h"
#include "linux/path.h"

#define GATE_PROCESS 'p'
#define GATE_IDS     'i'
#define GATE_CGROUPS 'c'

static pid_t launch_child(struct run *run, uint64_t flags, void (*become)(struct run *run));
static int map_ids(const struct run *run, pid_t pid);
static int open_gate(int gate, char what);
static int await_gate(int gate, char what);

void launch(struct run *run, void (*become)(struct run *run))
{
    uint64_t flags = CLONE_NEWPID | CLONE_NEWNS;
    if (!run_without(run, ABLATE_USERNS)) {
        flags |= CLONE_NEWUSER;
        run_need(READY_USERNS, ns_own_as(run->job.keeper_id));
    }
    pid_t pid = launch_child(run, flags, become);
    run_need(READY_USERNS, ns_own_back());
    run_need(READY_USERNS, map_ids(run, pid));
    run_need(READY_PROCESS, open_gate(run->gate, GATE_IDS));
    if (launch_cgroup(run) < 0)
        run_need(READY_CGROUP, launch_attach(run, pid));
    run_need(READY_PROCESS, open_gate(run->gate, GATE_CGROUPS));
    _exit(0);
}

void launch_inside(struct run *run, void (*become)(struct run *run))
{
    launch_child(run, 0, become);
    run_need(READY_PROCESS, open_gate(run->gate, GATE_PROCESS));
    _exit(0);
}

static pid_t launch_child(struct run *run, uint64_t flags, void (*become)(struct run *run))
{
    int gate[2];
    int pidfd = -1;
    if (pipe2(gate, O_CLOEXEC) < 0)
        run_fail(READY_PROCESS, -errno);
    /* A joiner is in its group already, and what it joined may not ask for one. */
    int cgroup = flags & CLONE_NEWPID ? launch_cgroup(run) : -1;
    pid_t pid = ns_clone(flags | CLONE_PARENT, cgroup, &pidfd);
    run_need(READY_PROCESS, pid);
    if (pid == 0) {
        /* Only the launcher may hold this end: when it dies, the child reads end of file. */
        fd_close(&gate[1]);
        run->gate = gate[0];
        become(run);
        _exit(2);
    }
    fd_close(&gate[0]);
    run->gate = gate[1];
    run_say(READY_PROCESS, pid, pidfd);
    return pid;
}

int launch_await_process(struct run *run)
{
    return await_gate(run->gate, GATE_PROCESS);
}

int launch_await_ids(struct run *run)
{
    int rc = await_gate(run->gate, GATE_IDS);
    if (rc < 0)
        return rc;
    if (setsid() < 0)
        return -errno;
    return ns_become_root();
}

int launch_await_cgroups(struct run *run)
{
    int rc = await_gate(run->gate, GATE_CGROUPS);
    if (rc < 0)
        return rc;
    return unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP) < 0 ? -errno : 0;
}

int launch_attach(const struct run *run, pid_t pid)
{
    char text[16];
    if (run_without(run, ABLATE_CGROUP))
        return 0;
    int rc = str_format(text, sizeof(text), "%d", pid);
    size_t length = strlen(text);
    for (uint32_t i = 0; i < run->job.cgroup_count && rc == 0; i++) {
        if (run->job.flags & JOB_CGROUP_V2)
            rc = path_write_text(run->cgroup[i], "cgroup.procs", text);
        else if (write(run->cgroup[i], text, length) != (ssize_t)length)
            rc = -errno;
    }
    return rc;
}

int launch_expendable(void)
{
    auto_close adj = path_root("/proc/self/oom_score_adj", O_WRONLY);
    return adj < 0 ? adj : fd_write_full(adj, COMMAND_OOM_SCORE_ADJ, strlen(COMMAND_OOM_SCORE_ADJ));
}

int launch_cgroup(const struct run *run)
{
    bool has_one = run->job.flags & JOB_CGROUP_V2 && run->job.cgroup_count == 1;
    return has_one && !run_without(run, ABLATE_CGROUP) ? run->cgroup[0] : -1;
}

static int map_ids(const struct run *run, pid_t pid)
{
    const struct ns_id_range ranges[] = {
        {.first_host = run->job.block_first, .count = run->job.block_count},
        /* Only a test build asks for this: the host's own accounts, right after her block. */
        {.first_inside = run->job.block_count, .first_host = 0, .count = BLOCK_COUNT},
    };
    if (run_without(run, ABLATE_USERNS))
        return 0;
    return ns_map_ids(pid, ranges, run_without(run, ABLATE_IDRANGE) ? 2 : 1);
}

static int open_gate(int gate, char what)
{
    /* A child that died said why itself; SIGPIPE then ends us too. */
    return write(gate, &what, 1) < 0 ? -errno : 0;
}

static int await_gate(int gate, char what)
{
    char got = 0;
    ssize_t size = fd_read_full(gate, &got, 1);
    /* The launcher died; it said why itself. */
    if (size == 0)
        _exit(1);
    return size < 0 ? (int)size : got == what ? 0 : -EPROTO;
}
