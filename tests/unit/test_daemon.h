/* SPDX-License-Identifier: Apache-2.0 */
/* test_daemon - a view with two users, as the monitor's events would make it */
#ifndef CROFT_TESTS_DAEMON_H
#define CROFT_TESTS_DAEMON_H

#include <string.h>

#include "base/attrs.h"
#include "daemon/view.h"

#define ALICE 1001U
#define BOB   1002U

static inline struct event daemon_event(uint32_t type, uint32_t uid, const char *name)
{
    struct event event = {.version = EVENT_VERSION, .type = type, .uid = uid};
    memcpy(event.name, name, strlen(name));
    return event;
}

/* Alice: 1 GiB, 100 pids, 1.5 CPUs, a network of her own, image busybox, machine db at 100.96.2.3.
 * Bob: machine secret. */
static inline int daemon_view(struct view *view)
{
    struct event events[] = {
        daemon_event(EVENT_USER, ALICE, "alice"),    daemon_event(EVENT_USER, BOB, "bob"),
        daemon_event(EVENT_IMAGE, ALICE, "busybox"), daemon_event(EVENT_INSTANCE, ALICE, "db"),
        daemon_event(EVENT_INSTANCE, BOB, "secret"), daemon_event(EVENT_SYNCED, 0, ""),
    };
    int rc = 0;
    for (int i = 0; i < 2; i++) {
        events[i].block_first = ID_RANGE_FIRST + (uint32_t)i * BLOCK_COUNT;
        events[i].keeper_id = ID_RANGE_LAST - (uint32_t)i;
        events[i].limits.memory_bytes = GIB;
        events[i].limits.pids = 100;
        events[i].limits.cpu_milli = 1500;
    }
    memset(events[2].digest, 0xab, sizeof(events[2].digest));
    for (int i = 3; i < 5; i++) {
        events[i].kind = PLAN_MACHINE;
        events[i].state = INSTANCE_RUNNING;
        memcpy(events[i].image, "busybox", sizeof("busybox"));
    }
    events[0].limits.net_bytes_per_s = 100 * MIB;
    events[0].limits.net_packets_per_s = 5000;
    events[0].limits.net_connections = 64;
    events[0].limits.lan = 1;
    events[3].slot = 0x0203;
    *view = (struct view){0};
    for (size_t i = 0; i < ARRAY_LEN(events) && rc == 0; i++)
        rc = view_apply(view, &events[i], sizeof(events[i]));
    return rc;
}

#endif
