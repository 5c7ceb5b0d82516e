/* SPDX-License-Identifier: Apache-2.0 */
/* test_net - a request to croft-net one field wrong at a time, and what follows from a slot */
#include "unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "wire/limits.h"
#include "wire/net.h"

static const struct net_prefix PREFIX = {.ipv4 = NETWORK_IPV4, .ipv6 = {0xfd, 1, 2, 3, 4, 5}};

static struct net_request good(uint32_t type)
{
    struct net_request request = {
        .version = NET_VERSION,
        .type = type,
        .uid = 1001,
        .slot = NET_SLOT_FIRST,
        .protocol = IPPROTO_TCP,
        .port = 5432,
        .prefix = PREFIX,
    };
    request.target.protocol = IPPROTO_UDP;
    return request;
}

static int check(const struct net_request *request)
{
    return net_request_check(request, sizeof(*request), 0);
}

static void good_ones(void **state)
{
    (void)state;
    for (uint32_t type = 1; type < NET_REQUEST_TYPE_COUNT; type++) {
        const struct net_request request = good(type);
        assert_int_equal(check(&request), 0);
        assert_int_equal(net_request_check(&request, sizeof(request), 1),
                         type == NET_LINK ? 0 : -EINVAL);
        assert_int_equal(net_request_check(&request, sizeof(request), 2), -EINVAL);
        assert_int_equal(net_request_check(&request, sizeof(request) - 1, 0), -EINVAL);
        assert_int_equal(net_request_check(&request, sizeof(request) + 1, 0), -EINVAL);
    }
}

static void heads(void **state)
{
    (void)state;
    for (uint32_t type = 1; type < NET_REQUEST_TYPE_COUNT; type++) {
        struct net_request request = good(type);
        request.version = NET_VERSION + 1;
        assert_int_equal(check(&request), -EINVAL);
        request = good(type);
        request.reserved = 1;
        assert_int_equal(check(&request), -EINVAL);
    }
    struct net_request request = good(0);
    assert_int_equal(check(&request), -EINVAL);
    request = good(NET_REQUEST_TYPE_COUNT);
    assert_int_equal(check(&request), -EINVAL);
}

static void fields(void **state)
{
    static const uint32_t slots[] = {0, NET_SLOT_GATEWAY, NET_SLOT_LAST + 1, UINT32_MAX};
    static const uint32_t with_slot[] = {NET_LINK, NET_LINK_GONE, NET_GRANT, NET_GRANT_GONE};
    static const uint32_t with_uid[] = {NET_USER,  NET_USER_GONE,  NET_LINK,
                                        NET_GRANT, NET_GRANT_GONE, NET_WHY};
    static const uint32_t with_target[] = {NET_SERVICE, NET_WHY};
    struct net_request request;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(with_slot); i++)
        for (size_t j = 0; j < ARRAY_LEN(slots); j++) {
            request = good(with_slot[i]);
            request.slot = slots[j];
            assert_int_equal(check(&request), -EINVAL);
        }
    for (size_t i = 0; i < ARRAY_LEN(with_uid); i++) {
        request = good(with_uid[i]);
        request.uid = 0;
        assert_int_equal(check(&request), -EINVAL);
    }
    for (uint32_t type = NET_GRANT; type <= NET_GRANT_GONE; type++) {
        request = good(type);
        request.port = 0;
        assert_int_equal(check(&request), -EINVAL);
        request = good(type);
        request.protocol = IPPROTO_ICMP;
        assert_int_equal(check(&request), -EINVAL);
    }
    for (size_t i = 0; i < ARRAY_LEN(with_target); i++) {
        request = good(with_target[i]);
        request.target.protocol = 0;
        assert_int_equal(check(&request), -EINVAL);
        request = good(with_target[i]);
        request.target.flags = NET_IPV6 << 1;
        assert_int_equal(check(&request), -EINVAL);
        request.target.flags = NET_IPV6;
        assert_int_equal(check(&request), 0);
    }
}

static void names(void **state)
{
    static const char *const others[] = {"croft",      "croft0",    "croft000",   "croft0000",
                                         "croft0001",  "croftfffe", "croftffff",  "croft00g2",
                                         "croft00002", "croft000A", "xcroft0002", "eth0",
                                         "croft-0002", ""};
    char name[NET_LINK_NAME_SIZE];
    (void)state;

    for (uint32_t slot = NET_SLOT_FIRST; slot <= NET_SLOT_LAST; slot++) {
        net_link_name(slot, name);
        assert_int_equal(net_link_slot(name), slot);
    }
    net_link_name(0x0a5b, name);
    assert_string_equal(name, "croft0a5b");
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_int_equal(net_link_slot(others[i]), 0);
}

static void addresses(void **state)
{
    static const uint8_t expected6[16] = {0xfd, 1, 2, 3, 4, 5, [14] = 0x0a, [15] = 0x5b};
    static const uint8_t outside[6] = {0x02, 0x63, 0x72, 0x00, 0x0a, 0x5b};
    static const uint8_t inside[6] = {0x02, 0x63, 0x72, 0x01, 0x0a, 0x5b};
    uint8_t address[16];
    uint8_t mac[6];
    (void)state;

    assert_int_equal(net_address4(&PREFIX, 0x0a5b), NETWORK_IPV4 | 0x0a5b);
    net_address6(&PREFIX, 0x0a5b, address);
    assert_memory_equal(address, expected6, sizeof(address));
    net_mac(0x0a5b, 0, mac);
    assert_memory_equal(mac, outside, sizeof(mac));
    net_mac(0x0a5b, 1, mac);
    assert_memory_equal(mac, inside, sizeof(mac));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones), cmocka_unit_test(heads),     cmocka_unit_test(fields),
        cmocka_unit_test(names),     cmocka_unit_test(addresses),
    };
    return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
