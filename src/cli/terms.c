/* SPDX-License-Identifier: Apache-2.0 */
/* terms - what is granted, revoked or asked for, from words to what is ordered */
#include "cli/terms.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "cli/say.h"
#include "cli/when.h"

int terms_words(const struct operands *words, bool of_user, const char **ret_user,
                struct target *ret_target, struct err *err)
{
    char *const *word = words->item;
    int r;

    if (words->count != 3 || words->rest_count != 0)
        return err_set(err, OUTCOME_USAGE, "give USER port MACHINE:PORT");
    if (strcmp(word[1], "port") != 0)
        return err_set(err, OUTCOME_USAGE, "'%.40s' cannot be granted: give USER port MACHINE:PORT",
                       word[1]);
    if (!str_is_name(word[0]))
        return say_no_name("a user", word[0], err);
    r = target_parse(word[2], ret_target, err);
    if (r != 0)
        return r;
    if (ret_target->machine[0] == '\0')
        return err_set(err, OUTCOME_USAGE, "'%.60s' is an address: give a machine by its name",
                       word[2]);
    /* A grant is given by the machine's owner: then hers is the only name that can stand there. */
    if (ret_target->owner[0] != '\0' && (!of_user || strcmp(ret_target->owner, word[0]) != 0))
        return err_set(err, OUTCOME_USAGE, "'%.60s': leave the owner out: %s:%u", word[2],
                       ret_target->machine, ret_target->port);
    *ret_user = word[0];
    return 0;
}

/* "50" or "50/s" */
static int read_rate(const char *text, uint32_t *ret_rate, struct err *err)
{
    size_t length = strcspn(text, "/");
    char number[16] = "";
    uint64_t rate = 0;

    if (length < sizeof(number) && (text[length] == '\0' || strcmp(text + length, "/s") == 0))
        memcpy(number, text, length);
    if (str_u64(number, 1, GRANT_RATE_MAX, &rate) < 0)
        return err_set(err, OUTCOME_USAGE,
                       "--rate %.40s: give new connections a second such as 50/s, at most %u", text,
                       GRANT_RATE_MAX);
    *ret_rate = (uint32_t)rate;
    return 0;
}

static int read_end(const struct terms_wish *wish, uint64_t now_wall_ns, struct grant_terms *terms,
                    struct err *err)
{
    int r = 0;

    if (wish->forever) {
        terms->end = GRANT_FOREVER;
    } else if (wish->for_text != NULL) {
        terms->end = GRANT_FOR;
        r = when_duration(wish->for_text, &terms->for_ns);
        if (r == -EINVAL)
            return err_set(err, OUTCOME_USAGE,
                           "--for %.40s: give a time with its unit: 90m, 8h, 2d, 1h30m",
                           wish->for_text);
    } else {
        terms->end = GRANT_UNTIL;
        r = when_moment(wish->until_text, now_wall_ns, &terms->until_wall_ns);
        if (r < 0)
            return err_set(err, OUTCOME_USAGE,
                           "--until %.40s: %s '2026-12-01 18:00', 18:00 or 2026-12-01T18:00:00Z",
                           wish->until_text,
                           r == -ERANGE ? "there is no such moment; give one such as" : "give");
    }
    /* More than 584 years, or none at all. */
    if (r < 0)
        return err_set(err, OUTCOME_USAGE, "--for %.40s: give more than 0, and no end beyond 2106",
                       wish->for_text);
    return 0;
}

int terms_read(const struct terms_wish *wish, const struct target *target, uint64_t now_wall_ns,
               struct grant_terms *ret_terms, struct err *err)
{
    struct grant_terms terms = {
        .kind = GRANT_PORT,
        .protocol = target->protocol,
        .port = target->port,
        .connections = (uint32_t)wish->connections,
    };
    int ends = (wish->for_text != NULL) + (wish->until_text != NULL) + wish->forever;
    int r = 0;

    if (ends != 1)
        return err_set(err, OUTCOME_USAGE,
                       "give one end: --for 8h, --until '2026-12-01 18:00' or --forever");
    if (wish->rate_text != NULL)
        r = read_rate(wish->rate_text, &terms.rate, err);
    if (r == 0)
        r = read_end(wish, now_wall_ns, &terms, err);
    if (r == 0)
        r = grant_terms_check(&terms, now_wall_ns, err);
    if (r == 0)
        *ret_terms = terms;
    return r;
}
