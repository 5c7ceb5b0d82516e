/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nlmsg - messages to the kernel over netlink
 *
 * Theory of operation
 * The kernel works through all messages of one send before that call returns, and answers each that
 * failed, and each that asks for it. Only the last one asks: its answer stands behind all others.
 */
#include "linux/nlmsg.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

/* An answer to a list comes in pieces of up to 32 KiB (netlink(7)). */
#define ANSWER_SIZE 32768U

static _Alignas(struct nlmsghdr) uint8_t answer[ANSWER_SIZE];

static struct nlmsghdr *last_message(struct nlmsg_batch *batch);
static void *append(struct nlmsg_batch *batch, size_t size);
static int send_batch(int sock, const struct nlmsg_batch *batch);
static ssize_t receive(int sock);
static int message_error(const struct nlmsghdr *message);

int nlmsg_open(int protocol)
{
    const int on = 1;
    auto_close sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (sock < 0)
        return -errno;
    /* An error need not carry the message that caused it back to us. */
    if (setsockopt(sock, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)) < 0)
        return -errno;
    return take_fd(&sock);
}

void nlmsg_begin(struct nlmsg_batch *batch, uint16_t type, uint16_t flags, const void *head,
                 size_t head_size)
{
    const struct nlmsghdr header = {
        .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = ++batch->count};
    batch->last = batch->used;
    memcpy(append(batch, NLMSG_HDRLEN), &header, sizeof(header));
    memcpy(append(batch, head_size), head, head_size);
}

void nlmsg_attribute(struct nlmsg_batch *batch, uint16_t type, const void *data, size_t size)
{
    const struct nlattr attribute = {.nla_len = (uint16_t)(sizeof(attribute) + size),
                                     .nla_type = type};
    memcpy(append(batch, sizeof(attribute)), &attribute, sizeof(attribute));
    memcpy(append(batch, size), data, size);
}

int nlmsg_exchange(int sock, struct nlmsg_batch *batch, uint32_t *ret_failed)
{
    uint32_t failed = 0;
    int first = 0;
    bool last = false;
    last_message(batch)->nlmsg_flags |= NLM_F_ACK;
    int rc = send_batch(sock, batch);
    while (rc == 0 && !last) {
        ssize_t got = receive(sock);
        const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)answer;
        if (got < 0 || !NLMSG_OK(message, (size_t)got) || message->nlmsg_type != NLMSG_ERROR)
            return got < 0 ? (int)got : -EPROTO;
        int error = message_error(message);
        failed += error != 0;
        first = first != 0 ? first : error;
        last = message->nlmsg_seq == batch->count;
    }
    if (ret_failed != NULL)
        *ret_failed = failed;
    return rc < 0 ? rc : first;
}

int nlmsg_dump(int sock, struct nlmsg_batch *batch,
               void (*each)(const struct nlmsghdr *message, void *data), void *data)
{
    bool interrupted = false;
    last_message(batch)->nlmsg_flags |= NLM_F_DUMP;
    int rc = send_batch(sock, batch);
    while (rc == 0) {
        ssize_t got = receive(sock);
        if (got < 0)
            return (int)got;
        size_t left = (size_t)got;
        const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)answer;
        for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
            interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
            if (message->nlmsg_type == NLMSG_DONE)
                return interrupted ? -EINTR : 0;
            if (message->nlmsg_type == NLMSG_ERROR)
                return message_error(message);
            each(message, data);
        }
    }
    return rc;
}

static struct nlmsghdr *last_message(struct nlmsg_batch *batch)
{
    return (struct nlmsghdr *)(void *)(batch->bytes + batch->last);
}

/* Room for @size bytes, aligned; the length of the message grows with it. */
static void *append(struct nlmsg_batch *batch, size_t size)
{
    const size_t aligned = NLMSG_ALIGN(size);
    if (aligned < size || aligned > sizeof(batch->bytes) - batch->used)
        croft_bug("a batch of netlink messages is too small");
    uint8_t *place = batch->bytes + batch->used;
    memset(place, 0, aligned);
    batch->used += aligned;
    if (place != batch->bytes + batch->last)
        last_message(batch)->nlmsg_len = (uint32_t)(batch->used - batch->last);
    return place;
}

static int send_batch(int sock, const struct nlmsg_batch *batch)
{
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    ssize_t sent = sendto(sock, batch->bytes, batch->used, 0, (const struct sockaddr *)&kernel,
                          sizeof(kernel));
    return sent < 0 ? -errno : 0;
}

/* Only the kernel may answer: whoever shares the namespace may send to this socket. */
static ssize_t receive(int sock)
{
    for (;;) {
        struct sockaddr_nl from = {.nl_family = AF_NETLINK};
        socklen_t size = sizeof(from);
        ssize_t got =
            recvfrom(sock, answer, sizeof(answer), MSG_TRUNC, (struct sockaddr *)&from, &size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if ((size_t)got > sizeof(answer))
            return -EMSGSIZE;
        if (from.nl_pid == 0)
            return got;
    }
}

static int message_error(const struct nlmsghdr *message)
{
    struct nlmsgerr error;
    if (message->nlmsg_len < NLMSG_LENGTH(sizeof(error)))
        return -EPROTO;
    memcpy(&error, NLMSG_DATA(message), sizeof(error));
    return error.error;
}
