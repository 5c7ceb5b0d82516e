/* SPDX-License-Identifier: Apache-2.0 */
/* test_method - who may ask what, and that a user sees only what is hers */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/method.h"
#include "test_daemon.h"
#include "wire/control.h"

/* A plan that is right but for what @rest says. */
#define PLAN_JOB(rest)                                                                             \
    "{\"method\":\"Plan\",\"parameters\":{\"kind\":\"job\",\"image\":\"busybox\"," rest "}}"

static struct view view;
static const struct config config = {.default_image = "busybox"};
static const struct usage usage = {.memory = -1, .pids = -1};
static const struct method_host host = {.view = &view, .config = &config, .usage = &usage};

static const struct method_caller alice = {.uid = ALICE};
static const struct method_caller root = {.uid = 0, .is_admin = true};
static const struct method_caller stranger = {.uid = 4242};

static int set_up(void **state)
{
    (void)state;
    return daemon_view(&view);
}

static int tear_down(void **state)
{
    (void)state;
    view_free(&view);
    return 0;
}

static json_t *ask_bytes(const struct method_caller *caller, const char *text, size_t size)
{
    struct err err = {.text = ""};
    char *answer = method_call(&host, caller, text, size);
    json_t *object = control_parse(answer, strlen(answer), &err);
    if (object == NULL)
        fail_msg("%s", err.text);
    free(answer);
    return object;
}

static json_t *ask(const struct method_caller *caller, const char *text)
{
    return ask_bytes(caller, text, strlen(text));
}

static void assert_refused(const struct method_caller *caller, const char *text, int outcome)
{
    json_t *answer = ask(caller, text);
    json_int_t got = json_integer_value(json_object_get(answer, "outcome"));
    const char *sentence = json_string_value(json_object_get(answer, "text"));
    if (got != outcome || sentence == NULL || sentence[0] == '\0')
        fail_msg("%s: %d instead of %d", text, (int)got, outcome);
    assert_null(json_object_get(answer, "parameters"));
    json_decref(answer);
}

static size_t count(const struct method_caller *caller, const char *text, const char *key)
{
    json_t *answer = ask(caller, text);
    const json_t *list = json_object_get(json_object_get(answer, "parameters"), key);
    assert_true(json_is_array(list));
    size_t size = json_array_size(list);
    json_decref(answer);
    return size;
}

static void malformed(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{",
        "{}",
        "{\"method\":1}",
        "{\"method\":\"Nope\"}",
        "{\"method\":\"List\",\"parameters\":[]}",
        "{\"method\":\"List\",\"method\":\"List\"}",
        "{\"method\":\"Info\"}",
        "{\"method\":\"Info\",\"parameters\":{\"name\":\"../x\"}}",
        "{\"method\":\"Info\",\"parameters\":{\"name\":\"a\\nb\"}}",
        "{\"method\":\"List\",\"parameters\":{\"user\":1}}",
        "{\"method\":\"Plan\",\"parameters\":{}}",
        "{\"method\":\"Plan\",\"parameters\":{\"kind\":\"machine\"}}",
        PLAN_JOB("\"memory\":0"),
        PLAN_JOB("\"memory\":-1"),
        PLAN_JOB("\"pids\":4294967296"),
        PLAN_JOB("\"memory\":1.5"),
        PLAN_JOB("\"tty\":1"),
        PLAN_JOB("\"offline\":\"no\""),
        PLAN_JOB("\"command\":\"x\""),
        PLAN_JOB("\"command\":[\"x\",2]"),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_refused(&alice, bad[i], OUTCOME_USAGE);
}

static void strangers_get_one_answer(void **state)
{
    (void)state;
    assert_false(method_may_ask(&host, &stranger));
    assert_refused(&stranger, "{\"method\":\"Status\"}", OUTCOME_NOT_PERMITTED);
    /* Not even what is wrong with their message. */
    assert_refused(&stranger, "{", OUTCOME_NOT_PERMITTED);
}

static void sees_only_her_own(void **state)
{
    (void)state;
    assert_int_equal(count(&alice, "{\"method\":\"List\"}", "machines"), 1);
    assert_int_equal(count(&alice, "{\"method\":\"Images\"}", "images"), 1);
    assert_int_equal(count(&alice, "{\"method\":\"Users\"}", "users"), 1);
    assert_refused(&alice, "{\"method\":\"Info\",\"parameters\":{\"name\":\"secret\"}}",
                   OUTCOME_NOT_FOUND);
    assert_refused(&alice, "{\"method\":\"Info\",\"parameters\":{\"name\":\"none\"}}",
                   OUTCOME_NOT_FOUND);
    assert_refused(&alice, "{\"method\":\"List\",\"parameters\":{\"all\":true}}",
                   OUTCOME_NOT_PERMITTED);
}

/* Whether there is such a user must not show. */
static void others_are_not_told_apart(void **state)
{
    static const char *const methods[] = {"List", "Info", "Images", "Users", "Status"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        json_t *bob =
            json_pack("{s:s, s:{s:s}}", "method", methods[i], "parameters", "user", "bob");
        json_t *none =
            json_pack("{s:s, s:{s:s}}", "method", methods[i], "parameters", "user", "nobody");
        char *bob_text = control_text(bob);
        char *none_text = control_text(none);
        json_t *about_bob = ask(&alice, bob_text);
        json_t *about_none = ask(&alice, none_text);
        assert_true(json_equal(about_bob, about_none));
        assert_int_equal(json_integer_value(json_object_get(about_bob, "outcome")),
                         OUTCOME_NOT_PERMITTED);
        json_decref(about_bob);
        json_decref(about_none);
        json_decref(bob);
        json_decref(none);
        free(bob_text);
        free(none_text);
    }
}

static void admin_sees_who_is_named(void **state)
{
    (void)state;
    assert_int_equal(count(&root, "{\"method\":\"Users\"}", "users"), 2);
    assert_int_equal(count(&root, "{\"method\":\"List\"}", "machines"), 0);
    assert_int_equal(
        count(&root, "{\"method\":\"List\",\"parameters\":{\"user\":\"bob\"}}", "machines"), 1);
    assert_int_equal(
        count(&root, "{\"method\":\"List\",\"parameters\":{\"all\":true}}", "machines"), 2);
    assert_refused(&root, "{\"method\":\"List\",\"parameters\":{\"user\":\"nobody\"}}",
                   OUTCOME_NOT_FOUND);
    /* An admin plans nothing for others. */
    assert_refused(&root, PLAN_JOB("\"tty\":false"), OUTCOME_NOT_PERMITTED);
}

static void network_is_shown(void **state)
{
    json_t *info = ask(&alice, "{\"method\":\"Info\",\"parameters\":{\"name\":\"db\"}}");
    json_t *users = ask(&alice, "{\"method\":\"Users\"}");
    const json_t *machine = json_object_get(json_object_get(info, "parameters"), "machine");
    const json_t *list = json_object_get(json_object_get(users, "parameters"), "users");
    const json_t *limits = json_object_get(json_array_get(list, 0), "limits");
    (void)state;
    assert_string_equal(json_string_value(json_object_get(machine, "address")), "100.96.2.3");
    assert_int_equal(json_integer_value(json_object_get(machine, "memory_limit_bytes")), GIB);
    assert_int_equal(json_integer_value(json_object_get(limits, "net_bytes_per_s")), 100 * MIB);
    assert_int_equal(json_integer_value(json_object_get(limits, "net_packets_per_s")), 5000);
    assert_int_equal(json_integer_value(json_object_get(limits, "net_connections")), 64);
    assert_true(json_is_true(json_object_get(limits, "lan")));
    json_decref(info);
    json_decref(users);
    info =
        ask(&root, "{\"method\":\"Info\",\"parameters\":{\"name\":\"secret\",\"user\":\"bob\"}}");
    machine = json_object_get(json_object_get(info, "parameters"), "machine");
    assert_string_equal(json_string_value(json_object_get(machine, "address")), "");
    json_decref(info);
}

static void plan_is_whole(void **state)
{
    static union {
        struct plan plan;
        char bytes[PLAN_SIZE_MAX];
    } buffer;
    const struct plan_owner owner = {
        .uid = ALICE,
        .block_first = ID_RANGE_FIRST,
        .keeper_id = ID_RANGE_LAST,
        .memory_bytes = GIB,
        .pids = 100,
        .cpu_milli = 1500,
    };
    struct err err = {.text = ""};
    size_t size = 0;
    (void)state;
    json_t *answer = ask(&alice, PLAN_JOB("\"x\":1,\"offline\":true"));
    const json_t *parameters = json_object_get(answer, "parameters");
    const char *plan = json_string_value(json_object_get(parameters, "plan"));
    assert_non_null(plan);
    assert_int_equal(control_unbase64(plan, &buffer, sizeof(buffer), &size), 0);
    assert_int_equal(plan_check(&buffer.plan, size, &owner, &err), 0);
    assert_int_equal(buffer.plan.flags, PLAN_OFFLINE);
    assert_string_equal(buffer.plan.name, json_string_value(json_object_get(parameters, "name")));
    assert_memory_equal(buffer.plan.name, "job-", 4);
    assert_string_equal(buffer.plan.image, "busybox");
    json_decref(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed),
        cmocka_unit_test(strangers_get_one_answer),
        cmocka_unit_test(sees_only_her_own),
        cmocka_unit_test(others_are_not_told_apart),
        cmocka_unit_test(admin_sees_who_is_named),
        cmocka_unit_test(network_is_shown),
        cmocka_unit_test(plan_is_whole),
    };
    return cmocka_run_group_tests_name("method", tests, set_up, tear_down);
}
