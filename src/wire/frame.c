/* SPDX-License-Identifier: Apache-2.0 */
/* frame - one message with its descriptors over a SOCK_SEQPACKET socket */
#include "wire/frame.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/fd.h"

/* The kernel wants it aligned as a struct cmsghdr. */
union frame_control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int) * MESSAGE_FDS_MAX)];
};

static bool frame_take_fds(struct msghdr *message, struct frame_fds *fds);
static void frame_fd_close(int fd);

void frame_fds_cleanup(struct frame_fds *fds)
{
    size_t i;

    for (i = 0; i < fds->count; i++)
        frame_fd_close(fds->fd[i]);
    fds->count = 0;
}

/*
 * A stranger's socket may ask that close() waits until its data are read (SO_LINGER), which would
 * stop whoever closes it for as long as the stranger likes.
 */
static void frame_fd_close(int fd)
{
    const struct linger none = {.l_onoff = 0};

    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)) < 0 && errno != ENOTSOCK)
        errno = 0; /* a socket of a kind that does not linger */
    fd_close(&fd);
}

int frame_send(int sock, const void *head, size_t head_size, const void *body, size_t body_size,
               const int *fds, size_t fd_count)
{
    union frame_control control = {.bytes = {0}};
    struct iovec part[2] = {{.iov_base = (void *)(uintptr_t)head, .iov_len = head_size},
                            {.iov_base = (void *)(uintptr_t)body, .iov_len = body_size}};
    struct msghdr message = {.msg_iov = part, .msg_iovlen = body_size ? 2 : 1};
    ssize_t sent;

    if (fd_count > MESSAGE_FDS_MAX || head_size > MESSAGE_SIZE_MAX ||
        body_size > MESSAGE_SIZE_MAX - head_size)
        return -EMSGSIZE;
    if (fd_count) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(&control.head), fds, sizeof(int) * fd_count);
    }
    do
        sent = sendmsg(sock, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return -errno;
    return (size_t)sent == head_size + body_size ? 0 : -EPROTO;
}

ssize_t frame_recv(int sock, void *buf, size_t size, struct frame_fds *ret_fds)
{
    union frame_control control;
    auto_frame_fds came = {.count = 0};
    struct iovec part = {.iov_base = buf, .iov_len = size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    bool sound;
    ssize_t got;

    do
        got = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    sound = frame_take_fds(&message, &came);
    if (!sound || message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        return -EPROTO;
    /* An empty message looks like the end of file, so descriptors that come with it are refused. */
    if (came.count && (!ret_fds || got == 0))
        return -EPROTO;
    if (ret_fds) {
        *ret_fds = came;
        came.count = 0;
    }
    return got;
}

/* Collects every descriptor of @message; false when it holds anything else. */
static bool frame_take_fds(struct msghdr *message, struct frame_fds *fds)
{
    struct cmsghdr *item;
    bool sound = true;

    for (item = CMSG_FIRSTHDR(message); item; item = CMSG_NXTHDR(message, item)) {
        const unsigned char *data = CMSG_DATA(item);
        size_t data_size = item->cmsg_len - CMSG_LEN(0);

        if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) {
            sound = false;
            continue;
        }
        for (; data_size >= sizeof(int); data += sizeof(int), data_size -= sizeof(int)) {
            int fd;

            memcpy(&fd, data, sizeof(fd));
            if (fds->count < MESSAGE_FDS_MAX) {
                fds->fd[fds->count++] = fd;
                continue;
            }
            frame_fd_close(fd);
            sound = false;
        }
    }
    return sound;
}
