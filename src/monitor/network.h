/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network - the monitor's end of croft-net: what it is told, and what it answers
 *
 * croft-net may end at any time and is started again by croft-super. It is then told everything
 * anew: the users, the services, the links of what runs (slots), the grants (grants_tell_all()).
 */
#ifndef CROFT_MONITOR_NETWORK_H
#define CROFT_MONITOR_NETWORK_H

#include "base/loop.h"
#include "wire/net.h"
#include "wire/order.h"
#include <stdbool.h>

struct monitor;
struct instance;
struct request;
struct user;
struct network_asked;

/* synced: croft-net knows all there is to know; services: as root told them, from the records */
struct network {
    struct loop_source source; /* fd -1: no croft-net */
    struct network_asked *asked;
    struct network_asked *asked_last;
    struct net_prefix prefix;
    struct order_network services;
    uint64_t next_token;
    bool synced;
    struct net_counts counts;
    uint32_t generation;
};

/* @reply NULL: croft-net ended before it answered; what is still true was told to the next one */
typedef void (*network_done_fn)(void *data, const struct net_reply *reply);

/** network_init() - no croft-net yet. */
void network_init(struct monitor *monitor);

/** network_attach() - a croft-net was started: tells it everything on @channel (consumed) */
void network_attach(struct monitor *monitor, int channel);

/**
 * network_ask() - sends @request; version and token are filled in
 * @fd:   sent with it (borrowed); -1: none
 * @done: called once with the answer, never from within this call; may be NULL
 * Return: 0; -ENOTCONN no croft-net now: it will be told all when it comes; -errno
 */
nodiscard int network_ask(struct monitor *monitor, const struct net_request *request, int fd,
                          network_done_fn done, void *data);

/** network_forget() - @data is about to be freed: its answers are dropped */
void network_forget(struct monitor *monitor, const void *data);

/** network_user() - tells croft-net her limits; network_user_gone() - that she is no more */
void network_user(struct user *user);
void network_user_gone(struct user *user);

/* Orders; see orders.c. */
nodiscard int network_order_host(struct request *request, struct user *user, struct err *err);

#endif
