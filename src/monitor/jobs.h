/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobs - programs that croft-super starts for the monitor, and how they end
 *
 * A runner is one croft-runtime from the request until what it became has ended. A process is
 * anything whose end is awaited, a runner's or one found running at start.
 */
#ifndef CROFT_MONITOR_JOBS_H
#define CROFT_MONITOR_JOBS_H

#include "base/loop.h"
#include "wire/frame.h"
#include "wire/job.h"
#include "wire/spawn.h"
#include <stdbool.h>
#include <sys/types.h>

struct monitor;
struct runner;
struct setup_ask;

/* code -1: nobody could say (it ended while no monitor ran). */
struct exit_status {
    int code;
    int signal;
};

typedef void (*process_end_fn)(void *data, struct exit_status status);

/*
 * Embedded by its owner. pidfd: owned; -1: not watched. Its end comes from croft-super with the
 * status, or by the pidfd without one.
 */
struct process {
    pid_t pid;
    int pidfd;
    struct monitor *monitor;
    struct process *next;
    struct loop_source source;
    struct loop_timer late;
    struct exit_status status;
    process_end_fn on_end;
    void *data;
};

/** process_watch() - calls @on_end once when it ends; @pidfd is consumed. Return: 0; -errno */
nodiscard int process_watch(struct monitor *monitor, struct process *process, pid_t pid, int pidfd,
                            process_end_fn on_end, void *data);

/** process_unwatch() - forgets it and closes the pidfd; fine when it was never watched */
void process_unwatch(struct process *process);

/** process_signal() - Return: 0; -ESRCH it has ended; -errno */
nodiscard int process_signal(const struct process *process, int signal);

/*
 * What happens to a runner, in this order; failed instead of waiting or running, then no more.
 * network: it has its network namespace, @netns (taken or closed), and goes on setting up until
 *          runner_network() says that the inside end of its link is there
 * sockets: JOB_SOCKETS is done, with the numbers of READY_SOCKETS
 * waiting: all is set up. runner_go() lets it go on. @master: the terminal's, -1 without one;
 *          taken with take_fd() or closed
 * running: it was executed (JOB_MOVE: it is done)
 * failed:  where, and a negative errno; -ESRCH: it died without a word, status says how
 * ended:   after running
 */
struct runner_calls {
    void (*network)(void *data, int *netns);
    void (*sockets)(void *data, const uint32_t number[2]);
    void (*waiting)(void *data, int *master);
    void (*running)(void *data);
    void (*failed)(void *data, uint32_t stage, int error);
    void (*ended)(void *data, struct exit_status status);
};

/* A job with its descriptors; jobs_fd() adds them. All of them are closed by job_cleanup(). */
struct job_order {
    struct job job;
    int fd[JOB_FD_CGROUP];
    int cgroup[JOB_CGROUPS_MAX];
};

void job_init(struct job_order *order, enum job_kind kind);
void job_cleanup(struct job_order *order);
/** job_stdio() - adds duplicates of the three descriptors @stdio. Return: 0; -errno */
nodiscard int job_stdio(struct job_order *order, const int *stdio, bool input);
#define auto_job cleanup_with(job_cleanup) struct job_order

/**
 * runner_new() - asks croft-super for a croft-runtime, which waits for its job
 *
 * Asked for first and given its job last, so that it is forked and executed while the monitor makes
 * directories and groups.
 * @calls, @data: borrowed until runner_free()
 * Return: 0; -errno
 */
nodiscard int runner_new(struct monitor *monitor, const struct runner_calls *calls, void *data,
                         struct runner **ret_runner);

/** runner_send() - gives it @order (borrowed, its descriptors are duplicated) and @body. Return: 0;
 * -errno */
nodiscard int runner_send(struct runner *runner, const struct job_order *order, const void *body,
                          size_t body_size);

/** runner_network() - the inside end is there (or there shall be none): it may set it up */
void runner_network(struct runner *runner);

/** runner_go() - the waiting process may become what it shall be */
void runner_go(struct runner *runner);

/** runner_process() - the process, from `waiting` on (borrowed) */
const struct process *runner_process(const struct runner *runner);

/** runner_free() - lets go; what has not been let go by runner_go() ends. NULL is fine */
void runner_free(struct runner *runner);

/**
 * runner_sentence() - what to tell a person about a failed runner: "cannot start db: mounting the
 * root file system: No space left on device"
 * Return: OUTCOME_FAILED
 */
int runner_sentence(struct err *err, const char *what, const char *name, uint32_t stage, int error);

struct exited {
    pid_t pid;
    struct exit_status status;
};
#define JOBS_EXITED_MAX 128U

/*
 * channel: to croft-super
 * exited:  the last ends that nobody waited for: the news that a process exists may come later
 *          than the news of its end, as they come over different channels
 */
struct jobs {
    struct loop_source channel;
    uint64_t next_token;
    struct runner *runners;
    struct process *processes;
    struct setup_ask *setups; /* the first one is in work */
    struct exited exited[JOBS_EXITED_MAX];
    size_t exited_next;
};

/** jobs_open() - takes @channel to croft-super (consumed). Return: 0; -errno */
nodiscard int jobs_open(struct monitor *monitor, int channel);

/** jobs_listen() - from now on the loop serves the channel. Return: 0; -errno */
nodiscard int jobs_listen(struct monitor *monitor);

/**
 * jobs_ask_super() - asks croft-super to start a program
 * @channel:   becomes its channel (borrowed)
 * @ret_token: comes back in SPAWN_EVENT_SPAWNED; may be NULL
 * Return: 0; -EAGAIN croft-super is behind; -errno
 */
nodiscard int jobs_ask_super(struct monitor *monitor, enum spawn_type type, int channel,
                             uint64_t *ret_token);

/** jobs_end_croft() - asks croft-super to end everything but the instances */
void jobs_end_croft(struct monitor *monitor);

#endif
