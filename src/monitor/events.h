/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events - croftd's view of the world: the whole state first, then each change
 *
 * What changes is marked, not copied: an item that changes twice before croftd reads is told once,
 * so a croftd that sleeps costs no memory and never makes the monitor wait.
 */
#ifndef CROFT_MONITOR_EVENTS_H
#define CROFT_MONITOR_EVENTS_H

#include "base/loop.h"
#include "wire/event.h"
#include <stdbool.h>
#include <stddef.h>

struct monitor;

/* Embedded in what croftd knows about. Marked items stand in one list, oldest mark first. */
struct event_item {
    struct event_item *next;
    struct event_item *previous;
    bool marked;
    void (*describe)(const struct event_item *item, struct event *ret_event);
    const void *body; /* what follows the event: body_size bytes of the item's owner; may be NULL */
    size_t body_size;
};

/* The struct of @type whose member `event` is @item. */
#define event_owner(item, type)                                                                    \
    ((const type *)(const void *)((const char *)(item)-offsetof(type, event)))

struct event_gone;

struct events {
    struct loop_source source; /* fd -1: no croftd */
    struct event_item *first;
    struct event_item *last;
    struct event_gone *gone; /* what is no more and must still be told */
    size_t gone_count;
    bool synced; /* EVENT_SYNCED was sent on this channel */
    bool armed;  /* waits for room in the channel */
};

void events_init(struct monitor *monitor);

/** events_attach() - a croftd was started: tells it everything on @channel (consumed) */
void events_attach(struct monitor *monitor, int channel);

/** events_mark() - @item is new or has changed */
void events_mark(struct monitor *monitor, struct event_item *item);

/** events_forget() - @item is about to be freed, and needs no word about it */
void events_forget(struct monitor *monitor, struct event_item *item);

/** events_gone() - @item is about to be freed; @type is the EVENT_..._GONE to tell */
void events_gone(struct monitor *monitor, struct event_item *item, enum event_type type);

#endif
