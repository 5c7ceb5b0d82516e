/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event - what the monitor tells croftd, over a SOCK_SEQPACKET pair; nothing goes the other way
 *
 * When croftd connects (start or restart), the monitor sends the whole state as events and then
 * EVENT_SYNCED: croftd's view is rebuilt from the records, never the other way round.
 */
#ifndef CROFT_WIRE_EVENT_H
#define CROFT_WIRE_EVENT_H

#include "wire/order.h"

#define EVENT_VERSION 1U

enum event_type {
    EVENT_USER = 1, /* added or changed */
    EVENT_USER_GONE,
    EVENT_IMAGE,
    EVENT_IMAGE_GONE,
    EVENT_INSTANCE, /* made, started, stopped, ended */
    EVENT_INSTANCE_GONE,
    EVENT_SYNCED,
    EVENT_DISK,         /* now and then: what a user's disk holds */
    EVENT_IMAGE_CONFIG, /* after EVENT_IMAGE; followed by a struct image_config */
};

enum instance_state {
    INSTANCE_STOPPED = 1,
    INSTANCE_STARTING,
    INSTANCE_RUNNING,
    INSTANCE_STOPPING,
    INSTANCE_FAILED, /* the start failed: text says why */
};

/*
 * name:      of the user (EVENT_USER), the image or the instance
 * kind:      enum plan_kind; state: enum instance_state; wall_ns: since when
 * exit_code, exit_signal: of the last end, -1: none yet; oom_kills: in this run
 * digest, number: an image's layer, its bytes unpacked
 * limits:    of EVENT_DISK: disk_bytes and inodes in use
 */
struct event {
    uint32_t version;
    uint32_t type;
    uint32_t uid;
    uint32_t gid;
    uint32_t block_first;
    uint32_t keeper_id;
    uint32_t kind;
    uint32_t state;
    int32_t exit_code;
    int32_t exit_signal;
    uint32_t oom_kills;
    uint32_t flags;
    uint64_t wall_ns;
    uint64_t number;
    struct user_limits limits; /* of the user, of the instance, or in use */
    char name[NAME_SIZE];
    char image[NAME_SIZE];
    uint8_t digest[SHA256_SIZE];
    uint32_t slot; /* of a running instance: its address; 0: none */
    uint32_t reserved;
    char text[160];
};
_Static_assert(sizeof(struct event) == 48 + 16 + 64 + 8 + 2 * NAME_SIZE + SHA256_SIZE + 160,
               "wire layout");

#endif
