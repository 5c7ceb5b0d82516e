/* SPDX-License-Identifier: Apache-2.0 */
/* fd - descriptors that close themselves; every one is close-on-exec from birth */
#ifndef CROFT_BASE_FD_H
#define CROFT_BASE_FD_H

#include "base/attrs.h"
#include <stddef.h>
#include <sys/types.h>

void fd_cleanup(int *fd);
/* Declares a descriptor that is closed when its scope ends; -1 owns nothing. */
#define auto_close cleanup_with(fd_cleanup) int

/** take_fd() - hands a descriptor over: returns it and leaves -1 behind */
static inline int take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

/** fd_close() - closes and sets to -1; -1 is fine */
void fd_close(int *fd);

/** fd_read_full() - reads until @size bytes or end of file. Return: bytes read; -errno */
nodiscard ssize_t fd_read_full(int fd, void *buf, size_t size);

/** fd_write_full() - writes all of @buf. Return: 0; -errno */
nodiscard int fd_write_full(int fd, const void *buf, size_t size);

/** fd_set_nonblock() - Return: 0; -errno */
nodiscard int fd_set_nonblock(int fd);

/**
 * fd_is_pipe() - whether @fd is an anonymous pipe, not a named FIFO, a socket, a terminal, a
 * directory or a file
 *
 * Asks no file system that @fd may lie on: a stranger's may never answer.
 * Source:  fcntl(2) F_GETPIPE_SZ, statx(2) AT_STATX_DONT_SYNC
 * Return: 1 yes; 0 no; -errno
 */
nodiscard int fd_is_pipe(int fd);

/**
 * fd_place() - makes fds[i] be descriptor first + i for all i and closes every other one from
 * @first on (and keeps 0 .. first-1 as they are)
 * @fds: descriptors, all >= 0; consumed
 *
 * Used between fork and exec, so it allocates nothing. The placed ones are NOT close-on-exec.
 * Return: 0; -errno
 */
nodiscard int fd_place(int first, const int *fds, size_t count);

#endif
