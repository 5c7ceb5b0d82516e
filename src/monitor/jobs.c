/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobs - programs that croft-super starts for the monitor, and how they end
 *
 * Theory of operation
 * A runner's life, and which message moves it on:
 *
 *   asked --READY_PROCESS--> has a pid --READY_NETNS--> waits for its link --JOB_NETWORK-->
 *                              --READY_WAITING--> waits --JOB_GO--> let go
 *                                                                     | end of file on the
 *                                             ended <--its exit-- runs <- channel: executed
 *
 * The channel is close-on-exec in the runtime, so its end of file after JOB_GO says that the
 * program was executed, and a READY message with an error before it says that it was not. A start
 * that is not executed within RUNNER_TIMEOUT_MS is killed.
 *
 * Ends: croft-super reaps and says how a process ended. News of its birth (READY_PROCESS) and of
 * its end come over different channels, in any order, so the last ends that nobody waited for are
 * kept for a while. A pidfd becomes readable in any case; it speaks for those that ended while no
 * monitor ran, and then nobody knows the status.
 */
#include "monitor/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "monitor/monitor.h"
#include "wire/spawn.h"

#define RUNNER_TIMEOUT_MS 30000U
#define STATUS_LATE_MS    1000U

/*
 * let_go:   JOB_GO was sent
 * executed: end of file came after it
 * failed:   `failed` was called, nothing else will be
 */
struct runner {
    struct monitor *monitor;
    struct runner *next;
    const struct runner_calls *calls;
    void *data;
    uint64_t token;
    enum job_kind kind;
    struct loop_source channel;
    struct loop_timer deadline;
    struct process process;
    uint32_t stage;
    bool let_go;
    bool executed;
    bool failed;
};

static void runner_tell(struct runner *runner, char word);
static void recall_exit(struct process *process);
static void on_super(struct loop_source *source, uint32_t events, void *data);
static void on_spawned(struct monitor *monitor, const struct spawn_event *event);
static void on_exited(struct monitor *monitor, const struct spawn_event *event);
static void process_ended(struct process *process, struct exit_status status);
static void on_pidfd(struct loop_source *source, uint32_t events, void *data);
static void on_status_late(void *data);
static void on_channel(struct loop_source *source, uint32_t events, void *data);
static bool runner_drain(struct runner *runner);
static bool runner_ready(struct runner *runner, const struct ready *ready, struct frame_fds *fds);
static bool runner_end_of_file(struct runner *runner);
static void runner_close_channel(struct runner *runner);
static void runner_fail(struct runner *runner, uint32_t stage, int error);
static void on_runner_deadline(void *data);
static void on_runner_process_end(void *data, struct exit_status status);

int jobs_open(struct monitor *monitor, int channel)
{
    monitor->jobs.channel = (struct loop_source){.fd = channel, .on_io = on_super, .data = monitor};
    /* Both ends waiting for room at the same time would be for ever. */
    return fd_set_nonblock(channel);
}

int jobs_listen(struct monitor *monitor)
{
    return loop_add(monitor->loop, &monitor->jobs.channel, EPOLLIN);
}

void jobs_end_croft(struct monitor *monitor)
{
    const struct spawn request = {.version = SPAWN_VERSION, .type = SPAWN_END};
    int rc = frame_send(monitor->jobs.channel.fd, &request, sizeof(request), NULL, 0, NULL, 0);
    if (rc < 0)
        log_line(LOG_LEVEL_ERROR, "cannot tell croft-super to end: %s", strerror(-rc));
}

int process_watch(struct monitor *monitor, struct process *process, pid_t pid, int pidfd,
                  process_end_fn on_end, void *data)
{
    struct jobs *jobs = &monitor->jobs;

    *process = (struct process){
        .pid = pid,
        .pidfd = pidfd,
        .monitor = monitor,
        .next = jobs->processes,
        .source = {.fd = pidfd, .on_io = on_pidfd, .data = process},
        .late = {.on_due = on_status_late, .data = process},
        .status = {.code = -1},
        .on_end = on_end,
        .data = data,
    };
    int rc = loop_add(monitor->loop, &process->source, EPOLLIN);
    if (rc < 0) {
        fd_close(&process->pidfd);
        return rc;
    }
    jobs->processes = process;
    recall_exit(process);
    return 0;
}

/* A number is used again: of one that lives, the end is another's; else the last one is its own. */
static void recall_exit(struct process *process)
{
    struct jobs *jobs = &process->monitor->jobs;
    bool lives = process_signal(process, 0) == 0;

    for (size_t i = 0; i < JOBS_EXITED_MAX; i++) {
        struct exited *exited = &jobs->exited[(jobs->exited_next + i) % JOBS_EXITED_MAX];
        if (exited->pid != process->pid)
            continue;
        exited->pid = 0;
        if (lives)
            continue;
        process->status = exited->status;
        loop_arm(process->monitor->loop, &process->late, clock_boot_ns());
    }
}

void process_unwatch(struct process *process)
{
    struct monitor *monitor = process->monitor;

    if (monitor == NULL)
        return;
    struct process **place = &monitor->jobs.processes;
    while (*place != NULL && *place != process)
        place = &(*place)->next;
    if (*place == process)
        *place = process->next;
    loop_remove(monitor->loop, &process->source);
    loop_disarm(monitor->loop, &process->late);
    fd_close(&process->pidfd);
    process->monitor = NULL;
}

int process_signal(const struct process *process, int signal)
{
    if (process->monitor == NULL)
        return -ESRCH;
    return syscall(SYS_pidfd_send_signal, process->pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

void job_init(struct job_order *order, enum job_kind kind)
{
    *order = (struct job_order){.job = {.version = JOB_VERSION, .kind = (uint32_t)kind}};
    for (size_t i = 0; i < ARRAY_LEN(order->fd); i++)
        order->fd[i] = -1;
    for (size_t i = 0; i < ARRAY_LEN(order->cgroup); i++)
        order->cgroup[i] = -1;
}

void job_cleanup(struct job_order *order)
{
    for (size_t i = 0; i < ARRAY_LEN(order->fd); i++)
        fd_close(&order->fd[i]);
    for (size_t i = 0; i < ARRAY_LEN(order->cgroup); i++)
        fd_close(&order->cgroup[i]);
}

int job_stdio(struct job_order *order, const int *stdio, bool input)
{
    for (unsigned int i = input ? 0 : 1; i < 3; i++) {
        order->fd[JOB_FD_STDIN + i] = fcntl(stdio[i], F_DUPFD_CLOEXEC, 3);
        if (order->fd[JOB_FD_STDIN + i] < 0)
            return -errno;
    }
    if (input)
        order->job.flags |= JOB_STDIN_OPEN;
    return 0;
}

int runner_new(struct monitor *monitor, const struct runner_calls *calls, void *data,
               struct runner **ret_runner)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    auto_close ours = pair[0];
    auto_close theirs = pair[1];
    int rc = fd_set_nonblock(ours);
    uint64_t token = 0;
    if (rc == 0)
        rc = jobs_ask_super(monitor, SPAWN_RUNTIME, theirs, &token);
    if (rc < 0)
        return rc;
    struct runner *runner = mem_new(1, sizeof(*runner));
    *runner = (struct runner){
        .monitor = monitor,
        .next = monitor->jobs.runners,
        .calls = calls,
        .data = data,
        .token = token,
        .channel = {.fd = take_fd(&ours), .on_io = on_channel, .data = runner},
        .deadline = {.on_due = on_runner_deadline, .data = runner},
        .process = {.pidfd = -1},
        .stage = READY_RECEIVED,
    };
    monitor->jobs.runners = runner;
    rc = loop_add(monitor->loop, &runner->channel, EPOLLIN);
    if (rc < 0) {
        runner_free(runner);
        return rc;
    }
    loop_arm(monitor->loop, &runner->deadline, clock_boot_ns() + RUNNER_TIMEOUT_MS * NS_PER_MS);
    *ret_runner = runner;
    return 0;
}

int runner_send(struct runner *runner, const struct job_order *order, const void *body,
                size_t body_size)
{
    int fds[MESSAGE_FDS_MAX];
    size_t count = 0;
    struct job job = order->job;

    _Static_assert(JOB_FD_CGROUP + JOB_CGROUPS_MAX <= MESSAGE_FDS_MAX, "a job is one message");
    for (unsigned int i = 0; i < ARRAY_LEN(order->fd); i++) {
        if (order->fd[i] < 0)
            continue;
        job.fds_present |= 1U << i;
        fds[count++] = order->fd[i];
    }
    if (job.cgroup_count > 0)
        job.fds_present |= 1U << JOB_FD_CGROUP;
    for (uint32_t i = 0; i < job.cgroup_count; i++)
        fds[count++] = order->cgroup[i];
    job.body_size = (uint32_t)body_size;
    runner->kind = (enum job_kind)job.kind;
    return frame_send(runner->channel.fd, &job, sizeof(job), body, body_size, fds, count);
}

void runner_network(struct runner *runner)
{
    runner_tell(runner, JOB_NETWORK);
}

void runner_go(struct runner *runner)
{
    runner->let_go = true;
    runner_tell(runner, JOB_GO);
}

const struct process *runner_process(const struct runner *runner)
{
    return &runner->process;
}

void runner_free(struct runner *runner)
{
    if (runner == NULL)
        return;
    struct runner **place = &runner->monitor->jobs.runners;
    while (*place != runner)
        place = &(*place)->next;
    *place = runner->next;
    loop_disarm(runner->monitor->loop, &runner->deadline);
    runner_close_channel(runner);
    process_unwatch(&runner->process);
    mem_cleanup(&runner);
}

int runner_sentence(struct err *err, const char *what, const char *name, uint32_t stage, int error)
{
    if (error == -ESRCH)
        return err_set(err, OUTCOME_FAILED, "cannot %s %s: killed while %s", what, name,
                       ready_stage_text(stage));
    return err_errno(err, OUTCOME_FAILED, error, "cannot %s %s: %s", what, name,
                     ready_stage_text(stage));
}

int jobs_ask_super(struct monitor *monitor, enum spawn_type type, int channel, uint64_t *ret_token)
{
    uint64_t token = ++monitor->jobs.next_token;
    const struct spawn request = {.version = SPAWN_VERSION, .type = (uint32_t)type, .token = token};
    if (ret_token != NULL)
        *ret_token = token;
    return frame_send(monitor->jobs.channel.fd, &request, sizeof(request), NULL, 0, &channel, 1);
}

static void runner_tell(struct runner *runner, char word)
{
    int rc = frame_send(runner->channel.fd, &word, sizeof(word), NULL, 0, NULL, 0);
    /* A process that is gone says so by its end, which is served next. */
    if (rc < 0 && rc != -EPIPE && rc != -ECONNRESET)
        log_line(LOG_LEVEL_ERROR, "cannot let a process go on: %s", strerror(-rc));
}

static void on_super(struct loop_source *source, uint32_t events, void *data)
{
    struct monitor *monitor = data;
    (void)events;

    for (;;) {
        struct spawn_event event;
        auto_frame_fds fds = {.count = 0};
        ssize_t got = frame_recv(source->fd, &event, sizeof(event), &fds);
        if (got == -EAGAIN)
            return;
        if (got != (ssize_t)sizeof(event) || event.version != SPAWN_VERSION) {
            /* Without croft-super nothing can be started: end, and be started again with it. */
            loop_stop(monitor->loop);
            return;
        }
        if (event.type == SPAWN_EVENT_SPAWNED) {
            on_spawned(monitor, &event);
        } else if (event.type == SPAWN_EVENT_EXITED) {
            on_exited(monitor, &event);
        } else if (event.type == SPAWN_EVENT_CROFTD && fds.count == 1) {
            monitor->croftd_pid = event.pid;
            events_attach(monitor, take_fd(&fds.fd[0]));
        } else if (event.type == SPAWN_EVENT_NET && fds.count == 1) {
            network_attach(monitor, take_fd(&fds.fd[0]));
        }
    }
}

/* Only a failure is news: whoever was started speaks for itself. */
static void on_spawned(struct monitor *monitor, const struct spawn_event *event)
{
    if (event->pid != 0)
        return;
    for (struct runner *runner = monitor->jobs.runners; runner != NULL; runner = runner->next) {
        if (runner->token == event->token) {
            runner_fail(runner, READY_RECEIVED, -event->exit_code);
            return;
        }
    }
}

static void on_exited(struct monitor *monitor, const struct spawn_event *event)
{
    struct jobs *jobs = &monitor->jobs;
    const struct exit_status status = {.code = event->exit_code, .signal = event->exit_signal};

    for (struct process *process = jobs->processes; process != NULL; process = process->next) {
        if (process->pid == event->pid) {
            process_ended(process, status);
            return;
        }
    }
    jobs->exited[jobs->exited_next] = (struct exited){.pid = event->pid, .status = status};
    jobs->exited_next = (jobs->exited_next + 1) % JOBS_EXITED_MAX;
}

static void process_ended(struct process *process, struct exit_status status)
{
    process_end_fn on_end = process->on_end;
    void *data = process->data;

    process_unwatch(process);
    on_end(data, status);
}

static void on_pidfd(struct loop_source *source, uint32_t events, void *data)
{
    struct process *process = data;
    (void)events;

    /* croft-super says how it ended, a moment later. */
    loop_remove(process->monitor->loop, source);
    if (!process->late.armed)
        loop_arm(process->monitor->loop, &process->late,
                 clock_boot_ns() + STATUS_LATE_MS * NS_PER_MS);
}

static void on_status_late(void *data)
{
    struct process *process = data;
    process_ended(process, process->status);
}

static void on_channel(struct loop_source *source, uint32_t events, void *data)
{
    (void)source;
    (void)events;
    if (!runner_drain(data))
        return;
}

/* Reads all messages there are. Return: false: its owner was told something, and may have freed it
 */
static bool runner_drain(struct runner *runner)
{
    while (runner->channel.fd >= 0) {
        struct ready ready;
        auto_frame_fds fds = {.count = 0};
        ssize_t got = frame_recv(runner->channel.fd, &ready, sizeof(ready), &fds);
        if (got == -EAGAIN)
            return true;
        if (got == 0 || got == -ECONNRESET)
            return runner_end_of_file(runner);
        if (got != (ssize_t)sizeof(ready) || ready.version != JOB_VERSION) {
            runner_fail(runner, runner->stage, got < 0 ? (int)got : -EPROTO);
            return false;
        }
        if (!runner_ready(runner, &ready, &fds))
            return false;
    }
    return true;
}

static bool runner_ready(struct runner *runner, const struct ready *ready, struct frame_fds *fds)
{
    if (ready->error != 0) {
        runner_fail(runner, ready->stage, -ready->error);
        return false;
    }
    runner->stage = ready->stage;
    if (ready->stage == READY_PROCESS && fds->count == 1 && runner->process.monitor == NULL) {
        int rc = process_watch(runner->monitor, &runner->process, ready->pid, take_fd(&fds->fd[0]),
                               on_runner_process_end, runner);
        if (rc < 0) {
            runner_fail(runner, READY_PROCESS, rc);
            return false;
        }
    } else if (ready->stage == READY_WAITING && !runner->let_go) {
        int none = -1;
        runner->calls->waiting(runner->data, fds->count == 1 ? &fds->fd[0] : &none);
    } else if (ready->stage == READY_NETNS && fds->count == 1 && runner->calls->network != NULL) {
        runner->calls->network(runner->data, &fds->fd[0]);
        return false;
    } else if (ready->stage == READY_SOCKETS && runner->kind == JOB_SOCKETS) {
        loop_disarm(runner->monitor->loop, &runner->deadline);
        runner->calls->sockets(runner->data, ready->number);
        return false;
    }
    return true;
}

/* Everybody who held the other end has executed something else, or is dead. */
static bool runner_end_of_file(struct runner *runner)
{
    bool done = (runner->kind == JOB_MOVE && runner->stage == READY_CGROUP) ||
                (runner->kind == JOB_SOCKETS && runner->stage == READY_SOCKETS);

    runner_close_channel(runner);
    if (runner->let_go || done) {
        runner->executed = true;
        loop_disarm(runner->monitor->loop, &runner->deadline);
        if (runner->calls->running != NULL)
            runner->calls->running(runner->data);
        return true;
    }
    if (runner->process.monitor != NULL)
        return true; /* its end, which comes next, says how */
    runner_fail(runner, runner->stage, -ESRCH);
    return false;
}

static void runner_close_channel(struct runner *runner)
{
    if (runner->channel.fd < 0)
        return;
    loop_remove(runner->monitor->loop, &runner->channel);
    fd_close(&runner->channel.fd);
}

static void runner_fail(struct runner *runner, uint32_t stage, int error)
{
    if (runner->failed)
        return;
    runner->failed = true;
    loop_disarm(runner->monitor->loop, &runner->deadline);
    runner_close_channel(runner);
    if (process_signal(&runner->process, SIGKILL) < 0)
        process_unwatch(&runner->process);
    runner->calls->failed(runner->data, stage, error);
}

static void on_runner_deadline(void *data)
{
    struct runner *runner = data;
    runner_fail(runner, runner->stage, -ETIMEDOUT);
}

static void on_runner_process_end(void *data, struct exit_status status)
{
    struct runner *runner = data;

    /* What it said before it died may still lie in the channel. */
    if (runner->failed || !runner_drain(runner))
        return;
    if (!runner->executed && !runner->let_go) {
        runner_fail(runner, runner->stage, -ESRCH);
        return;
    }
    /* Its launcher may be slower to close the channel than the process was to end. */
    if (!runner->executed && !runner_end_of_file(runner))
        return;
    runner->calls->ended(runner->data, status);
}
