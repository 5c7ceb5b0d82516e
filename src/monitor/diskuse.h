/* SPDX-License-Identifier: Apache-2.0 */
/* diskuse - tells croftd what each user's disk holds, which it may not look up itself */
#ifndef CROFT_MONITOR_DISKUSE_H
#define CROFT_MONITOR_DISKUSE_H

#include "monitor/events.h"
#include <stdint.h>

struct monitor;
struct user;

/* Embedded in a user: what was told last. */
struct diskuse {
    struct event_item event;
    uint64_t bytes;
    uint64_t inodes;
};

void diskuse_init(struct user *user);

/** diskuse_start() - looks at every mounted disk now and then (DISK_LOOK_MS) */
void diskuse_start(struct monitor *monitor);

/** diskuse_look() - looks at hers now, and tells what has changed */
void diskuse_look(struct user *user);

#endif
