/* SPDX-License-Identifier: Apache-2.0 */
/* test_rules - the monitor's table of orders is whole, and says who may what */
#include "unit.h"

#include <string.h>

#include "base/attrs.h"
#include "monitor/orders.h"
#include "monitor/users.h"

static void every_order_has_a_rule(void **state)
{
    (void)state;
    for (uint32_t type = 1; type < ORDER_TYPE_COUNT; type++) {
        assert_int_not_equal(order_rules[type].who, 0);
        assert_non_null(order_rules[type].handle);
        assert_string_not_equal(order_name(type), "unknown");
    }
    assert_int_equal(order_rules[0].who, 0);
    assert_null(order_rules[0].handle);
}

/* Written down a second time, so that a change of who may what is made twice and on purpose. */
static void only_admins_change_users(void **state)
{
    static const uint32_t admin[] = {ORDER_USER_ADD, ORDER_USER_SET, ORDER_USER_REMOVE};

    (void)state;
    for (uint32_t type = 1; type < ORDER_TYPE_COUNT; type++) {
        bool is_admin = false;
        for (size_t i = 0; i < ARRAY_LEN(admin); i++)
            is_admin = is_admin || admin[i] == type;
        if (is_admin)
            assert_int_equal(order_rules[type].who, WHO_ADMIN);
        else if (type == ORDER_HOST_STOP || type == ORDER_HOST_NETWORK)
            assert_int_equal(order_rules[type].who, WHO_ROOT);
        else if (type == ORDER_HOST_STATUS)
            assert_int_equal(order_rules[type].who, WHO_ANYONE);
        else
            assert_int_equal(order_rules[type].who, WHO_USER);
    }
}

/* To revoke and to approve are recorded as what becomes of the grant. */
static void a_refusal_is_recorded_as_what_was_asked(void **state)
{
    (void)state;
    assert_int_equal(order_rules[ORDER_REVOKE].record, RECORD_GRANT_END);
    assert_int_equal(order_rules[ORDER_APPROVE].record, RECORD_GRANT);
    for (uint32_t type = 1; type < ORDER_TYPE_COUNT; type++)
        if (order_rules[type].record != 0 && type != ORDER_REVOKE && type != ORDER_APPROVE)
            assert_string_equal(record_type_name((uint32_t)order_rules[type].record),
                                order_name(type));
}

static void blocks_and_keepers_never_overlap(void **state)
{
    (void)state;
    for (uint32_t slot = 1; slot < USERS_MAX; slot++) {
        assert_int_equal(slot_block(slot), slot_block(slot - 1) + BLOCK_COUNT);
        assert_int_equal(slot_keeper(slot), slot_keeper(slot - 1) - 1);
    }
    assert_int_equal(slot_block(0), ID_RANGE_FIRST);
    assert_int_equal(slot_keeper(0), ID_RANGE_LAST);
    assert_true(slot_block(USERS_MAX - 1) + (BLOCK_COUNT - 1) < slot_keeper(USERS_MAX - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_has_a_rule),
        cmocka_unit_test(only_admins_change_users),
        cmocka_unit_test(a_refusal_is_recorded_as_what_was_asked),
        cmocka_unit_test(blocks_and_keepers_never_overlap),
    };

    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
