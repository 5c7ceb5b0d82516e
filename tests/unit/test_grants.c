/* SPDX-License-Identifier: Apache-2.0 */
/* test_grants - the table of grants: the order of record, kernel and answer; what is refused; what
 * one user may not fill of another's; asks; why */
#include "unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/str.h"
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

/* -- opening ---------------------------------------------------------------------------------- */

static void intent_kernel_outcome_answer(void **state)
{
    (void)state;
    assert_int_equal(grant(ALICE, "db", "bob", port(5432)), REQUEST_PENDING);
    assert_int_equal(recorded(ALICE, RECORD_GRANT, RECORD_INTENT), 1);
    assert_int_equal(recorded(ALICE, RECORD_GRANT, RECORD_OUTCOME), 0);
    assert_int_equal(world.net_count, 1);
    assert_int_equal(world.net[0].request.type, NET_GRANT);
    assert_int_equal(world.net[0].request.uid, world.users[BOB].uid);
    assert_int_equal(world.net[0].request.slot, 5);
    assert_int_equal(world.net[0].request.port, 5432);
    assert_int_equal(world.net[0].request.timeout_ms, 0);
    assert_int_equal(world.net[0].request.limits.connections, GRANT_CONNECTIONS_DEFAULT);
    assert_int_equal(world.net[0].request.limits.rate, GRANT_RATE_DEFAULT);
    assert_int_equal(world.answers, 0);
    world_net_answers(0, 0);
    assert_int_equal(recorded(ALICE, RECORD_GRANT, RECORD_OUTCOME), 1);
    assert_int_equal(recorded(BOB, RECORD_GRANT, RECORD_OUTCOME), 1);
    assert_int_equal(recorded(CAROL, RECORD_GRANT, RECORD_OUTCOME), 0);
    assert_true(world.users[BOB].names_changed);
    assert_int_equal(world.answers, 0); /* the look is still at work */
    world_jobs_answer(0, 1);
    assert_int_equal(world.answers, 1);
    assert_int_equal(((struct reply_grant *)(void *)world.answer.body)->listening,
                     LISTENING_LOOPBACK);
}

static void a_slow_look_holds_nothing_up(void **state)
{
    (void)state;
    assert_int_equal(grant(ALICE, "db", "bob", port(5432)), REQUEST_PENDING);
    world_net_answers(0, 0);
    assert_int_equal(world.answers, 0);
    world_time(NS_PER_S);
    assert_int_equal(world.answers, 1);
    assert_int_equal(((struct reply_grant *)(void *)world.answer.body)->listening,
                     LISTENING_UNKNOWN);
    assert_int_equal(world.job_count, 0);
}

static void a_kernel_that_refuses_grants_nothing(void **state)
{
    (void)state;
    assert_int_equal(grant(ALICE, "db", "bob", port(5432)), REQUEST_PENDING);
    world_net_answers(ENOSPC, 0);
    assert_int_equal(world.answer.outcome, OUTCOME_HOST_CANNOT);
    assert_int_equal(grants_of(ALICE) + grants_of(BOB), 0);
    world_restart(1);
    assert_int_equal(grants_of(ALICE) + grants_of(BOB), 0);
}

static void records_that_cannot_be_written_open_nothing(void **state)
{
    (void)state;
    world.records_fail = true;
    refused(grant(ALICE, "db", "bob", port(5432)), OUTCOME_HOST_CANNOT);
    assert_int_equal(world.net_count, 0);
}

/* Open in the kernel, and the disk fills up before the outcome is written. */
static void an_outcome_that_cannot_be_written_grants_nothing(void **state)
{
    (void)state;
    assert_int_equal(grant(ALICE, "db", "bob", port(5432)), REQUEST_PENDING);
    world.records_fail = true;
    world_net_answers(0, 0);
    assert_int_equal(world.answer.outcome, OUTCOME_HOST_CANNOT);
    assert_int_equal(world.answers, 1);
    assert_int_equal(world.gone_count, 1); /* what was opened is closed */
    assert_int_equal(grants_of(ALICE) + grants_of(BOB), 0);
    assert_int_equal(grants_open(&world.monitor), 0);
    world.records_fail = false;
    world_time(NS_PER_S);
    assert_null(world.monitor.grants.first);
    assert_int_equal(recorded(ALICE, RECORD_GRANT_END, RECORD_OUTCOME), 1);
    world_restart(1);
    assert_int_equal(grants_of(ALICE) + grants_of(BOB), 0);
}

static void nor_does_one_of_a_machine_that_does_not_run(void **state)
{
    (void)state;
    world.outcomes_fail = true;
    assert_int_equal(grant(CAROL, "off", "bob", port(80)), REQUEST_PENDING);
    assert_int_equal(world.answer.outcome, OUTCOME_HOST_CANNOT);
    assert_int_equal(grants_of(CAROL) + grants_of(BOB), 0);
    assert_int_equal(world.gone_count, 0);
}

static void nor_does_one_that_croft_net_is_late_for(void **state)
{
    (void)state;
    assert_int_equal(grant(ALICE, "db", "bob", port(5432)), REQUEST_PENDING);
    world.outcomes_fail = true;
    world_time(NS_PER_S);
    world_time(4 * NS_PER_S);
    assert_int_equal(world.answer.outcome, OUTCOME_HOST_CANNOT);
    assert_int_equal(world.gone_count, 1); /* the element may be there by then */
    assert_int_equal(grants_of(ALICE) + grants_of(BOB), 0);
}

static void a_stopped_machine_opens_when_it_runs(void **state)
{
    struct instance *off = world.users[CAROL].instances;

    (void)state;
    assert_int_equal(grant(CAROL, "off", "bob", port(80)), REQUEST_PENDING);
    assert_int_equal(world.answer.outcome, 0);
    assert_int_equal(world.net_count, 0);
    assert_false(((struct reply_grant *)(void *)world.answer.body)->view.flags & GRANT_OPEN);
    off->state = INSTANCE_RUNNING;
    off->slot = 9;
    off->link.linked = true;
    grants_linked(off);
    assert_int_equal(world.net_count, 1);
    assert_int_equal(world.net[0].request.slot, 9);
    world_net_answers(0, 0);
    off->link.linked = false;
    assert_int_equal(grants_open(&world.monitor), 1);
    grants_unlinked(off);
    assert_int_equal(grants_open(&world.monitor), 0);
    assert_int_equal(world.net_count, 0); /* the elements go with the link */
    assert_int_equal(grants_of(BOB), 1);
}

static void without_croft_net_the_next_one_is_told(void **state)
{
    (void)state;
    world_net_goes();
    assert_int_equal(grant(ALICE, "db", "bob", port(5432)), REQUEST_PENDING);
    world_time(NS_PER_S);
    assert_int_equal(world.answers, 0);
    world_net_comes();
    assert_int_equal(world.net_count, 1);
    world_net_answers(0, 0);
    assert_int_equal(world.answers, 1);
    assert_int_equal(world.answer.outcome, 0);
    assert_int_equal(grants_open(&world.monitor), 1);
    /* and each one after it */
    world_net_comes();
    assert_int_equal(grants_open(&world.monitor), 0);
    assert_int_equal(world.net_count, 1);
    assert_int_equal(world.net[0].request.type, NET_GRANT);
}

/* -- bad input -------------------------------------------------------------------------------- */

static void what_is_refused(void **state)
{
    struct grant_terms terms = port(5432);

    (void)state;
    refused(grant(ALICE, "db", "alice", terms), OUTCOME_USAGE);
    refused(grant(ALICE, "db", "nobody", terms), OUTCOME_NOT_FOUND);
    refused(grant(ALICE, "db", "", terms), OUTCOME_USAGE);
    refused(grant(ALICE, "home", "bob", terms), OUTCOME_NOT_FOUND); /* bob's */
    refused(grant(ALICE, "none", "bob", terms), OUTCOME_NOT_FOUND);
    terms.port = 0;
    refused(grant(ALICE, "db", "bob", terms), OUTCOME_USAGE);
    terms = port(5432);
    terms.end = GRANT_UNTIL;
    terms.until_wall_ns = world.wall_ns;
    refused(grant(ALICE, "db", "bob", terms), OUTCOME_USAGE);
    terms.until_wall_ns = (GRANT_END_MAX_WALL_S + 1) * NS_PER_S;
    refused(grant(ALICE, "db", "bob", terms), OUTCOME_USAGE);
    world.users[BOB].state = USER_REMOVING;
    refused(grant(ALICE, "db", "bob", port(5432)), OUTCOME_NOT_FOUND);
    world.users[BOB].state = USER_ACTIVE;
    world.users[ALICE].instances->flags = PLAN_OFFLINE;
    refused(grant(ALICE, "db", "bob", port(5432)), OUTCOME_FAILED);
    assert_int_equal(world.net_count, 0);
    assert_int_equal(world.record_count, 0);
}

static void twice_the_same(void **state)
{
    struct grant_terms again = port(5432);

    (void)state;
    granted(port(5432));
    again.end = GRANT_FOR;
    again.for_ns = HOUR;
    refused(grant(ALICE, "db", "bob", again), OUTCOME_FAILED);
    assert_non_null(strstr(world.answer.text, "croft revoke 1"));
    again.protocol = IPPROTO_UDP;
    assert_int_equal(grant(ALICE, "db", "bob", again), REQUEST_PENDING);
    assert_int_equal(grant(ALICE, "db", "carol", port(5432)), REQUEST_PENDING);
}

static void revoking_anothers_and_what_ended_is_the_same(void **state)
{
    char ended[ERR_TEXT_SIZE];
    uint64_t id = granted(port(5432));

    (void)state;
    refused(revoke(CAROL, id), OUTCOME_NOT_FOUND);
    memcpy(ended, world.answer.text, sizeof(ended));
    assert_int_equal(revoke(ALICE, id), REQUEST_PENDING);
    world_net_answers(0, 0);
    refused(revoke(CAROL, id), OUTCOME_NOT_FOUND);
    assert_string_equal(ended, world.answer.text);
    refused(revoke(ALICE, id), OUTCOME_NOT_FOUND);
    assert_string_equal(ended, world.answer.text);
    const struct order_grant by_terms = to("bob", port(5432));
    refused(world_order(CAROL, ORDER_REVOKE, "db", 0, &by_terms, sizeof(by_terms)),
            OUTCOME_NOT_FOUND);
    refused(revoke(ALICE, 0), OUTCOME_USAGE);
}

/* -- how much --------------------------------------------------------------------------------- */

static size_t flood(enum world_user who, const char *machine, const char *user, uint32_t count)
{
    size_t made = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (grant(who, machine, user, port((uint16_t)(1 + i))) != REQUEST_PENDING) {
            assert_int_equal(world.answer.outcome, OUTCOME_OVER_LIMIT);
            continue;
        }
        world_net_answers(0, 0);
        world.record_count = 0;
        world_jobs_answer(1, 0);
        made++;
    }
    return made;
}

static void ten_thousand_of_them(void **state)
{
    (void)state;
    assert_int_equal(flood(ALICE, "db", "bob", 10000), GRANTS_TO_ONE_MAX);
    assert_int_equal(flood(ALICE, "db", "carol", 10000), GRANTS_TO_ONE_MAX);
    /* bob has room for carol's */
    assert_int_equal(flood(CAROL, "off", "bob", 10), 10);
    /* every page of the list, each once, by rising id */
    uint64_t last = 0;
    size_t seen = 0;
    for (;;) {
        world_order(ALICE, ORDER_GRANTS, NULL, last, NULL, 0);
        const struct grant_view *views = (const void *)world.answer.body;
        size_t count = world.answer.body_size / sizeof(*views);
        if (count == 0)
            break;
        for (size_t i = 0; i < count; i++) {
            assert_true(views[i].grant.id > last);
            last = views[i].grant.id;
        }
        seen += count;
    }
    assert_int_equal(seen, 2 * GRANTS_TO_ONE_MAX);
}

static void records_of_others_are_filled_slowly(void **state)
{
    size_t made = 0;

    (void)state;
    for (size_t i = 0; i < FOREIGN_ENTRIES_MAX; i++) {
        world.record_count = 0;
        if (grant(ALICE, "db", "bob", port(80)) != REQUEST_PENDING)
            break;
        world_net_answers(0, 0);
        assert_int_equal(revoke(ALICE, world.monitor.grants.first->grant.id), REQUEST_PENDING);
        world_net_answers(0, 0);
        made++;
    }
    assert_int_equal(made, FOREIGN_ENTRIES_MAX / 2);
    assert_int_equal(world.answer.outcome, OUTCOME_OVER_LIMIT);
    /* nobody else pays for it */
    assert_int_equal(grant(BOB, "home", "alice", port(80)), REQUEST_PENDING);
    world_time(2 * FOREIGN_ENTRY_BACK_S * NS_PER_S);
    assert_int_equal(grant(ALICE, "db", "bob", port(80)), REQUEST_PENDING);
    refused(grant(ALICE, "db", "bob", port(81)), OUTCOME_OVER_LIMIT);
    /* what others have filled leaves each one her own part, and no more */
    allowance_written(&world.users[BOB], 4711, RECORD_FOREIGN_MAX);
    assert_int_equal(grant(CAROL, "off", "bob", port(80)), REQUEST_PENDING);
    allowance_written(&world.users[BOB], world.users[CAROL].uid,
                      RECORD_FOREIGN_MAX / 2 / WORLD_USERS);
    refused(grant(CAROL, "off", "bob", port(81)), OUTCOME_OVER_LIMIT);
}

/* A restart counts the same from the records, so nobody has more or less room by it. */
static void a_restart_counts_the_same(void **state)
{
    uint64_t before[WORLD_USERS];

    (void)state;
    granted(port(5432));
    const struct order_grant from = to("alice", port(5432));
    assert_int_equal(world_order(BOB, ORDER_REVOKE, "db", 0, &from, sizeof(from)), REQUEST_PENDING);
    world_net_answers(0, 0);
    for (size_t i = 0; i < WORLD_USERS; i++)
        before[i] = world.users[i].allowance.bytes;
    assert_true(before[ALICE] > 0 && before[BOB] > 0);
    world_restart(1);
    for (size_t i = 0; i < WORLD_USERS; i++)
        assert_int_equal(world.users[i].allowance.bytes, before[i]);
}

/* -- asks ------------------------------------------------------------------------------------- */

static int ask(enum world_user who, const char *owner, const char *machine, uint16_t number)
{
    struct order_ask order = {.terms = port(number), .why = "report"};

    assert_int_equal(str_copy(order.user, sizeof(order.user), owner), 0);
    return world_order(who, ORDER_ASK, machine, 0, &order, sizeof(order));
}

static void what_is_approved_is_what_was_asked(void **state)
{
    struct order_ask order = {.user = "alice", .terms = lasting(HOUR), .why = "report"};
    struct reply_grant reply;

    (void)state;
    order.terms.connections = 3;
    order.terms.rate = 7;
    world_order(BOB, ORDER_ASK, "db", 0, &order, sizeof(order));
    uint64_t id = world.answer.number[0];
    assert_int_equal(recorded(ALICE, RECORD_ASK, RECORD_OUTCOME), 1);
    assert_int_equal(recorded(BOB, RECORD_ASK, RECORD_OUTCOME), 1);
    assert_int_equal(asks_of(ALICE), 1);
    assert_int_equal(asks_of(BOB), 1);
    assert_int_equal(asks_of(CAROL), 0);
    refused(world_order(BOB, ORDER_APPROVE, NULL, id, NULL, 0), OUTCOME_NOT_FOUND);
    refused(world_order(CAROL, ORDER_APPROVE, NULL, id, NULL, 0), OUTCOME_NOT_FOUND);
    assert_int_equal(world_order(ALICE, ORDER_APPROVE, NULL, id, NULL, 0), REQUEST_PENDING);
    world_net_answers(0, 0);
    world_jobs_answer(1, 0);
    memcpy(&reply, world.answer.body, sizeof(reply));
    assert_memory_equal(&reply.view.grant.terms, &order.terms, sizeof(order.terms));
    assert_int_equal(reply.view.grant.grantee_uid, world.users[BOB].uid);
    assert_int_equal(asks_of(ALICE), 0);
    refused(world_order(ALICE, ORDER_APPROVE, NULL, id, NULL, 0), OUTCOME_NOT_FOUND);
    world_restart(1);
    assert_int_equal(asks_of(ALICE), 0);
    assert_int_equal(grants_of(BOB), 1);
}

static void an_ask_says_the_same_whether_the_machine_is_there(void **state)
{
    (void)state;
    assert_int_equal(ask(BOB, "alice", "db", 80), REQUEST_PENDING);
    struct world_answer there = world.answer;
    assert_int_equal(ask(BOB, "alice", "none", 80), REQUEST_PENDING);
    assert_int_equal(there.outcome, world.answer.outcome);
    assert_string_equal(there.text, world.answer.text);
    assert_int_equal(there.body_size, world.answer.body_size);
    assert_int_equal(there.number[0] + 1, world.answer.number[0]);
    /* whose it is, hears of it */
    refused(world_order(ALICE, ORDER_APPROVE, NULL, world.answer.number[0], NULL, 0),
            OUTCOME_NOT_FOUND);
    assert_int_equal(asks_of(ALICE), 2);
}

static void asks_are_denied_by_either_side_and_by_time(void **state)
{
    (void)state;
    ask(BOB, "alice", "db", 80);
    uint64_t first = world.answer.number[0];
    ask(BOB, "alice", "db", 81);
    ask(BOB, "alice", "db", 82);
    refused(ask(BOB, "alice", "db", 80), OUTCOME_FAILED);
    refused(ask(BOB, "bob", "home", 80), OUTCOME_USAGE);
    refused(ask(BOB, "nobody", "home", 80), OUTCOME_NOT_FOUND);
    refused(world_order(CAROL, ORDER_DENY, NULL, first, NULL, 0), OUTCOME_NOT_FOUND);
    assert_int_equal(world_order(ALICE, ORDER_DENY, NULL, first, NULL, 0), 0);
    assert_int_equal(world_order(BOB, ORDER_DENY, NULL, first + 1, NULL, 0), 0);
    assert_int_equal(recorded(ALICE, RECORD_DENY, RECORD_OUTCOME), 2);
    assert_int_equal(recorded(BOB, RECORD_DENY, RECORD_OUTCOME), 2);
    world_restart(1);
    assert_int_equal(asks_of(BOB), 1);
    world_time(ASK_TTL_S * NS_PER_S);
    assert_int_equal(asks_of(BOB), 0);
    assert_int_equal(recorded(ALICE, RECORD_DENY, RECORD_OUTCOME), 3);
    ask(BOB, "alice", "db", 80);
    grants_user_gone(&world.users[BOB]);
    assert_int_equal(asks_of(ALICE), 0);
}

static void asks_that_cannot_be_written(void **state)
{
    (void)state;
    world.records_fail = true;
    refused(ask(BOB, "alice", "db", 80), OUTCOME_HOST_CANNOT);
    assert_int_equal(asks_of(ALICE) + asks_of(BOB), 0);
    world.records_fail = false;
    ask(BOB, "alice", "db", 80);
    uint64_t id = world.answer.number[0];
    world.records_fail = true;
    refused(world_order(ALICE, ORDER_DENY, NULL, id, NULL, 0), OUTCOME_HOST_CANNOT);
    assert_int_equal(asks_of(ALICE), 1);
    /* nobody waits for the disk when one runs out */
    world.records_fail = false;
    world.syncs = 0;
    world_time(ASK_TTL_S * NS_PER_S);
    assert_int_equal(asks_of(ALICE), 0);
    assert_int_equal(recorded(ALICE, RECORD_DENY, RECORD_OUTCOME), 1);
    assert_int_equal(world.syncs, 0);
}

static void nobody_fills_a_list_of_asks(void **state)
{
    (void)state;
    for (uint16_t i = 1; i <= ASKS_PER_USER_MAX; i++)
        assert_int_equal(ask(BOB, "alice", "db", i), REQUEST_PENDING);
    refused(ask(BOB, "alice", "db", 99), OUTCOME_OVER_LIMIT);
    refused(ask(BOB, "carol", "off", 99), OUTCOME_OVER_LIMIT);
    /* as if three more had done the same */
    for (size_t i = ASKS_PER_USER_MAX; i < ASKS_TO_USER_MAX; i++) {
        struct ask more = {.id = 1000 + i, .asker_uid = 1002, .owner_uid = 1001};
        struct record record = {.type = RECORD_ASK, .number = {more.id, 0, 0, 1}};
        more.machine[0] = 'x';
        asks_recorded(&world.users[ALICE], &record, &more);
    }
    assert_int_equal(asks_of(ALICE), ASKS_TO_USER_MAX);
    assert_int_equal(ask(CAROL, "alice", "db", 1), REQUEST_PENDING);
    refused(ask(CAROL, "alice", "db", 2), OUTCOME_OVER_LIMIT);
}

/* -- why -------------------------------------------------------------------------------------- */

static int why(enum world_user who, const char *from, const char *user, const char *machine,
               uint16_t number)
{
    struct order_why order = {.protocol = IPPROTO_TCP, .port = number};

    assert_int_equal(str_copy(order.user, sizeof(order.user), user), 0);
    assert_int_equal(str_copy(order.machine, sizeof(order.machine), machine), 0);
    return world_order(who, ORDER_WHY, from, 0, &order, sizeof(order));
}

static void why_tells_nothing_of_what_was_not_granted(void **state)
{
    (void)state;
    assert_int_equal(why(BOB, NULL, "alice", "db", 5432), REQUEST_PENDING);
    const struct net_request there = world.net[0].request;
    world_net_answers(0, 0);
    struct world_answer said = world.answer;
    assert_int_equal(why(BOB, NULL, "alice", "none", 5432), REQUEST_PENDING);
    assert_memory_equal(&there, &world.net[0].request, sizeof(there));
    world_net_answers(0, 0);
    assert_memory_equal(said.body, world.answer.body, said.body_size);
    refused(why(BOB, "nothing", "alice", "db", 5432), OUTCOME_NOT_FOUND);
    refused(why(BOB, NULL, "nobody", "db", 5432), OUTCOME_NOT_FOUND);
    refused(why(BOB, NULL, "", "nothing", 5432), OUTCOME_NOT_FOUND);
}

static void why_names_the_grant(void **state)
{
    struct reply_why reply;

    (void)state;
    uint64_t id = granted(port(5432));
    assert_int_equal(why(BOB, "home", "alice", "db", 5432), REQUEST_PENDING);
    assert_int_equal(world.net[0].request.uid, world.users[BOB].uid);
    const struct net_reply open = {.rule = NET_RULE_GRANT};
    const struct world_net asked = world.net[0];
    world.net_count = 0;
    asked.done(asked.data, &open);
    memcpy(&reply, world.answer.body, sizeof(reply));
    assert_int_equal(reply.rule, NET_RULE_GRANT);
    assert_int_equal(reply.view.grant.id, id);
    assert_int_equal(reply.running, WHY_FROM_RUNS | WHY_TO_RUNS);
    /* croft-net went away: no answer is made up */
    assert_int_equal(why(BOB, "home", "alice", "db", 5432), REQUEST_PENDING);
    const struct world_net lost = world.net[0];
    world.net_count = 0;
    lost.done(lost.data, NULL);
    assert_int_equal(world.answer.outcome, OUTCOME_HOST_CANNOT);
}

static void why_of_a_croft_net_that_hangs(void **state)
{
    (void)state;
    assert_int_equal(why(BOB, "home", "alice", "db", 5432), REQUEST_PENDING);
    const struct world_net hung = world.net[0];
    refused(why(BOB, "home", "alice", "db", 5432), OUTCOME_OVER_LIMIT);
    assert_int_equal(world.net_count, 1);
    assert_int_equal(why(ALICE, "db", "alice", "db", 5432), REQUEST_PENDING);
    world.net_count = 0;
    hung.done(hung.data, NULL);
    assert_int_equal(why(BOB, "home", "alice", "db", 5432), REQUEST_PENDING);
    /* one that is there, and does not know all yet, would tell of a table that it leaves behind */
    world.monitor.network.synced = false;
    refused(why(CAROL, "off", "carol", "off", 80), OUTCOME_HOST_CANNOT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(intent_kernel_outcome_answer),
        TEST(a_slow_look_holds_nothing_up),
        TEST(a_kernel_that_refuses_grants_nothing),
        TEST(records_that_cannot_be_written_open_nothing),
        TEST(an_outcome_that_cannot_be_written_grants_nothing),
        TEST(nor_does_one_of_a_machine_that_does_not_run),
        TEST(nor_does_one_that_croft_net_is_late_for),
        TEST(a_stopped_machine_opens_when_it_runs),
        TEST(without_croft_net_the_next_one_is_told),
        TEST(what_is_refused),
        TEST(twice_the_same),
        TEST(revoking_anothers_and_what_ended_is_the_same),
        TEST(ten_thousand_of_them),
        TEST(records_of_others_are_filled_slowly),
        TEST(a_restart_counts_the_same),
        TEST(what_is_approved_is_what_was_asked),
        TEST(an_ask_says_the_same_whether_the_machine_is_there),
        TEST(asks_are_denied_by_either_side_and_by_time),
        TEST(asks_that_cannot_be_written),
        TEST(nobody_fills_a_list_of_asks),
        TEST(why_tells_nothing_of_what_was_not_granted),
        TEST(why_names_the_grant),
        TEST(why_of_a_croft_net_that_hangs),
    };

    return cmocka_run_group_tests_name("grants", tests, NULL, NULL);
}
