/* SPDX-License-Identifier: Apache-2.0 */
/* run - receiving the job and reporting how far it came */
#include "runtime/run.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "linux/staging.h"
#include "wire/frame.h"

static _Alignas(struct plan) uint8_t message[sizeof(struct job) + PLAN_SIZE_MAX];

static int check_job(const struct job *job, size_t size);
static int take_fds(struct run *run, struct frame_fds *fds);
static int find_body(struct run *run);
static int check_sockets(const struct job_sockets *sockets);

void run_receive(struct run *run)
{
    auto_frame_fds fds = {.count = 0};
    ssize_t got = frame_recv(SPAWN_CHANNEL_FD, message, sizeof(message), &fds);
    if (got == 0)
        _exit(0); /* the monitor thought better of it, or is gone */
    run_need(READY_RECEIVED, (int)got);
    memcpy(&run->job, message, sizeof(run->job));
    run_need(READY_RECEIVED, check_job(&run->job, (size_t)got));
    run_need(READY_RECEIVED, take_fds(run, &fds));
    run_need(READY_RECEIVED, find_body(run));
    run->master = run->gate = run->root = run->dev = run->proc = run->sys = run->pts = -1;
    run->null = run_need(READY_RECEIVED, path_root(STAGING_NULL, O_RDWR));
}

static int check_job(const struct job *job, size_t size)
{
    if (size < sizeof(*job) || job->version != JOB_VERSION)
        return -EPROTO;
    if (job->body_size != size - sizeof(*job) || job->cgroup_count > JOB_CGROUPS_MAX)
        return -EPROTO;
    if (!CROFT_ABLATE && job->without != 0)
        return -EPERM;
    return 0;
}

static int take_fds(struct run *run, struct frame_fds *fds)
{
    size_t next = 0;
    for (unsigned int i = 0; i < JOB_FD_CGROUP; i++) {
        run->fd[i] = -1;
        if ((run->job.fds_present & (1U << i)) == 0)
            continue;
        if (next == fds->count)
            return -EPROTO;
        run->fd[i] = fds->fd[next++];
    }
    if (fds->count - next != run->job.cgroup_count)
        return -EPROTO;
    for (unsigned int i = 0; i < run->job.cgroup_count; i++)
        run->cgroup[i] = fds->fd[next++];
    fds->count = 0; /* all are ours now */
    return 0;
}

/* The monitor checked the body; this only makes sure that its strings lie in what was received. */
static int find_body(struct run *run)
{
    const void *body = message + sizeof(struct job);
    size_t size = run->job.body_size;
    if (run->job.kind == JOB_START) {
        if (size < sizeof(struct plan))
            return -EPROTO;
        run->plan = body;
        run->command = &run->plan->command;
        size -= offsetof(struct plan, command);
    } else if (run->job.kind == JOB_JOIN) {
        run->command = body;
    } else if (run->job.kind == JOB_SOCKETS) {
        run->sockets = body;
        return size == sizeof(*run->sockets) ? check_sockets(run->sockets) : -EPROTO;
    } else {
        return size == 0 ? 0 : -EPROTO;
    }
    struct err err;
    return command_check(run->command, size, &err) == 0 ? 0 : -EPROTO;
}

static int check_sockets(const struct job_sockets *sockets)
{
    if (sockets->what < SOCKETS_LOOK || sockets->what > SOCKETS_CUT_CLIENT)
        return -EPROTO;
    if (sockets->protocol != IPPROTO_TCP && sockets->protocol != IPPROTO_UDP)
        return -EPROTO;
    if (sockets->port == 0) /* it would mean any */
        return -EPROTO;
    return sockets->peer_count <= ARRAY_LEN(sockets->peer) ? 0 : -EPROTO;
}

void run_say(enum ready_stage stage, pid_t pid, int fd)
{
    const struct ready ready = {.version = JOB_VERSION, .stage = stage, .pid = pid};
    /* Without a monitor the next read of the channel ends us. */
    if (frame_send(SPAWN_CHANNEL_FD, &ready, sizeof(ready), NULL, 0, &fd, fd >= 0 ? 1 : 0) < 0)
        return;
}

void run_say_numbers(enum ready_stage stage, const uint32_t number[2])
{
    const struct ready ready = {
        .version = JOB_VERSION, .stage = stage, .number = {number[0], number[1]}};
    if (frame_send(SPAWN_CHANNEL_FD, &ready, sizeof(ready), NULL, 0, NULL, 0) < 0)
        return;
}

void run_fail(enum ready_stage stage, int negative_errno)
{
    const struct ready ready = {.version = JOB_VERSION, .stage = stage, .error = -negative_errno};
    if (frame_send(SPAWN_CHANNEL_FD, &ready, sizeof(ready), NULL, 0, NULL, 0) < 0)
        _exit(2);
    _exit(1);
}

int run_need(enum ready_stage stage, int rc)
{
    if (rc < 0)
        run_fail(stage, rc);
    return rc;
}

void run_steps(struct run *run, const struct run_step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++)
        run_need(steps[i].stage, steps[i].run(run));
}

void run_await_go(struct run *run)
{
    char go = 0;
    run_say(READY_WAITING, 0, run->master);
    fd_close(&run->master);
    if (fd_read_full(SPAWN_CHANNEL_FD, &go, 1) != 1 || go != JOB_GO)
        _exit(0);
}
