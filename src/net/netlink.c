/* SPDX-License-Identifier: Apache-2.0 */
/* netlink - messages to the kernel and their answers */
#include "net/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/err.h"
#include "base/mem.h"

#define RECEIVE_SIZE (64U * 1024U)
/* The kernel answers at once; what takes longer is a broken kernel. */
#define ANSWER_TIMEOUT_S 10
/* What the notifications of a flood may take before the kernel says that some were lost. */
#define WATCH_BUFFER_BYTES (1024 * 1024)

static void frame(struct netlink_batch *batch, uint16_t type);
static int receive_answers(struct netlink_batch *batch);

int netlink_open(struct netlink *netlink, int family, uint32_t groups)
{
    const struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
    const int one = 1;
    const int buffer = WATCH_BUFFER_BYTES;

    netlink->socket = mnl_socket_open2(family, SOCK_CLOEXEC | (groups != 0 ? SOCK_NONBLOCK : 0));
    if (netlink->socket == NULL)
        return -errno;
    int fd = mnl_socket_get_fd(netlink->socket);
    if (mnl_socket_bind(netlink->socket, groups, MNL_SOCKET_AUTOPID) < 0)
        return -errno;
    /* An error does not bring back the whole message it is about. */
    if (mnl_socket_setsockopt(netlink->socket, NETLINK_CAP_ACK, (void *)(uintptr_t)&one,
                              sizeof(one)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) < 0)
        return -errno;
    netlink->port = mnl_socket_get_portid(netlink->socket);
    netlink->sequence = 0;
    return 0;
}

int netlink_fd(const struct netlink *netlink)
{
    return mnl_socket_get_fd(netlink->socket);
}

void netlink_batch_start(struct netlink_batch *batch, struct netlink *netlink, bool transaction)
{
    *batch = (struct netlink_batch){.netlink = netlink, .transaction = transaction};
    batch->first = netlink->sequence + 1;
    if (transaction)
        frame(batch, NFNL_MSG_BATCH_BEGIN);
}

void netlink_batch_cleanup(struct netlink_batch *batch)
{
    free(batch->bytes);
    batch->bytes = NULL;
}

struct nlmsghdr *netlink_message(struct netlink_batch *batch, uint16_t type, uint16_t flags,
                                 size_t extra_size)
{
    const size_t need = batch->used + 2 * (size_t)NETLINK_MESSAGE_MAX;

    if (batch->size < need) {
        batch->size = need + batch->size / 2;
        batch->bytes = mem_grow(batch->bytes, batch->size, 1);
    }
    struct nlmsghdr *message = mnl_nlmsg_put_header(batch->bytes + batch->used);
    message->nlmsg_type = type;
    message->nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST);
    message->nlmsg_seq = ++batch->netlink->sequence;
    memset(mnl_nlmsg_put_extra_header(message, extra_size), 0, extra_size);
    batch->newest = batch->used;
    batch->count++;
    return message;
}

void netlink_message_end(struct netlink_batch *batch, const struct nlmsghdr *message)
{
    batch->used += netlink_align(message->nlmsg_len);
    if (batch->used > batch->size)
        croft_bug("a message is longer than its room");
}

int netlink_commit(struct netlink_batch *batch)
{
    const int fd = netlink_fd(batch->netlink);
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

    if (batch->count == 0)
        return 0;
    struct nlmsghdr *last = (struct nlmsghdr *)(void *)(batch->bytes + batch->newest);
    last->nlmsg_flags |= NLM_F_ACK;
    batch->last = last->nlmsg_seq;
    if (batch->transaction)
        frame(batch, NFNL_MSG_BATCH_END);
    if (batch->used > NETLINK_MESSAGE_MAX) {
        const int room = (int)(batch->used + batch->used / 2);
        if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
            return -errno;
    }
    if (sendto(fd, batch->bytes, batch->used, 0, (const struct sockaddr *)&kernel, sizeof(kernel)) <
        0)
        return -errno;
    return receive_answers(batch);
}

int netlink_ask(struct netlink *netlink, struct nlmsghdr *message, mnl_cb_t each, void *data)
{
    static char answer[RECEIVE_SIZE];

    message->nlmsg_flags |= NLM_F_REQUEST;
    /* What is no list ends with its acknowledgement. */
    if ((message->nlmsg_flags & NLM_F_DUMP) == 0)
        message->nlmsg_flags |= NLM_F_ACK;
    message->nlmsg_seq = ++netlink->sequence;
    if (mnl_socket_sendto(netlink->socket, message, message->nlmsg_len) < 0)
        return -errno;
    for (;;) {
        ssize_t got = mnl_socket_recvfrom(netlink->socket, answer, sizeof(answer));
        if (got < 0)
            return -errno;
        const struct nlmsghdr *head = (const struct nlmsghdr *)(const void *)answer;
        /* Left over from a question that was given up. */
        if ((size_t)got >= sizeof(*head) && head->nlmsg_seq != message->nlmsg_seq)
            continue;
        int more = mnl_cb_run(answer, (size_t)got, message->nlmsg_seq, netlink->port, each, data);
        if (more <= 0)
            return more < 0 ? -errno : 0;
    }
}

static void frame(struct netlink_batch *batch, uint16_t type)
{
    struct nlmsghdr *message = netlink_message(batch, type, 0, sizeof(struct nfgenmsg));
    struct nfgenmsg *generic = mnl_nlmsg_get_payload(message);

    generic->version = NFNETLINK_V0;
    generic->res_id = htons(NFNL_SUBSYS_NFTABLES);
    batch->count--;
    netlink_message_end(batch, message);
}

/* The last message is answered, but of a transaction that fails as a whole: then its begin is. */
static int receive_answers(struct netlink_batch *batch)
{
    static char answer[RECEIVE_SIZE];
    int first_error = 0;

    for (;;) {
        ssize_t got = mnl_socket_recvfrom(batch->netlink->socket, answer, sizeof(answer));
        if (got < 0)
            return -errno;
        const struct nlmsghdr *message;
        size_t left = (size_t)got;
        each_message (message, left, answer) {
            const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
            /* Unsigned distance, as the numbers wrap around. */
            if (message->nlmsg_type != NLMSG_ERROR ||
                message->nlmsg_seq - batch->first > batch->last - batch->first)
                continue;
            batch->failed += error->error != 0;
            if (first_error == 0 && error->error != batch->ignore)
                first_error = error->error;
            if (message->nlmsg_seq == batch->last ||
                (batch->transaction && message->nlmsg_seq == batch->first))
                return first_error;
        }
    }
}
