/* SPDX-License-Identifier: Apache-2.0 */
/* test_words - how the gate cuts a login's command: blanks, single quotes, backslash, nothing else
 */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "gate/words.h"

#define WORDS_MAX 8

static void first_word(void **state)
{
    static const char *const yes[] = {"croft", "croft ls", " croft", "\tcroft\tls", "croft  "};
    static const char *const no[] = {"",           "crofter", "croft;ls",         "croft\nls",
                                     "'croft' ls", "./croft", "CROFT ls",         "cr",
                                     "croft-gate", "\\croft", "/usr/bin/croft ls"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        assert_true(words_is_croft(yes[i]));
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        assert_false(words_is_croft(no[i]));
}

static void split_table(void **state)
{
    static const struct {
        const char *line;
        int result;
        const char *words[WORDS_MAX + 1];
    } table[] = {
        {"", 0, {NULL}},
        {" \t ", 0, {NULL}},
        {"croft ls", 0, {"croft", "ls", NULL}},
        {"  a \t b  ", 0, {"a", "b", NULL}},
        {"a 'b c' d", 0, {"a", "b c", "d", NULL}},
        {"a''b", 0, {"ab", NULL}},
        {"''", 0, {"", NULL}},
        {"a '' b", 0, {"a", "", "b", NULL}},
        {"'a'\\''b'", 0, {"a'b", NULL}},
        {"a\\ b", 0, {"a b", NULL}},
        {"'a\\b'", 0, {"a\\b", NULL}},
        {"\\\\", 0, {"\\", NULL}},
        {"a\\\nb", 0, {"a\nb", NULL}},
        {"$HOME `id` $(id) * ~ \"x y\"",
         0,
         {"$HOME", "`id`", "$(id)", "*", "~", "\"x", "y\"", NULL}},
        {"a;b|c&d>e", 0, {"a;b|c&d>e", NULL}},
        {"a\nb", 0, {"a\nb", NULL}},
        {"1 2 3 4 5 6 7 8", 0, {"1", "2", "3", "4", "5", "6", "7", "8", NULL}},
        {"1 2 3 4 5 6 7 8 9", -E2BIG, {NULL}},
        {"'", -EINVAL, {NULL}},
        {"a 'b", -EINVAL, {NULL}},
        {"a\\", -EINVAL, {NULL}},
        {"\xff\x01 \x80", 0, {"\xff\x01", "\x80", NULL}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char line[64];
        char *words[WORDS_MAX + 1];
        size_t count = 0;
        size_t k;

        memcpy(line, table[i].line, strlen(table[i].line) + 1);
        if (words_split(line, words, WORDS_MAX, &count) != table[i].result)
            fail_msg("words_split(\"%s\")", table[i].line);
        if (table[i].result != 0)
            continue;
        for (k = 0; table[i].words[k] != NULL; k++)
            assert_string_equal(words[k], table[i].words[k]);
        assert_int_equal(count, k);
        assert_null(words[count]);
    }
}

static void plain_values(void **state)
{
    char longest[66];

    (void)state;
    assert_true(words_is_plain("xterm-256color"));
    assert_true(words_is_plain("de_DE.UTF-8@euro"));
    assert_false(words_is_plain(""));
    assert_false(words_is_plain("x y"));
    assert_false(words_is_plain("x\n"));
    assert_false(words_is_plain("../x/y"));
    assert_false(words_is_plain("\x1b[2J"));
    memset(longest, 'a', sizeof(longest));
    longest[65] = '\0';
    assert_false(words_is_plain(longest));
    longest[64] = '\0';
    assert_true(words_is_plain(longest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_word),
        cmocka_unit_test(split_table),
        cmocka_unit_test(plain_values),
    };

    return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
