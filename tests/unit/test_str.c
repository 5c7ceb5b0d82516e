/* SPDX-License-Identifier: Apache-2.0 */
/* test_str - the one integer parser, sizes, names, and what a terminal may see */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

#define UNTOUCHED 77U

static void u64_table(void **state)
{
    static const struct {
        const char *text;
        uint64_t min, max;
        int result;
        uint64_t value;
    } table[] = {
        {"0", 0, 10, 0, 0},
        {"10", 0, 10, 0, 10},
        {"18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX},
        {"18446744073709551616", 0, UINT64_MAX, -ERANGE, UNTOUCHED},
        {"99999999999999999999999", 0, UINT64_MAX, -ERANGE, UNTOUCHED},
        {"11", 0, 10, -ERANGE, UNTOUCHED},
        {"4", 5, 10, -ERANGE, UNTOUCHED},
        {"", 0, 10, -EINVAL, UNTOUCHED},
        {"01", 0, 10, -EINVAL, UNTOUCHED},
        {"00", 0, 10, -EINVAL, UNTOUCHED},
        {"+1", 0, 10, -EINVAL, UNTOUCHED},
        {"-1", 0, 10, -EINVAL, UNTOUCHED},
        {" 1", 0, 10, -EINVAL, UNTOUCHED},
        {"1 ", 0, 10, -EINVAL, UNTOUCHED},
        {"1\n", 0, 10, -EINVAL, UNTOUCHED},
        {"0x1", 0, 10, -EINVAL, UNTOUCHED},
        {"1e1", 0, 10, -EINVAL, UNTOUCHED},
        {"\xd9\xa1", 0, 10, -EINVAL, UNTOUCHED}, /* a digit, in Arabic */
    };
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(table); i++) {
        uint64_t value = UNTOUCHED;

        if (str_u64(table[i].text, table[i].min, table[i].max, &value) != table[i].result ||
            value != table[i].value)
            fail_msg("str_u64(\"%s\")", table[i].text);
    }
}

static void size_table(void **state)
{
    static const struct {
        const char *text;
        int result;
        uint64_t value;
    } table[] = {
        {"0", 0, 0},
        {"17", 0, 17},
        {"1K", 0, 1024},
        {"1KiB", 0, 1024},
        {"3M", 0, 3ULL << 20},
        {"2GiB", 0, 2ULL << 30},
        {"5T", 0, 5ULL << 40},
        {"16777215T", 0, 16777215ULL << 40},
        {"16777216T", -ERANGE, UNTOUCHED},
        {"", -EINVAL, UNTOUCHED},
        {"K", -EINVAL, UNTOUCHED},
        {"1k", -EINVAL, UNTOUCHED},
        {"1KB", -EINVAL, UNTOUCHED},
        {"1Ki", -EINVAL, UNTOUCHED},
        {"1KiBs", -EINVAL, UNTOUCHED},
        {"1 K", -EINVAL, UNTOUCHED},
        {"-1K", -EINVAL, UNTOUCHED},
        {"01K", -EINVAL, UNTOUCHED},
        {"1.5G", -EINVAL, UNTOUCHED},
    };
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(table); i++) {
        uint64_t value = UNTOUCHED;

        if (str_size(table[i].text, &value) != table[i].result || value != table[i].value)
            fail_msg("str_size(\"%s\")", table[i].text);
    }
}

static void size_text_table(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } table[] = {
        {0, "0 B"},
        {17, "17 B"},
        {1023, "1023 B"},
        {1024, "1 KiB"},
        {3ULL << 19, "1.5 MiB"},
        {10ULL << 30, "10 GiB"},
        {(2ULL << 20) - 1, "1.9 MiB"},
        {UINT64_MAX, "16777215.9 TiB"},
    };
    char buf[24];
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(table); i++)
        assert_string_equal(str_size_text(table[i].bytes, buf, sizeof(buf)), table[i].text);
}

static void copy_and_format_refuse_what_does_not_fit(void **state)
{
    char buf[4] = "xyz";

    (void)state;
    assert_int_equal(str_copy(buf, sizeof(buf), "abc"), 0);
    assert_string_equal(buf, "abc");
    assert_int_equal(str_copy(buf, sizeof(buf), "abcd"), -ENAMETOOLONG);
    assert_string_equal(buf, "");
    assert_int_equal(str_format(buf, sizeof(buf), "%d", 123), 0);
    assert_string_equal(buf, "123");
    assert_int_equal(str_format(buf, sizeof(buf), "%d", 1234), -ENAMETOOLONG);
    assert_string_equal(buf, "");
}

static void name_table(void **state)
{
    static const char *const good[] = {"a",  "db",   "a-b",
                                       "x1", "a--b", "abcdefghijklmnopqrstuvwxyzabcdef"};
    static const char *const bad[] = {
        "",       "A",        "1a",    "-a",    "a-",   "a_b",
        "a.b",    "..",       "a/b",   "/",     "a b",  "a\n",
        "\033[m", "\xc3\xa4", "root!", "a\x7f", "a\\b", "abcdefghijklmnopqrstuvwxyzabcdefg"};
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(good); i++)
        if (!str_is_name(good[i]))
            fail_msg("'%s' is a name", good[i]);
    for (i = 0; i < ARRAY_LEN(bad); i++)
        if (str_is_name(bad[i]))
            fail_msg("'%s' is no name", bad[i]);
}

static void terminated_means_zeroes_to_the_end(void **state)
{
    (void)state;
    assert_true(str_terminated("ab\0\0", 4));
    assert_true(str_terminated("\0\0\0\0", 4));
    assert_false(str_terminated("abcd", 4));
    assert_false(str_terminated("a\0c\0", 4));
    assert_false(str_terminated("abc\0x", 5));
}

static void hex_both_ways(void **state)
{
    const uint8_t bytes[3] = {0x00, 0xaf, 0xff};
    uint8_t back[3];
    char text[7];

    (void)state;
    str_hex(bytes, sizeof(bytes), text);
    assert_string_equal(text, "00afff");
    assert_int_equal(str_unhex(text, back, sizeof(back)), 0);
    assert_memory_equal(back, bytes, sizeof(back));
    assert_int_equal(str_unhex("00AFFF", back, sizeof(back)), -EINVAL);
    assert_int_equal(str_unhex("00afff0", back, sizeof(back)), -EINVAL);
    assert_int_equal(str_unhex("00aff", back, sizeof(back)), -EINVAL);
    assert_int_equal(str_unhex("00afxf", back, sizeof(back)), -EINVAL);
}

static void printable_table(void **state)
{
    static const struct {
        const char *from, *to;
    } table[] = {
        {"plain ~", "plain ~"},
        {"a\tb\nc\rd\033[2J\x7f", "a?b?c?d?[2J?"},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x99\x82",
         "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x99\x82"},
        {"\xc2\x9b"
         "2J",
         "??2J"},           /* C1: CSI as one character */
        {"\x9b", "?"},      /* C1 as a byte */
        {"\xc0\xaf", "??"}, /* overlong */
        {"\xe0\x80\xaf", "???"},
        {"\xf0\x80\x80\xaf", "????"},
        {"\xed\xa0\x80", "???"}, /* a surrogate */
        {"\xf4\x90\x80\x80", "????"},
        {"\xe2\x82", "??"}, /* cut off */
        {"\xff", "?"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(table); i++) {
        char text[64];

        assert_int_equal(str_copy(text, sizeof(text), table[i].from), 0);
        str_printable(text);
        assert_string_equal(text, table[i].to);
    }
}

static void brackets_nest_so_deep(void **state)
{
    static const struct {
        const char *text;
        bool is_shallow;
    } table[] = {
        {"", true},
        {"[[]]", true},
        {"{\"a\":[1]}", true},
        {"[[[]]]", false},
        {"[[],[],[]]", true},
        {"[\"[[[\"]", true},
        {"[\"\\\"[[[\"]", true},
        {"[\"\\\\\",[[]]]", false},
        {"]]]][[[", false}, /* closed more often than opened is no credit */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (str_is_shallow(table[i].text, strlen(table[i].text), 2) != table[i].is_shallow)
            fail_msg("%s", table[i].text);
    assert_true(str_is_shallow("[[[", 2, 2)); /* the size counts, not the end */
}

static void fields_of_a_line(void **state)
{
    static const struct {
        const char *line;
        size_t count;
        const char *field[3];
    } table[] = {
        {"", 1, {"", "", ""}},      {"a", 1, {"a", "", ""}},           {":", 2, {"", "", ""}},
        {"a:b", 2, {"a", "b", ""}}, {"a::c", 3, {"a", "", "c"}},       {"a:b:", 3, {"a", "b", ""}},
        {"::", 3, {"", "", ""}},    {"a:b:c:d", 3, {"a", "b", "c:d"}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char line[16];
        char *field[3];
        assert_int_equal(str_copy(line, sizeof(line), table[i].line), 0);
        assert_int_equal(str_fields(line, field, ARRAY_LEN(field)), table[i].count);
        for (size_t j = 0; j < ARRAY_LEN(field); j++)
            assert_string_equal(field[j], table[i].field[j]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(u64_table),
        cmocka_unit_test(size_table),
        cmocka_unit_test(size_text_table),
        cmocka_unit_test(copy_and_format_refuse_what_does_not_fit),
        cmocka_unit_test(name_table),
        cmocka_unit_test(terminated_means_zeroes_to_the_end),
        cmocka_unit_test(hex_both_ways),
        cmocka_unit_test(printable_table),
        cmocka_unit_test(brackets_nest_so_deep),
        cmocka_unit_test(fields_of_a_line),
    };

    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
