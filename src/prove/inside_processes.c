/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside_processes - attack steps on processes, descriptors, namespaces and sockets (P rows)
 *
 * Runs as: root inside the attacker's machine; host root for the positive control, where the only
 * pids a step is given are those of the proof's own canaries.
 */
#include "prove/step.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"

#define SECRET_BYTES 64

/* Whether @pid is a process that this namespace can see: then it is the attacker's own. */
static bool is_own(pid_t pid)
{
    char path[64];

    return str_format(path, sizeof(path), "/proc/%d/stat", pid) == 0 && access(path, F_OK) == 0;
}

/*
 * argv: "own" where own processes may be signalled (control), else ""; then host pids.
 * number[0]: signals that were accepted.
 */
static void act_signal(struct step_run *run)
{
    bool control = strcmp(step_arg(run, 0), "own") == 0;

    for (int i = 1; i < run->argc; i++) {
        pid_t pid = (pid_t)step_number(run, i);

        if (pid <= 1 || (!control && is_own(pid)))
            continue;
        (void)fact_tried(&run->fact, kill(pid, SIGUSR1));
        auto_close pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (!fact_tried(&run->fact, pidfd))
            continue;
        (void)fact_tried(&run->fact, syscall(SYS_pidfd_send_signal, pidfd, SIGUSR1, NULL, 0));
        auto_close stolen = (int)syscall(SYS_pidfd_getfd, pidfd, 0, 0);
        (void)fact_tried(&run->fact, stolen);
    }
}

static void read_memory(struct fact *fact, pid_t pid, uint64_t address)
{
    char bytes[SECRET_BYTES + 1] = "";
    char path[64];
    struct iovec local = {.iov_base = bytes, .iov_len = SECRET_BYTES};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = SECRET_BYTES};

    if (fact_tried(fact, process_vm_readv(pid, &local, 1, &remote, 1, 0)))
        fact_note(fact, "%.64s", bytes);
    if (str_format(path, sizeof(path), "/proc/%d/mem", pid) < 0)
        return;
    auto_close mem = open(path, O_RDWR | O_CLOEXEC);
    if (!fact_tried(fact, mem))
        return;
    memset(bytes, 0, sizeof(bytes));
    if (pread(mem, bytes, SECRET_BYTES, (off_t)address) > 0)
        fact_note(fact, "%.64s", bytes);
}

/* Attaches to @pid and lets go of it by ending. Return: whether that worked */
static bool seize(struct fact *fact, pid_t pid)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0)
        _exit(ptrace(PTRACE_SEIZE, pid, 0, 0) < 0 ? errno : 0);
    if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
        return false;
    errno = WEXITSTATUS(status);
    return fact_tried(fact, errno ? -1 : 0);
}

/* argv: "own" or "", then pairs of host pid and address of the secret. text: what was read. */
static void act_memory(struct step_run *run)
{
    bool control = strcmp(step_arg(run, 0), "own") == 0;

    for (int i = 1; i + 1 < run->argc; i += 2) {
        pid_t pid = (pid_t)step_number(run, i);

        if (pid <= 1 || (!control && is_own(pid)))
            continue;
        read_memory(&run->fact, pid, step_number(run, i + 1));
        (void)seize(&run->fact, pid);
    }
}

/* Whether the program of @pid lies outside this root and is not our own pid 1's either. */
static bool is_foreign_program(pid_t pid)
{
    struct stat root, init, program;
    char path[64];

    if (str_format(path, sizeof(path), "/proc/%d/exe", pid) < 0 || stat(path, &program) < 0)
        return false;
    if (stat("/", &root) < 0 || stat("/proc/1/exe", &init) < 0)
        return false;
    return program.st_dev != root.st_dev &&
           (program.st_dev != init.st_dev || program.st_ino != init.st_ino);
}

/*
 * Looks at one process that just came in. Only a program from outside counts: as soon as it has
 * become one of this very machine, it is the attacker's own.
 */
static void ambush(struct fact *fact, pid_t pid, bool any)
{
    bool foreign = any || is_foreign_program(pid);
    char path[64];

    fact->number[2]++;
    if (str_format(path, sizeof(path), "/proc/%d/mem", pid) < 0)
        return;
    auto_close mem = open(path, O_RDWR | O_CLOEXEC);
    if (!foreign) {
        fact->number[1]++;
        fact->error = EACCES;
        return;
    }
    if (fact_tried(fact, mem))
        fact_note(fact, "memory of %d", pid);
    if (seize(fact, pid))
        fact_note(fact, "ptrace of %d", pid);
}

/* Walks /proc once. Return: the highest pid seen */
static pid_t ambush_new(struct fact *fact, pid_t last)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    pid_t highest = last;
    uint64_t pid;

    while (proc && (entry = readdir(proc))) {
        if (str_u64(entry->d_name, 2, INT32_MAX, &pid) < 0 || (pid_t)pid <= last)
            continue;
        ambush(fact, (pid_t)pid, false);
        if ((pid_t)pid > highest)
            highest = (pid_t)pid;
    }
    if (proc)
        (void)closedir(proc);
    return highest;
}

/* argv: milliseconds to lie in wait; then pids to take (control). number[2]: processes met. */
static void act_ambush(struct step_run *run)
{
    uint64_t end = clock_boot_ns() + step_number(run, 0) * NS_PER_MS;
    pid_t last = getpid();

    for (int i = 1; i < run->argc; i++)
        ambush(&run->fact, (pid_t)step_number(run, i), true);
    while (run->argc < 2 && clock_boot_ns() < end)
        last = ambush_new(&run->fact, last);
}

/*
 * argv: pids whose program to overwrite. Opens it for reading, waits until it no longer runs (up
 * to a second), writes one byte to its end. number[0]: programs written to.
 */
static void act_overwrite(struct step_run *run)
{
    for (int i = 0; i < run->argc; i++) {
        char path[64];

        if (str_format(path, sizeof(path), "/proc/%s/exe", run->argv[i]) < 0)
            continue;
        auto_close exe = open(path, O_RDONLY | O_CLOEXEC);
        if (exe < 0 || str_format(path, sizeof(path), "/proc/self/fd/%d", exe) < 0) {
            (void)fact_tried(&run->fact, -1);
            continue;
        }
        for (int tries = 0; tries < 50; tries++) {
            struct timespec pause = {.tv_nsec = 20 * (long)NS_PER_MS};
            auto_close again = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

            if (again < 0 && errno == ETXTBSY) {
                run->fact.number[2]++; /* allowed, only busy */
                (void)nanosleep(&pause, NULL);
                continue;
            }
            (void)fact_tried(&run->fact, again < 0 ? -1 : write(again, "x", 1));
            break;
        }
    }
}

/* Follows the descriptors of one process. number[0]: secrets read; number[2]: beyond 0, 1, 2 */
static void follow_fds(struct step_run *run, const char *pid)
{
    char path[128], target[128];
    struct dirent *entry;
    uint64_t fd;

    if (str_format(path, sizeof(path), "/proc/%s/fd", pid) < 0)
        return;
    DIR *dir = opendir(path);
    if (!dir) {
        (void)fact_tried(&run->fact, -1);
        return;
    }
    run->fact.number[1]++; /* listing is no reach; what hangs on a descriptor is */
    while ((entry = readdir(dir))) {
        if (str_u64(entry->d_name, 0, INT32_MAX, &fd) < 0 || (int)fd == dirfd(dir))
            continue;
        ssize_t size = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
        target[size > 0 ? size : 0] = '\0';
        if (fd > 2 && strcmp(pid, "self") == 0) {
            run->fact.number[2]++;
            if (run->fact.number[2] <= 3)
                fact_note(&run->fact, "%s=%.40s", entry->d_name, target);
        }
        auto_close base = openat(dirfd(dir), entry->d_name, O_PATH | O_CLOEXEC);
        for (int i = 0; base >= 0 && i < run->argc; i++) {
            char up[256];

            if (str_format(up, sizeof(up), "../../../../../../../../%s", run->argv[i]) < 0)
                continue;
            auto_close secret = openat(base, up, O_RDONLY | O_CLOEXEC);
            char bytes[SECRET_BYTES + 1] = "";
            if (fact_tried(&run->fact, secret) && read(secret, bytes, SECRET_BYTES) > 0)
                fact_note(&run->fact, "%s", bytes);
        }
    }
    (void)closedir(dir);
}

/* argv: paths of secrets, relative to the host's root. */
static void act_descriptors(struct step_run *run)
{
    follow_fds(run, "self");
    follow_fds(run, "1");
}

/* Enters @ns unless it is the one we are in. Return: as setns(2) */
static void enter_other(struct fact *fact, int ns, const char *own, const char *what)
{
    struct stat mine, other;

    if (ns < 0 || stat(own, &mine) < 0 || fstat(ns, &other) < 0 || mine.st_ino == other.st_ino)
        return;
    if (fact_tried(fact, setns(ns, 0)))
        fact_note(fact, "%s", what);
}

/* argv: "own" or "", then host pids. number[0]: namespaces entered, or pidfds of others got. */
static void act_setns(struct step_run *run)
{
    auto_close user = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
    auto_close mnt = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    struct fact *fact = &run->fact;

    auto_close parent = ioctl(user, NS_GET_PARENT);
    if (fact_tried(fact, parent))
        enter_other(fact, parent, "/proc/self/ns/user", "parent user namespace");
    auto_close owner = ioctl(mnt, NS_GET_USERNS);
    enter_other(fact, owner, "/proc/self/ns/user", "owner of the mount namespace");
    for (int i = 1; i < run->argc; i++) {
        pid_t pid = (pid_t)step_number(run, i);

        if (is_own(pid) && strcmp(step_arg(run, 0), "own") != 0)
            continue;
        auto_close pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (!fact_tried(fact, pidfd))
            continue;
        if (fact_tried(fact, setns(pidfd, CLONE_NEWUTS)))
            fact_note(fact, "uts of %d", pid);
    }
}

/* A child made by clone3(2), which a filter on clone's flags cannot read. */
static long clone3_user(void)
{
    struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &args, sizeof(args));

    if (pid == 0)
        _exit(0);
    if (pid > 0)
        (void)waitpid((pid_t)pid, NULL, 0);
    return pid;
}

static int end_at_once(void *nothing)
{
    (void)nothing;
    return 0;
}

/* number[0]: ways by which a nested user namespace could be made */
static void act_nested(struct step_run *run)
{
    static char stack[16384] __attribute__((aligned(16)));
    struct fact *fact = &run->fact;
    pid_t child = fork();
    int status = 0;

    if (child == 0)
        _exit(unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 ? errno : 0);
    if (child > 0 && waitpid(child, &status, 0) == child) {
        errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
        if (fact_tried(fact, errno ? -1 : 0))
            fact_note(fact, "unshare");
    }
    if (fact_tried(fact, clone3_user()))
        fact_note(fact, "clone3");
    int pid = clone(end_at_once, stack + sizeof(stack), CLONE_NEWUSER | SIGCHLD, NULL);
    if (fact_tried(fact, pid))
        fact_note(fact, "clone");
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
}

/* argv: names of abstract sockets. number[0]: connections that were taken. */
static void act_abstract(struct step_run *run)
{
    char line[256];

    for (int i = 0; i < run->argc; i++) {
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        size_t length = strlen(run->argv[i]);

        if (length + 1 > sizeof(at.sun_path))
            continue;
        memcpy(at.sun_path + 1, run->argv[i], length);
        auto_close sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
        if (sock >= 0 && fact_tried(&run->fact, connect(sock, (const struct sockaddr *)&at, size)))
            fact_note(&run->fact, "%s", run->argv[i]);
    }
    FILE *file = fopen("/proc/net/unix", "re");
    while (file && fgets(line, sizeof(line), file))
        if (strstr(line, "@croft"))
            run->fact.number[2]++;
    if (file)
        (void)fclose(file);
}

/* argv: paths of sockets. number[0]: connections that were taken. */
static void act_socket_paths(struct step_run *run)
{
    static const int kinds[] = {SOCK_SEQPACKET, SOCK_STREAM};

    for (int i = 0; i < run->argc; i++)
        for (size_t j = 0; j < ARRAY_LEN(kinds); j++) {
            struct sockaddr_un at = {.sun_family = AF_UNIX};
            auto_close sock = socket(AF_UNIX, kinds[j] | SOCK_CLOEXEC, 0);

            if (str_copy(at.sun_path, sizeof(at.sun_path), run->argv[i]) < 0 || sock < 0)
                continue;
            if (fact_tried(&run->fact, connect(sock, (const struct sockaddr *)&at, sizeof(at))))
                fact_note(&run->fact, "%s", run->argv[i]);
        }
}

/*
 * Leaves a grandchild behind that no longer belongs to anybody here, and that ignores what can be
 * ignored. argv: seconds it lives at most. number[0]: it runs.
 */
static void act_orphan(struct step_run *run)
{
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    pid_t child = fork();

    if (child == 0) {
        (void)setsid();
        if (fork() > 0)
            _exit(0);
        (void)signal(SIGTERM, SIG_IGN);
        (void)signal(SIGHUP, SIG_IGN);
        for (int fd = 0; fd < 3; fd++)
            (void)close(fd);
        alarm((unsigned)step_number(run, 0));
        for (;;)
            (void)pause();
    }
    (void)fact_tried(&run->fact, child);
    if (child > 0)
        (void)waitpid(child, NULL, 0);
}

const struct step steps_processes[] = {
    {"P-02", act_signal, NULL},       {"P-03", act_memory, NULL},      {"P-04", act_ambush, NULL},
    {"P-07", act_overwrite, NULL},    {"P-09", act_descriptors, NULL}, {"P-12", act_orphan, NULL},
    {"P-14", act_setns, NULL},        {"P-15", act_nested, NULL},      {"P-24", act_abstract, NULL},
    {"D-05", act_socket_paths, NULL},
};
const size_t steps_processes_count = ARRAY_LEN(steps_processes);
