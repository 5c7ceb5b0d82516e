/* SPDX-License-Identifier: Apache-2.0 */
/* test_network - the monitor's end of croft-net, against a peer that this test plays */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/attrs.h"
#include "base/clock.h"
#include "base/fd.h"
#include "monitor/monitor.h"
#include "wire/frame.h"
#include "wire/spawn.h"

#define MANY 3000U

static struct monitor monitor;
static int peer = -1;

/* What an answer said, and how often one came. */
struct heard {
    unsigned int count;
    bool none;
    int32_t error;
};

static void stop(void *data)
{
    loop_stop(data);
}

/* Serves what there is to serve. */
static void turn(void)
{
    struct loop_timer timer = {.on_due = stop, .data = monitor.loop};

    loop_arm(monitor.loop, &timer, clock_boot_ns() + 10 * NS_PER_MS);
    assert_int_equal(loop_run(monitor.loop), 0);
}

static void attach(void)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    peer = pair[0];
    assert_int_equal(fd_set_nonblock(peer), 0);
    network_attach(&monitor, pair[1]);
}

static struct net_request receive(struct frame_fds *fds)
{
    struct net_request request = {.type = 0};
    struct frame_fds none = {.count = 0};

    ssize_t got = frame_recv(peer, &request, sizeof(request), fds != NULL ? fds : &none);
    assert_int_equal(got, sizeof(request));
    assert_int_equal(net_request_check(&request, (size_t)got, fds != NULL ? fds->count : 0), 0);
    return request;
}

static void answer(const struct net_request *request, int32_t error)
{
    const struct net_reply reply = {
        .version = NET_VERSION, .type = request->type, .token = request->token, .error = error};
    assert_int_equal(frame_send(peer, &reply, sizeof(reply), NULL, 0, NULL, 0), 0);
}

/* Plays a croft-net up to NET_SYNCED. */
static void sync_up(void)
{
    struct net_request request;

    attach();
    do {
        request = receive(NULL);
        answer(&request, 0);
    } while (request.type != NET_SYNCED);
    turn();
    assert_true(monitor.network.synced);
}

static bool peer_is_closed(void)
{
    char byte;
    return recv(peer, &byte, 1, MSG_DONTWAIT) == 0;
}

static void on_heard(void *data, const struct net_reply *reply)
{
    struct heard *heard = data;

    heard->count++;
    heard->none = reply == NULL;
    heard->error = reply != NULL ? reply->error : -1;
}

static int set_up(void **state)
{
    (void)state;
    memset(&monitor, 0, sizeof(monitor));
    monitor.jobs.channel.fd = -1;
    monitor.records.host.fd = -1;
    events_init(&monitor);
    network_init(&monitor);
    return loop_new(&monitor.loop) == 0 && grants_init(&monitor) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    fd_close(&peer);
    turn(); /* hears that the channel is closed */
    if (monitor.network.orphans_timer.armed)
        loop_arm(monitor.loop, &monitor.network.orphans_timer, clock_boot_ns());
    turn();
    while (monitor.users.first != NULL)
        user_drop(monitor.users.first);
    loop_free(monitor.loop);
    return 0;
}

static const struct net_request gone = {.type = NET_USER_GONE, .uid = 1001};

static void a_new_croft_net_is_told_everything(void **state)
{
    (void)state;
    monitor.network.prefix = (struct net_prefix){.ipv4 = NETWORK_IPV4, .ipv6 = {0xfd, 1}};
    monitor.network.services = (struct order_network){
        .count = 1, .service = {{.address = {192, 0, 2, 1}, .protocol = IPPROTO_UDP, .port = 53}}};
    user_new(&monitor, "adding", USER_ADDING);
    struct user *alice = user_new(&monitor, "alice", USER_ACTIVE);
    alice->uid = 1001;
    alice->limits =
        (struct user_limits){.net_packets_per_s = 5000, .net_connections = 17, .lan = 1};
    attach();
    struct net_request request = receive(NULL);
    assert_int_equal(request.type, NET_HELLO);
    assert_int_equal(request.prefix.ipv4, NETWORK_IPV4);
    request = receive(NULL);
    assert_int_equal(request.type, NET_USER);
    assert_int_equal(request.uid, 1001);
    assert_int_equal(request.limits.packets_per_s, 5000);
    assert_int_equal(request.limits.connections, 17);
    assert_int_equal(request.limits.flags, NET_LAN);
    request = receive(NULL);
    assert_int_equal(request.type, NET_SERVICE);
    assert_int_equal(request.target.port, 53);
    request = receive(NULL);
    assert_int_equal(request.type, NET_SYNCED);
    assert_false(monitor.network.synced);
}

static void nobody_there_is_said(void **state)
{
    (void)state;
    assert_int_equal(network_ask(&monitor, &gone, -1, NULL, NULL), -ENOTCONN);
}

static void answers_come_once_and_in_order(void **state)
{
    struct heard first = {0};
    struct heard second = {0};

    (void)state;
    sync_up();
    assert_int_equal(network_ask(&monitor, &gone, -1, on_heard, &first), 0);
    assert_int_equal(network_ask(&monitor, &gone, -1, on_heard, &second), 0);
    assert_int_equal(first.count, 0);
    struct net_request one = receive(NULL);
    struct net_request two = receive(NULL);
    answer(&one, ENOENT);
    turn();
    assert_int_equal(first.count, 1);
    assert_int_equal(first.error, ENOENT);
    assert_int_equal(second.count, 0);
    answer(&two, 0);
    turn();
    assert_int_equal(second.count, 1);
    assert_int_equal(second.error, 0);
}

static void another_answer_than_what_was_asked_ends_it(void **state)
{
    struct heard heard = {0};

    (void)state;
    sync_up();
    assert_int_equal(network_ask(&monitor, &gone, -1, on_heard, &heard), 0);
    struct net_request request = receive(NULL);
    request.token++;
    answer(&request, 0);
    turn();
    assert_true(peer_is_closed());
    assert_int_equal(heard.count, 0); /* the next one may know */
    fd_close(&peer);
    sync_up();
    assert_int_equal(heard.count, 1);
    assert_true(heard.none);
}

static void an_answer_to_nothing_ends_it(void **state)
{
    (void)state;
    sync_up();
    answer(&gone, 0);
    turn();
    assert_true(peer_is_closed());
}

static void who_does_not_answer_loses_the_channel(void **state)
{
    struct heard heard = {0};

    (void)state;
    sync_up();
    assert_int_equal(network_ask(&monitor, &gone, -1, on_heard, &heard), 0);
    assert_true(monitor.network.deadline.armed);
    assert_true(monitor.network.deadline.due_boot_ns >
                clock_boot_ns() + (CLIENT_STALL_MS - 1000) * NS_PER_MS);
    loop_arm(monitor.loop, &monitor.network.deadline, clock_boot_ns());
    turn();
    assert_int_equal(network_ask(&monitor, &gone, -1, NULL, NULL), -ENOTCONN);
    assert_int_equal(heard.count, 0);
    assert_true(monitor.network.orphans_timer.armed);
    loop_arm(monitor.loop, &monitor.network.orphans_timer, clock_boot_ns());
    turn();
    assert_int_equal(heard.count, 1);
    assert_true(heard.none);
    assert_false(monitor.network.synced);
}

static void what_is_forgotten_is_not_heard_of(void **state)
{
    struct heard heard = {0};
    struct heard other = {0};

    (void)state;
    sync_up();
    assert_int_equal(network_ask(&monitor, &gone, -1, on_heard, &heard), 0);
    assert_int_equal(network_ask(&monitor, &gone, -1, on_heard, &other), 0);
    network_forget(&monitor, &heard);
    struct net_request one = receive(NULL);
    struct net_request two = receive(NULL);
    answer(&one, 0);
    answer(&two, 0);
    turn();
    assert_int_equal(heard.count, 0);
    assert_int_equal(other.count, 1);
}

static void a_full_channel_makes_nobody_wait(void **state)
{
    struct heard heard = {0};

    (void)state;
    sync_up();
    for (uint32_t i = 0; i < MANY; i++) {
        struct net_request request = gone;
        request.uid = 1000 + i;
        assert_int_equal(network_ask(&monitor, &request, -1, on_heard, &heard), 0);
    }
    assert_non_null(monitor.network.unsent);
    for (uint32_t i = 0; i < MANY; i++) {
        struct net_request request = {.type = 0};
        while (frame_recv(peer, &request, sizeof(request), NULL) == -EAGAIN)
            turn();
        assert_int_equal(request.uid, 1000 + i);
        answer(&request, 0);
        if (i % 64 == 0)
            turn();
    }
    while (heard.count < MANY)
        turn();
    assert_null(monitor.network.asked);
}

/* That the channel no longer waits for room must not hide why. */
static void a_full_channel_that_breaks_is_given_up(void **state)
{
    (void)state;
    sync_up();
    while (!monitor.network.armed)
        assert_int_equal(network_ask(&monitor, &gone, -1, NULL, NULL), 0);
    assert_false(monitor.network.broken.armed);
    fd_close(&peer);
    assert_int_equal(network_ask(&monitor, &gone, -1, NULL, NULL), 0);
    assert_true(monitor.network.broken.armed);
}

static void a_descriptor_travels_and_stays_the_callers(void **state)
{
    const struct net_request link = {.type = NET_LINK, .uid = 1001, .slot = 5};
    auto_frame_fds fds = {.count = 0};

    (void)state;
    auto_close netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    assert_true(netns >= 0);
    sync_up();
    assert_int_equal(network_ask(&monitor, &link, netns, NULL, NULL), 0);
    struct net_request request = receive(&fds);
    assert_int_equal(request.slot, 5);
    assert_int_equal(fds.count, 1);
    assert_true(fcntl(netns, F_GETFD) >= 0);
}

static void what_differs_in_the_kernel_is_named(void **state)
{
    const struct net_counts want = {.links = 3, .members = 3, .grants = 2, .users = 1, .rules = 40};
    struct net_counts have = want;

    (void)state;
    assert_null(netlook_differs(&want, &have));
    have.grants++;
    assert_string_equal(netlook_differs(&want, &have), "the number of grants");
    have = want;
    have.links--;
    assert_string_equal(netlook_differs(&want, &have), "the number of links");
    have = want;
    have.members = 0;
    assert_string_equal(netlook_differs(&want, &have), "the number of addresses");
    have = want;
    have.users = 0;
    assert_string_equal(netlook_differs(&want, &have), "the number of users");
    have = want;
    have.rules++;
    assert_string_equal(netlook_differs(&want, &have), "the number of rules");
    const struct net_counts unknown = {.links = 3, .members = 3, .grants = 2, .users = 1};
    assert_null(netlook_differs(&unknown, &have));
}

/* Plays the croft-net that only looks: super is asked for it, and it answers with @counts. */
static void look(int super, const struct net_counts *counts)
{
    auto_frame_fds fds = {.count = 0};
    auto_frame_fds none = {.count = 0};
    struct spawn spawn;
    struct net_request request;

    loop_arm(monitor.loop, &monitor.network.look.timer, clock_boot_ns());
    turn();
    assert_int_equal(frame_recv(super, &spawn, sizeof(spawn), &fds), sizeof(spawn));
    assert_int_equal(spawn.type, SPAWN_LOOK);
    assert_int_equal(fds.count, 1);
    assert_int_equal(frame_recv(fds.fd[0], &request, sizeof(request), &none), sizeof(request));
    assert_int_equal(request.type, NET_LOOK);
    assert_int_equal(net_request_check(&request, sizeof(request), 0), 0);
    const struct net_reply reply = {.version = NET_VERSION, .type = NET_LOOK, .counts = *counts};
    assert_int_equal(frame_send(fds.fd[0], &reply, sizeof(reply), NULL, 0, NULL, 0), 0);
    turn();
}

static void on_record(const struct record *record, const void *payload, size_t payload_size,
                      void *data)
{
    unsigned int *count = data;

    (void)payload;
    (void)payload_size;
    assert_int_equal(record->type, RECORD_HOST_NETWORK);
    assert_int_equal(record->phase, RECORD_OUTCOME);
    assert_int_equal(record->outcome, OUTCOME_FAILED);
    (*count)++;
}

/* How many differences the host's file tells of. */
static unsigned int recorded(int dir)
{
    const struct chain_head none = {.seq = 0};
    struct chain chain;
    unsigned int count = 0;

    assert_int_equal(chain_open(dir, "host", 0400, 0, &none, on_record, &count, &chain), 0);
    assert_false(chain.broken);
    chain_close(&chain);
    return count;
}

/* In place of what the records would do in time: it is read without. */
static void on_sync(void *data)
{
    (void)data;
}

static void one_grant_too_many_is_recorded_and_told_anew(void **state)
{
    const struct net_counts right = {.rules = 40};
    const struct net_counts wrong = {.rules = 40, .grants = 1};
    const struct chain_head none = {.seq = 0};
    struct chain *host = &monitor.records.host;
    char top[] = "/tmp/croft-unit-XXXXXX";
    unsigned int count = 0;
    int pair[2];

    (void)state;
    assert_non_null(mkdtemp(top));
    auto_close dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(chain_open(dir, "host", 0400, 0, &none, on_record, &count, host), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    auto_close super = pair[0];
    monitor.jobs.channel.fd = pair[1];
    monitor.records.sync.on_due = on_sync;
    monitor.records.heads.on_due = on_sync;
    sync_up();
    look(super, &right);
    assert_false(monitor.network.look.timer.armed);
    look(super, &wrong); /* may be a change on its way */
    assert_true(monitor.network.look.timer.armed);
    assert_int_equal(recorded(dir), 0);
    assert_false(peer_is_closed());
    look(super, &wrong);
    assert_int_equal(recorded(dir), 1);
    turn();
    assert_true(peer_is_closed());
    fd_close(&peer);
    sync_up(); /* the next one is told everything */
    look(super, &right);
    look(super, &wrong);
    look(super, &wrong);
    assert_int_equal(recorded(dir), 1); /* one that differs again and again fills no file */
    turn();
    assert_true(peer_is_closed());

    loop_disarm(monitor.loop, &monitor.records.sync);
    loop_disarm(monitor.loop, &monitor.records.heads);
    chain_close(host);
    host->fd = -1;
    fd_close(&monitor.jobs.channel.fd);
    assert_int_equal(unlinkat(dir, "host", 0), 0);
    assert_int_equal(rmdir(top), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_croft_net_is_told_everything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_there_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answers_come_once_and_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_answer_than_what_was_asked_ends_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_answer_to_nothing_ends_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_does_not_answer_loses_the_channel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_forgotten_is_not_heard_of, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_channel_makes_nobody_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_channel_that_breaks_is_given_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_descriptor_travels_and_stays_the_callers, set_up,
                                        tear_down),
        cmocka_unit_test(what_differs_in_the_kernel_is_named),
        cmocka_unit_test_setup_teardown(one_grant_too_many_is_recorded_and_told_anew, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
