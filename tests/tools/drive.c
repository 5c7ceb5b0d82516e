/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drive - plays croft-super and the monitor for one croft-runtime, to test and time it alone
 *
 * drive [-r RUNTIME] [-x PROGRAM] [-f FILTER] [-V VOLUME] [-L LAYER] [-g FILE]... [-n COUNT]
 *       [-u USER] [-w DIRECTORY] [-W BITS] [-t] [-l] [-q] [-N]
 *       [-b SCRIPT] [-e VARIABLE] [-H FILE] [-R FILE] start|join|look|cut|unpack|remove --
 * COMMAND...
 *
 * VOLUME has layers/LAYER, instances/drive/upper and work, owned by the ids of the block; drive.sh
 * makes one. FILE is a cgroup.procs. With -n the medians of COUNT runs are printed. start and join
 * end with the command's status. With -N it plays croft-net too, in a network namespace of its own.
 * SCRIPT is what the instance runs that join, look and cut go to; look and cut are about its port
 * 5432. FILEs are its /etc/hosts and /etc/resolv.conf.
 *
 * Runs as: root
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "drive_net.h"
#include "linux/mounts.h"
#include "linux/staging.h"
#include "wire/frame.h"
#include "wire/job.h"
#include "wire/spawn.h"

#define BLOCK_FIRST (ID_RANGE_FIRST + 7U * BLOCK_COUNT)
#define KEEPER      (ID_RANGE_LAST - 7U)
#define RUNS_MAX    1000
#define CUT_PORT    5432

static struct options {
    const char *runtime;
    const char *program;
    const char *filter;
    const char *volume;
    const char *layer;
    const char *user;
    const char *workdir;
    const char *script;
    const char *variable;
    const char *hosts;
    const char *resolv;
    int cgroups[JOB_CGROUPS_MAX];
    uint32_t cgroup_count;
    uint32_t without;
    int count;
    bool tty;
    bool log;
    bool quiet;
    bool network;
    bool keep_stdio;
    char **command;
} options;

/* pid: of the process that became the instance; times since the request, in ns */
struct result {
    pid_t pid;
    int pidfd;
    int master;
    int channel;
    double ready_us;
    double total_us;
    int status;
};

static int staging = -1;

static void die(const char *what, int rc)
{
    fprintf(stderr, "drive: %s: %s\n", what, strerror(rc < 0 ? -rc : errno));
    exit(99);
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int open_file(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0)
        die(path, 0);
    return fd;
}

static size_t make_command(struct command *command, char *const *argv)
{
    const char *const env[] = {"PATH=/bin:/sbin:/usr/bin:/usr/sbin", "TERM=xterm",
                               options.variable ? options.variable : "DRIVE=1"};
    size_t used = 0;
    const char *workdir = options.workdir ? options.workdir : "/";
    command->argc = command->envc = 0;
    memcpy(command->strings, workdir, strlen(workdir) + 1);
    used = strlen(workdir) + 1;
    for (; *argv; argv++, command->argc++) {
        memcpy(command->strings + used, *argv, strlen(*argv) + 1);
        used += strlen(*argv) + 1;
    }
    for (size_t i = 0; i < ARRAY_LEN(env); i++, command->envc++) {
        memcpy(command->strings + used, env[i], strlen(env[i]) + 1);
        used += strlen(env[i]) + 1;
    }
    command->strings_len = (uint32_t)used;
    if (options.user && str_copy(command->user, sizeof(command->user), options.user) < 0)
        die("user", -EINVAL);
    return used;
}

static int start_runtime(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        die("socketpair", 0);
    int program = open_file(options.runtime, O_PATH);
    pid_t pid = fork();
    if (pid < 0)
        die("fork", 0);
    if (pid == 0) {
        char *const argv[] = {(char *)(uintptr_t) "croft-runtime", NULL};
        char *const envp[] = {NULL};
        const int fds[] = {pair[1], program};
        if (setns(staging, CLONE_NEWNS) < 0 || fd_place(3, fds, 2) < 0 ||
            fcntl(4, F_SETFD, FD_CLOEXEC) < 0)
            _exit(98);
        execveat(4, "", argv, envp, AT_EMPTY_PATH);
        _exit(97);
    }
    close(program);
    close(pair[1]);
    return pair[0];
}

static void send_job(int channel, struct job *job, const void *body, size_t size, const int *named)
{
    int fds[MESSAGE_FDS_MAX];
    size_t count = 0;
    job->version = JOB_VERSION;
    job->block_first = BLOCK_FIRST;
    job->block_count = BLOCK_COUNT;
    job->keeper_id = KEEPER;
    job->nofile = 1024;
    job->shm_bytes = 64 * MIB;
    job->rows = 24;
    job->columns = 80;
    job->without = options.without;
    if (options.network && job->kind == JOB_START) {
        job->slot = DRIVE_SLOT;
        job->prefix = drive_prefix;
    }
    job->body_size = (uint32_t)size;
    for (unsigned int i = 0; i < JOB_FD_CGROUP; i++)
        if (named[i] >= 0) {
            job->fds_present |= 1U << i;
            fds[count++] = named[i];
        }
    job->cgroup_count = options.cgroup_count;
    for (uint32_t i = 0; i < options.cgroup_count; i++)
        fds[count++] = options.cgroups[i];
    int rc = frame_send(channel, job, sizeof(*job), body, size, fds, count);
    if (rc < 0)
        die("sending the job", rc);
}

/* Prints what comes until READY_WAITING or an error. */
static bool await_ready(struct result *result, double begin)
{
    struct ready ready;
    for (;;) {
        struct frame_fds fds = {.count = 0};
        ssize_t got = frame_recv(result->channel, &ready, sizeof(ready), &fds);
        if (got != (ssize_t)sizeof(ready)) {
            fprintf(stderr, "drive: the runtime ended (%zd)\n", got);
            return false;
        }
        if (!options.quiet || ready.error)
            fprintf(stderr, "drive: %7.0f us  %s%s%s (pid %d, %zu fds)\n", now_us() - begin,
                    ready_stage_text(ready.stage), ready.error ? ": " : "",
                    ready.error ? strerror(ready.error) : "", ready.pid, fds.count);
        if (ready.error)
            return false;
        if (ready.stage == READY_PROCESS) {
            result->pid = ready.pid;
            result->pidfd = fds.fd[0];
        }
        if (ready.stage == READY_NETNS) {
            int rc = drive_net_link(fds.fd[0]);
            if (rc < 0)
                die("making the link", rc);
            close(fds.fd[0]);
            if (write(result->channel, "n", 1) != 1)
                die("network", 0);
        }
        if (ready.stage == READY_WAITING) {
            result->master = fds.count ? fds.fd[0] : -1;
            result->ready_us = now_us() - begin;
            return true;
        }
    }
}

static void relay_terminal(int master)
{
    char buf[4096];
    ssize_t got = 0;
    while ((got = read(master, buf, sizeof(buf))) > 0)
        if (write(STDOUT_FILENO, buf, (size_t)got) < 0)
            break;
    close(master);
}

static bool finish(struct result *result, double begin)
{
    if (write(result->channel, "g", 1) != 1)
        die("go", 0);
    if (result->master >= 0)
        relay_terminal(result->master);
    struct ready ready;
    if (recv(result->channel, &ready, sizeof(ready), 0) == (ssize_t)sizeof(ready))
        fprintf(stderr, "drive: after go: %s: %s\n", ready_stage_text(ready.stage),
                strerror(ready.error));
    for (;;) {
        int status = 0;
        pid_t pid = wait(&status);
        if (pid < 0)
            break;
        if (pid == result->pid) {
            result->total_us = now_us() - begin;
            result->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            break;
        }
    }
    close(result->channel);
    close(result->pidfd);
    return true;
}

static int clone_volume(const char *below)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", options.volume, below);
    int dir = open_file(path, O_PATH | O_DIRECTORY);
    int tree = mount_clone(dir, "");
    if (tree < 0)
        die("cloning the volume", tree);
    int rc = mount_restrict(tree, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (rc < 0)
        die("restricting the volume", rc);
    close(dir);
    return tree;
}

static int open_below(const char *name, int flags)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", options.volume, name);
    return open_file(path, flags);
}

static int clone_file(const char *path)
{
    int file = open_file(path, O_PATH);
    int tree = mount_clone(file, "");
    if (tree < 0)
        die(path, tree);
    close(file);
    return tree;
}

static void close_named(int *named)
{
    for (unsigned int i = 0; i < JOB_FD_CGROUP; i++)
        if (named[i] > STDERR_FILENO && i != JOB_FD_PIDFD)
            close(named[i]);
}

static struct result start(char *const *command, bool log)
{
    static _Alignas(struct plan) uint8_t body[PLAN_SIZE_MAX];
    struct plan *plan = (struct plan *)(void *)body;
    struct result result = {.master = -1};
    struct job job = {.kind = JOB_START, .flags = options.tty ? JOB_TTY : 0};
    int named[JOB_FD_CGROUP] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    double begin = now_us();
    result.channel = start_runtime();
    plan->version = PLAN_VERSION;
    plan->kind = PLAN_MACHINE;
    plan->layer_count = 1;
    if (str_copy(plan->name, sizeof(plan->name), "drive") < 0 ||
        str_unhex(options.layer, plan->layer[0], SHA256_SIZE) < 0)
        die("layer", -EINVAL);
    make_command(&plan->command, command);
    named[JOB_FD_VOLUME] = clone_volume("");
    named[JOB_FD_FILTER] = open_file(options.filter, O_RDONLY);
    named[JOB_FD_EXEC] = open_below("init", O_PATH);
    if (options.hosts)
        named[JOB_FD_HOSTS] = clone_file(options.hosts);
    if (options.resolv)
        named[JOB_FD_RESOLV] = clone_file(options.resolv);
    if (!options.tty && !log)
        for (int i = 0; i < 3; i++)
            named[JOB_FD_STDIN + i] = i;
    if (log) {
        named[JOB_FD_LOG0] = open_below("instances/drive/log.0", O_RDWR | O_CREAT);
        named[JOB_FD_LOG1] = open_below("instances/drive/log.1", O_RDWR | O_CREAT);
    }
    send_job(result.channel, &job, plan, plan_size(plan), named);
    close_named(named);
    if (!await_ready(&result, begin))
        exit(98);
    return result;
}

static struct result join(int pidfd)
{
    static _Alignas(struct command) uint8_t body[sizeof(struct command) + PLAN_STRINGS_MAX];
    struct command *command = (struct command *)(void *)body;
    struct result result = {.master = -1};
    struct job job = {.kind = JOB_JOIN, .flags = options.tty ? JOB_TTY : 0};
    int named[JOB_FD_CGROUP] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    double begin = now_us();
    result.channel = start_runtime();
    size_t size = make_command(command, options.command);
    named[JOB_FD_FILTER] = open_file(options.filter, O_RDONLY);
    named[JOB_FD_PIDFD] = pidfd;
    if (options.user)
        named[JOB_FD_EXEC] = open_below("init", O_PATH);
    if (!options.tty)
        for (int i = 0; i < 3; i++)
            named[JOB_FD_STDIN + i] = i;
    send_job(result.channel, &job, command, sizeof(*command) + size, named);
    close_named(named);
    if (!await_ready(&result, begin))
        exit(98);
    finish(&result, begin);
    return result;
}

/* A connection of drive's own to the instance's port. */
static int connect_to_instance(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(CUT_PORT)};
    at.sin_addr.s_addr = htonl(net_address4(&drive_prefix, DRIVE_SLOT));
    int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(sock, (struct sockaddr *)&at, sizeof(at)) < 0)
        die("connecting to the instance", 0);
    return sock;
}

static struct result sockets(int pidfd, enum sockets_what what)
{
    struct result result = {.master = -1, .pidfd = -1};
    struct job job = {.kind = JOB_SOCKETS, .prefix = drive_prefix};
    const struct job_sockets body = {.what = (uint32_t)what,
                                     .protocol = IPPROTO_TCP,
                                     .port = CUT_PORT,
                                     .slot = DRIVE_SLOT,
                                     .peer_count = 1,
                                     .peer = {NET_SLOT_GATEWAY}};
    struct ready ready;
    struct frame_fds fds = {.count = 0};
    int named[JOB_FD_CGROUP] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    double begin = now_us();
    result.channel = start_runtime();
    named[JOB_FD_PIDFD] = pidfd;
    send_job(result.channel, &job, &body, sizeof(body), named);
    ssize_t got = frame_recv(result.channel, &ready, sizeof(ready), &fds);
    result.ready_us = result.total_us = now_us() - begin;
    if (got != (ssize_t)sizeof(ready) || ready.stage != READY_SOCKETS || ready.error != 0)
        die(ready_stage_text(ready.stage), -ready.error);
    if (options.count == 1)
        printf("%s %u %u\n", what == SOCKETS_LOOK ? "listening" : "cut", ready.number[0],
               ready.number[1]);
    close(result.channel);
    return result;
}

static struct result image(enum job_kind kind)
{
    struct result result = {.master = -1};
    struct job job = {.kind = kind};
    int named[JOB_FD_CGROUP] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    double begin = now_us();
    result.channel = start_runtime();
    named[JOB_FD_VOLUME] = clone_volume(kind == JOB_UNPACK ? "stage" : "trash");
    named[JOB_FD_FILTER] = open_file(options.filter, O_RDONLY);
    named[JOB_FD_EXEC] = open_file(options.program, O_PATH);
    for (int i = 0; i < 3; i++)
        named[JOB_FD_STDIN + i] = i;
    send_job(result.channel, &job, NULL, 0, named);
    close_named(named);
    if (!await_ready(&result, begin))
        exit(98);
    finish(&result, begin);
    return result;
}

static int compare(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void report(const char *what, double *values, int count)
{
    qsort(values, (size_t)count, sizeof(values[0]), compare);
    fprintf(stderr, "%-10s median %7.0f us  p10 %7.0f  p90 %7.0f  min %7.0f\n", what,
            values[count / 2], values[count / 10], values[count * 9 / 10], values[0]);
}

static int run_many(const char *verb)
{
    static double ready[RUNS_MAX];
    static double total[RUNS_MAX];
    struct result base = {.pid = 0};
    struct result last = {.pid = 0};
    if (strcmp(verb, "join") == 0 || strcmp(verb, "look") == 0 || strcmp(verb, "cut") == 0) {
        const char *script = options.script ? options.script : "exec sleep 1000";
        char *const shell[] = {(char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c",
                               (char *)(uintptr_t)script, NULL};
        bool tty = options.tty;
        const char *user = options.user;
        options.tty = false;
        options.user = NULL;
        base = start(shell, false);
        if (write(base.channel, "g", 1) != 1)
            die("go", 0);
        options.tty = tty;
        options.user = user;
        usleep(100000);
    }
    for (int i = 0; i < options.count; i++) {
        double begin = now_us();
        if (strcmp(verb, "start") == 0) {
            last = start(options.command, options.log);
            finish(&last, begin);
            if (options.network)
                (void)drive_net_unlink(); /* gone with its namespace, perhaps */
        } else if (strcmp(verb, "join") == 0) {
            last = join(base.pidfd);
        } else if (strcmp(verb, "look") == 0) {
            last = sockets(base.pidfd, SOCKETS_LOOK);
        } else if (strcmp(verb, "cut") == 0) {
            int peer = connect_to_instance();
            last = sockets(base.pidfd, SOCKETS_CUT_SERVER);
            close(peer);
        } else {
            last = image(strcmp(verb, "unpack") == 0 ? JOB_UNPACK : JOB_REMOVE);
        }
        ready[i] = last.ready_us;
        total[i] = last.total_us;
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
    if (base.pid > 0) {
        syscall(SYS_pidfd_send_signal, base.pidfd, SIGKILL, NULL, 0);
        waitpid(base.pid, NULL, 0);
    }
    if (options.count > 1) {
        report("to ready", ready, options.count);
        report("to end", total, options.count);
    }
    return last.status;
}

int main(int argc, char **argv)
{
    int o = 0;
    uint64_t number = 0;
    options.count = 1;
    while ((o = getopt(argc, argv, "+r:x:f:V:L:g:n:u:w:W:tlqNb:e:H:R:")) != -1) {
        switch (o) {
        case 'r':
            options.runtime = optarg;
            break;
        case 'x':
            options.program = optarg;
            break;
        case 'f':
            options.filter = optarg;
            break;
        case 'V':
            options.volume = optarg;
            break;
        case 'L':
            options.layer = optarg;
            break;
        case 'u':
            options.user = optarg;
            break;
        case 'w':
            options.workdir = optarg;
            break;
        case 't':
            options.tty = true;
            break;
        case 'l':
            options.log = true;
            break;
        case 'q':
            options.quiet = true;
            break;
        case 'b':
            options.script = optarg;
            break;
        case 'e':
            options.variable = optarg;
            break;
        case 'H':
            options.hosts = optarg;
            break;
        case 'R':
            options.resolv = optarg;
            break;
        case 'N':
            options.network = true;
            break;
        case 'g':
            options.cgroups[options.cgroup_count++] = open_file(optarg, O_WRONLY);
            break;
        case 'W':
        case 'n':
            if (str_u64(optarg, 1, RUNS_MAX, &number) < 0)
                die(optarg, -EINVAL);
            if (o == 'n')
                options.count = (int)number;
            else
                options.without = (uint32_t)number;
            break;
        default:
            return 2;
        }
    }
    setvbuf(stdout, NULL, _IONBF, 0);
    if (optind >= argc)
        return 2;
    const char *verb = argv[optind++];
    options.command = argv + optind + (optind < argc && strcmp(argv[optind], "--") == 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    int rc = options.network ? drive_net_open() : 0;
    if (rc < 0)
        die("leaving the network", rc);
    rc = staging_make(&staging);
    if (rc < 0)
        die("making the staging namespace", rc);
    return run_many(verb);
}
