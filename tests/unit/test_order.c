/* SPDX-License-Identifier: Apache-2.0 */
/* test_order - every order well-formed, and every field of each that may not be set */
#include "unit.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "sample.h"

static struct sample sample;

/* What each order needs; the same table as in wire/order.c, written down a second time. */
static const struct {
    uint32_t type;
    size_t fd_count;
    uint32_t flags;
    enum shape { PLAIN, NAMED, MAY_BE_NAMED, ANY_NUMBER } shape;
} shapes[] = {
    {ORDER_USER_ADD, 0, 0, NAMED},
    {ORDER_USER_SET, 0, 0, NAMED},
    {ORDER_USER_REMOVE, 0, ORDER_PURGE, NAMED},
    {ORDER_LAUNCH, 0, ORDER_SYSTEM, PLAIN},
    {ORDER_RUN, 3, ORDER_STDIN | ORDER_SYSTEM, PLAIN},
    {ORDER_START, 0, 0, NAMED},
    {ORDER_STOP, 0, 0, NAMED},
    {ORDER_REMOVE, 0, ORDER_FORCE | ORDER_SYSTEM, NAMED},
    {ORDER_EXEC, 3, ORDER_STDIN, NAMED},
    {ORDER_SIGNAL, 0, 0, PLAIN},
    {ORDER_LOGS, 0, 0, NAMED},
    {ORDER_IMAGE_IMPORT, 1, ORDER_SYSTEM | ORDER_NEW, NAMED},
    {ORDER_IMAGE_REMOVE, 0, ORDER_SYSTEM, NAMED},
    {ORDER_LOGIN, 0, 0, PLAIN},
    {ORDER_HOST_STATUS, 0, 0, PLAIN},
    {ORDER_HOST_STOP, 0, 0, PLAIN},
    {ORDER_HOST_NETWORK, 0, 0, PLAIN},
    {ORDER_GRANT, 0, 0, NAMED},
    {ORDER_REVOKE, 0, 0, MAY_BE_NAMED},
    {ORDER_GRANTS, 0, 0, ANY_NUMBER},
    {ORDER_ASK, 0, 0, NAMED},
    {ORDER_ASKS, 0, 0, ANY_NUMBER},
    {ORDER_APPROVE, 0, 0, ANY_NUMBER},
    {ORDER_DENY, 0, 0, ANY_NUMBER},
    {ORDER_WHY, 0, 0, MAY_BE_NAMED},
};
_Static_assert(ARRAY_LEN(shapes) == ORDER_TYPE_COUNT - 1, "every order stands here");

static int check(size_t fd_count, struct err *err)
{
    void *exact = malloc(sample.size);
    int r;

    assert_non_null(exact);
    memcpy(exact, sample.bytes, sample.size);
    r = order_check(exact, sample.size, fd_count, err);
    free(exact);
    return r;
}

static struct order_user *append_user(const char *key)
{
    struct order_user *user = (void *)(sample.bytes + sample.size);
    size_t key_size = strlen(key);

    memset(user, 0, sizeof(*user));
    memcpy(user->key, key, key_size);
    user->key_size = (uint32_t)key_size;
    user->fields = key_size ? USER_KEY : 0;
    sample.size += sizeof(*user) + key_size;
    return user;
}

/* The bodies that are one struct of a fixed size. */
static void append_fixed(uint32_t type)
{
    void *place = sample.bytes + sample.size;
    struct order_network *network = place;
    struct order_grant *grant = place;
    struct order_ask *ask = place;
    size_t size = 0;

    memset(place, 0, sizeof(*network) + sizeof(*ask));
    if (type == ORDER_HOST_NETWORK) {
        network->count = network->resolver_count = 1;
        network->service[0] =
            (struct net_target){.address = {192, 0, 2, 1}, .protocol = IPPROTO_UDP, .port = 53};
        size = sizeof(*network);
    } else if (type == ORDER_GRANT || type == ORDER_REVOKE) {
        memcpy(grant->user, "bob", sizeof("bob"));
        size = sizeof(*grant);
    } else if (type == ORDER_ASK) {
        memcpy(ask->user, "bob", sizeof("bob"));
        size = sizeof(*ask);
    } else if (type == ORDER_WHY) {
        ((struct order_why *)place)->protocol = IPPROTO_TCP;
        size = sizeof(struct order_why);
    }
    sample.size += size;
}

static struct order *whole_order(uint32_t type)
{
    struct order *order = sample_order(&sample, type);

    if (type == ORDER_USER_ADD || type == ORDER_USER_SET)
        append_user("ssh-ed25519 AAAA alice\n");
    if (type == ORDER_LAUNCH)
        sample_plan(&sample, PLAN_MACHINE);
    if (type == ORDER_RUN)
        sample_plan(&sample, PLAN_JOB);
    if (type == ORDER_EXEC)
        sample_command(&sample);
    append_fixed(type);
    sample_order_end(&sample);
    return order;
}

static void every_order_passes(void **state)
{
    struct err err = {.text = ""};
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(shapes); i++) {
        whole_order(shapes[i].type)->flags = shapes[i].flags;
        if (check(shapes[i].fd_count, &err) != 0)
            fail_msg("%s: %s", order_name(shapes[i].type), err.text);
    }
}

/* Each order with one thing too many must be refused with one line. */
static void expect_refused(size_t i, size_t fd_count, const char *what)
{
    struct err err = {.text = ""};

    if (check(fd_count, &err) != OUTCOME_USAGE || err.outcome != OUTCOME_USAGE || !err.text[0])
        fail_msg("%s with %s: \"%s\"", order_name(shapes[i].type), what, err.text);
}

static void no_order_takes_more_than_its_shape(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(shapes); i++) {
        struct order *order = whole_order(shapes[i].type);
        size_t fds = shapes[i].fd_count;
        uint32_t flag;

        expect_refused(i, fds + 1, "a descriptor more");
        if (fds)
            expect_refused(i, fds - 1, "a descriptor less");
        for (flag = 1; flag; flag <<= 1) {
            order->flags = flag;
            if (!(flag & (shapes[i].flags | ORDER_TTY)) || (flag == ORDER_TTY && fds != 3))
                expect_refused(i, fds, "a flag");
        }
        whole_order(shapes[i].type)->version = 2;
        expect_refused(i, fds, "another version");
        whole_order(shapes[i].type)->reserved = 1;
        expect_refused(i, fds, "a reserved field");
        whole_order(shapes[i].type)->number = UINT64_MAX;
        if (shapes[i].shape != ANY_NUMBER)
            expect_refused(i, fds, "a number");
        whole_order(shapes[i].type);
        sample.size++;
        expect_refused(i, fds, "a byte more");
        whole_order(shapes[i].type)->body_size++;
        expect_refused(i, fds, "a longer body announced");
    }
}

/* What is wrong is said as it is: a name that is bad, or one where none belongs. */
static void expect_advice(size_t i)
{
    const bool named = shapes[i].shape == NAMED || shapes[i].shape == MAY_BE_NAMED;
    struct err err = {.text = ""};

    assert_int_equal(check(shapes[i].fd_count, &err), OUTCOME_USAGE);
    assert_non_null(strstr(err.text, named ? "give a-z" : "give none"));
}

static void names_are_checked(void **state)
{
    static const char *const bad[] = {"A", "a/b", "..", "a\nb", "-a", "a\033[m"};
    size_t i;
    size_t k;

    (void)state;
    for (i = 0; i < ARRAY_LEN(shapes); i++) {
        for (k = 0; k < ARRAY_LEN(bad); k++) {
            struct order *order = whole_order(shapes[i].type);

            memset(order->name, 0, sizeof(order->name));
            memcpy(order->name, bad[k], strlen(bad[k]));
            expect_refused(i, shapes[i].fd_count, "a bad name");
            expect_advice(i);
        }
        memset(whole_order(shapes[i].type)->name, 'a', NAME_SIZE);
        expect_refused(i, shapes[i].fd_count, "an endless name");
        whole_order(shapes[i].type)->name[NAME_SIZE - 1] = 'x';
        expect_refused(i, shapes[i].fd_count, "bytes behind the name");
        memset(whole_order(shapes[i].type)->name, 0, NAME_SIZE);
        if (shapes[i].shape == NAMED) {
            expect_refused(i, shapes[i].fd_count, "no name");
            continue;
        }
        whole_order(shapes[i].type)->name[0] = 'a';
        if (shapes[i].shape != MAY_BE_NAMED)
            expect_refused(i, shapes[i].fd_count, "a name");
    }
}

static void one_user_is_no_person(void **state)
{
    static const uint32_t about_users[] = {ORDER_USER_ADD, ORDER_USER_SET, ORDER_USER_REMOVE};
    struct err err;

    (void)state;
    assert_true(order_is_user(SYSTEM_USER));
    assert_true(order_is_user("alice"));
    assert_false(order_is_user("_other"));
    for (size_t i = 0; i < ARRAY_LEN(about_users); i++) {
        memcpy(whole_order(about_users[i])->name, SYSTEM_USER, sizeof(SYSTEM_USER));
        assert_int_equal(check(0, &err), 0);
    }
    memcpy(whole_order(ORDER_START)->name, SYSTEM_USER, sizeof(SYSTEM_USER));
    assert_int_equal(check(0, &err), OUTCOME_USAGE);
}

static void services_of_the_host(void **state)
{
    struct err err;
    struct order_network *network = (void *)(sample.bytes + sizeof(struct order));

    (void)state;
    whole_order(ORDER_HOST_NETWORK);
    network->count = NETWORK_SERVICES_MAX + 1;
    assert_int_equal(check(0, &err), OUTCOME_USAGE);
    whole_order(ORDER_HOST_NETWORK);
    network->resolver_count = 2;
    assert_int_equal(check(0, &err), OUTCOME_USAGE);
    whole_order(ORDER_HOST_NETWORK);
    network->service[0].port = 0;
    assert_int_equal(check(0, &err), OUTCOME_USAGE);
    whole_order(ORDER_HOST_NETWORK);
    network->service[0].protocol = 1;
    assert_int_equal(check(0, &err), OUTCOME_USAGE);
    whole_order(ORDER_HOST_NETWORK);
    network->service[0].flags = 8;
    assert_int_equal(check(0, &err), OUTCOME_USAGE);
    whole_order(ORDER_HOST_NETWORK);
    network->count = network->resolver_count = 0;
    assert_int_equal(check(0, &err), 0);
}

static void a_body_where_none_belongs(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(shapes); i++) {
        whole_order(shapes[i].type);
        sample.bytes[sample.size] = 0;
        sample.size++;
        sample_order_end(&sample);
        expect_refused(i, shapes[i].fd_count, "a byte of body more");
    }
}

static void every_shorter_order_is_refused(void **state)
{
    struct err err;
    size_t i;
    size_t size;

    (void)state;
    for (i = 0; i < ARRAY_LEN(shapes); i++) {
        whole_order(shapes[i].type);
        for (size = sample.size; size-- > 1;) {
            sample.size = size;
            if (size >= sizeof(struct order))
                sample_order_end(&sample);
            if (check(shapes[i].fd_count, &err) == 0)
                fail_msg("%s of %zu bytes passed", order_name(shapes[i].type), size);
        }
    }
}

static void unknown_types(void **state)
{
    static const uint32_t types[] = {0, ORDER_TYPE_COUNT, 1000, UINT32_MAX};
    struct err err;
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(types); i++) {
        sample_order(&sample, ORDER_LOGIN)->type = types[i];
        assert_int_equal(check(0, &err), OUTCOME_USAGE);
        assert_string_equal(order_name(types[i]), "unknown");
    }
    assert_string_equal(order_name(ORDER_EXEC), "exec");
}

static void a_terminal_takes_the_place_of_pipes(void **state)
{
    struct err err;
    struct order *order;
    struct plan *plan;

    (void)state;
    order = whole_order(ORDER_EXEC);
    order->flags = ORDER_TTY;
    assert_int_equal(check(0, &err), 0);
    assert_int_equal(check(3, &err), OUTCOME_USAGE);
    order = sample_order(&sample, ORDER_RUN);
    plan = sample_plan(&sample, PLAN_JOB);
    sample_order_end(&sample);
    plan->flags = PLAN_TTY;
    assert_int_equal(check(0, &err), 0);
    assert_int_equal(check(3, &err), OUTCOME_USAGE);
    order->flags = ORDER_TTY;
    assert_int_equal(check(0, &err), 0);
    plan->flags = 0;
    assert_int_equal(check(0, &err), OUTCOME_USAGE);
    assert_int_equal(check(3, &err), OUTCOME_USAGE);
}

static void a_plan_of_the_other_kind(void **state)
{
    struct err err;

    (void)state;
    sample_order(&sample, ORDER_RUN);
    sample_plan(&sample, PLAN_MACHINE);
    sample_order_end(&sample);
    assert_int_equal(check(3, &err), OUTCOME_USAGE);
    sample_order(&sample, ORDER_LAUNCH);
    sample_plan(&sample, PLAN_JOB);
    sample_order_end(&sample);
    assert_int_equal(check(0, &err), OUTCOME_USAGE);
}

static void numbers_have_bounds(void **state)
{
    struct err err;

    (void)state;
    whole_order(ORDER_SIGNAL)->number = 0;
    assert_int_equal(check(0, &err), OUTCOME_USAGE);
    whole_order(ORDER_SIGNAL)->number = 65;
    assert_int_equal(check(0, &err), OUTCOME_USAGE);
    whole_order(ORDER_STOP)->number = STOP_TIMEOUT_MS;
    assert_int_equal(check(0, &err), 0);
    whole_order(ORDER_STOP)->number = 3600001;
    assert_int_equal(check(0, &err), OUTCOME_USAGE);
}

static void user_fields(void **state)
{
    static const struct {
        uint32_t field;
        struct user_limits least, less;
    } table[] = {
        {USER_MEMORY, {.memory_bytes = MEMORY_MIN_BYTES}, {.memory_bytes = MEMORY_MIN_BYTES - 1}},
        {USER_PIDS, {.pids = PIDS_MIN}, {.pids = PIDS_MIN - 1}},
        {USER_DISK, {.disk_bytes = DISK_MIN_BYTES}, {.disk_bytes = DISK_MIN_BYTES - 1}},
        {USER_INODES, {.inodes = INODES_MIN}, {.inodes = INODES_MIN - 1}},
        {USER_CPUS, {.cpu_milli = CPU_MILLI_MIN}, {.cpu_milli = CPU_MILLI_MIN - 1}},
        {USER_NET, {.net_bytes_per_s = NET_BYTES_MIN}, {.net_bytes_per_s = NET_BYTES_MIN - 1}},
        {USER_PACKETS,
         {.net_packets_per_s = NET_PACKETS_MIN},
         {.net_packets_per_s = NET_PACKETS_MIN - 1}},
        {USER_CONNECTIONS,
         {.net_connections = NET_CONNECTIONS_MIN},
         {.net_connections = NET_CONNECTIONS_MIN - 1}},
    };
    struct err err;
    struct order_user *user;
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(table); i++) {
        sample_order(&sample, ORDER_USER_ADD);
        user = append_user("");
        sample_order_end(&sample);
        user->fields = table[i].field;
        user->limits = table[i].least;
        assert_int_equal(check(0, &err), 0);
        user->limits = table[i].less;
        assert_int_equal(check(0, &err), OUTCOME_USAGE);
        user->fields = 0; /* then it is not looked at */
        assert_int_equal(check(0, &err), 0);
    }
    user->fields = USER_FIELDS_ALL + 1;
    assert_int_equal(check(0, &err), OUTCOME_USAGE);
}

static void keys_are_text_of_bounded_length(void **state)
{
    static char big[KEY_FILE_MAX + 2];
    static const char *const bad[] = {"a\033[2J", "a\rb", "a\x7f"};
    struct err err;
    struct order_user *user;
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(bad); i++) {
        sample_order(&sample, ORDER_USER_SET);
        append_user(bad[i]);
        sample_order_end(&sample);
        assert_int_equal(check(0, &err), OUTCOME_USAGE);
    }
    memset(big, 'k', sizeof(big) - 1);
    sample_order(&sample, ORDER_USER_SET);
    append_user(big);
    sample_order_end(&sample);
    assert_int_equal(check(0, &err), OUTCOME_USAGE);
    sample_order(&sample, ORDER_USER_SET);
    append_user(big + 1);
    sample_order_end(&sample);
    assert_int_equal(check(0, &err), 0);
    sample_order(&sample, ORDER_USER_SET);
    user = append_user("key");
    sample_order_end(&sample);
    user->fields = 0;
    assert_int_equal(check(0, &err), OUTCOME_USAGE);
    user->fields = USER_KEY;
    user->key_size++;
    assert_int_equal(check(0, &err), OUTCOME_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_passes),
        cmocka_unit_test(no_order_takes_more_than_its_shape),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(one_user_is_no_person),
        cmocka_unit_test(services_of_the_host),
        cmocka_unit_test(a_body_where_none_belongs),
        cmocka_unit_test(every_shorter_order_is_refused),
        cmocka_unit_test(unknown_types),
        cmocka_unit_test(a_terminal_takes_the_place_of_pipes),
        cmocka_unit_test(a_plan_of_the_other_kind),
        cmocka_unit_test(numbers_have_bounds),
        cmocka_unit_test(user_fields),
        cmocka_unit_test(keys_are_text_of_bounded_length),
    };

    return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
