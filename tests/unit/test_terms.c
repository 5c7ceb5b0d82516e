/* SPDX-License-Identifier: Apache-2.0 */
/* test_terms - what is granted, from words: users, ports, ends */
#include "unit.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/target.h"
#include "cli/terms.h"

#define NOW_NS (1795478400ULL * NS_PER_S)

static struct err err;

static void targets(void **state)
{
    static const char *const good[][2] = {
        {"db:5432", "db:5432"},
        {"db:5432/tcp", "db:5432"},
        {"db:53/udp", "db:53/udp"},
        {"db.alice:5432", "db.alice:5432"},
        {"1.2.3.4:443", "1.2.3.4:443"},
        {"1.2.3.4:443/udp", "1.2.3.4:443/udp"},
        {"[2001:db8::1]:65535", "[2001:db8::1]:65535"},
        {"[::1]:1/udp", "[::1]:1/udp"},
        {"a:1", "a:1"},
    };
    static const char *const bad[] = {
        "",
        "db",
        ":5432",
        "db:",
        "db:0",
        "db:65536",
        "db:05432",
        "db:-1",
        "db:+1",
        "db: 1",
        "db:1 ",
        "db:5432/",
        "db:1/TCP",
        "db:1/sctp",
        "db:1/udp/tcp",
        "DB:1",
        "-db:1",
        "db-:1",
        "db.:1",
        ".db:1",
        "a.b.c:1",
        "www.a.com:443",
        "1.2.3:1",
        "1.2.3.4.5:1",
        "[::1:1",
        "::1:443",
        "[::1]443",
        "[1.2.3.4]:1",
        "[]:1",
        "[:1",
        "]:1",
        "[::1%eth0]:1",
        "db\x1b:1",
        "256.1.1.1:1",
        "0x1.2.3.4:1",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1",
    };
    struct target target;
    char text[TARGET_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(target_parse(good[i][0], &target, &err), 0);
        assert_string_equal(target_text(&target, text), good[i][1]);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(target_parse(bad[i], &target, &err), OUTCOME_USAGE);
    assert_int_equal(target_parse("db.alice:53/udp", &target, &err), 0);
    assert_string_equal(target.machine, "db");
    assert_string_equal(target.owner, "alice");
    assert_int_equal(target.port, 53);
    assert_int_equal(target.protocol, IPPROTO_UDP);
    assert_int_equal(target_parse("1.2.3.4:1", &target, &err), 0);
    assert_string_equal(target.machine, "");
    assert_memory_equal(target.address, "\x01\x02\x03\x04", 4);
}

/* @behind: how many words stand behind "--" */
static int words_with(size_t behind, bool of_user, const char *user, const char *kind,
                      const char *what)
{
    char room[3][64];
    char *word[] = {room[0], room[1], room[2]};
    const char *given[] = {user, kind, what};
    const char *ret_user = NULL;
    struct target target;
    size_t count = 0;

    for (; count < 3 && given[count] != NULL; count++)
        (void)snprintf(room[count], sizeof(room[count]), "%s", given[count]);
    const struct operands given_words = {.item = word, .count = count, .rest_count = behind};
    return terms_words(&given_words, of_user, &ret_user, &target, &err);
}

static int words(bool of_user, const char *user, const char *kind, const char *what)
{
    return words_with(0, of_user, user, kind, what);
}

static void who_and_what(void **state)
{
    (void)state;
    assert_int_equal(words(false, "bob", "port", "db:5432"), 0);
    assert_int_equal(words(true, "alice", "port", "db.alice:5432"), 0);
    assert_int_equal(words(true, "alice", "port", "db.carol:5432"), OUTCOME_USAGE);
    assert_int_equal(words(false, "bob", "port", "db.alice:5432"), OUTCOME_USAGE);
    assert_int_equal(words(false, "bob", "port", NULL), OUTCOME_USAGE);
    assert_int_equal(words(false, NULL, NULL, NULL), OUTCOME_USAGE);
    assert_int_equal(words(false, "bob", "path", "home:/srv"), OUTCOME_USAGE);
    assert_int_equal(words(false, "Bob", "port", "db:5432"), OUTCOME_USAGE);
    assert_int_equal(words_with(1, false, "bob", "port", "db:5432"), OUTCOME_USAGE);
    assert_int_equal(words(false, "bob", "port", "100.96.0.2:5432"), OUTCOME_USAGE);
}

static void ends(void **state)
{
    static const struct {
        struct terms_wish wish;
        int result;
    } rows[] = {
        {{.for_text = "8h"}, 0},
        {{.until_text = "2026-12-01T18:00:00Z"}, 0},
        {{.forever = true}, 0},
        {{.for_text = NULL}, OUTCOME_USAGE},
        {{.for_text = "8h", .forever = true}, OUTCOME_USAGE},
        {{.for_text = "8h", .until_text = "18:00"}, OUTCOME_USAGE},
        {{.until_text = "18:00", .forever = true}, OUTCOME_USAGE},
        {{.for_text = "0s"}, OUTCOME_USAGE},
        {{.for_text = "8"}, OUTCOME_USAGE},
        {{.for_text = "5000w"}, OUTCOME_USAGE}, /* beyond 2106 */
        {{.for_text = "99999w"}, OUTCOME_USAGE},
        {{.until_text = "2026-11-23T18:00:00Z"}, OUTCOME_USAGE},
        {{.until_text = "1950-01-01T00:00:00Z"}, OUTCOME_USAGE},
        {{.until_text = "2107-01-01T00:00:00Z"}, OUTCOME_USAGE},
        {{.until_text = "never"}, OUTCOME_USAGE},
        {{.forever = true, .rate_text = "50"}, 0},
        {{.forever = true, .rate_text = "50/s"}, 0},
        {{.forever = true, .rate_text = "0/s"}, OUTCOME_USAGE},
        {{.forever = true, .rate_text = "50/m"}, OUTCOME_USAGE},
        {{.forever = true, .rate_text = "/s"}, OUTCOME_USAGE},
        {{.forever = true, .rate_text = "100001"}, OUTCOME_USAGE},
        {{.forever = true, .rate_text = "11111111111111111111"}, OUTCOME_USAGE},
        {{.forever = true, .connections = 65535}, 0},
    };
    const struct target target = {.machine = "db", .port = 5432, .protocol = IPPROTO_TCP};
    struct grant_terms terms;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(terms_read(&rows[i].wish, &target, NOW_NS, &terms, &err), rows[i].result);
    assert_int_equal(terms_read(&rows[0].wish, &target, NOW_NS, &terms, &err), 0);
    assert_int_equal(terms.end, GRANT_FOR);
    assert_int_equal(terms.for_ns, 8 * 3600 * NS_PER_S);
    assert_int_equal(terms.port, 5432);
    assert_int_equal(terms_read(&rows[16].wish, &target, NOW_NS, &terms, &err), 0);
    assert_int_equal(terms.rate, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets),
        cmocka_unit_test(who_and_what),
        cmocka_unit_test(ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
