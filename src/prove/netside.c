/* SPDX-License-Identifier: Apache-2.0 */
/* netside - the network of a party's machine, as the host sees it */
#include "prove/netside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sha256.h"
#include "base/str.h"
#include "linux/path.h"
#include "prove/child.h"
#include "prove/hostproc.h"

#define LOOK_MS     5000U
#define ROUTE_WIDTH 113

static void note_address(struct netside *side, const struct ifaddrs *at)
{
    if (strcmp(at->ifa_name, NET_INSIDE) != 0 || !at->ifa_addr)
        return;
    if (at->ifa_addr->sa_family == AF_INET) {
        struct in_addr address = ((const struct sockaddr_in *)(const void *)at->ifa_addr)->sin_addr;

        (void)inet_ntop(AF_INET, &address, side->ipv4, sizeof(side->ipv4));
        net_link_name(ntohl(address.s_addr) & 0xffff, side->link);
    }
    if (at->ifa_addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *address = (const void *)at->ifa_addr;

        if (!IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr))
            (void)inet_ntop(AF_INET6, &address->sin6_addr, side->ipv6, sizeof(side->ipv6));
    }
}

/* In the machine's network: reads the addresses of its link. */
static int look_body(void *data, int in, int out)
{
    struct netside side = {.ipv4 = ""};
    struct ifaddrs *all = NULL;
    char path[64];

    (void)in;
    if (str_format(path, sizeof(path), "/proc/%d/ns/net", *(const pid_t *)data) < 0)
        return 1;
    auto_close ns = open(path, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET) < 0 || getifaddrs(&all) < 0)
        return 1;
    for (const struct ifaddrs *at = all; at; at = at->ifa_next)
        note_address(&side, at);
    freeifaddrs(all);
    return fd_write_full(out, &side, sizeof(side)) < 0;
}

static ssize_t link_text(const char *link, const char *file, char *text, size_t size)
{
    char name[128];
    auto_close sys = path_root("/sys", O_RDONLY | O_DIRECTORY);
    int error = str_format(name, sizeof(name), "class/net/%s/%s", link, file);
    /* A class is a directory of links, which path_open() does not follow. */
    auto_close fd = error < 0 || sys < 0 ? -1 : openat(sys, name, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -errno : fd_read_full(fd, text, size - 1);

    text[length > 0 ? length : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return length;
}

int netside_look(pid_t init, struct netside *ret_side)
{
    struct child child = CHILD_NONE;
    int error = child_fork(look_body, &init, &child);

    if (error == 0)
        error = child_bytes(&child, ret_side, sizeof(*ret_side), LOOK_MS);
    (void)child_end(&child, LOOK_MS);
    if (error == 0 && (!ret_side->ipv4[0] || link_text(ret_side->link, "address", ret_side->mac,
                                                       sizeof(ret_side->mac)) < 0))
        error = -ENODEV;
    return error;
}

static uint64_t link_frames(const char *link, const char *counter)
{
    char name[64], text[32];
    uint64_t frames = 0;

    if (str_format(name, sizeof(name), "statistics/%s", counter) < 0 ||
        link_text(link, name, text, sizeof(text)) < 0 || str_u64(text, 0, UINT64_MAX, &frames) < 0)
        return 0;
    return frames;
}

/* Neighbours, routes and addresses of the network that @pid is in; of those that name @link only.
 */
static uint64_t belief_of(pid_t pid, const char *link)
{
    static const char *const files[] = {"net/arp", "net/route", "net/ipv6_route", "net/if_inet6"};
    static char text[65536];
    uint8_t digest[SHA256_SIZE];
    struct sha256 hash;
    uint64_t first = 0;

    sha256_init(&hash);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        ssize_t length = hostproc_text(pid, files[i], text, sizeof(text));
        /* How often a route of IPv6 was used stands behind this. */
        size_t most = strcmp(files[i], "net/ipv6_route") == 0 ? ROUTE_WIDTH : SIZE_MAX;

        for (char *line = text, *next; length > 0 && line; line = next) {
            next = strchr(line, '\n');
            if (next)
                *next++ = '\0';
            if (!link || strstr(line, link))
                sha256_add(&hash, line, strnlen(line, most));
        }
    }
    sha256_end(&hash, digest);
    memcpy(&first, digest, sizeof(first));
    return first;
}

struct netside_state netside_state(const struct netside *side, pid_t init)
{
    return (struct netside_state){.to_machine = link_frames(side->link, "tx_packets"),
                                  .from_machine = link_frames(side->link, "rx_packets"),
                                  .belief = belief_of(init, NULL),
                                  .host_belief = belief_of(getpid(), side->link)};
}
