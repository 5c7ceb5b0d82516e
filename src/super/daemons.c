/* SPDX-License-Identifier: Apache-2.0 */
/* daemons - the monitor, croft-net and croftd: started, started again, stopped */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "croft-paths.h"
#include "linux/caps.h"
#include "linux/path.h"
#include "super/super.h"
#include "wire/limits.h"
#include "wire/spawn.h"

#define RETRY_FIRST_MS 100U
#define RETRY_LAST_MS  5000U
#define STABLE_NS      NS_PER_S /* who lives longer than this starts with a clean sheet */
/* They need milliseconds; twice this and the end of the machines are less than `croft host stop`
 * waits. */
#define END_MS 12000U

/*
 * event: what brings the monitor its end of the daemon's channel; 0: the daemon is the monitor.
 * keep:  the capabilities of one that does not stay root
 */
static const struct program {
    const char *path;
    const char *name;
    uint32_t event;
    uint64_t keep;
} PROGRAMS[DAEMON_COUNT] = {
    [DAEMON_MONITOR] = {CROFT_LIB_DIR "/croft-monitor", "croft-monitor", 0, 0},
    [DAEMON_NET] = {CROFT_LIB_DIR "/croft-net", "croft-net", SPAWN_EVENT_NET,
                    CAPS_BIT(CAP_NET_ADMIN)},
    [DAEMON_CROFTD] = {CROFT_LIB_DIR "/croftd", "croftd", SPAWN_EVENT_CROFTD, 0},
};

static void daemon_start(void *data);
static bool net_tidy(struct super *super);
static void set_deadline(struct super *super);
static void on_deadline(void *data);
static void run(struct super *super, enum daemon_id id, int program, const char *argument,
                int channel);
static int monitor_listen(struct super *super, int *channel);
static void monitor_gone(struct super *super);
static void on_monitor(struct loop_source *source, uint32_t events, void *data);
static void daemon_ended(struct daemon *daemon);

static enum daemon_id id_of(const struct daemon *daemon)
{
    return (enum daemon_id)(daemon - daemon->super->daemon);
}

void daemons_start(struct super *super)
{
    super->deadline = (struct loop_timer){.on_due = on_deadline, .data = super};
    for (size_t i = 0; i < DAEMON_COUNT; i++) {
        struct daemon *daemon = &super->daemon[i];
        daemon->super = super;
        daemon->retry = (struct loop_timer){.on_due = daemon_start, .data = daemon};
        daemon_start(daemon);
    }
}

bool daemons_reaped(struct super *super, pid_t pid)
{
    for (size_t i = 0; i < DAEMON_COUNT; i++) {
        if (super->daemon[i].pid != pid)
            continue;
        if (i == DAEMON_MONITOR)
            monitor_gone(super);
        daemon_ended(&super->daemon[i]);
        return true;
    }
    return false;
}

void daemons_stop(struct super *super)
{
    const bool told = super->ending;
    bool running = false;

    super->ending = true;
    if (!told)
        set_deadline(super);
    /* The monitor last: who sees its channel closed does not end as one who was told to. */
    for (size_t i = DAEMON_COUNT; i-- > 0;) {
        loop_disarm(super->loop, &super->daemon[i].retry);
        running = running || super->daemon[i].pid != 0;
        if (super->daemon[i].pid != 0 && !told)
            kill(super->daemon[i].pid, SIGTERM);
    }
    if (!running && !net_tidy(super))
        loop_stop(super->loop);
}

/* Whatever became of the croft-nets there were: one more puts the host's network back, once.
 * Return: whether it runs */
static bool net_tidy(struct super *super)
{
    struct daemon *net = &super->daemon[DAEMON_NET];
    int pair[2];

    if (super->tidied || net->uid == 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    super->tidied = true;
    auto_close others = pair[0];
    auto_close theirs = pair[1];
    auto_close program = path_root(PROGRAMS[DAEMON_NET].path, O_PATH);
    const pid_t pid = program < 0 ? -1 : fork();
    if (pid == 0)
        run(super, DAEMON_NET, program, "tidy", take_fd(&theirs));
    if (pid < 0)
        log_line(LOG_LEVEL_ERROR, "cannot start %s: the host's network may not be as it was",
                 PROGRAMS[DAEMON_NET].path);
    net->pid = pid > 0 ? pid : 0;
    set_deadline(super);
    return pid > 0;
}

static void set_deadline(struct super *super)
{
    loop_arm(super->loop, &super->deadline, clock_boot_ns() + END_MS * NS_PER_MS);
}

/* One that hangs, or was stopped by hand, keeps nobody: what it leaves the last croft-net takes
 * away, and what that leaves the log tells of. */
static void on_deadline(void *data)
{
    struct super *super = data;

    for (size_t i = 0; i < DAEMON_COUNT; i++) {
        if (super->daemon[i].pid == 0)
            continue;
        log_line(LOG_LEVEL_ERROR, "%s did not end in %u s and is killed%s", PROGRAMS[i].path,
                 END_MS / 1000, super->tidied ? ": the host's network may not be as it was" : "");
        kill(super->daemon[i].pid, SIGKILL);
    }
}

int daemon_become(const struct super *super, enum daemon_id id)
{
    return caps_become(super->daemon[id].uid, super->daemon[id].gid, PROGRAMS[id].keep);
}

/* Each life of a daemon has a channel of its own to the monitor, whose end goes there. */
static void daemon_start(void *data)
{
    struct daemon *daemon = data;
    struct super *super = daemon->super;
    const enum daemon_id id = id_of(daemon);
    struct spawn_event event = {.version = SPAWN_VERSION, .type = PROGRAMS[id].event};
    int pair[2];

    if ((id != DAEMON_MONITOR && super->monitor_source.fd < 0) ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        daemon_ended(daemon);
        return;
    }
    auto_close others = pair[0];
    auto_close theirs = pair[1];
    auto_close program = path_root(PROGRAMS[id].path, O_PATH);
    int rc = program < 0 ? program : 0;
    if (rc == 0 && id == DAEMON_MONITOR)
        rc = monitor_listen(super, &others);
    pid_t pid = rc < 0 ? rc : fork();
    daemon->started_boot_ns = clock_boot_ns();
    if (pid == 0)
        run(super, id, program, id == DAEMON_MONITOR ? super->monitor_argument : NULL,
            take_fd(&theirs));
    if (pid < 0) {
        log_line(LOG_LEVEL_ERROR, "cannot start %s: %s", PROGRAMS[id].path,
                 strerror(rc < 0 ? -rc : errno));
        if (id == DAEMON_MONITOR)
            monitor_gone(super);
        daemon_ended(daemon);
        return;
    }
    daemon->pid = event.pid = pid;
    if (id != DAEMON_MONITOR)
        spawn_send(super, &event, others);
}

/* In the child. */
static void run(struct super *super, enum daemon_id id, int program, const char *argument,
                int channel)
{
    const int fds[] = {channel, id == DAEMON_MONITOR ? super->door : super->api};

    if (id != DAEMON_MONITOR && daemon_become(super, id) < 0)
        _exit(OUTCOME_HOST_CANNOT);
    spawn_exec(program, PROGRAMS[id].name, argument, fds, id == DAEMON_NET ? 1 : 2);
}

/* Takes over our end of the monitor's channel. Return: 0; -errno */
static int monitor_listen(struct super *super, int *channel)
{
    const struct timeval stall = {.tv_sec = CLIENT_STALL_MS / 1000};

    if (setsockopt(*channel, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof(stall)) < 0)
        log_line(LOG_LEVEL_WARNING, "the monitor's channel has no time-out");
    super->monitor_source =
        (struct loop_source){.fd = take_fd(channel), .on_io = on_monitor, .data = super};
    int rc = loop_add(super->loop, &super->monitor_source, EPOLLIN);
    if (rc < 0)
        fd_close(&super->monitor_source.fd);
    return rc;
}

/* The others heard from it over channels that are closed now: they are started again with the next
 * one. At once and without a word, as croft-net would take the walls down at a SIGTERM. */
static void monitor_gone(struct super *super)
{
    if (super->monitor_source.fd >= 0) {
        loop_remove(super->loop, &super->monitor_source);
        fd_close(&super->monitor_source.fd);
    }
    for (size_t i = 0; i < DAEMON_COUNT && !super->ending; i++)
        if (i != DAEMON_MONITOR && super->daemon[i].pid != 0)
            kill(super->daemon[i].pid, SIGKILL);
}

static void on_monitor(struct loop_source *source, uint32_t events, void *data)
{
    struct super *super = data;
    (void)events;

    if (spawn_serve(super) == 0)
        return;
    loop_remove(super->loop, source);
    fd_close(&source->fd);
    if (super->daemon[DAEMON_MONITOR].pid != 0)
        kill(super->daemon[DAEMON_MONITOR].pid, SIGKILL);
}

static void daemon_ended(struct daemon *daemon)
{
    struct super *super = daemon->super;
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
    log_line(LOG_LEVEL_WARNING, "%s ended; it is started again", PROGRAMS[id_of(daemon)].path);
    loop_arm(super->loop, &daemon->retry,
             now + (wait_ms < RETRY_LAST_MS ? wait_ms : RETRY_LAST_MS) * NS_PER_MS);
}
