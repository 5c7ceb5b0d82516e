/* SPDX-License-Identifier: Apache-2.0 */
/* events - croftd's view of the world: the whole state first, then each change */
#include "monitor/events.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "monitor/images.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"
#include "wire/frame.h"

/* More than this croftd must learn anew: its channel is closed and croft-super starts it again. */
#define GONE_MAX 4096U

struct event_gone {
    struct event_gone *next;
    struct event event;
};

static void on_channel(struct loop_source *source, uint32_t events, void *data);
static void pump(struct monitor *monitor);
static int send_gone(struct events *events);
static int send_marked(struct events *events);
static int send_event(struct events *events, const struct event *event, const void *body,
                      size_t body_size);
static void unmark(struct events *events, struct event_item *item);
static void detach(struct monitor *monitor);

void events_init(struct monitor *monitor)
{
    monitor->events.source.fd = -1;
}

void events_attach(struct monitor *monitor, int channel)
{
    struct events *events = &monitor->events;

    detach(monitor);
    if (fd_set_nonblock(channel) < 0) {
        fd_close(&channel);
        return;
    }
    events->source = (struct loop_source){.fd = channel, .on_io = on_channel, .data = monitor};
    events->synced = false;
    events->armed = false;
    if (loop_add(monitor->loop, &events->source, 0) < 0) {
        fd_close(&events->source.fd);
        return;
    }
    for (struct user *user = monitor->users.first; user != NULL; user = user->next) {
        if (user->state == USER_ADDING)
            continue; /* not yet there, and perhaps never */
        events_mark(monitor, &user->event);
        if (user->disk.bytes > 0)
            events_mark(monitor, &user->disk.event);
        for (struct image *image = user->images; image != NULL; image = image->next)
            image_mark(image);
        for (struct instance *instance = user->instances; instance != NULL;
             instance = instance->next)
            events_mark(monitor, &instance->event);
    }
    pump(monitor);
}

void events_mark(struct monitor *monitor, struct event_item *item)
{
    struct events *events = &monitor->events;

    if (events->source.fd < 0 || item->marked)
        return;
    item->marked = true;
    item->next = NULL;
    item->previous = events->last;
    if (events->last != NULL)
        events->last->next = item;
    else
        events->first = item;
    events->last = item;
    pump(monitor);
}

void events_forget(struct monitor *monitor, struct event_item *item)
{
    unmark(&monitor->events, item);
}

void events_gone(struct monitor *monitor, struct event_item *item, enum event_type type)
{
    struct events *events = &monitor->events;

    unmark(events, item);
    if (events->source.fd < 0)
        return;
    if (events->gone_count == GONE_MAX) {
        log_line(LOG_LEVEL_WARNING, "croftd does not read its events; it is started again");
        detach(monitor);
        return;
    }
    struct event_gone *gone = mem_new(1, sizeof(*gone));
    struct event_gone **end = &events->gone;
    while (*end != NULL)
        end = &(*end)->next;
    *end = gone;
    events->gone_count++;
    item->describe(item, &gone->event);
    gone->event.version = EVENT_VERSION;
    gone->event.type = (uint32_t)type;
    pump(monitor);
}

static void on_channel(struct loop_source *source, uint32_t events, void *data)
{
    struct monitor *monitor = data;
    (void)source;

    if (events & (EPOLLHUP | EPOLLERR))
        detach(monitor);
    else
        pump(monitor);
}

/* Tells what there is to tell until croftd's buffer is full; goes on when it has read. */
static void pump(struct monitor *monitor)
{
    struct events *events = &monitor->events;
    struct event synced = {.version = EVENT_VERSION, .type = EVENT_SYNCED};

    if (events->source.fd < 0)
        return;
    /* Gone first: a new thing may have the name of one that is gone. */
    int rc = send_gone(events);
    if (rc == 0)
        rc = send_marked(events);
    if (rc == 0 && !events->synced) {
        rc = send_event(events, &synced, NULL, 0);
        events->synced = rc == 0;
    }
    if (rc < 0 && rc != -EAGAIN) {
        detach(monitor);
        return;
    }
    bool full = rc == -EAGAIN;
    if (full != events->armed) {
        events->armed = full;
        if (loop_change(monitor->loop, &events->source, full ? EPOLLOUT : 0) < 0)
            detach(monitor);
    }
}

static int send_gone(struct events *events)
{
    while (events->gone != NULL) {
        struct event_gone *gone = events->gone;
        int rc = send_event(events, &gone->event, NULL, 0);
        if (rc < 0)
            return rc;
        events->gone = gone->next;
        events->gone_count--;
        mem_cleanup(&gone);
    }
    return 0;
}

static int send_marked(struct events *events)
{
    while (events->first != NULL) {
        struct event event = {.exit_code = -1};
        events->first->describe(events->first, &event);
        event.version = EVENT_VERSION;
        int rc = send_event(events, &event, events->first->body, events->first->body_size);
        if (rc < 0)
            return rc;
        unmark(events, events->first);
    }
    return 0;
}

static int send_event(struct events *events, const struct event *event, const void *body,
                      size_t body_size)
{
    return frame_send(events->source.fd, event, sizeof(*event), body, body_size, NULL, 0);
}

static void unmark(struct events *events, struct event_item *item)
{
    if (!item->marked)
        return;
    item->marked = false;
    if (item->previous != NULL)
        item->previous->next = item->next;
    else
        events->first = item->next;
    if (item->next != NULL)
        item->next->previous = item->previous;
    else
        events->last = item->previous;
    item->next = item->previous = NULL;
}

static void detach(struct monitor *monitor)
{
    struct events *events = &monitor->events;

    if (events->source.fd >= 0) {
        loop_remove(monitor->loop, &events->source);
        fd_close(&events->source.fd);
    }
    while (events->first != NULL)
        unmark(events, events->first);
    while (events->gone != NULL) {
        struct event_gone *gone = events->gone;
        events->gone = gone->next;
        mem_cleanup(&gone);
    }
    events->gone_count = 0;
}
