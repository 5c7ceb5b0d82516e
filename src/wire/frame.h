/* SPDX-License-Identifier: Apache-2.0 */
/* frame - one message with its descriptors over a SOCK_SEQPACKET socket */
#ifndef CROFT_WIRE_FRAME_H
#define CROFT_WIRE_FRAME_H

#include "base/attrs.h"
#include "wire/limits.h"
#include <stddef.h>
#include <sys/types.h>

/* A received message's descriptors. frame_fds_cleanup() closes what nobody took. */
struct frame_fds {
    int fd[MESSAGE_FDS_MAX];
    size_t count;
};

void frame_fds_cleanup(struct frame_fds *fds);
#define auto_frame_fds cleanup_with(frame_fds_cleanup) struct frame_fds

/**
 * frame_send() - sends @head followed by @body as one message
 * @body:     may be NULL with @body_size 0
 * @fds:      borrowed; the receiver gets duplicates
 * Return: 0; -EAGAIN when a non-blocking socket is full; -errno. Never raises SIGPIPE.
 */
nodiscard int frame_send(int sock, const void *head, size_t head_size, const void *body,
                         size_t body_size, const int *fds, size_t fd_count);

/**
 * frame_recv() - receives one message
 * @ret_fds: filled with the descriptors that came, close-on-exec; NULL when none may come
 *
 * A message longer than @size, more descriptors than fit, or any descriptor when @ret_fds is
 * NULL: everything received is closed and -EPROTO returned.
 * Return: size of the message; 0 at end of file; -EAGAIN; -EPROTO; -errno
 */
nodiscard ssize_t frame_recv(int sock, void *buf, size_t size, struct frame_fds *ret_fds);

#endif
