/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - one epoll loop: descriptors and one-shot timers, no threads
 *
 * A source is embedded in the caller's own struct; the caller owns its memory and calls
 * loop_remove() before it frees it. Removing from within a callback is fine.
 */
#ifndef CROFT_BASE_LOOP_H
#define CROFT_BASE_LOOP_H

#include "base/attrs.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct loop_source;
typedef void (*loop_io_fn)(struct loop_source *source, uint32_t epoll_events, void *data);
typedef void (*loop_timer_fn)(void *data);

struct loop_source {
    int fd; /* borrowed: the caller closes it after loop_remove() */
    loop_io_fn on_io;
    void *data;
    bool added;
};

struct loop_timer {
    uint64_t due_boot_ns;
    loop_timer_fn on_due;
    void *data;
    struct loop_timer *next;
    bool armed;
};

nodiscard int loop_new(struct loop **ret_loop);
void loop_free(struct loop *loop);
/** loop_add() - watches @source->fd; fd, on_io and data are set before. Return: 0; -errno */
nodiscard int loop_add(struct loop *loop, struct loop_source *source, uint32_t epoll_events);
nodiscard int loop_change(struct loop *loop, struct loop_source *source, uint32_t epoll_events);
void loop_remove(struct loop *loop, struct loop_source *source);
/** loop_arm() - calls @timer->on_due once, at @due_boot_ns or later; re-arming moves it */
void loop_arm(struct loop *loop, struct loop_timer *timer, uint64_t due_boot_ns);
void loop_disarm(struct loop *loop, struct loop_timer *timer);
/** loop_run() - serves until loop_stop(). Return: 0; -errno */
nodiscard int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
