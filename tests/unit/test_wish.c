/* SPDX-License-Identifier: Apache-2.0 */
/* test_wish - a plan that is what was typed, and each way in which it is not */
#include "unit.h"

#include <string.h>

#include "base/mem.h"
#include "cli/wish.h"

#define HER_UID 1001U

static union {
    struct plan plan;
    char bytes[PLAN_SIZE_MAX];
} made;
static struct err err;

static struct wish new_wish(void)
{
    static char program[] = "/bin/echo";
    static char word[] = "a b";
    static char *words[] = {program, word, NULL};
    static const char *env[] = {"A=1", "B=2", "A=3"};

    return (struct wish){
        .kind = "job",
        .image = "busybox",
        .name = "web",
        .user = "nobody",
        .workdir = "/srv",
        .network = "none",
        .command = words,
        .env = {env, ARRAY_LEN(env), ARRAY_LEN(env)},
        .memory_bytes = 64U << 20,
        .pids = 50,
        .cpu_milli = 1500,
        .remove = true,
    };
}

/* @strings: working directory, @argc words, @envc variables, each with its 0 byte */
static void set_strings(const char *strings, size_t size, uint32_t argc, uint32_t envc)
{
    memcpy(made.plan.command.strings, strings, size);
    made.plan.command.strings_len = (uint32_t)size;
    made.plan.command.argc = argc;
    made.plan.command.envc = envc;
}
#define SET_STRINGS(strings, argc, envc) set_strings(strings, sizeof(strings), argc, envc)

/* What an honest croftd makes of new_wish(), with an entry point and a variable of the image's. */
static void make_plan(void)
{
    memset(&made, 0, sizeof(made));
    made.plan = (struct plan){
        .version = PLAN_VERSION,
        .kind = PLAN_JOB,
        .flags = PLAN_REMOVE | PLAN_OFFLINE,
        .owner_uid = HER_UID,
        .name = "web",
        .image = "busybox",
        .memory_bytes = 64U << 20,
        .pids = 50,
        .cpu_milli = 1500,
        .command.user = "nobody",
    };
    SET_STRINGS("/srv\0/entry\0/bin/echo\0a b\0PATH=/bin\0B=2\0A=3", 3, 3);
}

static int check(const struct wish *wish)
{
    err = (struct err){.outcome = OUTCOME_OK};
    return wish_check_plan(wish, HER_UID, &made.plan, plan_size(&made.plan), &err);
}

/* Refuses the plan as it is, because of @what; makes it whole again. */
static void assert_another(const struct wish *wish, const char *what)
{
    assert_int_equal(check(wish), OUTCOME_FAILED);
    assert_non_null(strstr(err.text, "another plan than was asked for"));
    if (strstr(err.text, what) == NULL)
        fail_msg("'%s' does not name %s", err.text, what);
    make_plan();
}

static void honest(void **state)
{
    struct wish wish = new_wish();

    (void)state;
    make_plan();
    assert_int_equal(check(&wish), 0);
    /* What nobody typed is the image's to say. */
    wish.user = NULL;
    wish.workdir = NULL;
    wish.command = NULL;
    wish.env.count = 0;
    assert_int_equal(check(&wish), 0);
    wish.name = NULL;
    memcpy(made.plan.name, "job-0123abff", sizeof("job-0123abff"));
    assert_int_equal(check(&wish), 0);
}

static void other_fields(void **state)
{
    const struct wish wish = new_wish();
    struct wish unnamed = wish;

    (void)state;
    unnamed.name = NULL;
    make_plan();
    assert_another(&unnamed, "name");
    made.plan.kind = PLAN_MACHINE;
    assert_another(&wish, "kind");
    for (uint32_t flag = 1; flag <= PLAN_FLAGS_ALL; flag <<= 1) {
        made.plan.flags ^= flag;
        assert_another(&wish, "flags");
    }
    made.plan.owner_uid++;
    assert_another(&wish, "owner");
    made.plan.name[0] = 'x';
    assert_another(&wish, "name");
    made.plan.image[0] = 'x';
    assert_another(&wish, "image");
    memset(made.plan.image, 'x', sizeof(made.plan.image));
    assert_another(&wish, "none");
    made.plan.memory_bytes = 0;
    assert_another(&wish, "limits");
    made.plan.pids++;
    assert_another(&wish, "limits");
    made.plan.cpu_milli = 0;
    assert_another(&wish, "limits");
    memset(made.plan.command.user, 0, sizeof(made.plan.command.user));
    assert_another(&wish, "user");
    SET_STRINGS("/\0/bin/echo\0a b\0B=2\0A=3", 2, 2);
    assert_another(&wish, "working directory");
    made.plan.command.strings_len--;
    assert_another(&wish, "none");
    made.plan.command.argc = UINT32_MAX;
    assert_another(&wish, "none");
    err = (struct err){.outcome = OUTCOME_OK};
    assert_int_equal(wish_check_plan(&wish, HER_UID, &made.plan, sizeof(made.plan) - 1, &err),
                     OUTCOME_FAILED);
}

static void limits_nobody_asked_for(void **state)
{
    struct wish wish = new_wish();

    (void)state;
    make_plan();
    wish.memory_bytes = 0;
    assert_another(&wish, "limits");
}

static void other_commands(void **state)
{
    struct wish wish = new_wish();
    char *none[] = {NULL};

    (void)state;
    make_plan();
    SET_STRINGS("/srv\0/bin/echo\0a\0b\0B=2\0A=3", 3, 2);
    assert_another(&wish, "command");
    SET_STRINGS("/srv\0a b\0B=2\0A=3", 1, 2);
    assert_another(&wish, "command");
    SET_STRINGS("/srv\0/bin/echo\0a b\0more\0B=2\0A=3", 3, 2);
    assert_another(&wish, "command");
    /* With --entrypoint nothing of it is the image's. */
    wish.entrypoint = "/other";
    assert_another(&wish, "command");
    wish.entrypoint = "/entry";
    assert_int_equal(check(&wish), 0);
    wish.entrypoint = "";
    assert_another(&wish, "command");
    SET_STRINGS("/srv\0/bin/echo\0a b\0B=2\0A=3", 2, 2);
    assert_int_equal(check(&wish), 0);
    wish.command = none;
    assert_another(&wish, "command");
    SET_STRINGS("/srv\0/bin/sh\0B=2\0A=3", 1, 2);
    assert_int_equal(check(&wish), 0);
    SET_STRINGS("/srv\0/bin/ash\0B=2\0A=3", 1, 2);
    assert_another(&wish, "command");
    wish.kind = "machine";
    made.plan.kind = PLAN_MACHINE;
    SET_STRINGS("/srv\0-\0B=2\0A=3", 1, 2);
    assert_int_equal(check(&wish), 0);
}

static void other_variables(void **state)
{
    const struct wish wish = new_wish();

    (void)state;
    make_plan();
    SET_STRINGS("/srv\0/bin/echo\0a b\0A=3", 2, 1); /* one is not there */
    assert_another(&wish, "environment");
    SET_STRINGS("/srv\0/bin/echo\0a b\0B=2\0A=1", 2, 2); /* not the last of its name */
    assert_another(&wish, "environment");
    SET_STRINGS("/srv\0/bin/echo\0a b\0B=2\0A=3\0A=4", 2, 3);
    assert_another(&wish, "environment");
    SET_STRINGS("/srv\0/bin/echo\0a b\0A=4\0B=2\0A=3", 2, 3);
    assert_another(&wish, "environment");
    SET_STRINGS("/srv\0/bin/echo\0a b\0AA=4\0B=2\0A=3", 2, 3);
    assert_int_equal(check(&wish), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest),          cmocka_unit_test(other_fields),
        cmocka_unit_test(other_commands),  cmocka_unit_test(limits_nobody_asked_for),
        cmocka_unit_test(other_variables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
