/* SPDX-License-Identifier: Apache-2.0 */
/* test_grant - what can be granted at all, and what is left of it under every clock */
#include "unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "base/clock.h"
#include "wire/grant.h"

#define HOUR (3600ULL * NS_PER_S)
#define NOW  (1800000000ULL * NS_PER_S) /* some day in 2027 */
#define BOOT (50ULL * HOUR)
#define LAST (GRANT_END_MAX_WALL_S * NS_PER_S)

static const struct grant_terms good = {
    .kind = GRANT_PORT, .protocol = IPPROTO_TCP, .port = 5432, .end = GRANT_FOREVER};

static int check(struct grant_terms terms)
{
    struct err err = {.outcome = OUTCOME_OK};
    int rc = grant_terms_check(&terms, NOW, &err);

    assert_int_equal(rc, err.outcome);
    assert_true(rc == 0 || (rc == OUTCOME_USAGE && err.text[0] != '\0'));
    return rc;
}

#define WITH(...)                                                                                  \
    ({                                                                                             \
        struct grant_terms terms_ = good;                                                          \
        struct grant_terms *t = &terms_;                                                           \
        __VA_ARGS__;                                                                               \
        check(terms_);                                                                             \
    })

static void what_may_be_granted(void **state)
{
    (void)state;
    assert_int_equal(WITH((void)t), 0);
    assert_int_equal(WITH(t->protocol = IPPROTO_UDP), 0);
    assert_int_equal(WITH(t->port = 1), 0);
    assert_int_equal(WITH(t->port = 65535), 0);
    assert_int_equal(WITH(t->connections = GRANT_CONNECTIONS_MAX), 0);
    assert_int_equal(WITH(t->rate = GRANT_RATE_MAX), 0);
    assert_int_equal(WITH(t->end = GRANT_FOR; t->for_ns = 1), 0);
    assert_int_equal(WITH(t->end = GRANT_FOR; t->for_ns = LAST - NOW), 0);
    assert_int_equal(WITH(t->end = GRANT_UNTIL; t->until_wall_ns = NOW + 1), 0);
    assert_int_equal(WITH(t->end = GRANT_UNTIL; t->until_wall_ns = LAST), 0);
}

static void what_may_not(void **state)
{
    (void)state;
    assert_true(WITH(t->kind = 0));
    assert_true(WITH(t->kind = GRANT_PORT + 1));
    assert_true(WITH(t->protocol = 0));
    assert_true(WITH(t->protocol = IPPROTO_ICMP));
    assert_true(WITH(t->port = 0));
    assert_true(WITH(t->connections = GRANT_CONNECTIONS_MAX + 1));
    assert_true(WITH(t->connections = UINT32_MAX));
    assert_true(WITH(t->rate = GRANT_RATE_MAX + 1));
    assert_true(WITH(t->reserved = 1));
    assert_true(WITH(t->end = 0));
    assert_true(WITH(t->end = GRANT_UNTIL + 1));
    assert_true(WITH(t->for_ns = 1));
    assert_true(WITH(t->until_wall_ns = NOW + 1));
    assert_true(WITH(t->end = GRANT_FOR));
    assert_true(WITH(t->end = GRANT_FOR; t->for_ns = HOUR; t->until_wall_ns = NOW + HOUR));
    assert_true(WITH(t->end = GRANT_FOR; t->for_ns = LAST - NOW + 1));
    assert_true(WITH(t->end = GRANT_FOR; t->for_ns = UINT64_MAX));
    assert_true(WITH(t->end = GRANT_UNTIL));
    assert_true(WITH(t->end = GRANT_UNTIL; t->until_wall_ns = NOW));
    assert_true(WITH(t->end = GRANT_UNTIL; t->until_wall_ns = NOW - HOUR));
    assert_true(WITH(t->end = GRANT_UNTIL; t->until_wall_ns = LAST + 1));
    assert_true(WITH(t->end = GRANT_UNTIL; t->until_wall_ns = UINT64_MAX));
    assert_true(WITH(t->end = GRANT_UNTIL; t->until_wall_ns = NOW + HOUR; t->for_ns = 1));
}

static void a_host_beyond_2106_grants_nothing_with_an_end(void **state)
{
    struct grant_terms terms = good;
    struct err err;

    (void)state;
    assert_int_equal(grant_terms_check(&terms, LAST + HOUR, &err), 0);
    terms.end = GRANT_FOR;
    terms.for_ns = 1;
    assert_int_equal(grant_terms_check(&terms, LAST + HOUR, &err), OUTCOME_USAGE);
}

static int why(const char *text, size_t size)
{
    char *exact = calloc(1, ASK_WHY_SIZE);
    assert_non_null(exact);
    memcpy(exact, text, size);
    int r = grant_why_check(exact);
    free(exact);
    return r;
}

static void why_is_one_plain_line(void **state)
{
    char full[ASK_WHY_SIZE];

    (void)state;
    memset(full, 'a', sizeof(full));
    assert_int_equal(why("", 1), 0);
    assert_int_equal(why("the report of November", 23), 0);
    assert_int_equal(why(full, sizeof(full) - 1), 0);
    assert_int_equal(why(full, sizeof(full)), -EINVAL);
    assert_int_equal(why("two\nlines", 10), -EINVAL);
    assert_int_equal(why("\033[2J", 5), -EINVAL);
    assert_int_equal(why("caf\303\251", 6), -EINVAL);
    assert_int_equal(why("\177", 2), -EINVAL);
    assert_int_equal(why("ends\0and goes on", 16), -EINVAL);
}

static struct grant made(uint32_t end, uint64_t lasts)
{
    struct grant grant = {.terms = good, .made_boot_ns = BOOT, .left_ns = lasts, .boot_id = {7}};

    grant.terms.end = end;
    if (end == GRANT_FOR)
        grant.terms.for_ns = lasts;
    if (end == GRANT_UNTIL)
        grant.terms.until_wall_ns = NOW + lasts;
    return grant;
}

static uint64_t left(const struct grant *grant, uint64_t wall_ns, uint64_t boot_ns, uint8_t boot)
{
    const struct grant_clocks now = {.wall_ns = wall_ns, .boot_ns = boot_ns, .boot_id = {boot}};
    return grant_left(grant, &now, NOW);
}

static void for_counts_the_time_since_boot(void **state)
{
    const struct grant grant = made(GRANT_FOR, 8 * HOUR);

    (void)state;
    assert_int_equal(left(&grant, NOW, BOOT, 7), 8 * HOUR);
    assert_int_equal(left(&grant, NOW + HOUR, BOOT + HOUR, 7), 7 * HOUR);
    /* the clock was set back, and forward: it counts on */
    assert_int_equal(left(&grant, NOW - 100 * HOUR, BOOT + HOUR, 7), 7 * HOUR);
    assert_int_equal(left(&grant, NOW + 100 * HOUR, BOOT + HOUR, 7), 7 * HOUR);
    assert_int_equal(left(&grant, NOW - 100 * HOUR, BOOT + 8 * HOUR, 7), 0);
    assert_int_equal(left(&grant, NOW, BOOT + 9 * HOUR, 7), 0);
}

static void until_ends_at_its_moment_and_never_later(void **state)
{
    const struct grant grant = made(GRANT_UNTIL, 8 * HOUR);

    (void)state;
    assert_int_equal(left(&grant, NOW, BOOT, 7), 8 * HOUR);
    /* set forward: sooner; past the end: now */
    assert_int_equal(left(&grant, NOW + 6 * HOUR, BOOT + HOUR, 7), 2 * HOUR);
    assert_int_equal(left(&grant, NOW + 8 * HOUR, BOOT + 1, 7), 0);
    assert_int_equal(left(&grant, NOW + 100 * HOUR, BOOT + 1, 7), 0);
    /* set back: prolongs nothing */
    assert_int_equal(left(&grant, NOW - 5 * HOUR, BOOT + HOUR, 7), 7 * HOUR);
    assert_int_equal(left(&grant, NOW - 5 * HOUR, BOOT + 8 * HOUR, 7), 0);
}

static void another_boot_counts_by_the_clock(void **state)
{
    const struct grant lasting = made(GRANT_FOR, 8 * HOUR);
    const struct grant until = made(GRANT_UNTIL, 8 * HOUR);

    (void)state;
    /* off for three hours, and up for a minute */
    assert_int_equal(left(&lasting, NOW + 3 * HOUR, NS_PER_S, 8), 5 * HOUR);
    assert_int_equal(left(&until, NOW + 3 * HOUR, NS_PER_S, 8), 5 * HOUR);
    /* the time since boot says nothing, however much it is */
    assert_int_equal(left(&lasting, NOW + 3 * HOUR, BOOT + 100 * HOUR, 8), 5 * HOUR);
    assert_int_equal(left(&lasting, NOW + 8 * HOUR, 1, 8), 0);
    /* a clock without battery: never longer than was left */
    assert_int_equal(left(&lasting, 0, 1, 8), 8 * HOUR);
    assert_int_equal(left(&until, 0, 1, 8), 8 * HOUR);
}

static void for_ever_has_no_end(void **state)
{
    const struct grant grant = made(GRANT_FOREVER, UINT64_MAX);

    (void)state;
    assert_true(left(&grant, NOW + 100 * HOUR, BOOT + 100 * HOUR, 7) == UINT64_MAX);
    assert_true(left(&grant, 0, 0, 8) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_be_granted),
        cmocka_unit_test(what_may_not),
        cmocka_unit_test(a_host_beyond_2106_grants_nothing_with_an_end),
        cmocka_unit_test(why_is_one_plain_line),
        cmocka_unit_test(for_counts_the_time_since_boot),
        cmocka_unit_test(until_ends_at_its_moment_and_never_later),
        cmocka_unit_test(another_boot_counts_by_the_clock),
        cmocka_unit_test(for_ever_has_no_end),
    };

    return cmocka_run_group_tests_name("grant", tests, NULL, NULL);
}
