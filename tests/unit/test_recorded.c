/* SPDX-License-Identifier: Apache-2.0 */
/* test_recorded - records in words, and the guess at a mistyped verb */
#include "unit.h"

#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/near.h"
#include "cli/recorded.h"

#define NOBODY 4294900001U /* an account that no host has */
#define OTHER  4294900002U

static char text[RECORDED_TEXT_SIZE];

static struct record a_record(uint32_t type, uint32_t phase)
{
    return (struct record){.type = type, .phase = phase, .actor_uid = NOBODY};
}

static struct grant a_grant(void)
{
    return (struct grant){
        .id = 17,
        .owner_uid = NOBODY,
        .grantee_uid = OTHER,
        .terms = {.protocol = IPPROTO_TCP,
                  .port = 5432,
                  .end = GRANT_FOR,
                  .for_ns = 8 * 3600 * NS_PER_S},
        .machine = "db",
        .cut = 2,
    };
}

/* Payloads lie in a file's bytes: in no alignment. */
static const char *words(const struct record *record, const void *payload, size_t size)
{
    static uint8_t bytes[1024];

    memcpy(bytes + 1, payload, size);
    return recorded_words(record, bytes + 1, size, text);
}

static void grants(void **state)
{
    struct record intent = a_record(RECORD_GRANT, RECORD_INTENT);
    struct record outcome = a_record(RECORD_GRANT, RECORD_OUTCOME);
    struct grant grant = a_grant();

    (void)state;
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    tzset();
    assert_string_equal(words(&intent, &grant, sizeof(grant)),
                        "grant 17: uid 4294900002 may use db.uid 4294900001:5432 for 8h");
    outcome.actor_uid = 0;
    assert_non_null(strstr(words(&outcome, &grant, sizeof(grant)), "next boot"));
    grant.terms = (struct grant_terms){.protocol = IPPROTO_UDP,
                                       .port = 53,
                                       .end = GRANT_UNTIL,
                                       .until_wall_ns = 1795478400 * NS_PER_S};
    assert_non_null(
        strstr(words(&intent, &grant, sizeof(grant)), ":53/udp until 2026-11-24 00:00:00"));
    grant.terms.end = GRANT_FOREVER;
    assert_non_null(strstr(words(&intent, &grant, sizeof(grant)), "/udp for ever"));
}

static void ends(void **state)
{
    static const char *const why[] = {
        [0] = "it ended",
        [GRANT_REVOKED] = "its owner took it back",
        [GRANT_GIVEN_BACK] = "it was given back",
        [GRANT_EXPIRED] = "its time was over",
        [GRANT_MACHINE_GONE] = "the machine was removed",
        [GRANT_USER_GONE] = "one of the two was removed",
        [GRANT_USER_GONE + 1] = "it ended",
    };
    struct record intent = a_record(RECORD_GRANT_END, RECORD_INTENT);
    struct record outcome = a_record(RECORD_GRANT_END, RECORD_OUTCOME);
    struct grant grant = a_grant();

    (void)state;
    for (uint32_t over = 0; over < ARRAY_LEN(why); over++) {
        grant.over = over;
        assert_non_null(strstr(words(&intent, &grant, sizeof(grant)), why[over]));
    }
    assert_null(strstr(text, "cut"));
    assert_non_null(strstr(words(&outcome, &grant, sizeof(grant)), "; 2 connections cut"));
    grant.cut = 1;
    assert_non_null(strstr(words(&outcome, &grant, sizeof(grant)), "; 1 connection cut"));
}

static void asks(void **state)
{
    struct record asked = a_record(RECORD_ASK, RECORD_OUTCOME);
    struct record denied = a_record(RECORD_DENY, RECORD_OUTCOME);
    struct ask ask = {
        .id = 3,
        .asker_uid = OTHER,
        .owner_uid = NOBODY,
        .terms = {.protocol = IPPROTO_TCP, .port = 22, .end = GRANT_FOREVER},
        .machine = "db",
        .why = "please",
    };

    (void)state;
    assert_non_null(strstr(words(&asked, &ask, sizeof(ask)), ":22 for ever: please"));
    memcpy(denied.text, "denied", sizeof("denied"));
    assert_non_null(strstr(words(&denied, &ask, sizeof(ask)), ":22: denied"));
    /* Whatever stands in a record, one clean line comes out. */
    memset(ask.why, '\x1b', sizeof(ask.why));
    memset(ask.machine, '\n', sizeof(ask.machine));
    assert_null(strpbrk(words(&asked, &ask, sizeof(ask)), "\x1b\n"));
}

static void networks(void **state)
{
    struct record record = a_record(RECORD_HOST_NETWORK, RECORD_OUTCOME);
    struct order_network network = {.count = 0};

    (void)state;
    assert_string_equal(words(&record, &network, sizeof(network)),
                        "machines may use no service of the host");
    network.count = UINT32_MAX;
    for (size_t i = 0; i < NETWORK_SERVICES_MAX; i++)
        network.service[i] = (struct net_target){
            .address = {0x20, 0x01, 0x0d, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
            .flags = NET_IPV6,
            .protocol = IPPROTO_UDP,
            .port = 53,
        };
    assert_non_null(strstr(words(&record, &network, sizeof(network)),
                           "every machine may use [2001:db8:102:304:506:708:90a:b0c]:53/udp, "));
}

static void other_records_have_none(void **state)
{
    struct record record = a_record(RECORD_GRANT, RECORD_OUTCOME);
    struct grant grant = a_grant();

    (void)state;
    assert_string_equal(words(&record, &grant, sizeof(grant) - 1), "");
    assert_string_equal(words(&record, &grant, 0), "");
    record.type = RECORD_EXEC;
    assert_string_equal(words(&record, &grant, sizeof(grant)), "");
}

static void distances(void **state)
{
    static const struct {
        const char *one;
        const char *other;
        size_t distance;
    } rows[] = {
        {"grant", "grant", 0},
        {"grnat", "grant", 1},
        {"gran", "grant", 1},
        {"grantt", "grant", 1},
        {"grint", "grant", 1},
        {"", "ls", 2},
        {"", "", 0},
        {"revoke", "remove", 2},
        {"user lst", "user ls", 1},
        {"aaaaaaaaaaaaaaaaaaaaaaaaa", "a", SIZE_MAX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(near_distance(rows[i].one, rows[i].other), rows[i].distance);
        assert_int_equal(near_distance(rows[i].other, rows[i].one), rows[i].distance);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grants),
        cmocka_unit_test(ends),
        cmocka_unit_test(asks),
        cmocka_unit_test(networks),
        cmocka_unit_test(other_records_have_none),
        cmocka_unit_test(distances),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
