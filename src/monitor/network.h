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
#include "monitor/netlook.h"
#include "wire/net.h"
#include "wire/order.h"
#include <stdbool.h>

struct monitor;
struct request;
struct user;
struct network_asked;

/*
 * asked:    what was asked and is not answered, in order; unsent: the first that waits for room
 * deadline: of the answer to the first
 * broken:   ends the channel as soon as nobody is at work with it
 * prefix:   of this host; ipv6: the host has it, so machines do
 * services: as root told them, from the records
 * synced:   croft-net knows all there is to know
 * orphans:  asked of one that ended; orphans_timer: until when they wait for the next
 */
struct network {
    struct loop_source source; /* fd -1: no croft-net */
    struct network_asked *asked;
    struct network_asked *asked_last;
    struct network_asked *unsent;
    struct network_asked *orphans;
    struct loop_timer orphans_timer;
    struct loop_timer deadline;
    struct loop_timer broken;
    struct net_prefix prefix;
    bool ipv6;
    struct order_network services;
    uint64_t next_token;
    bool synced;
    bool armed; /* waits for room in the channel */
    uint32_t generation;
    struct netlook look;
};

/*
 * @reply NULL: croft-net ended before it answered. Called when the next one was told all that is
 * true by then and has answered to it (network.synced), or when none did in time (then not synced)
 */
typedef void (*network_done_fn)(void *data, const struct net_reply *reply);

/** network_init() - no croft-net yet. */
void network_init(struct monitor *monitor);

/** network_open() - reads the nets of this host, or makes them once. Return: 0; outcome */
nodiscard int network_open(struct monitor *monitor, struct err *err);

/** network_inside() - the nets as a machine has them: of IPv6 zeroes where the host has none */
struct net_prefix network_inside(const struct monitor *monitor);

/** network_attach() - a croft-net was started: tells it everything on @channel (consumed) */
void network_attach(struct monitor *monitor, int channel);

/** network_resync() - @why: croft-net is started again, and told everything anew */
void network_resync(struct monitor *monitor, const char *why);

/**
 * network_ask() - sends @request; version and token are filled in
 * @fd:   sent with it (borrowed); -1: none
 * @done: called once with the answer, never from within this call; may be NULL
 * Return: 0; -ENOTCONN no croft-net now: it will be told all when it comes; -errno
 */
nodiscard int network_ask(struct monitor *monitor, const struct net_request *request, int fd,
                          network_done_fn done, void *data);

/** network_tell() - as network_ask(); one that cannot be asked is told all when it comes */
void network_tell(struct monitor *monitor, const struct net_request *request, int fd,
                  network_done_fn done, void *data);

/** network_forget() - @data is about to be freed: its answers are dropped */
void network_forget(struct monitor *monitor, const void *data);

/** network_user() - tells croft-net her limits; network_user_gone() - that she is no more */
void network_user(struct user *user);
void network_user_gone(struct user *user);

/** network_recorded() - replay of a RECORD_HOST_NETWORK */
void network_recorded(struct monitor *monitor, const void *payload, size_t payload_size);

/* Orders; see orders.c. */
nodiscard int network_order_host(struct request *request, struct user *user, struct err *err);

#endif
