/* SPDX-License-Identifier: Apache-2.0 */
/* daemons - the monitor and croftd: started, started again, stopped */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "linux/caps.h"
#include "linux/path.h"
#include "super/super.h"
#include "wire/limits.h"
#include "wire/spawn.h"

#define RETRY_FIRST_MS 100U
#define RETRY_LAST_MS  5000U
#define STABLE_NS      NS_PER_S /* who lives longer than this starts with a clean sheet */

static void monitor_start(void *data);
static void croftd_start(void *data);
static void monitor_gone(struct super *super);
static void on_monitor(struct loop_source *source, uint32_t events, void *data);
static int daemon_fork(struct daemon *daemon, int *ret_program);
static void daemon_ended(struct super *super, struct daemon *daemon);

void daemons_start(struct super *super)
{
    super->monitor.retry = (struct loop_timer){.on_due = monitor_start, .data = super};
    super->croftd.retry = (struct loop_timer){.on_due = croftd_start, .data = super};
    monitor_start(super);
    croftd_start(super);
}

bool daemons_reaped(struct super *super, pid_t pid)
{
    struct daemon *ended = pid == super->monitor.pid  ? &super->monitor
                           : pid == super->croftd.pid ? &super->croftd
                                                      : NULL;
    if (ended == NULL)
        return false;
    if (ended == &super->monitor)
        monitor_gone(super);
    daemon_ended(super, ended);
    return true;
}

void daemons_stop(struct super *super)
{
    super->ending = true;
    loop_disarm(super->loop, &super->monitor.retry);
    loop_disarm(super->loop, &super->croftd.retry);
    if (super->croftd.pid != 0)
        kill(super->croftd.pid, SIGTERM);
    if (super->monitor.pid != 0)
        kill(super->monitor.pid, SIGTERM);
    if (super->croftd.pid == 0 && super->monitor.pid == 0)
        loop_stop(super->loop);
}

static void monitor_start(void *data)
{
    struct super *super = data;
    struct timeval stall = {.tv_sec = CLIENT_STALL_MS / 1000};
    int pair[2];
    int program;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        daemon_ended(super, &super->monitor);
        return;
    }
    auto_close ours = pair[0];
    auto_close theirs = pair[1];
    if (setsockopt(ours, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof(stall)) < 0)
        log_line(LOG_LEVEL_WARNING, "the monitor's channel has no time-out");
    super->monitor_source =
        (struct loop_source){.fd = take_fd(&ours), .on_io = on_monitor, .data = super};
    if (loop_add(super->loop, &super->monitor_source, EPOLLIN) < 0) {
        fd_close(&super->monitor_source.fd);
        daemon_ended(super, &super->monitor);
        return;
    }
    if (daemon_fork(&super->monitor, &program) == 0) {
        const int fds[] = {take_fd(&theirs), super->door};
        spawn_exec(program, "croft-monitor", super->monitor_argument, fds, 2);
    }
    if (super->monitor.pid == 0) {
        monitor_gone(super);
        daemon_ended(super, &super->monitor);
    }
}

/* croftd's view is fed over a channel of its own, one for each life of it and of the monitor. */
static void croftd_start(void *data)
{
    struct super *super = data;
    struct spawn_event event = {.version = SPAWN_VERSION, .type = SPAWN_EVENT_CROFTD};
    int pair[2];
    int program;

    if (super->monitor_source.fd < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        daemon_ended(super, &super->croftd);
        return;
    }
    auto_close monitors = pair[0];
    auto_close croftds = pair[1];
    if (daemon_fork(&super->croftd, &program) == 0) {
        const int fds[] = {take_fd(&croftds), super->api};
        if (caps_bound(0) < 0 || setgroups(0, NULL) < 0 ||
            setresgid(super->croft_gid, super->croft_gid, super->croft_gid) < 0 ||
            setresuid(super->croft_uid, super->croft_uid, super->croft_uid) < 0)
            _exit(OUTCOME_HOST_CANNOT);
        spawn_exec(program, "croftd", NULL, fds, 2);
    }
    if (super->croftd.pid == 0) {
        daemon_ended(super, &super->croftd);
        return;
    }
    event.pid = super->croftd.pid;
    spawn_send(super, &event, monitors);
}

/* Its channel is closed, and croftd, whose events came from it, is started again with the next. */
static void monitor_gone(struct super *super)
{
    if (super->monitor_source.fd >= 0) {
        loop_remove(super->loop, &super->monitor_source);
        fd_close(&super->monitor_source.fd);
    }
    if (super->croftd.pid != 0)
        kill(super->croftd.pid, SIGTERM);
}

static void on_monitor(struct loop_source *source, uint32_t events, void *data)
{
    struct super *super = data;
    (void)events;

    if (spawn_serve(super) == 0)
        return;
    loop_remove(super->loop, source);
    fd_close(&source->fd);
    if (super->monitor.pid != 0)
        kill(super->monitor.pid, SIGKILL);
}

/* Return: 0 in the child; the parent's daemon has its pid, or 0 when there is none. */
static int daemon_fork(struct daemon *daemon, int *ret_program)
{
    auto_close program = path_root(daemon->path, O_PATH);
    pid_t pid = program < 0 ? -1 : fork();

    daemon->started_boot_ns = clock_boot_ns();
    if (pid == 0) {
        *ret_program = take_fd(&program);
        return 0;
    }
    daemon->pid = pid < 0 ? 0 : pid;
    if (pid < 0)
        log_line(LOG_LEVEL_ERROR, "cannot start %s: %s", daemon->path,
                 strerror(program < 0 ? -program : errno));
    return 1;
}

static void daemon_ended(struct super *super, struct daemon *daemon)
{
    uint64_t now = clock_boot_ns();
    uint64_t wait_ms = RETRY_FIRST_MS;

    daemon->pid = 0;
    if (super->ending) {
        daemons_stop(super);
        return;
    }
    daemon->failures = now - daemon->started_boot_ns > STABLE_NS ? 0 : daemon->failures + 1;
    for (unsigned int i = 1; i < daemon->failures && wait_ms < RETRY_LAST_MS; i++)
        wait_ms *= 2;
    log_line(LOG_LEVEL_WARNING, "%s ended; it is started again", daemon->path);
    loop_arm(super->loop, &daemon->retry,
             now + (wait_ms < RETRY_LAST_MS ? wait_ms : RETRY_LAST_MS) * NS_PER_MS);
}
