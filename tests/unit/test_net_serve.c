/* SPDX-License-Identifier: Apache-2.0 */
/* test_net_serve - croft-net's requests against a kernel that refuses: this test plays it, in the
 * place of netlink_commit() and netlink_ask() */
#include "unit.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "net/elements.h"
#include "net/link.h"
#include "net/net.h"
#include "wire/frame.h"

#define ALICE 1001U
#define SLOT  2U
#define LINKS 3000U

int __wrap_netlink_commit(struct netlink_batch *batch);
int __wrap_netlink_ask(struct netlink *netlink, struct nlmsghdr *message, mnl_cb_t each,
                       void *data);

/*
 * refuse:    the answer to the next commits; refuse_ask: to each look at connection tracking
 * added, deleted: messages about elements that it took; links: messages about links
 * batches:   commits; longest: messages of one
 * elements:  those looked for are there
 */
static struct kernel {
    int refuse;
    unsigned int refuse_batch; /* the only one that is refused; 0: each */
    int refuse_ask;
    unsigned int added;
    unsigned int deleted;
    unsigned int links;
    unsigned int batches;
    unsigned int longest;
    bool elements;
} kernel;

static struct net net;
static int peer = -1;

int __wrap_netlink_commit(struct netlink_batch *batch)
{
    size_t left = batch->used;
    const struct nlmsghdr *message;

    kernel.batches++;
    kernel.longest = batch->count > kernel.longest ? batch->count : kernel.longest;
    each_message (message, left, batch->bytes) {
        kernel.links += message->nlmsg_type == RTM_SETLINK || message->nlmsg_type == RTM_NEWLINK ||
                        message->nlmsg_type == RTM_DELLINK;
        if (kernel.refuse != 0)
            continue;
        kernel.added += message->nlmsg_type == netlink_nft(NFT_MSG_NEWSETELEM);
        kernel.deleted += message->nlmsg_type == netlink_nft(NFT_MSG_DELSETELEM);
    }
    return kernel.refuse_batch == 0 || kernel.refuse_batch == kernel.batches ? kernel.refuse : 0;
}

/* A list of links has LINKS of them, an element that is looked for is there while elements says so,
 * everything else is empty. */
int __wrap_netlink_ask(struct netlink *netlink, struct nlmsghdr *message, mnl_cb_t each, void *data)
{
    (void)netlink;
    if (message->nlmsg_type == ((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET))
        return kernel.refuse_ask;
    /* The question names the element as the answer does. */
    if (message->nlmsg_type == netlink_nft(NFT_MSG_GETSETELEM) && kernel.elements &&
        each(message, data) != MNL_CB_OK)
        return -EIO;
    for (uint32_t i = 0; message->nlmsg_type == RTM_GETLINK && i < LINKS; i++) {
        char buffer[256];
        char name[NET_LINK_NAME_SIZE];
        struct nlmsghdr *answer = mnl_nlmsg_put_header(buffer);
        struct ifinfomsg *head = mnl_nlmsg_put_extra_header(answer, sizeof(*head));
        net_link_name(NET_SLOT_FIRST + i, name);
        mnl_attr_put_strz(answer, IFLA_IFNAME, name);
        if (each(answer, data) != MNL_CB_OK)
            return -EIO;
    }
    return 0;
}

static int set_up(void **state)
{
    static const struct net_prefix prefix = {.ipv4 = NETWORK_IPV4, .ipv6 = {0xfd, 1}};
    int pair[2];
    (void)state;

    kernel = (struct kernel){.refuse = 0};
    net = (struct net){.synced = true, .keep = -1};
    state_init(&net.state, &prefix);
    net.state.slots[SLOT].uid = ALICE;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0 ||
        loop_new(&net.loop) < 0)
        return -1;
    peer = pair[0];
    net.channel.fd = pair[1];
    return serve_open(&net);
}

static int tear_down(void **state)
{
    (void)state;
    loop_disarm(net.loop, &net.retire);
    loop_remove(net.loop, &net.channel);
    fd_close(&net.channel.fd);
    fd_close(&peer);
    loop_free(net.loop);
    while (net.state.users != NULL)
        state_user_forget(&net.state, net.state.users->uid);
    while (net.state.slots[SLOT].grants != NULL)
        state_grant_forget(&net.state, net.state.slots[SLOT].grants);
    free(net.state.slots);
    return 0;
}

static void stop(void *data)
{
    loop_stop(data);
}

static struct net_request request_of(uint32_t type)
{
    return (struct net_request){
        .version = NET_VERSION,
        .type = type,
        .uid = ALICE,
        .slot = SLOT,
        .protocol = IPPROTO_TCP,
        .port = 5432,
        .target = {.address = {192, 0, 2, 1}, .protocol = IPPROTO_UDP, .port = 53},
    };
}

/* What croft-net answers, as errno. */
static int32_t asked(const struct net_request *request)
{
    struct loop_timer timer = {.on_due = stop, .data = net.loop};
    struct net_reply reply;

    assert_int_equal(frame_send(peer, request, sizeof(*request), NULL, 0, NULL, 0), 0);
    loop_arm(net.loop, &timer, clock_boot_ns() + 10 * NS_PER_MS);
    assert_int_equal(loop_run(net.loop), 0);
    loop_disarm(net.loop, &timer);
    assert_int_equal(frame_recv(peer, &reply, sizeof(reply), NULL), sizeof(reply));
    return reply.error;
}

static void a_refused_user_is_as_before(void **state)
{
    struct net_request request = request_of(NET_USER);
    (void)state;

    kernel.refuse = -EBUSY;
    assert_int_equal(asked(&request), EBUSY);
    assert_null(state_user(&net.state, ALICE));
    kernel.refuse = 0;
    request.limits.connections = 7;
    assert_int_equal(asked(&request), 0);
    request.limits.connections = 8;
    kernel.refuse = -EBUSY;
    assert_int_equal(asked(&request), EBUSY);
    assert_int_equal(state_user(&net.state, ALICE)->limits.connections, 7);
    kernel.refuse = 0;
    assert_int_equal(asked(&request), 0);
    assert_int_equal(state_user(&net.state, ALICE)->limits.connections, 8);
}

static void a_refused_service_is_told_again(void **state)
{
    const struct net_request request = request_of(NET_SERVICE);
    (void)state;

    kernel.refuse = -EBUSY;
    assert_int_equal(asked(&request), EBUSY);
    assert_int_equal(net.state.service_count, 0);
    kernel.refuse = 0;
    assert_int_equal(asked(&request), 0);
    assert_int_equal(kernel.added, 1);
    assert_int_equal(net.state.service_count, 1);
}

static void a_refused_grant_is_as_before(void **state)
{
    const struct told_grant like = {
        .uid = ALICE, .slot = SLOT, .protocol = IPPROTO_TCP, .port = 5432};
    struct net_request request = request_of(NET_GRANT);
    (void)state;

    kernel.refuse = -EBUSY;
    assert_int_equal(asked(&request), EBUSY);
    assert_null(state_grant(&net.state, &like));
    kernel.refuse = 0;
    request.limits.rate = 7;
    assert_int_equal(asked(&request), 0);
    kernel.refuse = -EBUSY;
    request.limits.rate = 8;
    assert_int_equal(asked(&request), EBUSY);
    assert_non_null(state_grant(&net.state, &like));
    assert_int_equal(state_grant(&net.state, &like)->limits.rate, 7);
    /* Nor is one that stays open forgotten. */
    request.type = NET_GRANT_GONE;
    assert_int_equal(asked(&request), EBUSY);
    assert_non_null(state_grant(&net.state, &like));
    kernel.refuse = 0;
    assert_int_equal(asked(&request), 0);
    assert_null(state_grant(&net.state, &like));
    assert_int_equal(kernel.deleted, 6);
}

static void a_grant_that_nobody_knows_is_closed(void **state)
{
    const struct net_request request = request_of(NET_GRANT_GONE);
    (void)state;

    kernel.elements = true;
    assert_int_equal(asked(&request), 0);
    assert_int_equal(kernel.deleted, 6);
}

/* A transaction that fails takes the kernel milliseconds; thousands of them go with their links. */
static void what_is_not_there_costs_no_transaction(void **state)
{
    const struct net_request request = request_of(NET_GRANT_GONE);
    (void)state;

    assert_int_equal(asked(&request), 0);
    assert_int_equal(kernel.batches, 0);
}

static void a_slot_that_is_not_clean_is_not_given_again(void **state)
{
    struct net_request request = request_of(NET_LINK_GONE);
    (void)state;

    assert_int_equal(asked(&request), 0);
    assert_true(net.state.slots[SLOT].retired);
    kernel.refuse_ask = -EIO;
    kernel.links = 0;
    request.type = NET_LINK;
    assert_int_equal(asked(&request), EIO);
    assert_int_equal(net.state.slots[SLOT].uid, 0);
    assert_int_equal(kernel.links, 0);
    assert_int_equal(net.status, OUTCOME_FAILED);
}

static void nor_are_all_synced(void **state)
{
    const struct net_request request = request_of(NET_SYNCED);
    (void)state;

    net.synced = false;
    net.state.slots[SLOT].retired = true;
    kernel.refuse_ask = -EIO;
    assert_int_equal(asked(&request), EIO);
    assert_int_equal(net.status, OUTCOME_FAILED);
}

static void many_links_go_down_in_parts(void **state)
{
    (void)state;
    assert_int_equal(links_down(&net.route), 0);
    assert_int_equal(kernel.links, LINKS);
    assert_in_range(kernel.longest, 1, NETLINK_FAILING_MAX);
    /* One that fails keeps no other up. */
    kernel = (struct kernel){.refuse = -EPERM, .refuse_batch = 1};
    assert_int_equal(links_down(&net.route), -EPERM);
    assert_int_equal(kernel.links, LINKS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_refused_user_is_as_before),
        TEST(a_refused_service_is_told_again),
        TEST(a_refused_grant_is_as_before),
        TEST(a_grant_that_nobody_knows_is_closed),
        TEST(what_is_not_there_costs_no_transaction),
        TEST(a_slot_that_is_not_clean_is_not_given_again),
        TEST(nor_are_all_synced),
        TEST(many_links_go_down_in_parts),
    };
    return cmocka_run_group_tests_name("net_serve", tests, NULL, NULL);
}
