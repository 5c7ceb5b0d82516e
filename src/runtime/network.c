/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network - an instance's own network namespace, from its making to its default route
 *
 * Theory of operation
 *
 *   this process                                 monitor, croft-net
 *   READY_NETNS, with the namespace -----------> makes the link, its other end in the namespace,
 *   mounts, covers, enters the root              and its elements in the table
 *   waits  <------------------------------------ JOB_NETWORK
 *   addresses, neighbour, default routes
 *
 * What is set inside decides nothing: the walls are at the other end. The owner has no capability
 * over her network afterwards, so it also stays as it is.
 *
 * Runs as: root of the user namespace of her block
 */
#include "runtime/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/link.h"
#include "linux/path.h"
#include "wire/net.h"

static bool has_ipv6(const struct run *run);
static int await_link(void);
static int link_up(const struct run *run);

int network_offer(struct run *run)
{
    /* Nothing but its one address, which we give: no router is listened to. */
    static const char *const off[] = {
        "sys/net/ipv6/conf/default/accept_ra",
        "sys/net/ipv6/conf/default/autoconf",
    };
    /* Ping without a raw socket, for every group inside. */
    int rc = path_write_text(run->proc, "sys/net/ipv4/ping_group_range", "0 65535");
    if (rc < 0 || run->job.slot == 0)
        return rc;
    const size_t count = has_ipv6(run) ? ARRAY_LEN(off) : 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = path_write_text(run->proc, off[i], "0");
    if (rc < 0)
        return rc;
    auto_close namespace = path_own_ns("net");
    if (namespace < 0)
        return namespace;
    run_say(READY_NETNS, 0, namespace);
    return 0;
}

int network_set_up(struct run *run)
{
    if (sethostname(run->plan->name, strlen(run->plan->name)) < 0)
        return -errno;
    if (run->job.slot == 0)
        return link_loopback_up();
    int rc = await_link();
    return rc < 0 ? rc : link_up(run);
}

/* Without IPv6 in the kernel, or in this Croft, IPv4 alone does. */
static bool has_ipv6(const struct run *run)
{
    static const uint8_t none[sizeof(run->job.prefix.ipv6)];
    auto_close directory = path_open_xdev(run->proc, "sys/net/ipv6", O_PATH);
    return directory >= 0 && memcmp(run->job.prefix.ipv6, none, sizeof(none)) != 0;
}

static int await_link(void)
{
    char byte = 0;
    ssize_t got = fd_read_full(SPAWN_CHANNEL_FD, &byte, sizeof(byte));
    if (got == 0)
        _exit(0); /* the monitor thought better of it, or is gone */
    return got < 0 ? (int)got : byte == JOB_NETWORK ? 0 : -EPROTO;
}

static int link_up(const struct run *run)
{
    const struct net_prefix *prefix = &run->job.prefix;
    struct link_inside link = {
        .name = NET_INSIDE,
        .address4.s_addr = htonl(net_address4(prefix, run->job.slot)),
        .gateway4.s_addr = htonl(net_address4(prefix, NET_SLOT_GATEWAY)),
        .has_ipv6 = has_ipv6(run),
        .gateway6.s6_addr = {0xfe, 0x80, [15] = NET_SLOT_GATEWAY},
    };
    net_address6(prefix, run->job.slot, link.address6.s6_addr);
    net_mac(run->job.slot, 0, link.gateway_mac);
    return link_inside_up(&link);
}
