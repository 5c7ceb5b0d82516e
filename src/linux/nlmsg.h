/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nlmsg - messages to the kernel over netlink: many in one send, and whether one of them failed
 *
 * Nothing is allocated. A batch that is too small for what its caller puts in is a bug.
 * Source: netlink(7)
 */
#ifndef CROFT_LINUX_NLMSG_H
#define CROFT_LINUX_NLMSG_H

#include "base/attrs.h"
#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

#define NLMSG_BATCH_SIZE 2048U

/* used: bytes; last: offset of the message being put together; count: messages */
struct nlmsg_batch {
    size_t used;
    size_t last;
    uint32_t count;
    _Alignas(struct nlmsghdr) uint8_t bytes[NLMSG_BATCH_SIZE];
};

/** nlmsg_open() - a netlink socket of @protocol in the own network namespace. Return: descriptor
 * (caller owns); -errno */
nodiscard int nlmsg_open(int protocol);

/** nlmsg_begin() - adds a message to @batch (first used with zeroes); @head is copied behind its
 * header */
void nlmsg_begin(struct nlmsg_batch *batch, uint16_t type, uint16_t flags, const void *head,
                 size_t head_size);

/** nlmsg_attribute() - adds an attribute to the last message */
void nlmsg_attribute(struct nlmsg_batch *batch, uint16_t type, const void *data, size_t size);

/**
 * nlmsg_exchange() - sends @batch and waits until the kernel has done all of it, in order
 *
 * A message that fails does not keep the next ones from being done.
 * @ret_failed: how many failed; may be NULL
 * Return: 0; the first failure, -errno
 */
nodiscard int nlmsg_exchange(int sock, struct nlmsg_batch *batch, uint32_t *ret_failed);

/** nlmsg_dump() - sends the one message of @batch, which asks for a list, and calls @each with the
 * messages of the answer. Return: 0; -EINTR the list changed while it was read; -errno */
nodiscard int nlmsg_dump(int sock, struct nlmsg_batch *batch,
                         void (*each)(const struct nlmsghdr *message, void *data), void *data);

#endif
