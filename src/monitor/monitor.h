/* SPDX-License-Identifier: Apache-2.0 */
/* monitor - the state of croft-monitor: one struct, made in main.c, known to every other file */
#ifndef CROFT_MONITOR_MONITOR_H
#define CROFT_MONITOR_MONITOR_H

#include "base/loop.h"
#include "linux/cgroup.h"
#include "monitor/addresses.h"
#include "monitor/door.h"
#include "monitor/events.h"
#include "monitor/grants.h"
#include "monitor/jobs.h"
#include "monitor/network.h"
#include "monitor/records.h"
#include "monitor/users.h"
#include <stdbool.h>
#include <sys/types.h>

/* Open directories: every file that the monitor touches lies beneath one of them. */
struct monitor_dirs {
    int state;   /* CROFT_STATE_DIR */
    int records; /* records/ in it */
    int volumes; /* volumes/ in it: the files */
    int mounts;  /* volumes/ in CROFT_RUN_DIR: where they are mounted */
    int run;     /* CROFT_RUN_DIR */
    int lib;     /* CROFT_LIB_DIR */
    int proc;    /* /proc */
    int names;   /* names/ in CROFT_RUN_DIR: a directory for each slot */
};

struct shutdown;

#define BOOT_ID_SIZE 16U

struct monitor {
    struct loop *loop;
    struct monitor_dirs dirs;
    struct cgroup_host *cgroups;
    struct records records;
    struct users users;
    struct jobs jobs;
    struct door door;
    struct events events;
    struct network network;
    struct addresses addresses;
    struct grants grants;
    struct loop_timer names_timer; /* users whose names changed in this turn of the loop */
    uint32_t cpu_rest_milli; /* what the host's reserve leaves: no group below may have more (v1) */
    gid_t admin_gid;
    pid_t croftd_pid;
    uint64_t started_boot_ns;
    uint8_t boot_id[BOOT_ID_SIZE]; /* of this boot, as the kernel names it */
    uint32_t without;              /* enum ablate bits of the test build, else 0 */
    bool stopping;                 /* `croft host stop` was ordered: nothing new begins */
    bool starting_wanted;
    struct loop_timer start_timer;
    struct loop_timer disk_timer;
    struct shutdown *shutdown;
};

#endif
