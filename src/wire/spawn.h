/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn - what the monitor asks croft-super, and what super tells it, over a SOCK_SEQPACKET pair
 *
 * Super starts three daemons by itself (monitor, croft-net, croftd), and for the monitor one of
 * three programs by number (croft-runtime, croft-setup, a croft-net that only looks), nothing else.
 * What such a program shall do comes to it from the monitor over the one socket that travels with
 * the request and becomes its descriptor 3.
 */
#ifndef CROFT_WIRE_SPAWN_H
#define CROFT_WIRE_SPAWN_H

#include <stdint.h>

#define SPAWN_VERSION 1U
/* The descriptor every spawned program finds its channel on. */
#define SPAWN_CHANNEL_FD 3

enum spawn_type {
    SPAWN_RUNTIME = 1, /* fd: its channel; starts in the staging mount namespace */
    SPAWN_SETUP,       /* fd: its channel */
    SPAWN_LOOK, /* fd: its channel; a croft-net of its own that answers one NET_LOOK and ends */
    SPAWN_END,  /* stop croftd, the monitor and super itself: `croft host stop` */
};

struct spawn {
    uint32_t version;
    uint32_t type;
    uint64_t token; /* the monitor's own; comes back in SPAWNED */
};
_Static_assert(sizeof(struct spawn) == 16, "wire layout");

enum spawn_event_type {
    SPAWN_EVENT_SPAWNED = 1, /* token, pid (0: fork failed, status: errno) */
    SPAWN_EVENT_EXITED,      /* pid, status as waitid(2): code and status */
    SPAWN_EVENT_NET,         /* fd: a channel to a croft-net that was just started; pid */
    SPAWN_EVENT_CROFTD,      /* fd: a fresh event channel to a croftd that was just started; pid */
};

/* exit_code: 0..255 when exit_signal is 0 */
struct spawn_event {
    uint32_t version;
    uint32_t type;
    uint64_t token;
    int32_t pid;
    int32_t exit_code;
    int32_t exit_signal;
    uint32_t reserved;
};
_Static_assert(sizeof(struct spawn_event) == 32, "wire layout");

#endif
