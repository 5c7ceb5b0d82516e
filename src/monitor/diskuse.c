/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diskuse - tells croftd what each user's disk holds, which it may not look up itself
 *
 * The mounts lie below a directory that only root enters, and nothing goes from croftd to the
 * monitor, so croftd cannot ask. One fstatvfs(2) for each mounted disk costs some microseconds.
 */
#include "monitor/diskuse.h"

#include <stddef.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "monitor/monitor.h"
#include "monitor/users.h"

static void describe(const struct event_item *item, struct event *ret_event);
static void on_look(void *data);
static void look_later(struct monitor *monitor);

void diskuse_init(struct user *user)
{
    user->disk = (struct diskuse){.event.describe = describe};
}

void diskuse_start(struct monitor *monitor)
{
    monitor->disk_timer = (struct loop_timer){.on_due = on_look, .data = monitor};
    look_later(monitor);
}

void diskuse_look(struct user *user)
{
    struct statvfs fs;
    if (user->state != USER_ACTIVE || user->volume.root < 0 || fstatvfs(user->volume.root, &fs) < 0)
        return;
    const uint64_t bytes = (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize;
    const uint64_t inodes = fs.f_files - fs.f_ffree;
    if (bytes == user->disk.bytes && inodes == user->disk.inodes)
        return;
    user->disk.bytes = bytes;
    user->disk.inodes = inodes;
    events_mark(user->monitor, &user->disk.event);
}

static void describe(const struct event_item *item, struct event *ret_event)
{
    const struct user *user =
        (const void *)((const char *)item - offsetof(struct user, disk.event));

    *ret_event = (struct event){
        .type = EVENT_DISK,
        .uid = user->uid,
        .exit_code = -1,
        .limits = {.disk_bytes = user->disk.bytes, .inodes = user->disk.inodes},
    };
}

static void look_later(struct monitor *monitor)
{
    loop_arm(monitor->loop, &monitor->disk_timer, clock_boot_ns() + DISK_LOOK_MS * NS_PER_MS);
}

static void on_look(void *data)
{
    struct monitor *monitor = data;
    for (struct user *user = monitor->users.first; user != NULL; user = user->next) {
        diskuse_look(user);
        if (user->volume.spares_freed)
            volume_keep_spares(user); /* she may have made room since */
    }
    look_later(monitor);
}
