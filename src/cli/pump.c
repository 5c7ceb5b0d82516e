/* SPDX-License-Identifier: Apache-2.0 */
/* pump - one direction of a relay: what is read at one end is written at the other */
#include "cli/pump.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

static void close_from(struct pump *pump);
static void close_to(struct pump *pump);
static void work_read(struct pump *pump);
static void work_write(struct pump *pump);

void pump_init(struct pump *pump, int from, bool own_from, int to, bool own_to)
{
    struct stat st;

    pump->from = from;
    pump->to = to;
    pump->own_from = own_from;
    pump->own_to = own_to;
    pump->reader_gone = false;
    pump->bytes_read = 0;
    pump->start = 0;
    pump->end = 0;
    pump->piece = PUMP_SIZE;
    /* A pipe that poll(2) calls writable has room for PIPE_BUF, and a terminal takes that much. */
    if (!own_to && to >= 0 && fstat(to, &st) == 0) {
        if (S_ISSOCK(st.st_mode))
            pump->piece = 0;
        else if (!S_ISREG(st.st_mode))
            pump->piece = PIPE_BUF;
    }
}

void pump_stop(struct pump *pump)
{
    close_from(pump);
    close_to(pump);
}

void pump_watch(const struct pump *pump, struct pollfd polls[2])
{
    bool full = pump->end > pump->start;

    polls[0] = (struct pollfd){.fd = full ? -1 : pump->from, .events = POLLIN};
    polls[1] = (struct pollfd){.fd = pump->to, .events = full ? POLLOUT : 0};
}

void pump_work(struct pump *pump, const struct pollfd polls[2])
{
    if (polls[1].fd >= 0 && (polls[1].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
        pump->reader_gone = true;
        /* Nobody reads any more: the writer has to learn it, as it would from a plain pipe. */
        pump_stop(pump);
        return;
    }
    if (polls[0].fd >= 0 && polls[0].revents != 0)
        work_read(pump);
    /* What was just read is offered at once where a write cannot block. */
    if (pump->end > pump->start &&
        ((polls[1].revents & POLLOUT) != 0 || pump->piece == 0 || pump->own_to))
        work_write(pump);
    if (pump->from < 0 && pump_empty(pump))
        close_to(pump);
}

bool pump_done(const struct pump *pump)
{
    return pump->to < 0 || (pump->from < 0 && pump_empty(pump));
}

bool pump_empty(const struct pump *pump)
{
    return pump->start == pump->end;
}

static void close_from(struct pump *pump)
{
    if (pump->own_from)
        fd_close(&pump->from);
    pump->from = -1;
}

static void close_to(struct pump *pump)
{
    if (pump->own_to)
        fd_close(&pump->to);
    pump->to = -1;
    pump->start = 0;
    pump->end = 0;
}

static void work_read(struct pump *pump)
{
    ssize_t got = read(pump->from, pump->buf, sizeof(pump->buf));

    if (got > 0) {
        pump->start = 0;
        pump->end = (size_t)got;
        pump->bytes_read += (uint64_t)got;
        return;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    /* End of file; of a terminal's master EIO is the same. */
    close_from(pump);
}

static void work_write(struct pump *pump)
{
    size_t size = pump->end - pump->start;
    const uint8_t *bytes = pump->buf + pump->start;
    ssize_t put;

    if (pump->piece == 0)
        put = send(pump->to, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    else
        put = write(pump->to, bytes, size < pump->piece ? size : pump->piece);
    if (put >= 0) {
        pump->start += (size_t)put;
        return;
    }
    if (errno == EAGAIN || errno == EINTR)
        return;
    pump->reader_gone = true;
    pump_stop(pump);
}
