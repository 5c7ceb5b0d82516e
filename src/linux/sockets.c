/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockets - the TCP and UDP sockets of the own network namespace
 *
 * Theory of operation
 * The kernel lists sockets by family, states and ports; addresses are compared here. A connection
 * over IPv4 is listed under AF_INET6 when the program opened an IPv6 socket: its addresses are then
 * IPv4-mapped. What is found is ended by its cookie, so that a socket which took the place of one
 * that is gone is not met. A list misses what moves while it is read, hence the second look.
 */
#include "linux/sockets.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <stdbool.h>
#include <string.h>

#include "base/fd.h"
#include "linux/nlmsg.h"

/* States as TCP numbers them (<netinet/tcp.h>); UDP uses the first and CLOSE. TIME_WAIT is nobody's
 * any more. */
#define STATE(state)         (1U << (state))
#define STATES_LISTENING_TCP STATE(10)
#define STATES_LISTENING_UDP STATE(7)
#define STATES_CONNECTED                                                                           \
    (STATE(1) | STATE(2) | STATE(3) | STATE(4) | STATE(5) | STATE(8) | STATE(9) | STATE(11) |      \
     STATE(12))
#define ROUNDS_MAX 32
#define FOUND_MAX  4096U
#define BATCH_MAX  28U

_Static_assert(BATCH_MAX *(NLMSG_HDRLEN + sizeof(struct inet_diag_req_v2)) <= NLMSG_BATCH_SIZE,
               "a batch holds that many");

struct found {
    uint8_t family;
    struct inet_diag_sockid id;
};

struct search {
    const struct sockets_wanted *wanted;
    size_t count;
    struct found found[FOUND_MAX];
};

struct listeners {
    uint32_t all;
    uint32_t loopback;
};

static int list(int sock, uint8_t family, uint8_t protocol, uint32_t states, uint16_t local_port,
                uint16_t remote_port, void (*each)(const struct nlmsghdr *message, void *data),
                void *data);
static void on_listening(const struct nlmsghdr *message, void *data);
static void on_connected(const struct nlmsghdr *message, void *data);
static bool read_socket(const struct nlmsghdr *message, struct inet_diag_msg *ret_socket);
static bool is_remote(const struct sockets_wanted *wanted, const struct inet_diag_msg *socket);
static int destroy_found(int sock, const struct search *search, uint32_t *destroyed);

static const uint8_t families[] = {AF_INET, AF_INET6};

int sockets_listening(uint8_t protocol, uint16_t port, uint32_t *ret_all, uint32_t *ret_loopback)
{
    const uint32_t states = protocol == IPPROTO_TCP ? STATES_LISTENING_TCP : STATES_LISTENING_UDP;
    struct listeners listeners = {.all = 0};
    auto_close sock = nlmsg_open(NETLINK_SOCK_DIAG);
    int rc = sock < 0 ? sock : 0;
    for (size_t i = 0; i < ARRAY_LEN(families) && rc == 0; i++)
        rc = list(sock, families[i], protocol, states, port, 0, on_listening, &listeners);
    if (rc < 0)
        return rc;
    *ret_all = listeners.all;
    *ret_loopback = listeners.loopback;
    return 0;
}

int sockets_destroy(const struct sockets_wanted *wanted, uint32_t *ret_count)
{
    static struct search search;
    uint32_t total = 0;
    auto_close sock = nlmsg_open(NETLINK_SOCK_DIAG);
    int rc = sock < 0 ? sock : 0;
    for (int round = 0; round < ROUNDS_MAX && rc == 0; round++) {
        uint32_t destroyed = 0;
        search.wanted = wanted;
        search.count = 0;
        for (size_t i = 0; i < ARRAY_LEN(families) && rc == 0; i++)
            rc = list(sock, families[i], wanted->protocol, STATES_CONNECTED, wanted->local_port,
                      wanted->remote_port, on_connected, &search);
        if (rc == 0 && search.count == 0)
            break;
        if (rc == 0)
            rc = destroy_found(sock, &search, &destroyed);
        total += destroyed;
    }
    if (rc < 0)
        return rc;
    *ret_count = total;
    return 0;
}

static int list(int sock, uint8_t family, uint8_t protocol, uint32_t states, uint16_t local_port,
                uint16_t remote_port, void (*each)(const struct nlmsghdr *message, void *data),
                void *data)
{
    struct nlmsg_batch batch = {.used = 0};
    const struct inet_diag_req_v2 request = {
        .sdiag_family = family,
        .sdiag_protocol = protocol,
        .idiag_states = states,
        .id = {.idiag_sport = htons(local_port), .idiag_dport = htons(remote_port)},
    };
    nlmsg_begin(&batch, SOCK_DIAG_BY_FAMILY, 0, &request, sizeof(request));
    return nlmsg_dump(sock, &batch, each, data);
}

static void on_listening(const struct nlmsghdr *message, void *data)
{
    struct listeners *listeners = data;
    struct inet_diag_msg socket;
    struct in6_addr local;
    bool loopback = false;
    if (!read_socket(message, &socket))
        return;
    memcpy(&local, socket.id.idiag_src, sizeof(local));
    if (socket.idiag_family == AF_INET)
        loopback = local.s6_addr[0] == IN_LOOPBACKNET;
    else if (IN6_IS_ADDR_V4MAPPED(&local))
        loopback = local.s6_addr[12] == IN_LOOPBACKNET;
    else
        loopback = IN6_IS_ADDR_LOOPBACK(&local);
    if (loopback)
        listeners->loopback++;
    else
        listeners->all++;
}

static void on_connected(const struct nlmsghdr *message, void *data)
{
    struct search *search = data;
    struct inet_diag_msg socket;
    if (!read_socket(message, &socket) || search->count == FOUND_MAX)
        return;
    if (!is_remote(search->wanted, &socket))
        return;
    search->found[search->count++] = (struct found){.family = socket.idiag_family, .id = socket.id};
}

static bool read_socket(const struct nlmsghdr *message, struct inet_diag_msg *ret_socket)
{
    if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*ret_socket)))
        return false;
    memcpy(ret_socket, NLMSG_DATA(message), sizeof(*ret_socket));
    return true;
}

static bool is_remote(const struct sockets_wanted *wanted, const struct inet_diag_msg *socket)
{
    struct in6_addr remote;
    struct in_addr remote4;
    memcpy(&remote, socket->id.idiag_dst, sizeof(remote));
    bool is_ipv6 = socket->idiag_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&remote);
    memcpy(&remote4, &socket->id.idiag_dst[socket->idiag_family == AF_INET ? 0 : 3],
           sizeof(remote4));
    for (size_t i = 0; i < wanted->remote_count; i++) {
        const struct sockets_host *host = &wanted->remote[i];
        if (is_ipv6 ? IN6_ARE_ADDR_EQUAL(&remote, &host->address6)
                    : remote4.s_addr == host->address4.s_addr)
            return true;
    }
    return false;
}

/* What ended by itself in between is no failure. */
static int destroy_found(int sock, const struct search *search, uint32_t *destroyed)
{
    for (size_t next = 0; next < search->count;) {
        struct nlmsg_batch batch = {.used = 0};
        uint32_t failed = 0;
        for (; batch.count < BATCH_MAX && next < search->count; next++) {
            const struct inet_diag_req_v2 request = {
                .sdiag_family = search->found[next].family,
                .sdiag_protocol = search->wanted->protocol,
                .id = search->found[next].id,
            };
            nlmsg_begin(&batch, SOCK_DESTROY, 0, &request, sizeof(request));
        }
        int rc = nlmsg_exchange(sock, &batch, &failed);
        if (rc < 0 && failed == batch.count && rc != -ENOENT)
            return rc;
        *destroyed += batch.count - failed;
    }
    return 0;
}
