/* SPDX-License-Identifier: Apache-2.0 */
/* test_net_rules - croft-net without a kernel: state, keys of elements, intervals, notifications */
#include "unit.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>

#include <stdlib.h>
#include <string.h>

#include "net/elements.h"
#include "net/intervals.h"
#include "net/routes.h"
#include "net/state.h"
#include "net/watch.h"

static const struct net_prefix PREFIX = {.ipv4 = NETWORK_IPV4, .ipv6 = {0xfd, 1, 2, 3, 4, 5}};

/* As `nft --debug=netlink` shows what it makes of the same: uid 1002, slot 0x0a5b, tcp, 5432. */
static void keys(void **state)
{
    static const uint8_t grant4[20] = {0xea, 3, 0, 0, 100, 96, 0x0a, 0x5b, 6, 0, 0, 0, 0x15, 0x38};
    static const uint8_t grant6[28] = {0xea, 3, 0,           0,    0xfd, 1,         2,          3,
                                       4,    5, [18] = 0x0a, 0x5b, 6,    [24] = 21, [25] = 0x38};
    static const uint8_t owner4[20] = {'c', 'r', 'o',        'f', 't',  '0', 'a',
                                       '5', 'b', [16] = 100, 96,  0x0a, 0x5b};
    static const uint8_t service4[12] = {192, 0, 2, 1, 17, 0, 0, 0, 0, 53};
    const struct net_target target = {
        .address = {192, 0, 2, 1}, .protocol = IPPROTO_UDP, .port = 53};
    (void)state;

    struct element element = key_grant(&PREFIX, 1002, 0x0a5b, IPPROTO_TCP, 5432, false);
    assert_memory_equal(element.key, grant4, 16);
    element = key_grant(&PREFIX, 1002, 0x0a5b, IPPROTO_TCP, 5432, true);
    assert_memory_equal(element.key, grant6, 28);
    element = key_member(&PREFIX, 1002, 0x0a5b, false);
    assert_memory_equal(element.key, grant4, 8);
    element = key_owner(&PREFIX, 0x0a5b, false);
    assert_memory_equal(element.key, owner4, 20);
    element = key_service(&target);
    assert_memory_equal(element.key, service4, 12);
}

static void told(void **unused)
{
    struct state state;
    const struct told_grant grant = {.uid = 1002, .slot = 9, .protocol = 6, .port = 80};
    struct told_grant other = grant;
    (void)unused;

    state_init(&state, &PREFIX);
    assert_null(state_user(&state, 1001));
    state_user_set(&state, &(struct told_user){.uid = 1001, .limits = {.rate = 1}});
    state_user_set(&state, &(struct told_user){.uid = 1002, .limits = {.rate = 2}});
    state_user_set(&state, &(struct told_user){.uid = 1001, .limits = {.connections = 7}});
    assert_int_equal(state_user(&state, 1001)->limits.connections, 7);
    assert_int_equal(state_user(&state, 1002)->limits.rate, 2);
    state_user_forget(&state, 1001);
    state_user_forget(&state, 1001);
    assert_null(state_user(&state, 1001));
    assert_non_null(state_user(&state, 1002));
    state_user_forget(&state, 1002);

    state_grant_set(&state, &grant);
    other.port = 81;
    state_grant_set(&state, &other);
    other.limits.rate = 5;
    state_grant_set(&state, &other);
    assert_int_equal(state_grant(&state, &other)->limits.rate, 5);
    assert_int_equal(state_grant(&state, &grant)->limits.rate, 0);
    for (int field = 0; field < 3; field++) {
        other = grant;
        other.uid += field == 0;
        other.protocol = field == 1 ? 17 : other.protocol;
        other.slot += field == 2;
        assert_null(state_grant(&state, &other));
    }
    state_grant_forget(&state, &grant);
    assert_null(state_grant(&state, &grant));
    while (state.slots[9].grants != NULL)
        state_grant_forget(&state, state.slots[9].grants);
    free(state.slots);
}

static void slots_of_addresses(void **state)
{
    uint8_t address[16];
    (void)state;

    net_address6(&PREFIX, 0x1234, address);
    assert_int_equal(state_slot_of(&PREFIX, address, true), 0x1234);
    address[7] = 1;
    assert_int_equal(state_slot_of(&PREFIX, address, true), 0);
    assert_int_equal(state_slot_of(&PREFIX, (const uint8_t[]){100, 96, 0x12, 0x34}, false), 0x1234);
    assert_int_equal(state_slot_of(&PREFIX, (const uint8_t[]){100, 97, 0x12, 0x34}, false), 0);
    assert_int_equal(state_slot_of(&PREFIX, (const uint8_t[]){100, 96, 0, 1}, false), 0);
    assert_int_equal(state_slot_of(&PREFIX, (const uint8_t[]){100, 96, 255, 255}, false), 0);
}

static void merging(void **state)
{
    static const struct {
        uint8_t address[4];
        unsigned int bits;
    } given[] = {{{192, 168, 0, 0}, 16}, {{10, 1, 2, 3}, 24},    {{10, 0, 0, 0}, 8},
                 {{192, 0, 2, 9}, 25},   {{192, 0, 2, 200}, 25}, {{255, 255, 255, 255}, 32},
                 {{192, 169, 0, 0}, 16}, {{0, 0, 0, 0}, 32}};
    static const uint8_t expected[][2][4] = {{{0, 0, 0, 0}, {0, 0, 0, 0}},
                                             {{10, 0, 0, 0}, {10, 255, 255, 255}},
                                             {{192, 0, 2, 0}, {192, 0, 2, 255}},
                                             {{192, 168, 0, 0}, {192, 169, 255, 255}},
                                             {{255, 255, 255, 255}, {255, 255, 255, 255}}};
    struct interval intervals[ARRAY_LEN(given)];
    uint8_t after[4];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(given); i++)
        intervals[i] = interval_subnet(given[i].address, 4, given[i].bits);
    size_t count = intervals_merge(intervals, ARRAY_LEN(given), 4);
    assert_int_equal(count, ARRAY_LEN(expected));
    for (size_t i = 0; i < count; i++) {
        assert_memory_equal(intervals[i].first, expected[i][0], 4);
        assert_memory_equal(intervals[i].last, expected[i][1], 4);
    }
    assert_false(interval_after(&intervals[count - 1], 4, after));
    assert_true(interval_after(&intervals[1], 4, after));
    assert_memory_equal(after, ((const uint8_t[]){11, 0, 0, 0}), 4);
    assert_int_equal(intervals_merge(intervals, 0, 4), 0);
    assert_true(interval_overlaps(&intervals[1], &intervals[1], 4));
    assert_false(interval_overlaps(&intervals[0], &intervals[1], 4));
    const struct interval all = interval_subnet(given[0].address, 4, 0);
    assert_true(interval_overlaps(&all, &intervals[4], 4));
    assert_false(interval_after(&all, 4, after));
}

static struct nlmsghdr *message(char *buffer, uint16_t type, uint32_t port, uint8_t family,
                                const char *table)
{
    struct nlmsghdr *head = mnl_nlmsg_put_header(buffer);
    struct nfgenmsg *generic = mnl_nlmsg_put_extra_header(head, sizeof(*generic));

    head->nlmsg_type = netlink_nft(type);
    head->nlmsg_pid = port;
    *generic = (struct nfgenmsg){.nfgen_family = family};
    mnl_attr_put_strz(head, NFTA_RULE_TABLE, table);
    return head;
}

static void notifications(void **state)
{
    static const uint16_t changes[] = {NFT_MSG_DELTABLE,  NFT_MSG_NEWRULE,  NFT_MSG_DELRULE,
                                       NFT_MSG_DELSET,    NFT_MSG_NEWCHAIN, NFT_MSG_NEWSETELEM,
                                       NFT_MSG_DELSETELEM};
    char buffer[256];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        assert_true(watch_message(message(buffer, changes[i], 7, NFPROTO_INET, "croft"), 5));
        assert_false(watch_message(message(buffer, changes[i], 5, NFPROTO_INET, "croft"), 5));
        assert_false(watch_message(message(buffer, changes[i], 7, NFPROTO_INET, "croft2"), 5));
        assert_false(watch_message(message(buffer, changes[i], 7, NFPROTO_IPV4, "croft"), 5));
    }
    /* The kernel: an element's time is over, and nothing but that. */
    assert_false(watch_message(message(buffer, NFT_MSG_DELSETELEM, 0, NFPROTO_INET, "croft"), 5));
    assert_true(watch_message(message(buffer, NFT_MSG_DELRULE, 0, NFPROTO_INET, "croft"), 5));
    assert_false(watch_message(message(buffer, NFT_MSG_NEWGEN, 7, NFPROTO_INET, "croft"), 5));
}

static bool concerned(const uint8_t *to, unsigned int bits, uint8_t family, uint8_t type,
                      uint8_t protocol, bool gateway)
{
    char buffer[256];
    struct nlmsghdr *head = mnl_nlmsg_put_header(buffer);
    struct rtmsg *route = mnl_nlmsg_put_extra_header(head, sizeof(*route));

    head->nlmsg_type = RTM_NEWROUTE;
    *route = (struct rtmsg){.rtm_family = family,
                            .rtm_dst_len = (uint8_t)bits,
                            .rtm_type = type,
                            .rtm_protocol = protocol};
    mnl_attr_put(head, RTA_DST, family == AF_INET6 ? 16 : 4, to);
    if (gateway)
        mnl_attr_put_u32(head, RTA_GATEWAY, 1);
    return routes_concerned(head, &PREFIX);
}

static void subnets(void **state)
{
    static const uint8_t lan[4] = {192, 0, 2, 0};
    static const uint8_t machine[4] = {100, 96, 0, 9};
    static const uint8_t machine6[16] = {0xfd, 1, 2, 3, 4, 5, [15] = 9};
    static const uint8_t lan6[16] = {0x20, 0x01, 0x0d, 0xb8};
    static const uint8_t local6[16] = {0xfe, 0x80};
    (void)state;

    assert_true(concerned(lan, 24, AF_INET, RTN_UNICAST, RTPROT_KERNEL, false));
    assert_false(concerned(lan, 24, AF_INET, RTN_UNICAST, RTPROT_KERNEL, true));
    assert_true(concerned(lan, 24, AF_INET, RTN_UNICAST, RTPROT_STATIC, false));
    assert_false(concerned(lan, 1, AF_INET, RTN_UNICAST, RTPROT_STATIC, false));
    assert_false(concerned(lan, 32, AF_INET, RTN_LOCAL, RTPROT_KERNEL, false));
    assert_false(concerned(lan, 0, AF_INET, RTN_UNICAST, RTPROT_KERNEL, false));
    assert_false(concerned(machine, 32, AF_INET, RTN_UNICAST, RTPROT_KERNEL, false));
    assert_false(concerned(machine6, 128, AF_INET6, RTN_UNICAST, RTPROT_KERNEL, false));
    assert_true(concerned(lan6, 64, AF_INET6, RTN_UNICAST, RTPROT_RA, false));
    assert_false(concerned(local6, 64, AF_INET6, RTN_UNICAST, RTPROT_KERNEL, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),    cmocka_unit_test(told),
        cmocka_unit_test(merging), cmocka_unit_test(slots_of_addresses),
        cmocka_unit_test(subnets), cmocka_unit_test(notifications),
    };
    return cmocka_run_group_tests_name("net_rules", tests, NULL, NULL);
}
