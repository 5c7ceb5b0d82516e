/* SPDX-License-Identifier: Apache-2.0 */
/* netside - the network of a party's machine, as the host sees it: where every N row looks */
#ifndef CROFT_PROVE_NETSIDE_H
#define CROFT_PROVE_NETSIDE_H

#include "base/attrs.h"
#include "wire/net.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * ipv4, ipv6: addresses of its one link as text; "" none
 * link:       the outside end, on the host
 * mac:        of the outside end, as text
 */
struct netside {
    char ipv4[INET_ADDRSTRLEN];
    char ipv6[INET6_ADDRSTRLEN];
    char link[NET_LINK_NAME_SIZE];
    char mac[18];
};

/* What a link has carried and what a machine believes about its neighbours. */
struct netside_state {
    uint64_t to_machine; /* frames */
    uint64_t from_machine;
    uint64_t belief;      /* one number over its addresses, routes and neighbours */
    uint64_t host_belief; /* the same of the host, as far as it is about the link */
};

/** netside_look() - of the machine whose pid 1 is @init. Return: 0; -ENODEV it has no network */
nodiscard int netside_look(pid_t init, struct netside *ret_side);

/** netside_state() - now. @init: pid 1 of the machine */
struct netside_state netside_state(const struct netside *side, pid_t init);

#endif
