/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine - what every process of an instance wears for life: limits, filter, capabilities
 *
 * Theory of operation
 * The order matters. The bounding set is cut while CAP_SETPCAP is held; the filter is loaded while
 * CAP_SYS_ADMIN of the own user namespace is, so that no_new_privs stays 0 and sudo and su work
 * inside; the capabilities go last. The bounding set then holds for every exec of uid 0, of a
 * set-uid file and of a file with capabilities.
 */
#include "runtime/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/caps.h"
#include "linux/path.h"
#include "linux/pty.h"
#include "wire/image.h"

/*
 * What root of an instance may do. Each counts in her own user namespace only: over her ids, her
 * files, her network. Everything not named here is refused, above all SYS_ADMIN (mounts, all of
 * what kernels add under it), NET_ADMIN and NET_RAW (the network's rules are the host's),
 * SYS_PTRACE, SYS_MODULE, SYS_RESOURCE, MKNOD, MAC_*, BPF, PERFMON, SYS_TIME. SETFCAP neither: a
 * package would mark a program with a capability that is not here (ping with NET_RAW), and nobody
 * could execute it; where marking fails, packages fall back to what works.
 */
#define INSTANCE_CAPABILITIES                                                                      \
    (CAPS_BIT(CAP_CHOWN)          /* package managers; ids are hers, chown to others fails */      \
     | CAPS_BIT(CAP_DAC_OVERRIDE) /* root reads and writes files of her own ids */                 \
     | CAPS_BIT(                                                                                   \
           CAP_DAC_READ_SEARCH) /* backups; open_by_handle_at asks the host's, and is filtered */  \
     | CAPS_BIT(CAP_FOWNER)     /* chmod of what other ids of hers own */                          \
     | CAPS_BIT(CAP_FSETID)     /* set-gid directories keep their bit */                           \
     | CAPS_BIT(CAP_KILL)       /* only processes of her pid namespace have a pid there */         \
     | CAPS_BIT(CAP_SETGID)     /* login, su, daemons: mapped ids only */                          \
     | CAPS_BIT(CAP_SETUID)     /* likewise */                                                     \
     | CAPS_BIT(CAP_SETPCAP)    /* daemons drop from their bounding set; it never adds */          \
     | CAPS_BIT(CAP_NET_BIND_SERVICE) /* ports below 1024 of her own network namespace */          \
     |                                                                                             \
     CAPS_BIT(CAP_SYS_CHROOT) /* sshd, build tools; the root was pivoted, chroot leads nowhere */  \
     | CAPS_BIT(CAP_AUDIT_WRITE)) /* sudo and sshd want it; NETLINK_AUDIT is filtered anyway */

/* croft-image restores owners, modes and file capabilities of what it unpacks, and nothing else. */
#define IMAGE_CAPABILITIES                                                                         \
    (CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_DAC_OVERRIDE) | CAPS_BIT(CAP_FOWNER) |                     \
     CAPS_BIT(CAP_FSETID) | CAPS_BIT(CAP_SETFCAP))

_Static_assert(INSTANCE_CAPABILITIES == IMAGE_FILE_CAPABILITIES,
               "a file of an image is marked with what an instance has");

#define IMAGE_MEMORY_MAX (512ULL * MIB)
#define IMAGE_NOFILE     64U

struct limit {
    int resource;
    rlim_t soft;
    rlim_t hard;
};

static int set_limits(const struct limit *limits, size_t count);
static int stdio_terminal(struct run *run);
static int check_directory(void);

int confine_stdio(struct run *run)
{
    if (run->job.flags & JOB_TTY)
        return stdio_terminal(run);
    for (int i = 0; i < 3; i++) {
        int given = run->fd[JOB_FD_STDIN + i];
        if (dup2(given >= 0 ? given : run->null, i) < 0)
            return -errno;
    }
    return 0;
}

static int stdio_terminal(struct run *run)
{
    auto_close slave = -1;
    auto_close root = -1;
    int dir = run->pts;
    const char *name = "ptmx";
    if (dir < 0) { /* joining: the instance's own, found beneath its root */
        root = path_root("/", O_PATH | O_DIRECTORY);
        if (root < 0)
            return root;
        dir = root;
        name = "dev/pts/ptmx";
    }
    int rc = pty_open(dir, name, run->job.rows, run->job.columns, &run->master, &slave);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 3; i++)
        if (dup2(slave, i) < 0)
            return -errno;
    return 0;
}

int confine_limits(struct run *run)
{
    const rlim_t nofile = run->job.nofile ? run->job.nofile : DEFAULT_NOFILE;
    /* Every limit there is, so that none is inherited from whoever started Croft. */
    const struct limit limits[] = {
        {RLIMIT_AS, RLIM_INFINITY, RLIM_INFINITY}, /* memory is held by the control group */
        {RLIMIT_CORE, 0, 0}, /* a host's core_pattern may be a program outside */
        {RLIMIT_CPU, RLIM_INFINITY, RLIM_INFINITY},
        {RLIMIT_DATA, RLIM_INFINITY, RLIM_INFINITY},
        {RLIMIT_FSIZE, RLIM_INFINITY, RLIM_INFINITY}, /* the disk has its own end */
        {RLIMIT_LOCKS, RLIM_INFINITY, RLIM_INFINITY},
        {RLIMIT_MEMLOCK, 8 * MIB, 8 * MIB},
        {RLIMIT_MSGQUEUE, 819200, 819200},
        {RLIMIT_NICE, 0, 0},
        {RLIMIT_NOFILE, nofile, nofile},
        {RLIMIT_NPROC, RLIM_INFINITY, RLIM_INFINITY}, /* processes too */
        {RLIMIT_RSS, RLIM_INFINITY, RLIM_INFINITY},
        {RLIMIT_RTPRIO, 0, 0},
        {RLIMIT_RTTIME, RLIM_INFINITY, RLIM_INFINITY},
        {RLIMIT_SIGPENDING, 4096, 4096},
        {RLIMIT_STACK, 8 * MIB, RLIM_INFINITY},
    };
    umask(022);
    int rc = set_limits(limits, ARRAY_LEN(limits));
    if (rc == 0 && !run_without(run, ABLATE_CAPS))
        rc = caps_bound(INSTANCE_CAPABILITIES);
    return rc;
}

int confine_limits_image(struct run *run)
{
    const struct limit limits[] = {
        {RLIMIT_AS, IMAGE_MEMORY_MAX, IMAGE_MEMORY_MAX},
        {RLIMIT_CORE, 0, 0},
        {RLIMIT_CPU, IMAGE_CPU_SECONDS, IMAGE_CPU_SECONDS},
        {RLIMIT_MEMLOCK, 0, 0},
        {RLIMIT_MSGQUEUE, 0, 0},
        {RLIMIT_NOFILE, IMAGE_NOFILE, IMAGE_NOFILE},
        {RLIMIT_RTPRIO, 0, 0},
        {RLIMIT_SIGPENDING, 16, 16},
        {RLIMIT_STACK, 8 * MIB, 8 * MIB},
    };
    umask(022);
    int rc = set_limits(limits, ARRAY_LEN(limits));
    if (rc == 0 && !run_without(run, ABLATE_CAPS))
        rc = caps_bound(IMAGE_CAPABILITIES);
    return rc;
}

/* A limit of the host that is lower stays: raising it is not ours to do. */
static int set_limits(const struct limit *limits, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct rlimit now;
        struct rlimit want = {.rlim_cur = limits[i].soft, .rlim_max = limits[i].hard};
        if (getrlimit((__rlimit_resource_t)limits[i].resource, &now) < 0)
            return -errno;
        if (want.rlim_max > now.rlim_max)
            want.rlim_max = now.rlim_max;
        if (want.rlim_cur > want.rlim_max)
            want.rlim_cur = want.rlim_max;
        if (setrlimit((__rlimit_resource_t)limits[i].resource, &want) < 0)
            return -errno;
    }
    return 0;
}

int confine_filter(struct run *run)
{
    if (run_without(run, ABLATE_SECCOMP))
        return 0;
    int rc = sysfilter_read(run->fd[JOB_FD_FILTER], &run->filter);
    return rc < 0 ? rc : sysfilter_load(&run->filter);
}

int confine_capabilities(struct run *run)
{
    return run_without(run, ABLATE_CAPS) ? 0 : caps_set(INSTANCE_CAPABILITIES);
}

int confine_capabilities_image(struct run *run)
{
    return run_without(run, ABLATE_CAPS) ? 0 : caps_set(IMAGE_CAPABILITIES);
}

int confine_descriptors(struct run *run)
{
    int keep[5] = {SPAWN_CHANNEL_FD};
    int *const later[] = {&run->fd[JOB_FD_EXEC], &run->master};
    int count = 1;
    if (run->fd[JOB_FD_LOG0] >= 0 && run->fd[JOB_FD_LOG1] >= 0) {
        keep[count++] = run->fd[JOB_FD_LOG0];
        keep[count++] = run->fd[JOB_FD_LOG1];
    }
    const int logs = count - 1;
    for (size_t i = 0; i < ARRAY_LEN(later); i++) {
        if (*later[i] < 0)
            continue;
        keep[count] = *later[i];
        *later[i] = SPAWN_CHANNEL_FD + count++;
    }
    int rc = fd_place(SPAWN_CHANNEL_FD, keep, (size_t)count);
    /* Of what lies above 2 the next program gets the logs and nothing else. */
    for (int i = 0; i < count && rc == 0; i++)
        if ((i == 0 || i > logs) && fcntl(SPAWN_CHANNEL_FD + i, F_SETFD, FD_CLOEXEC) < 0)
            rc = -errno;
    return rc < 0 ? rc : check_directory();
}

/* CVE-2024-21626: a working directory outside the root is a door. The kernel marks such a one. */
static int check_directory(void)
{
    char path[64];
    if (chdir("/") < 0)
        return -errno;
    long size = syscall(SYS_getcwd, path, sizeof(path));
    if (size < 0)
        return -errno;
    return path[0] == '/' ? 0 : -EXDEV;
}
