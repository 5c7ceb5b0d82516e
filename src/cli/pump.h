/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pump - one direction of a relay: what is read at one end is written at the other
 *
 * The ends that Croft made are non-blocking. The other ends belong to the caller's shell, whose
 * open file description must not be changed under it: those are read only when poll(2) says that
 * there is something, and written in pieces that cannot block.
 */
#ifndef CROFT_CLI_PUMP_H
#define CROFT_CLI_PUMP_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PUMP_SIZE (64U * 1024U)

/*
 * from, to:   -1: ended, closed
 * own_from, own_to: the pump closes them: the process at the other side of its pipe learns of it
 * hung_up:    .to is a socket whose other side is gone altogether, as sshd's when a connection is
 * lost bytes_read: since the start
 */
struct pump {
    int from;
    int to;
    bool own_from;
    bool own_to;
    bool reader_gone;
    uint64_t bytes_read;
    size_t piece; /* most that one write() to .to may take without blocking; 0: it is a socket */
    size_t start;
    size_t end;
    uint8_t buf[PUMP_SIZE];
};

/** pump_init() - @own_from, @own_to: Consumes that end. An own end must be non-blocking */
void pump_init(struct pump *pump, int from, bool own_from, int to, bool own_to);

/** pump_stop() - ends both sides and drops what is in between */
void pump_stop(struct pump *pump);

/** pump_watch() - fills two entries for poll(2): from, to */
void pump_watch(const struct pump *pump, struct pollfd polls[2]);

/** pump_work() - does what poll(2) found possible */
void pump_work(struct pump *pump, const struct pollfd polls[2]);

/** pump_done() - whether nothing will move any more */
bool pump_done(const struct pump *pump);

/** pump_empty() - whether all that was read has been written */
bool pump_empty(const struct pump *pump);

#endif
