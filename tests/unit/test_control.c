/* SPDX-License-Identifier: Apache-2.0 */
/* test_control - strict JSON, and one base64 text for each content */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "base/mem.h"
#include "wire/control.h"
#include "wire/limits.h"

static json_t *parse(const char *text, size_t size, struct err *err)
{
    char *exact = malloc(size ? size : 1);
    json_t *object;

    assert_non_null(exact);
    memcpy(exact, text, size);
    object = control_parse(exact, size, err);
    free(exact);
    return object;
}

static void good_calls_pass(void **state)
{
    static const char *const good[] = {
        "{}",
        "{\"method\": \"Plan\", \"parameters\": {\"command\": [\"/bin/true\"]}}",
        " {\"a\":[[[[[[[1]]]]]]]}\n",
        "{\"a\": \"[[[[[[[[[[[[ \\\" {{{{{{{{{{\"}",
        "{\"a\": \"gr\xc3\xbc\xc3\x9f\"}",
    };
    struct err err;
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(good); i++) {
        json_t *object = parse(good[i], strlen(good[i]), &err);

        if (!object)
            fail_msg("%s: %s", good[i], err.text);
        json_decref(object);
    }
}

static void bad_calls_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "[]",
        "1",
        "\"x\"",
        "null",
        "{",
        "{\"a\":1,}",
        "{\"a\":1} {}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\n\"}",
        "{'a':1}",
        "{\"a\":NaN}",
        "{\"a\":1e999}",
        "{\"a\":[[[[[[[[1]]]]]]]]}",
        "]]]]]]]]]]]]]]]]]]]][[[[[[[[[[[[[[[[[[[",
        "{\"a\\",
    };
    struct err err;
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(bad); i++) {
        if (parse(bad[i], strlen(bad[i]), &err))
            fail_msg("%s passed", bad[i]);
        assert_int_equal(err.outcome, OUTCOME_USAGE);
        assert_null(strchr(err.text, '\n'));
    }
    assert_null(parse("{\"a\":\"\0\"}", 9, &err));
}

static void a_message_has_a_greatest_size(void **state)
{
    static char big[MESSAGE_SIZE_MAX + 1];
    struct err err;
    json_t *object;

    (void)state;
    memset(big, ' ', sizeof(big));
    big[0] = '{';
    big[1] = '}';
    object = parse(big, MESSAGE_SIZE_MAX, &err);
    assert_non_null(object);
    json_decref(object);
    assert_null(parse(big, sizeof(big), &err));
    memset(big, '[', sizeof(big));
    assert_null(parse(big, MESSAGE_SIZE_MAX, &err));
}

static void text_is_compact(void **state)
{
    json_t *object = json_pack("{s:s, s:[i,i]}", "a", "b\n", "c", 1, 2);
    auto_free char *text = control_text(object);

    (void)state;
    assert_string_equal(text, "{\"a\":\"b\\n\",\"c\":[1,2]}");
    json_decref(object);
}

static void base64_table(void **state)
{
    static const struct {
        const char *bytes, *text;
    } table[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(table); i++) {
        size_t length = strlen(table[i].bytes);
        auto_free char *text = control_base64(table[i].bytes, length);
        char back[8] = "";
        size_t size = 77;

        assert_string_equal(text, table[i].text);
        assert_int_equal(control_unbase64(text, back, sizeof(back), &size), 0);
        assert_int_equal(size, length);
        assert_memory_equal(back, table[i].bytes, length);
    }
}

static void bad_base64_is_refused(void **state)
{
    static const char *const bad[] = {"=",      "Z",         "Zg",   "Zg=",  "====",
                                      "Z===",   "Zg==Zg==",  "Zh==", "Zm9=", "Zm 9v",
                                      "Zm9v\n", "Zm9vY\n==", "Zm-_", "=m9v"};
    char back[16];
    size_t size = 77;
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(bad); i++)
        if (control_unbase64(bad[i], back, sizeof(back), &size) != -EINVAL)
            fail_msg("'%s' passed", bad[i]);
    assert_int_equal(control_unbase64("Zm9vYmFy", back, 5, &size), -EMSGSIZE);
    assert_int_equal(size, 77);
    assert_int_equal(control_unbase64("Zm9vYmE=", back, 5, &size), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_calls_pass),
        cmocka_unit_test(bad_calls_are_refused),
        cmocka_unit_test(a_message_has_a_greatest_size),
        cmocka_unit_test(text_is_compact),
        cmocka_unit_test(base64_table),
        cmocka_unit_test(bad_base64_is_refused),
    };

    return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
