/* SPDX-License-Identifier: Apache-2.0 */
/* test_user - passwd and group lines as an image's root may write them */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attrs.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "init/environment.h"
#include "init/user.h"
#include "wire/limits.h"

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

static void a_group_by_name(void **state)
{
    static const struct {
        const char *line;
        const char *wanted;
        bool found;
    } table[] = {
        {"adm:x:4:root,www", "adm", true},
        {"adm:x:4:", "adm", true},
        {"adm:x:4:root", "root", false},
        {"adm:x:4:root", "ad", false},
        {"adm:x:-4:root", "adm", false},
        {"adm:x:4", "adm", false},
        {"adm:x:65535:root", "adm", false},
        {"adm:x:4:a:b", "adm", false},
        {"", "", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char line[128];
        gid_t gid = 77;
        assert_int_equal(str_copy(line, sizeof(line), table[i].line), 0);
        assert_int_equal(user_group_id(line, table[i].wanted, &gid), table[i].found);
        assert_int_equal(gid, table[i].found ? 4 : 77);
    }
}

static const char *value(const char *const *envp, const char *variable)
{
    const size_t length = strlen(variable);
    const char *found = NULL;
    for (; *envp; envp++) {
        if (strncmp(*envp, variable, length) != 0 || (*envp)[length] != '=')
            continue;
        assert_null(found); /* one of each name */
        found = *envp + length + 1;
    }
    return found;
}

static void what_was_given_stays(void **state)
{
    static const char *const none[] = {NULL};
    static const char *const some[] = {"HOME=/h", "USERS=1", "LOGNAME=l", NULL};
    const struct user www = {.uid = 33, .name = "www", .home = "/var/www"};
    const struct user nameless = {.uid = 77, .home = "/"};
    (void)state;
    const char *const *envp = environment_make(none, &www);
    assert_string_equal(value(envp, "HOME"), "/var/www");
    assert_string_equal(value(envp, "USER"), "www");
    assert_string_equal(value(envp, "LOGNAME"), "www");
    assert_non_null(value(envp, "PATH"));
    envp = environment_make(some, &www);
    assert_string_equal(value(envp, "HOME"), "/h");
    assert_string_equal(value(envp, "USER"), "www");
    assert_string_equal(value(envp, "LOGNAME"), "l");
    envp = environment_make(none, &nameless);
    assert_string_equal(value(envp, "HOME"), "/");
    assert_null(value(envp, "USER"));
    envp = environment_make(none, NULL);
    assert_string_equal(value(envp, "HOME"), "/root");
}

/* One that is there may still lack its groups; who never comes is root. */
static void an_account_on_its_way_is_waited_for(void **state)
{
    char pending[] = "/tmp/croft-unit-XXXXXX";
    struct user user;
    (void)state;
    auto_close fd = mkstemp(pending);
    assert_true(fd >= 0);
    uint64_t begin_ns = clock_boot_ns();
    assert_int_equal(user_find("root", pending, &user), 0);
    assert_int_equal(user_find("no-such-user", pending, &user), -ENOENT);
    assert_int_equal(user_find("?root", "/tmp/croft-unit-none", &user), 0);
    assert_true(clock_boot_ns() - begin_ns < 200 * NS_PER_MS);

    pid_t first_start = fork();
    assert_true(first_start >= 0);
    if (first_start == 0) {
        usleep(300000);
        _exit(unlink(pending) < 0);
    }
    begin_ns = clock_boot_ns();
    assert_int_equal(user_find("?daemon", pending, &user), 0);
    assert_string_equal(user.name, "daemon");
    const uint64_t waited_ns = clock_boot_ns() - begin_ns;
    assert_true(waited_ns >= 300 * NS_PER_MS && waited_ns < FIRST_START_WAIT_MS * NS_PER_MS);
    assert_int_equal(waitpid(first_start, NULL, 0), first_start);
}

static void nobody_is_waited_for_without_end(void **state)
{
    char pending[] = "/tmp/croft-unit-XXXXXX";
    struct user user;
    (void)state;
    auto_close fd = mkstemp(pending);
    assert_true(fd >= 0);
    const uint64_t begin_ns = clock_boot_ns();
    assert_int_equal(user_find("?no-such-user", pending, &user), 0);
    assert_string_equal(user.name, "root");
    assert_true(clock_boot_ns() - begin_ns >= FIRST_START_WAIT_MS * NS_PER_MS);
    assert_int_equal(unlink(pending), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_name_and_by_id),
        cmocka_unit_test(lines_that_are_no_account),
        cmocka_unit_test(a_home_that_is_no_path_is_the_root),
        cmocka_unit_test(groups_are_collected),
        cmocka_unit_test(groups_beyond_the_most_are_left_out),
        cmocka_unit_test(a_group_by_name),
        cmocka_unit_test(what_was_given_stays),
        cmocka_unit_test(an_account_on_its_way_is_waited_for),
        cmocka_unit_test(nobody_is_waited_for_without_end),
    };

    return cmocka_run_group_tests_name("user", tests, NULL, NULL);
}
