/* SPDX-License-Identifier: Apache-2.0 */
/* hostnet - what the host itself uses of the network, from the texts that say so; pure, fuzzed */
#ifndef CROFT_CLI_HOSTNET_H
#define CROFT_CLI_HOSTNET_H

#include "base/attrs.h"
#include "wire/order.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOSTNET_RESOLVERS_MAX 3U /* as glibc reads, resolv.conf(5) */
#define HOSTNET_PROXIES_MAX   4U
#define HOSTNET_NAME_SIZE     256U

/* What could not be taken over, for a sentence each. */
enum hostnet_left_out {
    HOSTNET_LOOPBACK_RESOLVER = 1U << 0,
    HOSTNET_SCOPED_RESOLVER = 1U << 1, /* fe80::1%eth0: of one link of the host only */
    HOSTNET_LOOPBACK_PROXY = 1U << 2,
    HOSTNET_UNKNOWN_PROXY = 1U << 3, /* a name that is not found */
};

/* network: as root orders it; left_out: enum hostnet_left_out */
struct hostnet {
    struct order_network network;
    uint32_t left_out;
    uint32_t reserved;
};

/* A proxy as written; host: an address or a name. */
struct hostnet_proxy {
    char host[HOSTNET_NAME_SIZE];
    uint16_t port;
};

/** hostnet_resolvers() - adds those of a resolv.conf(5); before any proxy, as the order wants it */
void hostnet_resolvers(struct hostnet *net, const char *text, size_t size);

/**
 * hostnet_proxies() - finds apt's proxies in what `apt-config dump` prints
 * @ret_proxy: room for HOSTNET_PROXIES_MAX
 * Lines that are no proxy of http or https, or DIRECT, are skipped. Return: how many
 */
size_t hostnet_proxies(const char *text, size_t size, struct hostnet_proxy *ret_proxy);

/** hostnet_add_proxy() - adds one at @address (network byte order) to the services */
void hostnet_add_proxy(struct hostnet *net, const uint8_t *address, bool ipv6, uint16_t port);

#endif
