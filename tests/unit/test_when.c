/* SPDX-License-Identifier: Apache-2.0 */
/* test_when - durations and moments as people type them */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "cli/when.h"

#define MIDNIGHT_S 1795478400ULL /* 2026-11-24 00:00 UTC */
#define NOW_NS     ((MIDNIGHT_S + 12 * 3600) * NS_PER_S)

static void durations(void **state)
{
    static const struct {
        const char *text;
        int result;
        uint64_t seconds;
    } rows[] = {
        {"90m", 0, 5400},
        {"8h", 0, 28800},
        {"2d", 0, 172800},
        {"1h30m", 0, 5400},
        {"1w2d3h4m5s", 0, 604800 + 172800 + 10800 + 240 + 5},
        {"1h05m", 0, 3900},
        {"1s", 0, 1},
        {"100w", 0, 60480000},
        {"", -EINVAL, 0},
        {"8", -EINVAL, 0},
        {"h", -EINVAL, 0},
        {"8 h", -EINVAL, 0},
        {" 8h", -EINVAL, 0},
        {"8h ", -EINVAL, 0},
        {"-8h", -EINVAL, 0},
        {"+8h", -EINVAL, 0},
        {"1.5h", -EINVAL, 0},
        {"8H", -EINVAL, 0},
        {"1y", -EINVAL, 0},
        {"30m1h", -EINVAL, 0},
        {"1h1h", -EINVAL, 0},
        {"0s", -ERANGE, 0},
        {"0d0h", -ERANGE, 0},
        {"30501w", -ERANGE, 0},
        {"18446744073s", 0, 18446744073},
        {"18446744074s", -ERANGE, 0},
        {"99999999999999999999s", -EINVAL, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t ns = 7;

        assert_int_equal(when_duration(rows[i].text, &ns), rows[i].result);
        assert_int_equal(ns, rows[i].result == 0 ? rows[i].seconds * NS_PER_S : 7);
    }
}

static void moments(void **state)
{
    static const struct {
        const char *text;
        int result;
        uint64_t seconds;
    } rows[] = {
        {"2026-11-24 18:00", 0, MIDNIGHT_S + 64800},
        {"2026-11-24 18:00:07", 0, MIDNIGHT_S + 64807},
        {"2026-11-24T18:00", 0, MIDNIGHT_S + 64800},
        {"2026-11-24T18:00:00Z", 0, MIDNIGHT_S + 64800},
        {"2026-11-24t18:00:00z", 0, MIDNIGHT_S + 64800},
        {"2026-11-24T18:00:00.25+01:00", 0, MIDNIGHT_S + 61200},
        {"2026-11-24T18:00:00-08:30", 0, MIDNIGHT_S + 95400},
        {"2026-12-31T23:59:60Z", 0, MIDNIGHT_S + 38 * 86400},
        {"18:00", 0, MIDNIGHT_S + 64800},
        {"12:00", 0, MIDNIGHT_S + 43200 + 86400}, /* now: the next one is meant */
        {"06:05:04", 0, MIDNIGHT_S + 86400 + 21904},
        {"2028-02-29 00:00", 0, 1835395200},
        {"2027-02-29 00:00", -ERANGE, 0},
        {"2026-11-31 10:00", -ERANGE, 0},
        {"2026-00-10 10:00", -ERANGE, 0},
        {"2026-13-10 10:00", -ERANGE, 0},
        {"2026-10-00 10:00", -ERANGE, 0},
        {"2026-11-24 24:00", -ERANGE, 0},
        {"25:00", -ERANGE, 0},
        {"12:60", -ERANGE, 0},
        {"2026-11-24", -EINVAL, 0},
        {"2026-11-24 ", -EINVAL, 0},
        {"2026-11-24 6:00", -EINVAL, 0},
        {"6:00", -EINVAL, 0},
        {"tomorrow", -EINVAL, 0},
        {"", -EINVAL, 0},
        {"18:00Z", -EINVAL, 0},
        {"2026-11-24T18:00:00+1", -EINVAL, 0},
        {"2026-11-24T18:00:00.Z", -EINVAL, 0},
        {"2026-11-24T18:00:00Zz", -EINVAL, 0},
        {"12026-11-24 18:00", -EINVAL, 0},
        {"9999-12-31 23:59", -ERANGE, 0}, /* nanoseconds end in 2554 */
    };
    uint64_t ns = 0;

    (void)state;
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    tzset();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ns = 7;
        assert_int_equal(when_moment(rows[i].text, NOW_NS, &ns), rows[i].result);
        assert_int_equal(ns, rows[i].result == 0 ? rows[i].seconds * NS_PER_S : 7);
    }
    /* What lies before all clocks is simply past. */
    assert_int_equal(when_moment("1960-01-01 00:00", NOW_NS, &ns), 0);
    assert_int_equal(ns, 1);
}

/* The hour that the clocks leave out in spring is no moment; an ordinary day has its offset. */
static void zone(void **state)
{
    uint64_t ns = 0;

    (void)state;
    assert_int_equal(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1), 0);
    tzset();
    assert_int_equal(when_moment("2026-11-24 18:00", NOW_NS, &ns), 0);
    assert_int_equal(ns, (MIDNIGHT_S + 61200) * NS_PER_S);
    assert_int_equal(when_moment("2027-07-01 00:00", NOW_NS, &ns), 0);
    assert_int_equal(ns, 1814392800ULL * NS_PER_S);
    assert_int_equal(when_moment("2027-03-28 02:30", NOW_NS, &ns), -ERANGE);
    assert_int_equal(when_moment("18:00", NOW_NS, &ns), 0);
    assert_int_equal(ns, (MIDNIGHT_S + 61200) * NS_PER_S);
}

static void texts(void **state)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } rows[] = {
        {0, "0s"},
        {499, "0s"},
        {500, "1s"},
        {45000, "45s"},
        {60000, "1m"},
        {3599900, "1h"},
        {5400000, "1h30m"},
        {28799999, "8h"},
        {28740000, "7h59m"},
        {90061000, "1d1h"},
        {86400000, "1d"},
        {86460000, "1d"},
        {8640000000, "100d"},
    };
    char text[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(when_text(rows[i].ms * NS_PER_MS, text, sizeof(text)), rows[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(moments),
        cmocka_unit_test(zone),
        cmocka_unit_test(texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
