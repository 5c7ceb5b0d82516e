/* SPDX-License-Identifier: Apache-2.0 */
/* grant - whether what is wanted can be granted at all */
#include "wire/grant.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

static int grant_end_check(const struct grant_terms *terms, uint64_t now_wall_ns, struct err *err);

int grant_terms_check(const struct grant_terms *terms, uint64_t now_wall_ns, struct err *err)
{
    if (terms->kind != GRANT_PORT)
        return err_set(err, OUTCOME_USAGE, "grant: kind %" PRIu32 "; only ports can be granted",
                       terms->kind);
    if (terms->protocol != IPPROTO_TCP && terms->protocol != IPPROTO_UDP)
        return err_set(err, OUTCOME_USAGE, "grant: protocol %u; give tcp or udp", terms->protocol);
    if (terms->port == 0)
        return err_set(err, OUTCOME_USAGE, "grant: port 0; give 1 to 65535");
    if (terms->connections > GRANT_CONNECTIONS_MAX)
        return err_set(err, OUTCOME_USAGE, "grant: %" PRIu32 " connections; give at most %u",
                       terms->connections, GRANT_CONNECTIONS_MAX);
    if (terms->rate > GRANT_RATE_MAX)
        return err_set(err, OUTCOME_USAGE,
                       "grant: %" PRIu32 " new connections a second; give at most %u", terms->rate,
                       GRANT_RATE_MAX);
    if (terms->reserved != 0)
        return err_set(err, OUTCOME_USAGE, "grant: the reserved field must be 0");
    return grant_end_check(terms, now_wall_ns, err);
}

uint64_t grant_left(const struct grant *grant, const struct grant_clocks *now,
                    uint64_t written_wall_ns)
{
    bool same_boot = memcmp(grant->boot_id, now->boot_id, sizeof(now->boot_id)) == 0;
    uint64_t from = same_boot ? grant->made_boot_ns : written_wall_ns;
    uint64_t to = same_boot ? now->boot_ns : now->wall_ns;
    uint64_t until = grant->terms.until_wall_ns;

    if (grant->terms.end == GRANT_FOREVER)
        return UINT64_MAX;
    uint64_t passed = to > from ? to - from : 0;
    uint64_t left = grant->left_ns > passed ? grant->left_ns - passed : 0;
    if (grant->terms.end != GRANT_UNTIL)
        return left;
    uint64_t wall_left = until > now->wall_ns ? until - now->wall_ns : 0;
    return wall_left < left ? wall_left : left;
}

int grant_why_check(const char why[ASK_WHY_SIZE])
{
    if (!str_terminated(why, ASK_WHY_SIZE))
        return -EINVAL;
    for (const char *byte = why; *byte != '\0'; byte++)
        if ((unsigned char)*byte < 0x20 || (unsigned char)*byte > 0x7e)
            return -EINVAL;
    return 0;
}

static int grant_end_check(const struct grant_terms *terms, uint64_t now_wall_ns, struct err *err)
{
    const uint64_t last_ns = GRANT_END_MAX_WALL_S * NS_PER_S;
    bool for_given = terms->for_ns != 0;
    bool until_given = terms->until_wall_ns != 0;

    switch (terms->end) {
    case GRANT_FOREVER:
        if (for_given || until_given)
            return err_set(err, OUTCOME_USAGE, "grant: for ever, and an end beside it; give one");
        return 0;
    case GRANT_FOR:
        if (!for_given || until_given)
            return err_set(err, OUTCOME_USAGE, "grant: give how long, more than 0");
        if (now_wall_ns > last_ns || terms->for_ns > last_ns - now_wall_ns)
            return err_set(err, OUTCOME_USAGE,
                           "grant: it would end beyond the year 2106; give less, or --forever");
        return 0;
    case GRANT_UNTIL:
        if (for_given || terms->until_wall_ns <= now_wall_ns)
            return err_set(err, OUTCOME_USAGE, "grant: its end lies in the past");
        if (terms->until_wall_ns > last_ns)
            return err_set(err, OUTCOME_USAGE,
                           "grant: its end lies beyond the year 2106; give less, or --forever");
        return 0;
    default:
        return err_set(err, OUTCOME_USAGE,
                       "grant: it has no end; give --for 8h, --until TIME or --forever");
    }
}
