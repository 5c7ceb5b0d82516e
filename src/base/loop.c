/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - one epoll loop: descriptors and one-shot timers, no threads
 *
 * Theory of operation: timers stand in a list by due time, and one timerfd on CLOCK_BOOTTIME is set
 * to the first, so that a timer is due also when the host slept meanwhile; epoll's own timeout
 * would stand still. A callback may remove any source, also one whose event was fetched in the
 * same batch and not yet served: loop_remove() takes it out of the batch.
 */
#include "base/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"

#define LOOP_BATCH 64

struct loop {
    int epoll_fd;
    int timer_fd;
    bool stop;
    struct loop_timer *timers; /* the first due first */
    struct epoll_event batch[LOOP_BATCH];
    int batch_count;
};

static int loop_control(struct loop *loop, int operation, struct loop_source *source,
                        uint32_t epoll_events);
static void loop_set_clock(struct loop *loop);
static void loop_serve_batch(struct loop *loop);
static void loop_serve_timers(struct loop *loop);

int loop_new(struct loop **ret_loop)
{
    auto_close epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    auto_close timer_fd = -1;
    struct epoll_event event = {.events = EPOLLIN};
    struct loop *loop;

    if (epoll_fd < 0)
        return -errno;
    timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (timer_fd < 0)
        return -errno;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &event) < 0)
        return -errno;
    loop = mem_new(1, sizeof(*loop));
    loop->epoll_fd = take_fd(&epoll_fd);
    loop->timer_fd = take_fd(&timer_fd);
    *ret_loop = loop;
    return 0;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    fd_close(&loop->timer_fd);
    fd_close(&loop->epoll_fd);
    mem_cleanup(&loop);
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t epoll_events)
{
    int r = loop_control(loop, EPOLL_CTL_ADD, source, epoll_events);

    if (r == 0)
        source->added = true;
    return r;
}

int loop_change(struct loop *loop, struct loop_source *source, uint32_t epoll_events)
{
    return loop_control(loop, EPOLL_CTL_MOD, source, epoll_events);
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
    int i;

    if (!source->added)
        return;
    source->added = false;
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL) < 0)
        croft_bug("a loop source was closed before it was removed");
    for (i = 0; i < loop->batch_count; i++)
        if (loop->batch[i].data.ptr == source)
            loop->batch[i].data.ptr = NULL;
}

void loop_arm(struct loop *loop, struct loop_timer *timer, uint64_t due_boot_ns)
{
    struct loop_timer **place = &loop->timers;

    loop_disarm(loop, timer);
    timer->due_boot_ns = due_boot_ns;
    while (*place && (*place)->due_boot_ns <= due_boot_ns)
        place = &(*place)->next;
    timer->next = *place;
    timer->armed = true;
    *place = timer;
    if (loop->timers == timer)
        loop_set_clock(loop);
}

void loop_disarm(struct loop *loop, struct loop_timer *timer)
{
    struct loop_timer **place = &loop->timers;

    if (!timer->armed)
        return;
    while (*place && *place != timer)
        place = &(*place)->next;
    if (!*place)
        croft_bug("an armed timer is in no list");
    /* The clock stays set: waking up once for nothing is cheaper than setting it each time. */
    *place = timer->next;
    timer->next = NULL;
    timer->armed = false;
}

int loop_run(struct loop *loop)
{
    loop->stop = false;
    while (!loop->stop) {
        int count = epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH, -1);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -errno;
        loop->batch_count = count;
        loop_serve_batch(loop);
        loop->batch_count = 0;
        loop_serve_timers(loop);
    }
    return 0;
}

void loop_stop(struct loop *loop)
{
    loop->stop = true;
}

static int loop_control(struct loop *loop, int operation, struct loop_source *source,
                        uint32_t epoll_events)
{
    struct epoll_event event = {.events = epoll_events, .data.ptr = source};

    return epoll_ctl(loop->epoll_fd, operation, source->fd, &event) < 0 ? -errno : 0;
}

static void loop_set_clock(struct loop *loop)
{
    /* 0 would switch it off. */
    uint64_t due = loop->timers->due_boot_ns ? loop->timers->due_boot_ns : 1;
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(due / NS_PER_S), .tv_nsec = (long)(due % NS_PER_S)}};

    if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0)
        croft_bug("timerfd_settime failed");
}

static void loop_serve_batch(struct loop *loop)
{
    int i;

    for (i = 0; i < loop->batch_count && !loop->stop; i++) {
        struct loop_source *source = loop->batch[i].data.ptr;

        /* NULL: the clock, which loop_serve_timers() reads, or a source removed meanwhile. */
        if (source)
            source->on_io(source, loop->batch[i].events, source->data);
    }
}

static void loop_serve_timers(struct loop *loop)
{
    uint64_t expirations;
    uint64_t now;

    if (fd_read_full(loop->timer_fd, &expirations, sizeof(expirations)) < 0)
        return; /* not yet due */
    now = clock_boot_ns();
    while (loop->timers && loop->timers->due_boot_ns <= now && !loop->stop) {
        struct loop_timer *timer = loop->timers;

        loop_disarm(loop, timer);
        timer->on_due(timer->data);
    }
    if (loop->timers)
        loop_set_clock(loop);
}
