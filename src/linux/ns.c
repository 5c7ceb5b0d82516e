/* SPDX-License-Identifier: Apache-2.0 */
/* ns - namespaces and the processes in them */
#include "linux/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "linux/path.h"

#define MAP_RANGES_MAX 4U
#define MAP_LINE_MAX   36U /* three numbers of up to 10 digits, blanks, line break */

pid_t ns_clone(uint64_t flags, int cgroup, int *ret_pidfd)
{
    int pidfd = -1;
    struct clone_args args = {
        .flags = flags | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)&pidfd,
        /* With CLONE_PARENT the child has its creator's exit signal, and the kernel wants 0 here.
         */
        .exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD,
    };
    if (cgroup >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)(unsigned int)cgroup;
    }
    long pid = syscall(SYS_clone3, &args, sizeof(args));
    if (pid < 0)
        return -errno;
    if (pid > 0)
        *ret_pidfd = pidfd;
    return (pid_t)pid;
}

int ns_own_as(uint32_t id)
{
    if (setgroups(0, NULL) < 0)
        return -errno;
    /* Without this bit the kernel empties the effective set when the uid is no longer 0. */
    if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0)
        return -errno;
    if (setresgid((gid_t)-1, id, (gid_t)-1) < 0)
        return -errno;
    return setresuid((uid_t)-1, id, (uid_t)-1) < 0 ? -errno : 0;
}

int ns_own_back(void)
{
    if (setresuid((uid_t)-1, getuid(), (uid_t)-1) < 0)
        return -errno;
    return setresgid((gid_t)-1, getgid(), (gid_t)-1) < 0 ? -errno : 0;
}

int ns_map_ids(pid_t pid, const struct ns_id_range *ranges, size_t count)
{
    char text[MAP_RANGES_MAX * MAP_LINE_MAX] = "";
    char name[32];
    size_t used = 0;
    int rc = 0;
    if (count > MAP_RANGES_MAX)
        return -E2BIG;
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = str_format(text + used, sizeof(text) - used, "%u %u %u\n", ranges[i].first_inside,
                        ranges[i].first_host, ranges[i].count);
        used = strlen(text);
    }
    auto_close proc = path_root("/proc", O_PATH | O_DIRECTORY);
    if (proc < 0)
        return proc;
    if (rc == 0)
        rc = str_format(name, sizeof(name), "%d/uid_map", pid);
    if (rc == 0)
        rc = path_write_text(proc, name, text);
    if (rc == 0)
        rc = str_format(name, sizeof(name), "%d/gid_map", pid);
    if (rc == 0)
        rc = path_write_text(proc, name, text);
    return rc;
}

int ns_become_root(void)
{
    if (setresgid(0, 0, 0) < 0)
        return -errno;
    if (setgroups(0, NULL) < 0)
        return -errno;
    if (setresuid(0, 0, 0) < 0)
        return -errno;
    /* With fs.suid_dumpable = 1 the change of ids has just made this process dumpable. */
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}
