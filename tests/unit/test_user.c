/* SPDX-License-Identifier: Apache-2.0 */
/* test_user - passwd and group lines as an image's root may write them */
#include "unit.h"

#include <string.h>

#include "base/attrs.h"
#include "base/str.h"
#include "init/user.h"

static bool find(const char *text, const char *wanted, struct user *user)
{
    char line[USER_LINE_MAX];

    assert_int_equal(str_copy(line, sizeof(line), text), 0);
    return user_from_passwd(line, wanted, user);
}

static void by_name_and_by_id(void **state)
{
    struct user user = {.home = "/"};

    (void)state;
    assert_true(find("www:x:33:34:web:/var/www:/bin/sh", "www", &user));
    assert_int_equal(user.uid, 33);
    assert_int_equal(user.gid, 34);
    assert_string_equal(user.home, "/var/www");
    assert_false(find("www:x:33:34:web:/var/www:/bin/sh", "ww", &user));
    user.uid = 33;
    assert_true(find("www:x:33:34:web:/var/www:/bin/sh", NULL, &user));
    user.uid = 34;
    assert_false(find("www:x:33:34:web:/var/www:/bin/sh", NULL, &user));
}

static void lines_that_are_no_account(void **state)
{
    static const char *const bad[] = {
        "",
        "www",
        "www:x:33:33:web:/var/www",
        "www:x:33:33:web:/var/www:/bin/sh:more",
        "www:x::33:web:/:/bin/sh",
        "www:x:-1:33:web:/:/bin/sh",
        "www:x:033:33:web:/:/bin/sh",
        "www:x: 33:33:web:/:/bin/sh",
        "www:x:65535:33:web:/:/bin/sh",
        "www:x:33:4294967296:web:/:/bin/sh",
        "www:x:0x21:33:web:/:/bin/sh",
    };
    struct user user = {.home = "/", .uid = 7};
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(bad); i++)
        if (find(bad[i], "www", &user))
            fail_msg("\"%s\" is an account", bad[i]);
    assert_int_equal(user.uid, 7);
}

static void a_home_that_is_no_path_is_the_root(void **state)
{
    struct user user = {.home = ""};

    (void)state;
    assert_true(find("www:x:33:33:web:var:/bin/sh", "www", &user));
    assert_string_equal(user.home, "/");
}

static void groups_are_collected(void **state)
{
    static const char *const lines[] = {"adm:x:4:root,www", "audio:x:29:", "www:x:33:www2",
                                        "bad:x:-4:www", "video:x:44:www,a"};
    struct user user = {.name = "www"};
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(lines); i++) {
        char line[128];

        assert_int_equal(str_copy(line, sizeof(line), lines[i]), 0);
        user_from_group(line, &user);
    }
    assert_int_equal(user.group_count, 2);
    assert_int_equal(user.groups[0], 4);
    assert_int_equal(user.groups[1], 44);
}

static void groups_beyond_the_most_are_left_out(void **state)
{
    struct user user = {.name = "www"};
    size_t i;

    (void)state;
    for (i = 0; i < USER_GROUPS_MAX + 5; i++) {
        char line[] = "g:x:1:www";

        user_from_group(line, &user);
    }
    assert_int_equal(user.group_count, USER_GROUPS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_name_and_by_id),
        cmocka_unit_test(lines_that_are_no_account),
        cmocka_unit_test(a_home_that_is_no_path_is_the_root),
        cmocka_unit_test(groups_are_collected),
        cmocka_unit_test(groups_beyond_the_most_are_left_out),
    };

    return cmocka_run_group_tests_name("user", tests, NULL, NULL);
}
