/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside_kernel - attack steps on kernel interfaces (K rows): sysctl, cgroups, rare system calls,
 * socket families
 *
 * Theory of operation: a family that this kernel does not have and one that the filter refuses
 * must not look the same. A socket type with an unknown flag is refused by the kernel with EINVAL
 * before it looks at the family, so whoever sees EINVAL got past the filter, whatever the kernel
 * was built with. The calls of the deny list are made with arguments that are refused after the
 * permission check, so that they do no harm even to host root.
 *
 * Runs as: root inside the attacker's machine; host root for the positive control.
 */
#include "prove/step.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define CGROUP_DIR       "/croft-prove-cgroup"
#define HIERARCHY_END_US 300000U
#define SOCK_FLAG_ABSENT 0x10 /* no kernel knows it: EINVAL before the family is looked at */
#define FAMILY_LAST      46

/* sysctl keys that belong to a namespace of the machine's own: writing them reaches nobody */
static const char *const own_sysctls[] = {
    "/proc/sys/net/",
    "/proc/sys/user/",
    "/proc/sys/fs/mqueue/",
    "/proc/sys/kernel/shm",
    "/proc/sys/kernel/msg",
    "/proc/sys/kernel/sem",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/domainname",
    "/proc/sys/kernel/auto_msgmni",
};

static struct fact *walk_fact; /* nftw(3) hands nothing through */

static int walk_sysctl(const char *path, const struct stat *meta, int type, struct FTW *at)
{
    (void)meta;
    (void)at;
    if (type != FTW_F)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(own_sysctls); i++)
        if (strncmp(path, own_sysctls[i], strlen(own_sysctls[i])) == 0)
            return 0;
    auto_close fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fact_tried(walk_fact, fd) && walk_fact->number[0] <= 8)
        fact_note(walk_fact, "%s", path + sizeof("/proc/sys/") - 1);
    return 0;
}

/* Opening for writing is where the kernel asks for permission; nothing is written. */
static void act_sysctl(struct step_run *run)
{
    walk_fact = &run->fact;
    (void)nftw("/proc/sys", walk_sysctl, 16, FTW_PHYS);
}

/* argv: pairs of file and text to write. number[0]: writes that worked. */
static void act_write(struct step_run *run)
{
    for (int i = 0; i + 1 < run->argc; i += 2) {
        auto_close fd = open(run->argv[i], O_WRONLY | O_CLOEXEC);

        if (fd < 0) {
            (void)fact_tried(&run->fact, -1);
            continue;
        }
        if (fact_tried(&run->fact, write(fd, run->argv[i + 1], strlen(run->argv[i + 1]))))
            fact_note(&run->fact, "%s", run->argv[i]);
    }
}

/* argv: files. number[0]: how many told something. */
static void act_read(struct step_run *run)
{
    for (int i = 0; i < run->argc; i++) {
        char bytes[256] = "";
        auto_close fd = open(run->argv[i], O_RDONLY | O_CLOEXEC);

        if (fd < 0) {
            (void)fact_tried(&run->fact, -1);
            continue;
        }
        ssize_t size = read(fd, bytes, sizeof(bytes));
        if (size == 0)
            errno = ENODATA;
        if (fact_tried(&run->fact, size > 0 ? 0 : -1))
            fact_note(&run->fact, "%s", run->argv[i]);
    }
}

/*
 * argv: a directory, and one that links in it lead to. Makes a file behind the link, as a program
 * that goes by names would. number[0]: files made.
 */
static void act_link(struct step_run *run)
{
    char link[256], file[256];

    if (str_format(link, sizeof(link), "%s/dev", step_arg(run, 0)) < 0 ||
        str_format(file, sizeof(file), "%s/dev/null", step_arg(run, 0)) < 0 ||
        symlink(step_arg(run, 1), link) < 0)
        return;
    auto_close fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    (void)fact_tried(&run->fact, fd);
}

static void undo_link(struct step_run *run)
{
    char path[256];

    if (str_format(path, sizeof(path), "%s/dev/null", step_arg(run, 0)) == 0)
        (void)unlink(path);
    if (str_format(path, sizeof(path), "%s/dev", step_arg(run, 0)) == 0)
        (void)unlink(path);
}

/* argv: files of /sys. Opened for writing only. number[0]: how many could be. */
static void act_sysfs(struct step_run *run)
{
    for (int i = 0; i < run->argc; i++) {
        auto_close fd = open(run->argv[i], O_WRONLY | O_CLOEXEC);

        if (fact_tried(&run->fact, fd))
            fact_note(&run->fact, "%s", run->argv[i]);
    }
}

static bool write_in(const char *dir, const char *name, const char *text)
{
    char path[256];

    if (str_format(path, sizeof(path), "%s/%s", dir, name) < 0)
        return false;
    auto_close fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, text, strlen(text)) > 0;
}

/* Sets @agent as the release agent of the hierarchy at @root and lets a group there run empty. */
static void spring_agent(struct fact *fact, const char *root, const char *agent)
{
    char group[128];
    pid_t child;

    if (!write_in(root, "release_agent", agent)) {
        (void)fact_tried(fact, -1);
        return;
    }
    if (str_format(group, sizeof(group), "%s/croft-prove", root) < 0)
        return;
    (void)mkdir(group, 0755);
    (void)write_in(group, "notify_on_release", "1");
    child = fork();
    if (child == 0)
        _exit(write_in(group, "cgroup.procs", "0") ? 0 : 1);
    if (child > 0)
        (void)waitpid(child, NULL, 0);
    (void)fact_tried(fact, 0);
    fact_note(fact, "release_agent");
    for (int i = 0; i < 50 && rmdir(group) < 0 && errno == EBUSY; i++)
        (void)usleep(10000);
}

/*
 * argv: host path of a program to be run, then mount options of version 1 hierarchies.
 * number[0]: hierarchies mounted or agents set.
 */
static void act_release_agent(struct step_run *run)
{
    static const char *const roots[] = {"/sys/fs/cgroup/memory",  "/sys/fs/cgroup/pids",
                                        "/sys/fs/cgroup/cpu",     "/sys/fs/cgroup/devices",
                                        "/sys/fs/cgroup/freezer", "/sys/fs/cgroup"};

    (void)mkdir(CGROUP_DIR, 0700);
    for (int i = 1; i < run->argc; i++) {
        if (!fact_tried(&run->fact, mount("cgroup", CGROUP_DIR, "cgroup", 0, run->argv[i])))
            continue;
        fact_note(&run->fact, "mounted %s", run->argv[i]);
        spring_agent(&run->fact, CGROUP_DIR, step_arg(run, 0));
        (void)umount2(CGROUP_DIR, MNT_DETACH);
        /* A hierarchy goes with its last mount only when its groups are gone, and a removed group
         * goes a moment later: without a second look it would stay on the host, unmounted. */
        (void)usleep(HIERARCHY_END_US);
        if (mount("cgroup", CGROUP_DIR, "cgroup", 0, run->argv[i]) == 0)
            (void)umount2(CGROUP_DIR, 0);
    }
    for (size_t i = 0; run->argc > 2 && i < ARRAY_LEN(roots); i++)
        spring_agent(&run->fact, roots[i], step_arg(run, 0));
    (void)rmdir(CGROUP_DIR);
}

static int walk_cgroup(const char *path, const struct stat *meta, int type, struct FTW *at)
{
    (void)meta;
    if (type != FTW_F || strcmp(path + at->base, "cgroup.procs") != 0)
        return 0;
    auto_close fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fact_tried(walk_fact, fd < 0 ? -1 : write(fd, "0", 1)))
        fact_note(walk_fact, "%s", path);
    return 0;
}

/* argv: a group's cgroup.procs to move to (control). Moves where it can. number[0]: moves. */
static void act_cgroup_move(struct step_run *run)
{
    walk_fact = &run->fact;
    for (int i = 0; i < run->argc; i++) {
        auto_close fd = open(run->argv[i], O_WRONLY | O_CLOEXEC);
        (void)fact_tried(&run->fact, fd < 0 ? -1 : write(fd, "0", 1));
    }
    if (run->argc)
        return;
    (void)mkdir(CGROUP_DIR, 0700);
    if (fact_tried(&run->fact, mount("cgroup2", CGROUP_DIR, "cgroup2", 0, NULL)))
        (void)nftw(CGROUP_DIR, walk_cgroup, 16, FTW_PHYS);
    (void)umount2(CGROUP_DIR, MNT_DETACH);
    (void)rmdir(CGROUP_DIR);
    (void)nftw("/sys/fs/cgroup", walk_cgroup, 16, FTW_PHYS);
}

static void act_bpf(struct step_run *run)
{
    union bpf_attr attr;

    memset(&attr, 0, sizeof(attr));
    attr.map_type = BPF_MAP_TYPE_ARRAY;
    attr.key_size = 4;
    attr.value_size = 4;
    attr.max_entries = 1;
    auto_close map = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
    if (fact_tried(&run->fact, map))
        fact_note(&run->fact, "map");

    const struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0},
                                    {.code = BPF_JMP | BPF_EXIT}};
    memset(&attr, 0, sizeof(attr));
    attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
    attr.insns = (uint64_t)(uintptr_t)code;
    attr.insn_cnt = ARRAY_LEN(code);
    attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
    auto_close prog = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
    if (fact_tried(&run->fact, prog))
        fact_note(&run->fact, "program");
}

static void act_perf(struct step_run *run)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE, .size = sizeof(attr), .config = PERF_COUNT_SW_CPU_CLOCK};

    auto_close own = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fact_tried(&run->fact, own))
        fact_note(&run->fact, "own");
    auto_close cpu = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
    if (fact_tried(&run->fact, cpu))
        fact_note(&run->fact, "cpu");
}

static void act_userfaultfd(struct step_run *run)
{
    auto_close fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    if (fact_tried(&run->fact, fd))
        fact_note(&run->fact, "userfaultfd");
    auto_close device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    if (fact_tried(&run->fact, device))
        fact_note(&run->fact, "/dev/userfaultfd");
}

static void act_io_uring(struct step_run *run)
{
    struct io_uring_params params = {0};

    auto_close ring = (int)syscall(SYS_io_uring_setup, 2, &params);
    if (fact_tried(&run->fact, ring))
        fact_note(&run->fact, "ring");
}

/* Whether socket(2) with these gets past every filter; see the theory of operation. */
static bool socket_passes(struct fact *fact, int family, int protocol)
{
    int fd = socket(family, SOCK_RAW | SOCK_FLAG_ABSENT, protocol);

    if (fd >= 0)
        (void)close(fd);
    if (fd >= 0 || errno == EINVAL)
        return fact_tried(fact, 0);
    return fact_tried(fact, -1);
}

/* argv: numbers of families a machine may use, which are not tried. */
static void act_families(struct step_run *run)
{
    for (int family = 0; family <= FAMILY_LAST; family++) {
        bool allowed = false;

        for (int i = 0; i < run->argc; i++)
            allowed = allowed || step_number(run, i) == (uint64_t)family;
        if (!allowed && socket_passes(&run->fact, family, 0))
            fact_note(&run->fact, "%d", family);
    }
}

/* The entry points of the page cache write bugs of 2022 to 2026, and nothing else. */
static void act_page_cache(struct step_run *run)
{
    static const struct {
        int family, protocol;
        const char *name;
    } doors[] = {{38, 0, "AF_ALG"},
                 {33, 0, "AF_RXRPC"},
                 {15, 2, "AF_KEY"},
                 {AF_NETLINK, NETLINK_XFRM, "NETLINK_XFRM"},
                 {AF_NETLINK, NETLINK_NETFILTER, "NETLINK_NETFILTER"}};

    for (size_t i = 0; i < ARRAY_LEN(doors); i++)
        if (socket_passes(&run->fact, doors[i].family, doors[i].protocol))
            fact_note(&run->fact, "%s", doors[i].name);
}

/* Changes the loopback of the machine's own network: CAP_NET_ADMIN there is all that it needs. */
static void change_own_network(struct fact *fact)
{
    struct ifreq ask = {.ifr_name = "lo", .ifr_mtu = 1400};

    auto_close sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fact_tried(fact, sock < 0 ? -1 : ioctl(sock, SIOCSIFMTU, &ask)))
        fact_note(fact, "CAP_NET_ADMIN");
}

/* argv: netlink protocols that a machine may use. */
static void act_netlink(struct step_run *run)
{
    change_own_network(&run->fact);
    for (int protocol = 0; protocol <= NETLINK_SMC; protocol++) {
        bool allowed = false;

        for (int i = 0; i < run->argc; i++)
            allowed = allowed || step_number(run, i) == (uint64_t)protocol;
        if (!allowed && socket_passes(&run->fact, AF_NETLINK, protocol))
            fact_note(&run->fact, "%d", protocol);
    }
}

const struct step steps_kernel[] = {
    {"K-01", act_sysctl, NULL},      {"K-03", act_write, NULL},
    {"K-04", act_write, NULL},       {"K-08", act_release_agent, NULL},
    {"K-09", act_cgroup_move, NULL}, {"K-12", act_bpf, NULL},
    {"K-13", act_perf, NULL},        {"K-14", act_userfaultfd, NULL},
    {"K-15", act_io_uring, NULL},    {"K-19", act_families, NULL},
    {"K-20", act_netlink, NULL},     {"K-24", act_sysfs, NULL},
    {"K-05", act_link, undo_link},   {"K-23", act_read, NULL},
    {"F-33", act_page_cache, NULL},
};
const size_t steps_kernel_count = ARRAY_LEN(steps_kernel);
