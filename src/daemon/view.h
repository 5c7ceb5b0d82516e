/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view - users, images and instances as the monitor's events tell them
 *
 * Memory only: it is rebuilt from the monitor's records whenever croftd starts, and nothing that
 * grants anything is decided by it.
 */
#ifndef CROFT_DAEMON_VIEW_H
#define CROFT_DAEMON_VIEW_H

#include "base/attrs.h"
#include "wire/event.h"
#include "wire/image.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* config: how it wants to be started; NULL: it does not say (a root file system) */
struct view_image {
    char name[NAME_SIZE];
    uint8_t digest[SHA256_SIZE];
    uint64_t bytes; /* unpacked */
    uint64_t created_wall_ns;
    struct image_config *config;
};

struct view_instance {
    char name[NAME_SIZE];
    char image[NAME_SIZE];
    uint32_t kind;  /* enum plan_kind */
    uint32_t state; /* enum instance_state */
    int32_t exit_code;
    int32_t exit_signal;
    uint32_t oom_kills;
    uint32_t slot; /* its address (wire/net.h); 0: it has none now */
    uint64_t since_wall_ns;
    struct user_limits limits; /* 0: the envelope's */
    char text[sizeof(((struct event *)NULL)->text)];
};

/* disk_known: disk_bytes and inodes are what she uses; else nobody said yet */
struct view_user {
    uint32_t uid;
    uint32_t gid;
    uint32_t block_first;
    uint32_t keeper_id;
    char name[NAME_SIZE];
    struct user_limits limits;
    bool disk_known;
    uint64_t disk_bytes;
    uint64_t inodes;
    struct view_image *images;
    size_t image_count;
    struct view_instance *instances;
    size_t instance_count;
};

/* synced: the whole state has come; before that nothing may be answered from it */
struct view {
    bool synced;
    struct view_user *users;
    size_t user_count;
};

void view_free(struct view *view);

/**
 * view_apply() - takes one event in
 * @size: of the message as it came
 * What goes away need not be known; what belongs to a user must have her known.
 * Return: 0; -EPROTO malformed or out of order
 */
nodiscard int view_apply(struct view *view, const struct event *event, size_t size);

/* Lookups. Return: borrowed until the next view_apply(); NULL when there is none. */
const struct view_user *view_user(const struct view *view, uint32_t uid);
const struct view_user *view_user_named(const struct view *view, const char *name);
const struct view_image *view_image(const struct view_user *user, const char *name);
const struct view_instance *view_instance(const struct view_user *user, const char *name);

#endif
