/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink - messages to the kernel and their answers
 *
 * Several messages go in one batch, with one system call. The kernel answers those that failed, and
 * the last one, whose answer stands behind all others; the first error is what the caller gets. A
 * batch of nftables is one transaction: all of it or nothing.
 * Source: netlink(7), Documentation/userspace-api/netlink/intro.rst
 */
#ifndef CROFT_NET_NETLINK_H
#define CROFT_NET_NETLINK_H

#include "base/attrs.h"
#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One message stays below this: the length of a nested attribute has 16 bits. */
#define NETLINK_MESSAGE_MAX (32U * 1024U)
/* Messages of a batch of which each may fail: so many answers fit into the socket's buffer. */
#define NETLINK_FAILING_MAX 256U

struct netlink {
    struct mnl_socket *socket;
    uint32_t port; /* our address: notifications about what we did carry it */
    uint32_t sequence;
};

/*
 * Messages to be sent together
 * newest:      where the message begins that was begun last
 * first, last: sequence numbers; last: of the message that is acknowledged
 * transaction: of nftables, framed by a begin and an end
 * ignore:      an error that is none, as what it is about has gone by itself; set after the start
 */
struct netlink_batch {
    char *bytes;
    size_t size;
    size_t used;
    size_t newest;
    uint32_t first;
    uint32_t last;
    unsigned int count;  /* messages */
    unsigned int failed; /* of them; known when they were sent */
    int ignore;
    bool transaction;
    struct netlink *netlink;
};

void netlink_batch_cleanup(struct netlink_batch *batch);
#define auto_batch cleanup_with(netlink_batch_cleanup) struct netlink_batch

/**
 * netlink_open() - a socket for @family (NETLINK_ROUTE, NETLINK_NETFILTER)
 * @groups: bits of multicast groups, for notifications; the socket then does not block
 * Return: 0; -errno
 */
nodiscard int netlink_open(struct netlink *netlink, int family, uint32_t groups);

/** netlink_fd() - for the loop (borrowed) */
int netlink_fd(const struct netlink *netlink);

/** netlink_batch_start() - an empty batch; frees itself */
void netlink_batch_start(struct netlink_batch *batch, struct netlink *netlink, bool transaction);

/**
 * netlink_message() - adds a message with the family's own header of @extra_size bytes, zeroed
 * @flags: NLM_F_*; NLM_F_REQUEST is added
 * Return: the message, to which attributes are put before the next one is begun
 */
nodiscard struct nlmsghdr *netlink_message(struct netlink_batch *batch, uint16_t type,
                                           uint16_t flags, size_t extra_size);

/** netlink_message_end() - takes the length of the message that was begun last */
void netlink_message_end(struct netlink_batch *batch, const struct nlmsghdr *message);

/** netlink_commit() - sends all and waits until all was done. Return: 0; the first -errno */
nodiscard int netlink_commit(struct netlink_batch *batch);

/**
 * netlink_ask() - sends one request, calls @each for every message of the answer
 * @message: built by the caller, with its type, flags (NLM_F_DUMP or not) and length
 * @each:    returns MNL_CB_OK
 * Return: 0; -EINTR what was listed changed meanwhile: ask again; -errno
 */
nodiscard int netlink_ask(struct netlink *netlink, struct nlmsghdr *message, mnl_cb_t each,
                          void *data);

/* As libmnl's own mnl_attr_for_each() and mnl_attr_for_each_nested(), with no conversion unsaid.
 * @extra: size of the family's own header */
#define each_attribute(attribute, message, extra)                                                  \
    for ((attribute) = mnl_nlmsg_get_payload_offset(message, extra);                               \
         mnl_attr_ok(attribute, (int)((const char *)mnl_nlmsg_get_payload_tail(message) -          \
                                      (const char *)(attribute)));                                 \
         (attribute) = mnl_attr_next(attribute))
#define each_nested(attribute, nest)                                                               \
    for ((attribute) = mnl_attr_get_payload(nest); mnl_attr_ok(                                    \
             attribute, (int)((const char *)mnl_attr_get_payload(nest) +                           \
                              mnl_attr_get_payload_len(nest) - (const char *)(attribute)));        \
         (attribute) = mnl_attr_next(attribute))

/** netlink_align() - attributes and messages start at multiples of 4 */
static inline size_t netlink_align(size_t size)
{
    return (size + 3U) & ~(size_t)3U;
}

/** netlink_ok() - whether a whole message is among the @left bytes at @message */
static inline bool netlink_ok(const struct nlmsghdr *message, size_t left)
{
    return left >= sizeof(*message) && message->nlmsg_len >= sizeof(*message) &&
           message->nlmsg_len <= left;
}

/** netlink_next() - the message behind @message; @left becomes what is left from there */
static inline const struct nlmsghdr *netlink_next(const struct nlmsghdr *message, size_t *left)
{
    const size_t size = netlink_align(message->nlmsg_len);
    *left -= size < *left ? size : *left;
    return (const struct nlmsghdr *)(const void *)((const char *)message + size);
}

/* All messages of @bytes, as many as were received. */
#define each_message(message, left, bytes)                                                         \
    for ((message) = (const struct nlmsghdr *)(const void *)(bytes); netlink_ok(message, left);    \
         (message) = netlink_next(message, &(left)))

/** netlink_nft() - the type of a message of nftables */
#define netlink_nft(message) ((uint16_t)((NFNL_SUBSYS_NFTABLES << 8) | (message)))

#endif
