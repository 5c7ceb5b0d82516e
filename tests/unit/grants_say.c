/* SPDX-License-Identifier: Apache-2.0 */
/* grants_say - what the tests of grants say to the world, and what they find recorded */
#include "grants_say.h"

#include "unit.h"

#include <netinet/in.h>
#include <string.h>

#include "base/str.h"

struct grant_terms port(uint16_t number)
{
    return (struct grant_terms){
        .kind = GRANT_PORT, .protocol = IPPROTO_TCP, .port = number, .end = GRANT_FOREVER};
}

struct order_grant to(const char *user, struct grant_terms terms)
{
    struct order_grant order = {.terms = terms};
    assert_int_equal(str_copy(order.user, sizeof(order.user), user), 0);
    return order;
}

int grant(enum world_user who, const char *machine, const char *user, struct grant_terms terms)
{
    const struct order_grant order = to(user, terms);
    return world_order(who, ORDER_GRANT, machine, 0, &order, sizeof(order));
}

int revoke(enum world_user who, uint64_t id)
{
    struct order_grant order = {.id = id};
    return world_order(who, ORDER_REVOKE, NULL, 0, &order, sizeof(order));
}

static size_t count_of(enum world_user who, uint32_t order, size_t size)
{
    assert_int_equal(world_order(who, order, NULL, 0, NULL, 0), REQUEST_PENDING);
    assert_int_equal(world.answer.body_size % size, 0);
    return world.answer.body_size / size;
}

size_t grants_of(enum world_user who)
{
    return count_of(who, ORDER_GRANTS, sizeof(struct grant_view));
}

size_t asks_of(enum world_user who)
{
    return count_of(who, ORDER_ASKS, sizeof(struct ask_view));
}

/* A grant of db's port to bob that is open. Return: its id */
uint64_t granted(struct grant_terms terms)
{
    struct reply_grant reply;

    assert_int_equal(grant(ALICE, "db", "bob", terms), REQUEST_PENDING);
    world_net_answers(0, 0);
    world_jobs_answer(1, 0);
    assert_int_equal(world.answer.outcome, 0);
    assert_int_equal(world.answer.body_size, sizeof(reply));
    memcpy(&reply, world.answer.body, sizeof(reply));
    assert_true(reply.view.flags & GRANT_OPEN);
    return reply.view.grant.id;
}

/* How many records of @type stand in the file of @who, in @phase. */
size_t recorded(enum world_user who, uint32_t type, uint32_t phase)
{
    size_t count = 0;

    for (size_t i = 0; i < world.record_count; i++)
        if (world.records[i].chain == &world.users[who].chain &&
            world.records[i].record.type == type && world.records[i].record.phase == phase)
            count++;
    return count;
}

uint32_t last_over(enum world_user who)
{
    for (size_t i = world.record_count; i-- > 0;) {
        struct grant grant;
        if (world.records[i].chain != &world.users[who].chain ||
            world.records[i].record.type != RECORD_GRANT_END)
            continue;
        memcpy(&grant, world.records[i].payload, sizeof(grant));
        return grant.over;
    }
    return 0;
}

void refused(int rc, int outcome)
{
    assert_int_equal(rc, outcome);
    assert_int_equal(world.answer.outcome, outcome);
    assert_string_not_equal(world.answer.text, "");
}

struct grant_terms lasting(uint64_t ns)
{
    struct grant_terms terms = port(5432);
    terms.end = GRANT_FOR;
    terms.for_ns = ns;
    return terms;
}

struct grant_terms until(uint64_t wall_ns)
{
    struct grant_terms terms = port(5432);
    terms.end = GRANT_UNTIL;
    terms.until_wall_ns = wall_ns;
    return terms;
}
