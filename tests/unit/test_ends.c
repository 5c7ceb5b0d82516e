/* SPDX-License-Identifier: Apache-2.0 */
/* test_ends - every end of a grant, by every clock, and over every restart */
#include "unit.h"

#include <string.h>
#include <time.h>

#include "grants_say.h"

static int setup(void **state)
{
    (void)state;
    world_make();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_end();
    return 0;
}

/* -- ends ------------------------------------------------------------------------------------- */

static void closed_then_cut_then_answered(void **state)
{
    struct grant_view view;
    uint64_t id = granted(port(5432));

    (void)state;
    world.answers = 0;
    assert_int_equal(revoke(ALICE, id), REQUEST_PENDING);
    assert_int_equal(grants_of(BOB), 0); /* at once nobody's */
    world.answers = 0;
    assert_int_equal(world.net[0].request.type, NET_GRANT_GONE);
    assert_int_equal(recorded(ALICE, RECORD_GRANT_END, RECORD_INTENT), 1);
    world_net_answers(0, 3);
    assert_int_equal(world.answers, 0);
    /* both ends at the same time: db, and bob's only machine */
    assert_int_equal(world.job_count, 2);
    assert_int_equal(world.jobs[0].what.what, SOCKETS_CUT_SERVER);
    assert_string_equal(world.jobs[0].instance->name, "db");
    assert_int_equal(world.jobs[0].what.peer_count, 1);
    assert_int_equal(world.jobs[0].what.peer[0], 6);
    assert_int_equal(world.jobs[1].what.what, SOCKETS_CUT_CLIENT);
    assert_string_equal(world.jobs[1].instance->name, "home");
    assert_int_equal(world.jobs[1].what.slot, 5);
    assert_ptr_equal(world.jobs[1].payer, &world.users[ALICE]); /* bob pays for nothing of it */
    world_jobs_answer(1, 0);
    assert_int_equal(world.answers, 1);
    assert_int_equal(world.answer.body_size, sizeof(view));
    memcpy(&view, world.answer.body, sizeof(view));
    assert_int_equal(view.grant.cut, 1);
    assert_int_equal(view.grant.over, GRANT_REVOKED);
    assert_int_equal(recorded(ALICE, RECORD_GRANT_END, RECORD_OUTCOME), 1);
    assert_int_equal(recorded(BOB, RECORD_GRANT_END, RECORD_OUTCOME), 1);
    assert_null(world.monitor.grants.first);
}

static void the_grantee_gives_back(void **state)
{
    (void)state;
    granted(port(5432));
    const struct order_grant from = to("alice", port(5432));
    assert_int_equal(world_order(BOB, ORDER_REVOKE, "db", 0, &from, sizeof(from)), REQUEST_PENDING);
    world_net_answers(0, 0);
    assert_int_equal(world.answer.outcome, 0);
    assert_int_equal(last_over(ALICE), GRANT_GIVEN_BACK);
    assert_int_equal(last_over(BOB), GRANT_GIVEN_BACK);
}

static void a_slow_cut_ends_anyway(void **state)
{
    uint64_t id = granted(port(5432));

    (void)state;
    world.answers = 0;
    assert_int_equal(revoke(ALICE, id), REQUEST_PENDING);
    world_net_answers(0, 2);
    world_time(CUT_TIMEOUT_MS * NS_PER_MS);
    assert_int_equal(world.answers, 1);
    assert_int_equal(world.answer.outcome, 0);
    assert_int_equal(((struct grant_view *)(void *)world.answer.body)->grant.cut, 2);
    assert_int_equal(world.job_count, 0);
}

static void who_ends_many_waits_for_her_own(void **state)
{
    enum { MANY = 20 };
    uint64_t ids[MANY];

    (void)state;
    for (uint16_t i = 0; i < MANY; i++)
        ids[i] = granted(port((uint16_t)(1000 + i)));
    assert_int_equal(grant(BOB, "home", "carol", port(80)), REQUEST_PENDING);
    world_net_answers(0, 0);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(revoke(ALICE, ids[i]), REQUEST_PENDING);
    size_t asked = world.net_count;
    assert_true(asked < MANY);
    /* bob's comes right after the few of hers that are at work */
    const struct order_grant his = to("carol", port(80));
    assert_int_equal(world_order(BOB, ORDER_REVOKE, "home", 0, &his, sizeof(his)), REQUEST_PENDING);
    assert_int_equal(world.net_count, asked + 1);
    world.answers = 0;
    for (size_t i = 0; i < MANY; i++) {
        world_net_answers(0, 1);
        assert_true(world.job_count <= 10); /* four of hers and his, two ends each */
        world_jobs_answer(1, 0);
        world_time(1);
    }
    assert_int_equal(world.answers, MANY + 1);
    assert_null(world.monitor.grants.first);
}

static void two_who_revoke_wait_for_the_same_end(void **state)
{
    uint64_t id = granted(port(5432));

    (void)state;
    world.answers = 0;
    assert_int_equal(revoke(ALICE, id), REQUEST_PENDING);
    assert_int_equal(revoke(BOB, id), REQUEST_PENDING);
    assert_int_equal(world.answers, 0);
    assert_int_equal(world.net_count, 1);
    world_net_answers(0, 0);
    assert_int_equal(world.answers, 2);
    assert_int_equal(recorded(ALICE, RECORD_GRANT_END, RECORD_OUTCOME), 1);
}

/* Whatever is queued: what is granted after an end is told after it. */
static void a_grant_that_opens_can_be_revoked(void **state)
{
    const struct order_grant same = to("bob", port(5432));

    (void)state;
    assert_int_equal(grant(ALICE, "db", "bob", port(5432)), REQUEST_PENDING);
    assert_int_equal(world_order(ALICE, ORDER_REVOKE, "db", 0, &same, sizeof(same)),
                     REQUEST_PENDING);
    assert_int_equal(world.answers, 1); /* who granted */
    refused(grant(ALICE, "db", "bob", port(5432)), OUTCOME_FAILED);
    assert_int_equal(world.net_count, 2);
    assert_int_equal(world.net[0].request.type, NET_GRANT);
    assert_int_equal(world.net[1].request.type, NET_GRANT_GONE);
    world_net_answers(0, 0);
    assert_int_equal(world.answer.outcome, 0);
    assert_null(world.monitor.grants.first);
    granted(port(5432));
}

static void without_croft_net_nobody_says_it_is_closed(void **state)
{
    uint64_t id = granted(port(5432));

    (void)state;
    world.answers = 0;
    world_net_goes();
    assert_int_equal(revoke(ALICE, id), REQUEST_PENDING);
    world_time(9 * NS_PER_S);
    assert_int_equal(world.answers, 0);
    world_time(2 * NS_PER_S);
    assert_int_equal(world.answers, 1);
    assert_int_equal(world.answer.outcome, OUTCOME_HOST_CANNOT);
    assert_int_equal(grants_of(ALICE), 0); /* and it is ended all the same */
    /* who asks again waits as well, and the next croft-net closes it when it knows all */
    world.answers = 0;
    assert_int_equal(revoke(BOB, id), REQUEST_PENDING);
    world_net_comes();
    assert_int_equal(world.net_count, 1);
    assert_int_equal(world.net[0].request.type, NET_GRANT_GONE);
    world_net_answers(0, 0);
    assert_int_equal(world.answers, 1);
    assert_int_equal(world.answer.outcome, 0);
    assert_int_equal(recorded(BOB, RECORD_GRANT_END, RECORD_OUTCOME), 1);
}

static void an_end_that_cannot_be_recorded_closes(void **state)
{
    uint64_t id = granted(port(5432));

    (void)state;
    world.records_fail = true;
    assert_int_equal(revoke(ALICE, id), REQUEST_PENDING);
    assert_int_equal(world.net_count, 1);
    assert_int_equal(world.net[0].request.type, NET_GRANT_GONE);
    /* it is said, and it is kept until it can be: no restart brings it back */
    world_net_answers(0, 0);
    assert_int_equal(world.answer.outcome, OUTCOME_HOST_CANNOT);
    assert_int_equal(grants_of(BOB), 0);
    world_time(NS_PER_S);
    assert_non_null(world.monitor.grants.first);
    world.records_fail = false;
    world_time(NS_PER_S);
    assert_null(world.monitor.grants.first);
    assert_int_equal(recorded(ALICE, RECORD_GRANT_END, RECORD_OUTCOME), 1);
    world_restart(1);
    assert_int_equal(grants_of(BOB), 0);
}

/* What of a flow is tracked after the look at its end: closed a second time when that is over. */
static void the_same_anew_carries_nothing_on(void **state)
{
    uint64_t id = granted(port(5432));

    (void)state;
    assert_int_equal(revoke(ALICE, id), REQUEST_PENDING);
    assert_int_equal(world.gone_count, 1);
    world_net_answers(0, 0);
    assert_int_equal(world.gone_count, 2);
    assert_int_equal(grant(ALICE, "db", "bob", port(5432)), REQUEST_PENDING);
    assert_int_equal(world.net_count, 1);
    assert_int_equal(world.net[0].request.type, NET_GRANT);
}

/* Nine thousand stand, a thousand of them end at one moment: others have orders meanwhile. */
static void a_thousand_that_end_at_once(void **state)
{
    enum { ALL = 9000, ENDING = 1000 };
    struct timespec before;
    struct timespec after;

    (void)state;
    for (uint32_t i = 0; i < ALL; i++) {
        struct grant made = {
            .id = i + 1,
            .owner_uid = world.users[ALICE].uid,
            .grantee_uid = world.users[BOB].uid,
            .terms = port(80),
            .made_wall_ns = WORLD_WALL,
            .made_boot_ns = WORLD_BOOT,
            .left_ns = i % 9 == 0 ? HOUR : UINT64_MAX,
            .machine = "db",
            .boot_id = {1},
        };
        made.terms.end = i % 9 == 0 ? GRANT_FOR : GRANT_FOREVER;
        made.terms.for_ns = i % 9 == 0 ? HOUR : 0;
        struct granted *one = granted_new(&world.monitor, &made);
        one->state = GRANTED_LIVE;
        one->told = 5;
    }
    ends_note(&world.monitor, HOUR, 0);
    world.syncs = 0;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    world_time(HOUR);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    uint64_t ns = (uint64_t)(after.tv_sec - before.tv_sec) * NS_PER_S +
                  (uint64_t)(after.tv_nsec - before.tv_nsec);
    print_message("# %u end among %u: %llu us\n", ENDING, ALL, (unsigned long long)ns / 1000);
    assert_true(ns < 20 * NS_PER_MS); /* 2 ms of the processor; sanitizers take more */
    assert_int_equal(world.net_count, 8);
    for (size_t i = 0; i < ENDING && world.net_count > 0; i++) {
        world_net_answers(0, 0);
        world_time(1);
    }
    size_t left = 0;
    for (const struct granted *one = world.monitor.grants.first; one != NULL; one = one->next)
        left++;
    assert_int_equal(left, ALL - ENDING);
    assert_int_equal(world.syncs, 0); /* nobody waits for the disk */
}

static void the_machine_goes(void **state)
{
    (void)state;
    granted(port(5432));
    grants_instance_gone(world.users[ALICE].instances);
    world_net_answers(0, 0);
    assert_int_equal(last_over(ALICE), GRANT_MACHINE_GONE);
    assert_int_equal(last_over(BOB), GRANT_MACHINE_GONE);
    /* one of the same name inherits nothing */
    world_restart(1);
    assert_int_equal(grants_of(BOB), 0);
}

static void a_user_goes(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        granted(port(5432));
        grants_user_gone(&world.users[round == 0 ? ALICE : BOB]);
        assert_int_equal(grants_of(ALICE) + grants_of(BOB), 0);
        world_net_answers(0, 0);
        assert_int_equal(last_over(ALICE), GRANT_USER_GONE);
        assert_int_equal(last_over(BOB), GRANT_USER_GONE);
        assert_null(world.monitor.grants.first);
    }
    /* nobody answers, and she is freed */
    granted(port(5432));
    grants_user_gone(&world.users[BOB]);
    grants_user_dropped(&world.users[BOB]);
    assert_null(world.monitor.grants.first);
}

/* -- clocks ----------------------------------------------------------------------------------- */

static bool closing(void)
{
    bool asked = world.net_count == 1 && world.net[0].request.type == NET_GRANT_GONE;
    world_net_answers(0, 0);
    return asked && last_over(ALICE) == GRANT_EXPIRED && last_over(BOB) == GRANT_EXPIRED;
}

static void the_kernel_has_the_same_end(void **state)
{
    (void)state;
    assert_int_equal(grant(ALICE, "db", "bob", lasting(HOUR)), REQUEST_PENDING);
    assert_int_equal(world.net[0].request.timeout_ms, HOUR / NS_PER_MS + 1);
    world.net_count = 0;
}

static void for_ends_when_it_has_passed(void **state)
{
    (void)state;
    granted(lasting(HOUR));
    world_time(HOUR - NS_PER_S);
    assert_int_equal(grants_of(BOB), 1);
    world_clock_set(WORLD_WALL - 100 * HOUR);
    assert_int_equal(grants_of(BOB), 1);
    world_clock_set(WORLD_WALL + 100 * HOUR);
    assert_int_equal(grants_of(BOB), 1);
    world_clock_set(WORLD_WALL - 100 * HOUR);
    world_time(NS_PER_S);
    assert_true(closing());
}

static void until_and_a_clock_set_forward(void **state)
{
    (void)state;
    granted(until(WORLD_WALL + 8 * HOUR));
    world_clock_set(WORLD_WALL + 8 * HOUR - 1);
    assert_int_equal(grants_of(BOB), 1);
    world_clock_set(WORLD_WALL + 8 * HOUR);
    assert_true(closing());
}

static void until_and_a_clock_set_back(void **state)
{
    (void)state;
    granted(until(WORLD_WALL + 8 * HOUR));
    world_time(HOUR);
    world_clock_set(WORLD_WALL - 1000 * HOUR);
    world_time(7 * HOUR - 1);
    assert_int_equal(grants_of(BOB), 1);
    world_time(1);
    assert_true(closing());
}

static void the_nearest_end_is_waited_for(void **state)
{
    struct grant_terms other = lasting(2 * HOUR);

    (void)state;
    other.port = 80;
    granted(other);
    granted(lasting(HOUR));
    world_time(HOUR);
    assert_true(closing());
    assert_int_equal(grants_of(BOB), 1);
    world_time(HOUR);
    assert_true(closing());
    assert_int_equal(grants_of(BOB), 0);
}

/* -- restarts --------------------------------------------------------------------------------- */

static void a_restart_keeps_what_lives(void **state)
{
    (void)state;
    uint64_t id = granted(lasting(2 * HOUR));
    world_time(HOUR);
    world_restart(1);
    assert_int_equal(grants_of(BOB), 1);
    assert_int_equal(((struct grant_view *)(void *)world.answer.body)->left_ns, HOUR);
    world_net_comes();
    assert_int_equal(world.net_count, 1);
    assert_int_equal(world.net[0].request.timeout_ms, HOUR / NS_PER_MS + 1);
    world_net_answers(0, 0);
    /* its id is given to no other */
    assert_int_equal(world.monitor.grants.next_id, id + 1);
}

static void what_ended_meanwhile_is_ended_before_anything_opens(void **state)
{
    (void)state;
    granted(lasting(HOUR));
    world.wall_ns += 2 * HOUR;
    world.boot_ns += 2 * HOUR;
    world_restart(1);
    assert_int_equal(grants_of(BOB), 0);
    /* its machine runs: the kernel may still have it, and the first word to croft-net is that */
    world_net_comes();
    assert_true(closing());
}

static void an_end_that_was_begun_is_an_end(void **state)
{
    uint64_t id = granted(port(5432));

    (void)state;
    assert_int_equal(revoke(ALICE, id), REQUEST_PENDING);
    world_restart(1);
    assert_int_equal(grants_of(BOB), 0);
    world_net_comes();
    world_net_answers(0, 0);
    assert_int_equal(recorded(ALICE, RECORD_GRANT_END, RECORD_OUTCOME), 1);
    assert_int_equal(last_over(BOB), GRANT_REVOKED);
    world_restart(1);
    assert_null(world.monitor.grants.first);
}

static void a_grant_that_was_only_begun_is_none(void **state)
{
    (void)state;
    assert_int_equal(grant(ALICE, "db", "bob", port(5432)), REQUEST_PENDING);
    world_restart(1);
    assert_null(world.monitor.grants.first);
    assert_int_equal(world.monitor.grants.next_id, 2);
}

static void a_reboot_counts_by_the_clock_and_goes_on(void **state)
{
    (void)state;
    granted(lasting(8 * HOUR));
    world_time(HOUR);
    world.wall_ns += 2 * HOUR; /* off */
    world.boot_ns = NS_PER_S;
    world_restart(2);
    assert_int_equal(grants_of(BOB), 1);
    assert_int_equal(((struct grant_view *)(void *)world.answer.body)->left_ns, 5 * HOUR);
    /* in this boot by the time since boot again, also after another restart */
    world_clock_set(WORLD_WALL - 1000 * HOUR);
    world_time(HOUR);
    world_restart(2);
    assert_int_equal(grants_of(BOB), 1);
    assert_int_equal(((struct grant_view *)(void *)world.answer.body)->left_ns, 4 * HOUR);
}

/* The clock has no battery: at least what the records have seen has passed. */
static void a_reboot_with_a_clock_that_fell_back(void **state)
{
    (void)state;
    granted(lasting(8 * HOUR));
    world_time(3 * HOUR);
    const struct order_ask ask = {.user = "alice", .terms = port(80)};
    assert_int_equal(world_order(BOB, ORDER_ASK, "db", 0, &ask, sizeof(ask)), REQUEST_PENDING);
    world.wall_ns = 0;
    world.boot_ns = NS_PER_S;
    world_restart(2);
    assert_int_equal(grants_of(BOB), 1);
    assert_int_equal(((struct grant_view *)(void *)world.answer.body)->left_ns, 5 * HOUR);
}

static void a_later_user_of_the_same_uid_inherits_nothing(void **state)
{
    (void)state;
    granted(port(5432));
    world.users[BOB].slot = 77; /* the end could not be written, and bob is somebody else now */
    world_restart(1);
    assert_null(world.monitor.grants.first);
}

/* What stands in the grantee's file, and in a file that is not the owner's, makes nothing. */
static void only_the_owners_file_counts(void **state)
{
    (void)state;
    granted(port(5432));
    for (size_t i = 0; i < world.record_count; i++)
        if (world.records[i].chain == &world.users[ALICE].chain)
            world.records[i].chain = &world.users[CAROL].chain;
    world_restart(1);
    assert_null(world.monitor.grants.first);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(closed_then_cut_then_answered),
        TEST(the_grantee_gives_back),
        TEST(a_slow_cut_ends_anyway),
        TEST(who_ends_many_waits_for_her_own),
        TEST(two_who_revoke_wait_for_the_same_end),
        TEST(a_grant_that_opens_can_be_revoked),
        TEST(without_croft_net_nobody_says_it_is_closed),
        TEST(an_end_that_cannot_be_recorded_closes),
        TEST(the_same_anew_carries_nothing_on),
        TEST(a_thousand_that_end_at_once),
        TEST(the_machine_goes),
        TEST(a_user_goes),
        TEST(the_kernel_has_the_same_end),
        TEST(for_ends_when_it_has_passed),
        TEST(until_and_a_clock_set_forward),
        TEST(until_and_a_clock_set_back),
        TEST(the_nearest_end_is_waited_for),
        TEST(a_restart_keeps_what_lives),
        TEST(what_ended_meanwhile_is_ended_before_anything_opens),
        TEST(an_end_that_was_begun_is_an_end),
        TEST(a_grant_that_was_only_begun_is_none),
        TEST(a_reboot_counts_by_the_clock_and_goes_on),
        TEST(a_reboot_with_a_clock_that_fell_back),
        TEST(a_later_user_of_the_same_uid_inherits_nothing),
        TEST(only_the_owners_file_counts),
    };

    return cmocka_run_group_tests_name("ends", tests, NULL, NULL);
}
