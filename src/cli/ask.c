/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask - ask, asks, approve, deny: how a grant is asked for, and answered
 *
 * What an asker wrote is another user's text: the monitor takes plain characters only, and what is
 * printed here goes through the same sieve as everything else.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/door.h"
#include "cli/granted.h"
#include "cli/listing.h"
#include "cli/option.h"
#include "cli/say.h"
#include "cli/terms.h"
#include "cli/when.h"

static int read_why(const char *why, struct order_ask *body, struct err *err)
{
    if (why != NULL && strlen(why) >= sizeof(body->why))
        return err_set(err, OUTCOME_USAGE, "--why has %zu characters: give at most %u", strlen(why),
                       ASK_WHY_SIZE - 1U);
    if (why != NULL)
        memcpy(body->why, why, strlen(why));
    if (grant_why_check(body->why) < 0)
        return err_set(err, OUTCOME_USAGE, "--why is one line of plain characters (ASCII)");
    return 0;
}

int verb_ask(const struct cli *cli, int argc, char **argv, struct err *err)
{
    struct order_ask body = {.why = ""};
    struct terms_wish wish = {.forever = false};
    const char *why = NULL;
    bool json = false;
    const struct option options[] = {
        TERMS_OPTIONS(wish),
        {0, OPTION_TEXT, "why", &why, 0, 0, NULL},
        {0, OPTION_FLAG, "json", &json, 0, 0, NULL},
    };
    struct door_reply reply;
    struct operands words;
    struct target target;
    const char *user = NULL;
    struct order order;
    auto_close sock = -1;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    (void)cli;
    if (r == 0)
        r = terms_words(&words, true, &user, &target, err);
    if (r == 0)
        r = terms_read(&wish, &target, clock_wall_ns(), &body.terms, err);
    if (r == 0)
        r = read_why(why, &body, err);
    if (r == 0)
        r = door_order(&order, ORDER_ASK, "a machine", target.machine, err);
    if (r == 0)
        r = door_open(&sock, err);
    if (r != 0)
        return r;
    if (str_copy(body.user, sizeof(body.user), user) < 0)
        croft_bug("a valid name does not fit its field");
    r = door_call(sock, &order, &body, sizeof(body), &reply, err);
    if (r != 0)
        return r;
    if (json) {
        auto_json *object = json_pack("{s:I}", "id", (json_int_t)reply.head.number[0]);

        say_json(object);
        return OUTCOME_OK;
    }
    say_line("%s is asked; to take it back: croft deny %" PRIu64, user, reply.head.number[0]);
    return OUTCOME_OK;
}

static char *wanted_end(const struct grant_terms *terms, char *buf, size_t size)
{
    char moment[32];

    if (terms->end == GRANT_FOR)
        return when_text(terms->for_ns, buf, size);
    if (terms->end == GRANT_UNTIL)
        (void)snprintf(buf, size, "until %s",
                       say_time(terms->until_wall_ns, moment, sizeof(moment)));
    else
        (void)snprintf(buf, size, "ever");
    return buf;
}

/* Whoever approves grants these too. */
static char *wanted_limits(const struct grant_terms *terms, char *buf, size_t size)
{
    char connections[32] = "";
    char rate[32] = "";

    if (terms->connections != 0)
        (void)snprintf(connections, sizeof(connections), "%" PRIu32 " at once", terms->connections);
    if (terms->rate != 0)
        (void)snprintf(rate, sizeof(rate), "%" PRIu32 "/s", terms->rate);
    if (terms->connections == 0 && terms->rate == 0)
        (void)snprintf(buf, size, "default");
    else
        (void)snprintf(buf, size, "%s%s%s", connections,
                       terms->connections != 0 && terms->rate != 0 ? ", " : "", rate);
    return buf;
}

static void check_ask(void *entry)
{
    struct ask_view *view = entry;

    view->ask.machine[sizeof(view->ask.machine) - 1] = '\0';
    view->ask.why[sizeof(view->ask.why) - 1] = '\0';
    view->asker[sizeof(view->asker) - 1] = '\0';
    view->owner[sizeof(view->owner) - 1] = '\0';
    str_printable(view->ask.why);
}

static void add_ask(struct table *table, const void *entry)
{
    const struct ask_view *view = entry;
    char text[TARGET_TEXT_SIZE];

    table_format(table, "%" PRIu64, view->ask.id);
    table_cell(table, view->asker);
    table_cell(table, view->owner);
    table_cell(table, granted_what(&view->ask.terms, view->ask.machine, "", text));
    table_cell(table, wanted_end(&view->ask.terms, text, sizeof(text)));
    table_cell(table, wanted_limits(&view->ask.terms, text, sizeof(text)));
    table_cell(table, say_time(view->ask.made_wall_ns, text, sizeof(text)));
    table_cell(table, view->ask.why);
}

static json_t *ask_json(const void *entry)
{
    const struct ask_view *view = entry;
    const struct grant_terms *terms = &view->ask.terms;
    char what[TARGET_TEXT_SIZE];
    char end[64];

    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s}", "id",
                     (json_int_t)view->ask.id, "asker", view->asker, "owner", view->owner, "port",
                     granted_what(terms, view->ask.machine, "", what), "for",
                     wanted_end(terms, end, sizeof(end)), "connections",
                     (json_int_t)terms->connections, "rate", (json_int_t)terms->rate, "made",
                     (json_int_t)view->ask.made_wall_ns, "why", view->ask.why);
}

int verb_asks(const struct cli *cli, int argc, char **argv, struct err *err)
{
    static const char *const heads[] = {"ID",  "ASKER",  "OWNER", "PORT",
                                        "FOR", "LIMITS", "SINCE", "WHY"};
    static const struct listing asks = {
        .order = ORDER_ASKS,
        .entry_size = sizeof(struct ask_view),
        .name = "asks",
        .no_words = "asks takes no words: `croft approve ID` or `croft deny ID` answers one",
        .heads = heads,
        .head_count = ARRAY_LEN(heads),
        .check = check_ask,
        .add = add_ask,
        .json = ask_json,
    };

    (void)cli;
    return listing_verb(&asks, argc, argv, err);
}

/* approve ID, deny ID */
static int answer(uint32_t type, const struct operands *words, struct door_reply *reply,
                  struct err *err)
{
    struct order order;
    auto_close sock = -1;
    uint64_t id = 0;
    int r;

    if (words->count != 1 || words->rest_count != 0 ||
        str_u64(words->item[0], 1, UINT64_MAX, &id) < 0)
        return err_set(err, OUTCOME_USAGE, "give the number that `croft asks` shows");
    r = door_order(&order, type, NULL, NULL, err);
    if (r == 0)
        r = door_open(&sock, err);
    if (r != 0)
        return r;
    order.number = id;
    return door_call(sock, &order, NULL, 0, reply, err);
}

int verb_approve(const struct cli *cli, int argc, char **argv, struct err *err)
{
    bool json = false;
    const struct option options[] = {{0, OPTION_FLAG, "json", &json, 0, 0, NULL}};
    struct door_reply reply;
    struct operands words;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    if (r == 0)
        r = answer(ORDER_APPROVE, &words, &reply, err);
    if (r == 0)
        granted_print(&reply.body.grant, json, cli->started_boot_ns);
    return r;
}

int verb_deny(const struct cli *cli, int argc, char **argv, struct err *err)
{
    struct door_reply reply;
    struct operands words;
    int r = option_parse(NULL, 0, argc, argv, 0, &words, err);

    (void)cli;
    if (r == 0)
        r = answer(ORDER_DENY, &words, &reply, err);
    return r;
}
