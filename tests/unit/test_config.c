/* SPDX-License-Identifier: Apache-2.0 */
/* test_config - croft.conf: what it may say, and where it is wrong */
#include "unit.h"

#include <string.h>

#include "base/attrs.h"
#include "daemon/config.h"

static struct config config;

static int parse(const char *text, struct err *err)
{
    config_init(&config);
    return config_parse(&config, "f", text, strlen(text), err);
}

static void right(void **state)
{
    static const struct {
        const char *text;
        const char *image;
    } table[] = {
        {"", ""},
        {"\n\n  \n", ""},
        {"# a comment\n  # another", ""},
        {"default_image = debian\n", "debian"},
        {"default_image=debian", "debian"},
        {" \tdefault_image\t =\t debian \t", "debian"},
    };
    struct err err;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        assert_int_equal(parse(table[i].text, &err), 0);
        assert_string_equal(config.default_image, table[i].image);
    }
}

static void wrong(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } table[] = {
        {"x = 1", "f:1: unknown key"},
        {"\n# c\nDefault_image = a", "f:3: unknown key"},
        {"default_image", "f:1: a line is KEY = VALUE"},
        {"default_image = a\ndefault_image = b", "f:2: this key was set before"},
        {"default_image =", "f:1: default_image must be"},
        {"default_image = ../etc", "f:1: default_image must be"},
        {"default_image = a b", "f:1: default_image must be"},
        {"default_image = a\r\n", "f:1: default_image must be"},
        {"= a", "f:1: unknown key"},
    };
    char big[1000];
    struct err err;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        int rc = parse(table[i].text, &err);
        if (rc != OUTCOME_USAGE || strstr(err.text, table[i].says) != err.text)
            fail_msg("\"%s\": %d \"%s\"", table[i].text, rc, err.text);
    }
    memset(big, '#', sizeof(big));
    assert_int_equal(config_parse(&config, "f", big, sizeof(big), &err), OUTCOME_USAGE);
    assert_string_equal(err.text, "f:1: the line is too long");
    assert_int_equal(config_parse(&config, "f", "\0", 1, &err), OUTCOME_USAGE);
    assert_string_equal(err.text, "f:1: a 0 byte");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right),
        cmocka_unit_test(wrong),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
