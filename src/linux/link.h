/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link - the inside end of a machine's network link
 * Source: rtnetlink(7), <linux/if_link.h>
 */
#ifndef CROFT_LINUX_LINK_H
#define CROFT_LINUX_LINK_H

#include "base/attrs.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* Everything goes through the gateway: the other end of the link, which has @gateway_mac. */
struct link_inside {
    const char *name;
    struct in_addr address4;
    struct in_addr gateway4;
    bool has_ipv6;
    struct in6_addr address6;
    struct in6_addr gateway6;
    uint8_t gateway_mac[6];
};

/** link_loopback_up() - sets lo up in the own network namespace. Return: 0; -errno */
nodiscard int link_loopback_up(void);

/**
 * link_inside_up() - lo, and the link with its addresses, neighbours and default routes
 *
 * The other end answers no ARP and no neighbour discovery: its address is set for good.
 * Runs as: CAP_NET_ADMIN of the own network namespace
 * Return: 0; -ENODEV there is no such link; -errno
 */
nodiscard int link_inside_up(const struct link_inside *link);

#endif
