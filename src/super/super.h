/* SPDX-License-Identifier: Apache-2.0 */
/* super - what the three files of croft-super share */
#ifndef CROFT_SUPER_SUPER_H
#define CROFT_SUPER_SUPER_H

#include "base/attrs.h"
#include "base/err.h"
#include "base/loop.h"
#include "wire/spawn.h"
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* In the order in which they are started. */
enum daemon_id { DAEMON_MONITOR = 0, DAEMON_NET, DAEMON_CROFTD, DAEMON_COUNT };

/*
 * A program that is started again when it ends. pid 0: it does not run. failures: ends in a row
 * within a second. uid, gid: what it becomes; 0: it stays root
 */
struct daemon {
    struct super *super;
    pid_t pid;
    uid_t uid;
    gid_t gid;
    uint64_t started_boot_ns;
    unsigned int failures;
    struct loop_timer retry;
};

/*
 * door, api: listening sockets, which outlive who listens on them
 * staging:   the mount namespace in which a runtime starts
 * monitor_source: the spawn channel, our end
 * monitor_argument: passed on to the monitor; NULL but in the test build
 * tidied:    the last croft-net was started, which puts the host's network back
 * deadline:  who runs still when it is due was told to end, and is killed
 */
struct super {
    struct loop *loop;
    int run_dir;
    int door;
    int api;
    int staging;
    int null;
    struct daemon daemon[DAEMON_COUNT];
    struct loop_source monitor_source;
    const char *monitor_argument;
    bool ending;
    bool tidied;
    struct loop_timer deadline;
};

/** daemons_start() - starts the monitor, then the others. Runs as: root */
void daemons_start(struct super *super);

/** daemons_reaped() - Return: whether @pid was one of them; it is then started again */
bool daemons_reaped(struct super *super, pid_t pid);

/** daemons_stop() - ends them, the loop when they are gone; at the latest after END_MS twice: they
 * and the last croft-net have so long before they are killed */
void daemons_stop(struct super *super);

/** daemon_become() - in a child: the uid, gid and capabilities of a daemon that is not root.
 * Return: 0; -errno */
nodiscard int daemon_become(const struct super *super, enum daemon_id id);

/**
 * spawn_serve() - serves one request of the monitor
 * Return: 0; -EPIPE the monitor is gone or broke the protocol: its channel is to be closed
 */
nodiscard int spawn_serve(struct super *super);

/** spawn_reaped() - tells the monitor of a process that ended */
void spawn_reaped(struct super *super, const siginfo_t *info);

/**
 * spawn_send() - sends an event to the monitor, with one descriptor when @fd >= 0
 *
 * A monitor that does not read for CLIENT_STALL_MS is killed and started again: it then finds the
 * world by itself, which a lost event would keep from it.
 */
void spawn_send(struct super *super, const struct spawn_event *event, int fd);

/**
 * spawn_exec() - in a child: becomes the program open as @program, with @fds as its 3, 4...
 * @fds: consumed; at most SPAWN_FDS_MAX
 *
 * Signals are reset, the environment is empty, every other descriptor is closed.
 */
#define SPAWN_FDS_MAX 2
noreturn_fn void spawn_exec(int program, const char *name, const char *argument, const int *fds,
                            size_t count);

/** spawn_reset_signals() - every signal as the kernel has it, none blocked. Ends the process when
 * it cannot */
void spawn_reset_signals(void);

/** spawn_oom_score_reset() - in a child: the out-of-memory killer may choose it as any other.
 * Return: 0; -errno */
nodiscard int spawn_oom_score_reset(void);

/** spawn_identify() - runs croft-setup once and waits: who croftd and croft-net are. Return: 0;
 * -errno */
nodiscard int spawn_identify(struct super *super);

#endif
