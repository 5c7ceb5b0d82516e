/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockets - the TCP and UDP sockets of the own network namespace: who listens, and ending them
 * Source: sock_diag(7), <linux/inet_diag.h>
 */
#ifndef CROFT_LINUX_SOCKETS_H
#define CROFT_LINUX_SOCKETS_H

#include "base/attrs.h"
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* A machine, as both families name it. */
struct sockets_host {
    struct in_addr address4;
    struct in6_addr address6;
};

/* Connections of @protocol from @local_port to @remote_port (0: any) of one of @remote. */
struct sockets_wanted {
    uint8_t protocol;
    uint16_t local_port;
    uint16_t remote_port;
    const struct sockets_host *remote;
    size_t remote_count;
};

/**
 * sockets_listening() - who waits for what comes to @port
 * @ret_all:      sockets that others can reach
 * @ret_loopback: sockets bound to a loopback address
 * Return: 0; -errno
 */
nodiscard int sockets_listening(uint8_t protocol, uint16_t port, uint32_t *ret_all,
                                uint32_t *ret_loopback);

/**
 * sockets_destroy() - ends the connections that match, whoever holds them: what next uses one gets
 * ECONNABORTED; a listening socket and one without a connection stay
 *
 * Looks again until there is none; somebody who makes new ones all the time is left to the walls.
 * Runs as: CAP_NET_ADMIN of the own network namespace
 * Return: 0; -EOPNOTSUPP the kernel cannot (CONFIG_INET_DIAG_DESTROY); -errno
 */
nodiscard int sockets_destroy(const struct sockets_wanted *wanted, uint32_t *ret_count);

#endif
