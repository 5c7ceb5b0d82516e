/* SPDX-License-Identifier: Apache-2.0 */
/* test_sockets - listeners and connections of a network namespace of the test's own */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/link.h"
#include "linux/nlmsg.h"
#include "linux/sockets.h"

#define PORT  5432
#define OTHER 5433

/* On lo: the server is .1, clients are .2 and .3. */
static const char *const hosts4[] = {"100.96.0.1", "100.96.0.2", "100.96.0.3"};
static const char *const hosts6[] = {"fd43::1", "fd43::2", "fd43::3"};

static struct sockets_host host(int i)
{
    struct sockets_host made;
    assert_int_equal(inet_pton(AF_INET, hosts4[i], &made.address4), 1);
    assert_int_equal(inet_pton(AF_INET6, hosts6[i], &made.address6), 1);
    return made;
}

static void add_address(struct nlmsg_batch *batch, uint8_t family, const void *address,
                        uint8_t size)
{
    const struct ifaddrmsg info = {.ifa_family = family,
                                   .ifa_prefixlen = (uint8_t)(size * 8U),
                                   .ifa_flags = IFA_F_NODAD,
                                   .ifa_index = 1};
    nlmsg_begin(batch, RTM_NEWADDR, NLM_F_CREATE, &info, sizeof(info));
    nlmsg_attribute(batch, IFA_LOCAL, address, size);
}

static int make_network(void **state)
{
    struct nlmsg_batch batch = {.used = 0};
    (void)state;
    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return -1;
    if (link_loopback_up() < 0)
        return -1;
    for (int i = 0; i < 3; i++) {
        const struct sockets_host made = host(i);
        add_address(&batch, AF_INET, &made.address4, sizeof(made.address4));
        add_address(&batch, AF_INET6, &made.address6, sizeof(made.address6));
    }
    auto_close sock = nlmsg_open(NETLINK_ROUTE);
    return nlmsg_exchange(sock, &batch, NULL);
}

static struct sockaddr_storage name(int family, const char *address, int port)
{
    struct sockaddr_storage made = {.ss_family = (sa_family_t)family};
    struct sockaddr_in *in4 = (struct sockaddr_in *)(void *)&made;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&made;
    if (family == AF_INET) {
        in4->sin_port = htons((uint16_t)port);
        assert_int_equal(inet_pton(AF_INET, address, &in4->sin_addr), 1);
    } else {
        in6->sin6_port = htons((uint16_t)port);
        assert_int_equal(inet_pton(AF_INET6, address, &in6->sin6_addr), 1);
    }
    return made;
}

static int bound(int family, int type, const char *address, int port)
{
    const int on = 1;
    struct sockaddr_storage at = name(family, address, port);
    int sock = socket(family, type | SOCK_CLOEXEC, 0);
    assert_true(sock >= 0);
    assert_int_equal(setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(bind(sock, (struct sockaddr *)&at, sizeof(at)), 0);
    return sock;
}

static int listening(int family, const char *address, int port)
{
    int sock = bound(family, SOCK_STREAM, address, port);
    assert_int_equal(listen(sock, 16), 0);
    return sock;
}

/* On a busy host the kernel's worker is late with the routes to IPv6 addresses of a new namespace.
 */
static int connected(int family, int type, const char *from, const char *to, int port)
{
    const struct timespec gap = {.tv_nsec = 10 * 1000 * 1000};
    struct sockaddr_storage at = name(family, to, port);
    int sock = bound(family, type, from, 0);
    int rc = connect(sock, (struct sockaddr *)&at, sizeof(at));

    for (int tries = 0; tries < 1000 && rc < 0 && errno == ENETUNREACH; tries++) {
        nanosleep(&gap, NULL);
        rc = connect(sock, (struct sockaddr *)&at, sizeof(at));
    }
    assert_int_equal(rc, 0);
    return sock;
}

static bool is_cut(int sock)
{
    char byte = 0;
    ssize_t got = recv(sock, &byte, 1, MSG_DONTWAIT);
    return got == 0 || (got < 0 && (errno == ECONNABORTED || errno == ECONNRESET));
}

static uint32_t cut_server(uint8_t protocol, int first, size_t count)
{
    const struct sockets_host remote[] = {host(first), host(2)};
    const struct sockets_wanted wanted = {
        .protocol = protocol, .local_port = PORT, .remote = remote, .remote_count = count};
    uint32_t destroyed = 0;
    assert_int_equal(sockets_destroy(&wanted, &destroyed), 0);
    return destroyed;
}

static uint32_t cut_client(uint8_t protocol)
{
    const struct sockets_host remote = host(0);
    const struct sockets_wanted wanted = {
        .protocol = protocol, .remote_port = PORT, .remote = &remote, .remote_count = 1};
    uint32_t destroyed = 0;
    assert_int_equal(sockets_destroy(&wanted, &destroyed), 0);
    return destroyed;
}

static void expect_listeners(uint8_t protocol, uint32_t all, uint32_t loopback)
{
    uint32_t found_all = 99;
    uint32_t found_loopback = 99;
    assert_int_equal(sockets_listening(protocol, PORT, &found_all, &found_loopback), 0);
    assert_int_equal(found_all, all);
    assert_int_equal(found_loopback, loopback);
}

static void test_listening_tcp(void **state)
{
    (void)state;
    expect_listeners(IPPROTO_TCP, 0, 0);
    auto_close local4 = listening(AF_INET, "127.0.0.1", PORT);
    auto_close local6 = listening(AF_INET6, "::1", PORT);
    expect_listeners(IPPROTO_TCP, 0, 2);
    auto_close mapped = listening(AF_INET6, "::ffff:127.0.0.9", PORT);
    expect_listeners(IPPROTO_TCP, 0, 3);
    auto_close one = listening(AF_INET, hosts4[0], PORT);
    auto_close elsewhere = listening(AF_INET, "0.0.0.0", OTHER);
    auto_close datagrams = bound(AF_INET, SOCK_DGRAM, "0.0.0.0", PORT);
    expect_listeners(IPPROTO_TCP, 1, 3);
    expect_listeners(IPPROTO_UDP, 1, 0);
}

static void test_listening_any(void **state)
{
    (void)state;
    auto_close any = listening(AF_INET6, "::", PORT);
    expect_listeners(IPPROTO_TCP, 1, 0);
    /* A connection is nobody who listens. */
    auto_close client = connected(AF_INET, SOCK_STREAM, hosts4[1], hosts4[0], PORT);
    expect_listeners(IPPROTO_TCP, 1, 0);
}

static void test_cut_server(void **state)
{
    (void)state;
    auto_close server = listening(AF_INET, "0.0.0.0", PORT);
    auto_close peer = connected(AF_INET, SOCK_STREAM, hosts4[1], hosts4[0], PORT);
    auto_close stranger = connected(AF_INET, SOCK_STREAM, hosts4[2], hosts4[0], PORT);
    auto_close session = accept(server, NULL, NULL);
    assert_int_equal(cut_server(IPPROTO_TCP, 1, 1), 1);
    assert_true(is_cut(session));
    assert_false(is_cut(stranger));
    expect_listeners(IPPROTO_TCP, 1, 0);
    assert_int_equal(cut_server(IPPROTO_TCP, 1, 1), 0);
}

static void test_cut_server_two_families(void **state)
{
    (void)state;
    auto_close server = listening(AF_INET6, "::", PORT);
    auto_close mapped = connected(AF_INET, SOCK_STREAM, hosts4[1], hosts4[0], PORT);
    auto_close six = connected(AF_INET6, SOCK_STREAM, hosts6[2], hosts6[0], PORT);
    auto_close mapped_session = accept(server, NULL, NULL);
    auto_close six_session = accept(server, NULL, NULL);
    assert_int_equal(cut_server(IPPROTO_TCP, 1, 2), 2);
    assert_true(is_cut(mapped_session));
    assert_true(is_cut(six_session));
}

static void test_cut_client(void **state)
{
    (void)state;
    auto_close server = listening(AF_INET6, "::", PORT);
    auto_close other = listening(AF_INET, hosts4[0], OTHER);
    auto_close four = connected(AF_INET, SOCK_STREAM, hosts4[1], hosts4[0], PORT);
    auto_close mapped =
        connected(AF_INET6, SOCK_STREAM, "::ffff:100.96.0.2", "::ffff:100.96.0.1", PORT);
    auto_close six = connected(AF_INET6, SOCK_STREAM, hosts6[1], hosts6[0], PORT);
    auto_close stays = connected(AF_INET, SOCK_STREAM, hosts4[1], hosts4[0], OTHER);
    assert_int_equal(cut_client(IPPROTO_TCP), 3);
    assert_true(is_cut(four));
    assert_true(is_cut(mapped));
    assert_true(is_cut(six));
    assert_false(is_cut(stays));
}

static void test_cut_half_open(void **state)
{
    (void)state;
    auto_close server = bound(AF_INET, SOCK_STREAM, hosts4[0], PORT);
    assert_int_equal(listen(server, 0), 0);
    int waiting[4];
    struct sockaddr_storage at = name(AF_INET, hosts4[0], PORT);
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
        waiting[i] = bound(AF_INET, SOCK_STREAM, hosts4[1], 0);
        assert_int_equal(fcntl(waiting[i], F_SETFL, O_NONBLOCK), 0);
        assert_true(connect(waiting[i], (struct sockaddr *)&at, sizeof(at)) < 0);
    }
    /* One fits the queue, the others wait for their SYN to be answered. */
    assert_int_equal(cut_client(IPPROTO_TCP), ARRAY_LEN(waiting));
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++)
        fd_close(&waiting[i]);
}

static void test_cut_udp(void **state)
{
    (void)state;
    auto_close server = bound(AF_INET, SOCK_DGRAM, "0.0.0.0", PORT);
    auto_close client = connected(AF_INET, SOCK_DGRAM, hosts4[1], hosts4[0], PORT);
    assert_int_equal(cut_client(IPPROTO_TCP), 0);
    assert_int_equal(cut_client(IPPROTO_UDP), 1);
    assert_true(is_cut(client));
    expect_listeners(IPPROTO_UDP, 1, 0);
    assert_int_equal(cut_server(IPPROTO_UDP, 1, 1), 0);
}

/* More than one batch and one list hold. */
static void test_cut_many(void **state)
{
    static int clients[900];
    (void)state;
    auto_close server = bound(AF_INET, SOCK_STREAM, "0.0.0.0", PORT);
    assert_int_equal(listen(server, 2000), 0);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        clients[i] = connected(AF_INET, SOCK_STREAM, hosts4[1], hosts4[0], PORT);
    assert_int_equal(cut_client(IPPROTO_TCP), ARRAY_LEN(clients));
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        assert_true(is_cut(clients[i]));
        fd_close(&clients[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listening_tcp), cmocka_unit_test(test_listening_any),
        cmocka_unit_test(test_cut_server),    cmocka_unit_test(test_cut_server_two_families),
        cmocka_unit_test(test_cut_client),    cmocka_unit_test(test_cut_half_open),
        cmocka_unit_test(test_cut_udp),       cmocka_unit_test(test_cut_many),
    };
    return cmocka_run_group_tests_name("sockets", tests, make_network, NULL);
}
