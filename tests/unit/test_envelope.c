/* SPDX-License-Identifier: Apache-2.0 */
/* test_envelope - the arithmetic of a user's limits, and the sentences that hold it */
#include "unit.h"

#include <string.h>

#include "base/attrs.h"
#include "monitor/envelope.h"

static const struct host_room host = {
    .memory_bytes = 24 * GIB,
    .memory_promised_bytes = 20 * GIB,
    .disk_free_bytes = 79 * GIB,
    .pids = 32768,
    .cpu_milli = 2000,
    .disk_name = "/var/lib/croft",
};

static void a_new_user_gets_the_defaults(void **state)
{
    struct user_limits limits = {0};
    struct err err;

    (void)state;
    assert_int_equal(envelope_decide(&host, 0, &limits, NULL, &limits, &err), 0);
    assert_int_equal(limits.memory_bytes, 2 * GIB);
    assert_int_equal(limits.memory_min_bytes, 0);
    assert_int_equal(limits.pids, 1000);
    assert_true(limits.disk_bytes <= 79 * GIB / 10 && limits.disk_bytes > 7 * GIB);
    assert_int_equal(limits.disk_bytes % 4096, 0);
    assert_int_equal(limits.inodes, limits.disk_bytes / 16384);
    assert_int_equal(limits.cpu_milli, 0);
    assert_int_equal(limits.net_bytes_per_s, 0);
    assert_int_equal(limits.net_packets_per_s, DEFAULT_NET_PACKETS);
    assert_int_equal(limits.net_connections, DEFAULT_NET_CONNECTIONS);
    assert_int_equal(limits.lan, 0);
}

static void connections_are_held_against_the_hosts_table(void **state)
{
    struct host_room small = host;
    struct user_limits limits = {0};
    struct err err;

    (void)state;
    small.connections = 4096;
    assert_int_equal(envelope_decide(&small, 0, &limits, NULL, &limits, &err), 0);
    assert_int_equal(limits.net_connections, 4096 / DEFAULT_NET_CONNECTIONS_PART);
    const struct user_limits now = limits;
    limits.net_connections = 2048;
    assert_int_equal(envelope_decide(&small, USER_CONNECTIONS, &limits, &now, &limits, &err), 0);
    limits.net_connections = 2049;
    assert_int_equal(envelope_decide(&small, USER_CONNECTIONS, &limits, &now, &limits, &err),
                     OUTCOME_OVER_LIMIT);
    assert_non_null(strstr(err.text, "nf_conntrack_max"));
    /* what she has already holds nothing else up */
    limits = now;
    limits.net_connections = 9999;
    assert_int_equal(envelope_decide(&small, USER_LAN, &limits, &limits, &limits, &err), 0);
}

static void each_limit_of_the_network_is_set_alone(void **state)
{
    const struct user_limits now = {.memory_bytes = GIB,
                                    .pids = 100,
                                    .net_bytes_per_s = MIB,
                                    .net_packets_per_s = 5000,
                                    .net_connections = 100,
                                    .lan = 1};
    const struct user_limits asked = {
        .net_bytes_per_s = 2 * MIB, .net_packets_per_s = 6000, .net_connections = 200, .lan = 0};
    const uint32_t fields[] = {USER_NET, USER_PACKETS, USER_CONNECTIONS, USER_LAN};
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        struct user_limits limits = {0};
        assert_int_equal(envelope_decide(&host, fields[i], &asked, &now, &limits, &err), 0);
        assert_int_equal(limits.net_bytes_per_s, i == 0 ? 2 * MIB : MIB);
        assert_int_equal(limits.net_packets_per_s, i == 1 ? 6000 : 5000);
        assert_int_equal(limits.net_connections, i == 2 ? 200 : 100);
        assert_int_equal(limits.lan, i == 3 ? 0 : 1);
    }
}

static void a_small_host_gives_a_quarter(void **state)
{
    struct host_room small = host;
    struct user_limits limits = {0};
    struct err err;

    (void)state;
    small.memory_bytes = 2 * GIB;
    assert_int_equal(envelope_decide(&small, 0, &limits, NULL, &limits, &err), 0);
    assert_int_equal(limits.memory_bytes, (2 * GIB - 512 * MIB) / 4);
}

static void what_is_not_given_stays(void **state)
{
    const struct user_limits now = {.memory_bytes = GIB,
                                    .disk_bytes = 900 * GIB, /* more than is free: it is hers */
                                    .inodes = 5000,
                                    .pids = 100,
                                    .cpu_milli = 500};
    const struct user_limits asked = {.pids = 200};
    struct user_limits limits = {0};
    struct err err;

    (void)state;
    assert_int_equal(envelope_decide(&host, USER_PIDS, &asked, &now, &limits, &err), 0);
    assert_int_equal(limits.pids, 200);
    assert_int_equal(limits.memory_bytes, GIB);
    assert_int_equal(limits.disk_bytes, 900 * GIB);
    assert_int_equal(limits.inodes, 5000);
    assert_int_equal(limits.cpu_milli, 500);
}

struct refusal {
    uint32_t field;
    struct user_limits asked;
    enum outcome outcome;
    const char *says;
};

static void what_does_not_fit_is_refused_with_its_numbers(void **state)
{
    static const struct refusal refusals[] = {
        {USER_DISK,
         {.disk_bytes = 900 * GIB},
         OUTCOME_OVER_LIMIT,
         "disk 900 GiB does not fit: 79 GiB free on /var/lib/croft, 7.8 GiB of it are kept"},
        {USER_DISK, {.disk_bytes = MIB}, OUTCOME_OVER_LIMIT, "is too little"},
        {USER_MEMORY, {.memory_bytes = 24 * GIB}, OUTCOME_OVER_LIMIT, "this host has 24 GiB"},
        {USER_MEMORY, {.memory_bytes = 0}, OUTCOME_USAGE, "at least 16 MiB"},
        {USER_MEMORY | USER_MEMORY_MIN,
         {.memory_bytes = 4 * GIB, .memory_min_bytes = 3 * GIB},
         OUTCOME_OVER_LIMIT,
         "20 GiB are promised to other users"},
        {USER_MEMORY_MIN, {.memory_min_bytes = 3 * GIB}, OUTCOME_USAGE, "more than"},
        {USER_PIDS, {.pids = 40000}, OUTCOME_OVER_LIMIT, "1024 of them are kept"},
        {USER_PIDS, {.pids = 0}, OUTCOME_USAGE, "at least 16"},
        {USER_CPUS, {.cpu_milli = 2001}, OUTCOME_OVER_LIMIT, "this host has 2"},
        {USER_CPUS, {.cpu_milli = 1}, OUTCOME_USAGE, "at least 0.01"},
        {USER_INODES, {.inodes = 1}, OUTCOME_USAGE, "at least 1024"},
        {USER_INODES, {.inodes = UINT64_MAX}, OUTCOME_OVER_LIMIT, "one per 4096 bytes"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        struct user_limits limits;
        struct err err = {.outcome = OUTCOME_OK};
        int rc = envelope_decide(&host, refusals[i].field, &refusals[i].asked, NULL, &limits, &err);

        assert_int_equal(rc, refusals[i].outcome);
        if (strstr(err.text, refusals[i].says) == NULL)
            fail_msg("%zu: '%s' does not say '%s'", i, err.text, refusals[i].says);
    }
}

static void promises_never_pass_what_the_host_gives(void **state)
{
    const struct user_limits asked = {.memory_bytes = 4 * GIB, .memory_min_bytes = GIB};
    struct host_room room = host;
    struct user_limits limits = {0};
    struct err err;
    const uint32_t fields = USER_MEMORY | USER_MEMORY_MIN;
    const uint64_t rest = room.memory_bytes - host_memory_reserve(room.memory_bytes);

    (void)state;
    room.memory_promised_bytes = rest - GIB;
    assert_int_equal(envelope_decide(&room, fields, &asked, NULL, &limits, &err), 0);
    room.memory_promised_bytes = rest - GIB + 1;
    assert_int_equal(envelope_decide(&room, fields, &asked, NULL, &limits, &err),
                     OUTCOME_OVER_LIMIT);
    room.memory_promised_bytes = UINT64_MAX; /* as if the host had shrunk */
    assert_int_equal(envelope_decide(&room, fields, &asked, NULL, &limits, &err),
                     OUTCOME_OVER_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_user_gets_the_defaults),
        cmocka_unit_test(connections_are_held_against_the_hosts_table),
        cmocka_unit_test(each_limit_of_the_network_is_set_alone),
        cmocka_unit_test(a_small_host_gives_a_quarter),
        cmocka_unit_test(what_is_not_given_stays),
        cmocka_unit_test(what_does_not_fit_is_refused_with_its_numbers),
        cmocka_unit_test(promises_never_pass_what_the_host_gives),
    };

    return cmocka_run_group_tests_name("envelope", tests, NULL, NULL);
}
