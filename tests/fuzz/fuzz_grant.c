/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_grant - terms, the line that says why, what is left of a grant, and the records of grants
 * and asks, as the door, a clock and a file say them
 *
 * First byte: 'T' struct grant_terms, 'W' the line, 'L' struct grant and struct grant_clocks,
 * 'R' records: each a byte of its type, one of its phase, its number, then the payload.
 */
#include <string.h>

#include "fuzz.h"
#include "grants_world.h"

/* One record of 'R'. */
struct told {
    uint8_t type;
    uint8_t phase;
    uint8_t whose;
    uint8_t slot;
    uint32_t ask_id;
    union {
        struct grant grant;
        struct ask ask;
    } payload;
};

static void fuzz_terms(const uint8_t *data, size_t size)
{
    struct grant_terms terms = {0};
    struct err err = {.outcome = OUTCOME_OK};

    memcpy(&terms, data, size < sizeof(terms) ? size : sizeof(terms));
    int rc = grant_terms_check(&terms, WORLD_WALL, &err);
    PROMISE(rc == (int)err.outcome && (rc == 0 || err.text[0] != '\0'));
    PROMISE(rc != 0 || (terms.port != 0 && terms.kind == GRANT_PORT && terms.end != 0));
}

static void fuzz_why(const uint8_t *data, size_t size)
{
    char why[ASK_WHY_SIZE] = "";

    memcpy(why, data, size < sizeof(why) ? size : sizeof(why));
    if (grant_why_check(why) != 0)
        return;
    for (size_t i = 0; i < strlen(why); i++)
        PROMISE(why[i] >= ' ' && why[i] <= '~');
}

static void fuzz_left(const uint8_t *data, size_t size)
{
    struct grant grant = {0};
    struct grant_clocks now = {0};
    uint64_t written = 0;

    memcpy(&grant, data, size < sizeof(grant) ? size : sizeof(grant));
    if (size >= sizeof(grant) + sizeof(now) + sizeof(written)) {
        memcpy(&now, data + sizeof(grant), sizeof(now));
        memcpy(&written, data + sizeof(grant) + sizeof(now), sizeof(written));
    }
    uint64_t left = grant_left(&grant, &now, written);
    /* No clock prolongs anything. */
    PROMISE(grant.terms.end == GRANT_FOREVER || left <= grant.left_ns);
    PROMISE(grant.terms.end != GRANT_UNTIL || now.wall_ns < grant.terms.until_wall_ns || left == 0);
}

static void fuzz_records(const uint8_t *data, size_t size)
{
    world_make();
    world.monitor.grants.replaying = true;
    for (; size >= sizeof(struct told); data += sizeof(struct told), size -= sizeof(struct told)) {
        struct told told;
        memcpy(&told, data, sizeof(told));
        struct record record = {
            .type = (uint32_t)RECORD_GRANT + told.type % 4U,
            .phase = told.phase,
            .number = {told.payload.grant.id, told.ask_id, told.payload.grant.over, told.slot},
        };
        bool ask = record.type == RECORD_ASK || record.type == RECORD_DENY;
        grants_recorded(&world.users[told.whose % WORLD_USERS], &record, &told.payload,
                        ask ? sizeof(told.payload.ask) : sizeof(told.payload.grant));
    }
    world.monitor.grants.replaying = false;
    grants_replayed(&world.monitor);
    world_net_answers(0, 1);
    world_jobs_answer(1, 0);
    for (const struct granted *granted = world.monitor.grants.first; granted != NULL;
         granted = granted->next)
        PROMISE(granted->owner != NULL && granted->grantee != NULL &&
                (granted->next == NULL || granted->next->grant.id > granted->grant.id));
    world_time(1000ULL * HOUR);
    world_net_answers(0, 0);
    world_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (data[0]) {
    case 'T':
        fuzz_terms(data + 1, size - 1);
        break;
    case 'W':
        fuzz_why(data + 1, size - 1);
        break;
    case 'L':
        fuzz_left(data + 1, size - 1);
        break;
    case 'R':
        fuzz_records(data + 1, size - 1);
        break;
    default:
        break;
    }
    return 0;
}
