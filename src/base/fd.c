/* SPDX-License-Identifier: Apache-2.0 */
/* fd - descriptors that close themselves; every one is close-on-exec from birth */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

/* linux/magic.h has it only since 6.x headers. */
#ifndef PIPEFS_MAGIC
#define PIPEFS_MAGIC 0x50495045
#endif
#ifndef SOCKFS_MAGIC
#define SOCKFS_MAGIC 0x534F434B
#endif

/* More than any message carries; bounds the array that fd_place() keeps on its stack. */
#define FD_PLACE_MAX 64

static int fd_is_connected_unix_socket(int fd);

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

int fd_is_pipe_or_socket(int fd)
{
    struct statfs fs;
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fstatfs(fd, &fs) < 0)
        return -errno;
    if (flags & O_PATH)
        return 0;
    /* A named FIFO lives in the file system of its name, only an anonymous pipe in pipefs. */
    if (fs.f_type == PIPEFS_MAGIC)
        return 1;
    if (fs.f_type == SOCKFS_MAGIC)
        return fd_is_connected_unix_socket(fd);
    return 0;
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

static int fd_is_connected_unix_socket(int fd)
{
    struct sockaddr_storage peer;
    socklen_t peer_size = sizeof(peer);
    int domain = 0;
    socklen_t domain_size = sizeof(domain);

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_size) < 0)
        return -errno;
    if (domain != AF_UNIX)
        return 0;
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_size) < 0)
        return errno == ENOTCONN ? 0 : -errno;
    return 1;
}
