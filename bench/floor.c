/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor - the least that a full container start can do on this machine, and nothing around it
 *
 * Theory of operation: what `croft run` is measured against. The same things happen as in an OCI
 * runtime's full default configuration: seven namespaces with a map of 65,536 ids, a control group
 * with limits in each version 1 hierarchy (or one on version 2), a bound root with proc, sysfs,
 * mqueue, a /dev of six nodes, devpts, shm, ten masked and five read-only paths, capabilities,
 * no_new_privs, a filter that was compiled before, and the program. There is no configuration file,
 * no state, no record, no check of anything and no error message but the name of the step.
 *
 * usage: floor [-n STARTS] ROOTFS FILTER PROGRAM [ARG...]
 * With more than one start it prints the median, p10 and p90 of each step in microseconds.
 * ROOTFS belongs to uid 100000; FILTER is an array of struct sock_filter.
 *
 * Runs as: root
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STARTS_MAX 10000
#define FILTER_MAX 8192
#define MAP        "0 100000 65536"
#define CAPS_KEPT  0xa80425fbULL /* the fourteen that engines give by default */
#define LEN(a)     (sizeof(a) / sizeof((a)[0]))

enum part {
    PART_CLONE,
    PART_MAP,
    PART_CGROUP,
    PART_MOUNTS,
    PART_CONFINE,
    PART_PROGRAM,
    PART_REMOVE,
    PART_TOTAL,
    PART_COUNT
};
static const char *const part_names[] = {"clone3, seven namespaces",
                                         "uid and gid map",
                                         "control groups: make, limit, attach",
                                         "mounts, pivot, masks",
                                         "capabilities, limits, filter",
                                         "program: exec to reaped",
                                         "control groups: remove",
                                         "TOTAL"};

/* Shared with the child: what its steps took, and where it failed. */
struct board {
    long long ns[PART_COUNT];
    long long program_ns;
    char failed[64];
};

static struct board *board;
static struct sock_fprog filter;
static const char *const hierarchies[] = {"memory", "pids",  "cpu",     "cpuacct",
                                          "cpuset", "blkio", "freezer", "devices"};

static long long now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

__attribute__((noreturn)) static void fail(const char *what)
{
    (void)snprintf(board->failed, sizeof(board->failed), "%s: %s", what, strerror(errno));
    _exit(99);
}

static void need(bool holds, const char *what)
{
    if (!holds)
        fail(what);
}

static bool put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        (void)close(fd);
    return done;
}

static void make_dev(void)
{
    static const char *const nodes[] = {"null", "zero", "full", "tty", "random", "urandom"};

    need(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=65536k") == 0, "dev");
    for (size_t i = 0; i < LEN(nodes); i++) {
        char from[64], to[64];

        (void)snprintf(from, sizeof(from), "/dev/%s", nodes[i]);
        (void)snprintf(to, sizeof(to), "dev/%s", nodes[i]);
        int fd = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
        need(fd >= 0 && close(fd) == 0, "node");
        need(mount(from, to, NULL, MS_BIND, NULL) == 0, "bind node");
    }
    need(mkdir("dev/pts", 0755) == 0 && mkdir("dev/shm", 0755) == 0 &&
             mkdir("dev/mqueue", 0755) == 0,
         "mkdir");
    need(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
               "newinstance,ptmxmode=0666,mode=0620") == 0,
         "devpts");
    need(mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
               "mode=1777,size=65536k") == 0,
         "shm");
    need(mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0,
         "mqueue");
}

static void cover(void)
{
    static const char *const masked[] = {
        "/proc/acpi",          "/proc/asound",     "/proc/kcore",       "/proc/keys",
        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
        "/sys/firmware",       "/proc/scsi"};
    static const char *const fixed[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                        "/proc/sysrq-trigger"};
    struct stat meta;

    for (size_t i = 0; i < LEN(masked); i++) {
        if (stat(masked[i], &meta) < 0)
            continue;
        if (S_ISDIR(meta.st_mode))
            need(mount("tmpfs", masked[i], "tmpfs", MS_RDONLY, "size=0") == 0, "mask");
        else
            need(mount("/dev/null", masked[i], NULL, MS_BIND, NULL) == 0, "mask");
    }
    for (size_t i = 0; i < LEN(fixed); i++) {
        if (access(fixed[i], F_OK) < 0)
            continue;
        need(mount(fixed[i], fixed[i], NULL, MS_BIND | MS_REC, NULL) == 0, "read-only");
        need(mount(NULL, fixed[i], NULL,
                   MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0,
             "read-only");
    }
}

static void make_mounts(const char *root)
{
    need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private");
    need(mount(root, root, NULL, MS_BIND | MS_REC, NULL) == 0 && chdir(root) == 0, "bind root");
    need(mount("proc", "proc", "proc", 0, NULL) == 0, "proc");
    make_dev();
    need(mount("sysfs", "sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0,
         "sysfs");
    need(syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 && chdir("/") == 0,
         "pivot");
    cover();
}

static void confine(void)
{
    struct rlimit files = {1024, 1024};
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct caps[2] = {{(__u32)CAPS_KEPT, (__u32)CAPS_KEPT, 0}, {0, 0, 0}};

    need(setrlimit(RLIMIT_NOFILE, &files) == 0, "limit");
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (!(CAPS_KEPT >> cap & 1))
            (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    need(syscall(SYS_capset, &head, caps) == 0, "capabilities");
    need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
    need(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0, "filter");
}

__attribute__((noreturn)) static void child(int gate, const char *root, char **argv)
{
    char go;

    need(read(gate, &go, 1) == 1, "gate");
    long long start = now_ns();
    need(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0 && sethostname("floor", 5) == 0, "id");
    make_mounts(root);
    long long mounted = now_ns();
    confine();
    board->program_ns = now_ns();
    board->ns[PART_MOUNTS] = mounted - start;
    board->ns[PART_CONFINE] = board->program_ns - mounted;
    (void)execv(argv[0], argv);
    fail("program");
}

static void group_path(char *path, size_t size, const char *hierarchy, const char *file)
{
    (void)snprintf(path, size, "/sys/fs/cgroup/%s%sfloor-%d%s%s", hierarchy, *hierarchy ? "/" : "",
                   getpid(), *file ? "/" : "", file);
}

static void group_put(const char *hierarchy, const char *file, const char *text)
{
    char path[192];

    group_path(path, sizeof(path), hierarchy, file);
    (void)put(path, text);
}

static void limit_v1(const char *hierarchy)
{
    static const char *const devices[] = {"c *:* m",     "b *:* m",   "c 1:3 rwm", "c 1:5 rwm",
                                          "c 1:7 rwm",   "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm",
                                          "c 136:* rwm", "c 5:2 rwm"};

    if (strcmp(hierarchy, "memory") == 0)
        group_put(hierarchy, "memory.limit_in_bytes", "268435456");
    if (strcmp(hierarchy, "pids") == 0)
        group_put(hierarchy, "pids.max", "128");
    if (strcmp(hierarchy, "cpu") == 0) {
        group_put(hierarchy, "cpu.shares", "512");
        group_put(hierarchy, "cpu.cfs_quota_us", "200000");
    }
    if (strcmp(hierarchy, "cpuset") == 0) {
        char cpus[64] = "0";
        int fd = open("/sys/fs/cgroup/cpuset/cpuset.cpus", O_RDONLY | O_CLOEXEC);
        ssize_t size = fd < 0 ? 0 : read(fd, cpus, sizeof(cpus) - 1);

        cpus[size > 0 ? size : 1] = '\0';
        if (fd >= 0)
            (void)close(fd);
        group_put(hierarchy, "cpuset.cpus", cpus);
        group_put(hierarchy, "cpuset.mems", "0");
    }
    if (strcmp(hierarchy, "devices") != 0)
        return;
    group_put(hierarchy, "devices.deny", "a");
    for (size_t i = 0; i < LEN(devices); i++)
        group_put(hierarchy, "devices.allow", devices[i]);
}

static bool is_v2(void)
{
    return access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
}

static void enter_groups(pid_t pid)
{
    char path[192], text[16];

    (void)snprintf(text, sizeof(text), "%d", pid);
    for (size_t i = 0; i < (is_v2() ? 1 : LEN(hierarchies)); i++) {
        const char *hierarchy = is_v2() ? "" : hierarchies[i];

        group_path(path, sizeof(path), hierarchy, "");
        if (mkdir(path, 0755) < 0)
            continue;
        if (is_v2()) {
            group_put("", "memory.max", "268435456");
            group_put("", "pids.max", "128");
        } else {
            limit_v1(hierarchy);
        }
        group_put(hierarchy, "cgroup.procs", text);
    }
}

static void leave_groups(void)
{
    char path[192];

    for (size_t i = 0; i < (is_v2() ? 1 : LEN(hierarchies)); i++) {
        group_path(path, sizeof(path), is_v2() ? "" : hierarchies[i], "");
        for (int tries = 0; tries < 2000 && rmdir(path) < 0 && errno == EBUSY; tries++)
            (void)usleep(50);
    }
}

/* One start, from nothing to nothing. Return: whether the program ended well */
static bool start(const char *root, char **argv)
{
    struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET |
                                       CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP,
                              .exit_signal = SIGCHLD};
    char path[64];
    int gate[2], status = 0;

    memset(board, 0, sizeof(*board));
    if (pipe2(gate, O_CLOEXEC) < 0)
        return false;
    long long begin = now_ns();
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0)
        child(gate[0], root, argv);
    if (pid < 0)
        return false;
    long long cloned = now_ns();
    (void)snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
    bool fine = put(path, MAP);
    (void)snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
    fine = put(path, MAP) && fine;
    long long mapped = now_ns();
    enter_groups(pid);
    long long grouped = now_ns();
    fine = write(gate[1], "g", 1) == 1 && fine;
    (void)close(gate[0]);
    (void)close(gate[1]);
    fine = waitpid(pid, &status, 0) == pid && status == 0 && fine;
    long long ended = now_ns();
    leave_groups();
    long long end = now_ns();
    board->ns[PART_CLONE] = cloned - begin;
    board->ns[PART_MAP] = mapped - cloned;
    board->ns[PART_CGROUP] = grouped - mapped;
    board->ns[PART_PROGRAM] = ended - board->program_ns;
    board->ns[PART_REMOVE] = end - ended;
    board->ns[PART_TOTAL] = end - begin;
    return fine;
}

static int compare(const void *a, const void *b)
{
    long long x = *(const long long *)a, y = *(const long long *)b;

    return x < y ? -1 : x > y;
}

static bool load_filter(const char *path)
{
    static struct sock_filter code[FILTER_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, code, sizeof(code));

    if (fd >= 0)
        (void)close(fd);
    filter = (struct sock_fprog){.len = (unsigned short)(size / (ssize_t)sizeof(code[0])),
                                 .filter = code};
    return size > 0;
}

int main(int argc, char **argv)
{
    static long long taken[PART_COUNT][STARTS_MAX];
    int starts = 1, first = 1;

    if (argc > 3 && strcmp(argv[1], "-n") == 0) {
        starts = (int)strtol(argv[2], NULL, 10);
        first = 3;
    }
    board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (argc < first + 3 || starts < 1 || starts > STARTS_MAX || board == MAP_FAILED ||
        !load_filter(argv[first + 1])) {
        (void)fprintf(stderr, "usage: floor [-n STARTS] ROOTFS FILTER PROGRAM [ARG...]\n");
        return 2;
    }
    for (int i = 0; i < starts; i++) {
        if (!start(argv[first], argv + first + 2)) {
            (void)fprintf(stderr, "floor: %s\n", board->failed);
            return 1;
        }
        for (int part = 0; part < PART_COUNT; part++)
            taken[part][i] = board->ns[part];
    }
    for (int part = 0; starts > 1 && part < PART_COUNT; part++) {
        qsort(taken[part], (size_t)starts, sizeof(taken[part][0]), compare);
        printf("%-38s %8.1f  (%.1f .. %.1f)\n", part_names[part],
               (double)taken[part][starts / 2] / 1e3, (double)taken[part][starts / 10] / 1e3,
               (double)taken[part][starts * 9 / 10] / 1e3);
    }
    return 0;
}
