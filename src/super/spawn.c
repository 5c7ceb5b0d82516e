/* SPDX-License-Identifier: Apache-2.0 */
/* spawn - forks what the monitor asks for, and tells it how that ended */
#include "wire/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "super/super.h"
#include "wire/frame.h"
#include "wire/setup.h"

#define IDENTIFY_TIMEOUT_MS 30000

static int spawn_fork(struct super *super, const struct spawn *request, int channel,
                      pid_t *ret_pid);

/*
 * Why it is safe to serve each request: the monitor is the only one at the other end, super made
 * the pair. It may choose one of three programs by number (or end everything), and hand over one
 * descriptor, which the program gets as its channel. There is no path, argument or environment it
 * could choose.
 */
int spawn_serve(struct super *super)
{
    struct spawn request;
    auto_frame_fds fds = {.count = 0};
    struct spawn_event event = {.version = SPAWN_VERSION, .type = SPAWN_EVENT_SPAWNED};
    pid_t pid = 0;

    ssize_t got = frame_recv(super->monitor_source.fd, &request, sizeof(request), &fds);
    if (got == -EAGAIN)
        return 0;
    if (got != (ssize_t)sizeof(request) || request.version != SPAWN_VERSION)
        return -EPIPE;
    if (request.type == SPAWN_END && fds.count == 0) {
        daemons_stop(super);
        return 0;
    }
    if (fds.count != 1 || (request.type != SPAWN_RUNTIME && request.type != SPAWN_SETUP &&
                           request.type != SPAWN_LOOK))
        return -EPIPE;
    int rc = spawn_fork(super, &request, fds.fd[0], &pid);
    event.token = request.token;
    event.pid = rc < 0 ? 0 : pid;
    event.exit_code = rc < 0 ? -rc : 0;
    spawn_send(super, &event, -1);
    return 0;
}

void spawn_reaped(struct super *super, const siginfo_t *info)
{
    const struct spawn_event event = {
        .version = SPAWN_VERSION,
        .type = SPAWN_EVENT_EXITED,
        .pid = info->si_pid,
        .exit_code = info->si_code == CLD_EXITED ? info->si_status : 0,
        .exit_signal = info->si_code == CLD_EXITED ? 0 : info->si_status,
    };
    spawn_send(super, &event, -1);
}

void spawn_send(struct super *super, const struct spawn_event *event, int fd)
{
    if (super->monitor_source.fd < 0)
        return;
    int rc =
        frame_send(super->monitor_source.fd, event, sizeof(*event), NULL, 0, &fd, fd < 0 ? 0 : 1);
    if (rc == 0 || super->daemon[DAEMON_MONITOR].pid == 0)
        return;
    log_line(LOG_LEVEL_ERROR, "the monitor does not read (%s); it is started again", strerror(-rc));
    kill(super->daemon[DAEMON_MONITOR].pid, SIGKILL);
}

/* A runtime starts where almost nothing is in sight; croft-setup and croft-net need the host. */
static int spawn_fork(struct super *super, const struct spawn *request, int channel, pid_t *ret_pid)
{
    static const struct {
        const char *path;
        const char *name;
    } programs[] = {
        [SPAWN_RUNTIME] = {CROFT_LIB_DIR "/croft-runtime", "croft-runtime"},
        [SPAWN_SETUP] = {CROFT_LIB_DIR "/croft-setup", "croft-setup"},
        [SPAWN_LOOK] = {CROFT_LIB_DIR "/croft-net", "croft-net"},
    };
    auto_close program = path_root(programs[request->type].path, O_PATH);
    if (program < 0)
        return program;
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid > 0) {
        *ret_pid = pid;
        return 0;
    }
    /* Instances must be killed before the daemons, and must not hold the host's log. */
    if (spawn_oom_score_reset() < 0)
        _exit(OUTCOME_HOST_CANNOT);
    if (request->type == SPAWN_RUNTIME) {
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
            if (dup2(super->null, fd) < 0)
                _exit(OUTCOME_HOST_CANNOT);
        if (setns(super->staging, CLONE_NEWNS) < 0)
            _exit(OUTCOME_HOST_CANNOT);
    }
    if (request->type == SPAWN_LOOK && daemon_become(super, DAEMON_NET) < 0)
        _exit(OUTCOME_HOST_CANNOT);
    spawn_exec(program, programs[request->type].name, NULL, &channel, 1);
}

void spawn_exec(int program, const char *name, const char *argument, const int *fds, size_t count)
{
    char *const argv[] = {(char *)(uintptr_t)name, (char *)(uintptr_t)argument, NULL};
    char *const envp[] = {NULL};
    int placed[SPAWN_FDS_MAX + 1];

    memcpy(placed, fds, count * sizeof(fds[0]));
    placed[count] = program;
    spawn_reset_signals();
    if (fd_place(SPAWN_CHANNEL_FD, placed, count + 1) == 0) {
        int last = SPAWN_CHANNEL_FD + (int)count;
        if (fcntl(last, F_SETFD, FD_CLOEXEC) == 0)
            execveat(last, "", argv, envp, AT_EMPTY_PATH);
    }
    _exit(OUTCOME_HOST_CANNOT);
}

void spawn_reset_signals(void)
{
    /* The kernel's own struct: libc's sigaction() leaves out 32 and 33, and somebody may have
     * ignored them, for life and for every machine. All zero is SIG_DFL. */
    const unsigned long standard[4] = {0};
    sigset_t none;

    for (int number = 1; number <= SIGRTMAX; number++)
        if (number != SIGKILL && number != SIGSTOP)
            syscall(SYS_rt_sigaction, number, standard, NULL, sizeof(uint64_t));
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        _exit(OUTCOME_HOST_CANNOT);
}

int spawn_oom_score_reset(void)
{
    auto_close adj = path_root("/proc/self/oom_score_adj", O_WRONLY);
    return adj < 0 ? adj : fd_write_full(adj, "0", 1);
}

int spawn_identify(struct super *super)
{
    const struct setup request = {.version = SETUP_VERSION, .type = SETUP_IDENTIFY};
    struct setup_reply reply;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    auto_close ours = pair[0];
    auto_close theirs = pair[1];
    auto_close program = path_root(CROFT_LIB_DIR "/croft-setup", O_PATH);
    if (program < 0)
        return program;
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        spawn_exec(program, "croft-setup", NULL, &theirs, 1);
    fd_close(&theirs);
    int rc = frame_send(ours, &request, sizeof(request), NULL, 0, NULL, 0);
    struct pollfd answer = {.fd = ours, .events = POLLIN};
    if (rc == 0 && poll(&answer, 1, IDENTIFY_TIMEOUT_MS) == 1 &&
        frame_recv(ours, &reply, sizeof(reply), NULL) == (ssize_t)sizeof(reply)) {
        super->daemon[DAEMON_CROFTD].uid = reply.croft_uid;
        super->daemon[DAEMON_CROFTD].gid = reply.croft_gid;
        super->daemon[DAEMON_NET].uid = reply.net_uid;
        super->daemon[DAEMON_NET].gid = reply.net_gid;
        reply.text[sizeof(reply.text) - 1] = '\0';
        if (reply.outcome != OUTCOME_OK)
            log_line(LOG_LEVEL_ERROR, "croft-setup: %s", reply.text);
        rc =
            reply.outcome == OUTCOME_OK && reply.croft_uid != 0 && reply.net_uid != 0 ? 0 : -EACCES;
    } else if (rc == 0) {
        rc = -ETIMEDOUT;
    }
    if (rc < 0)
        kill(pid, SIGKILL);
    return waitpid(pid, NULL, 0) < 0 ? -errno : rc;
}
