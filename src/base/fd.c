/* SPDX-License-Identifier: Apache-2.0 */
/* fd - descriptors that close themselves; every one is close-on-exec from birth */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* More than any message carries; bounds the array that fd_place() keeps on its stack. */
#define FD_PLACE_MAX 64

void fd_cleanup(int *fd)
{
    fd_close(fd);
}

void fd_close(int *fd)
{
    int saved_errno = errno;

    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = saved_errno;
}

ssize_t fd_read_full(int fd, void *buf, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got = read(fd, (char *)buf + done, size - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

int fd_write_full(int fd, const void *buf, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t put = write(fd, (const char *)buf + done, size - done);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        done += (size_t)put;
    }
    return 0;
}

int fd_set_nonblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return 0;
}

int fd_is_pipe(int fd)
{
    struct statx ours;
    struct statx theirs;
    auto_close reader = -1;
    auto_close writer = -1;
    int pair[2];

    if (fcntl(fd, F_GETFL) < 0)
        return -errno;
    /* The kernel answers this for pipes and named FIFOs alone, and asks no file system. */
    if (fcntl(fd, F_GETPIPE_SZ) < 0)
        return 0;
    if (pipe2(pair, O_CLOEXEC) < 0)
        return -errno;
    reader = pair[0];
    writer = pair[1];
    /* A named FIFO lives in the file system of its name, all anonymous pipes in one of their own.
     */
    if (statx(reader, "", AT_EMPTY_PATH, STATX_TYPE, &ours) < 0 ||
        statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &theirs) < 0)
        return -errno;
    return ours.stx_dev_major == theirs.stx_dev_major && ours.stx_dev_minor == theirs.stx_dev_minor;
}

int fd_place(int first, const int *fds, size_t count)
{
    int high[FD_PLACE_MAX];
    size_t i;

    if (count > FD_PLACE_MAX)
        return -E2BIG;
    /* First all out of the way of the places, so that no place overwrites one still needed. */
    for (i = 0; i < count; i++) {
        high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, first + (int)count);
        if (high[i] < 0)
            return -errno;
    }
    for (i = 0; i < count; i++)
        if (dup2(high[i], first + (int)i) < 0)
            return -errno;
    if (close_range((unsigned int)first + (unsigned int)count, ~0U, 0) < 0)
        return -errno;
    return 0;
}
