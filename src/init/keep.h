/* SPDX-License-Identifier: Apache-2.0 */
/* keep - keeps what the command prints in two files in turn; wire/logfile.h has their form */
#ifndef CROFT_INIT_KEEP_H
#define CROFT_INIT_KEEP_H

#include <stddef.h>
#include <stdint.h>

/*
 * fd:      the two files, open for reading and writing
 * current: which of them is written
 * size:    of the current one; 0: not begun
 * dropped: bytes that could not be written since the last that could
 */
struct keep {
    int fd[2];
    unsigned int current;
    uint64_t seq;
    uint64_t size;
    uint64_t dropped;
};

/** keep_open() - goes on where the files end; what is no log of ours is begun anew */
void keep_open(struct keep *keep, int first, int second);

/**
 * keep_write() - adds @bytes
 * Never fails and never waits for space: what a full disk refuses is counted, and a line says so
 * as soon as there is space again.
 */
void keep_write(struct keep *keep, const char *bytes, size_t size);

#endif
