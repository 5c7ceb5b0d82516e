/* SPDX-License-Identifier: Apache-2.0 */
/* test_key - what may become the list of who logs in */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "cli/key.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA=="

static void good(void **state)
{
    static const char *const texts[] = {
        KEY,
        (KEY "\n"),
        (KEY " alice@host\n"),
        ("# comment\n\n" KEY " a b c\n  \t\nssh-rsa\tAAAAB3NzaC1yc2E=\n"),
        ("  " KEY),
        "sk-ssh-ed25519@openssh.com AAAAGnNrLXNz yubi\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        size_t line = 0;

        if (key_check(texts[i], strlen(texts[i]), &line) != 0)
            fail_msg("%s: line %zu", texts[i], line);
    }
}

static void bad(void **state)
{
    static const struct {
        const char *text;
        size_t size; /* 0: as long as the text */
        size_t line;
    } table[] = {
        {"", 0, 0},
        {"\n\n# only words\n", 0, 0},
        {"hello\n", 0, 1},
        {KEY "\nhello\n", 0, 2},
        {"command=\"/bin/sh\" " KEY, 0, 1},
        {"environment=\"A=b\" " KEY, 0, 1},
        {"cert-authority " KEY, 0, 1},
        {"ssh-ed25519", 0, 1},
        {"ssh-ed25519 ", 0, 1},
        {"ssh-ed25519 AAAA", 0, 1},
        {"ssh-ed25519 BBBBCCCC", 0, 1},
        {"ssh-ed25519x AAAABBBB", 0, 1},
        {"ssh-dss AAAAB3NzaC1kc3M=", 0, 1},
        {"ssh-ed25519 AAAABB,command=x", 0, 1},
        {KEY "\0x", sizeof(KEY "\0x") - 1, 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        size_t size = table[i].size != 0 ? table[i].size : strlen(table[i].text);
        size_t line = 99;

        if (key_check(table[i].text, size, &line) != -EINVAL || line != table[i].line)
            fail_msg("%s: line %zu", table[i].text, line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(bad),
    };

    return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
