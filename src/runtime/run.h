/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run - the one job of this process: what the monitor sent, and how far it came
 *
 * Everything is static: between fork and exec nothing may be allocated.
 */
#ifndef CROFT_RUNTIME_RUN_H
#define CROFT_RUNTIME_RUN_H

#include "base/attrs.h"
#include "linux/sysfilter.h"
#include "wire/job.h"
#include "wire/spawn.h"
#include <stdbool.h>
#include <sys/types.h>

/*
 * fd:      of enum job_fd, -1 when it was not sent; the cgroup ones are in cgroup
 * null:    /dev/null
 * master:  of the terminal, -1 without one
 * gate:    what the launching half tells its child: one byte for each GATE_*
 * dev:     root of the instance's /dev; proc, sys, pts likewise
 * root:    root of the instance's file system
 */
struct run {
    struct job job;
    const struct plan *plan;           /* JOB_START */
    const struct command *command;     /* JOB_START, JOB_JOIN */
    const struct job_sockets *sockets; /* JOB_SOCKETS */
    int fd[JOB_FD_CGROUP];
    int cgroup[JOB_CGROUPS_MAX];
    int null;
    int master;
    int gate;
    int root;
    int dev;
    int proc;
    int sys;
    int pts;
    struct sysfilter filter;
};

/* A step of becoming an instance; what failed is reported as its stage. */
struct run_step {
    enum ready_stage stage;
    int (*run)(struct run *run);
};

/** run_receive() - takes the job from the channel; ends the process when it is malformed */
void run_receive(struct run *run);

/** run_say() - tells the monitor about @stage; a monitor that is gone is not an error here */
void run_say(enum ready_stage stage, pid_t pid, int fd);

/** run_say_numbers() - tells the monitor what was counted */
void run_say_numbers(enum ready_stage stage, const uint32_t number[2]);

/** run_fail() - reports @negative_errno at @stage and ends the process */
noreturn_fn void run_fail(enum ready_stage stage, int negative_errno);

/** run_need() - run_fail() unless @rc is >= 0. Return: @rc */
int run_need(enum ready_stage stage, int rc);

/** run_steps() - runs all, in order, up to the first that fails */
void run_steps(struct run *run, const struct run_step *steps, size_t count);

/** run_await_go() - says READY_WAITING and waits for JOB_GO; ends the process without it */
void run_await_go(struct run *run);

/** run_without() - whether a test build was told to leave @control out */
static inline bool run_without(const struct run *run, enum ablate control)
{
    return (run->job.without & (uint32_t)control) != 0;
}

/* What a kind of job does: instance.c, join.c, image.c, sockets.c. */
noreturn_fn void run_start(struct run *run);
noreturn_fn void run_join(struct run *run);
noreturn_fn void run_move(struct run *run);
noreturn_fn void run_image(struct run *run);
noreturn_fn void run_sockets(struct run *run);

#endif
