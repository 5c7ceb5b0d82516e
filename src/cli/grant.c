/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grant - grant, grants, revoke: what a user allows another one, and takes back
 *
 * Each is one order to the monitor: they work with croftd dead.
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

static void print_ended(struct grant_view *view, bool json, uint64_t started_ns);

int verb_grant(const struct cli *cli, int argc, char **argv, struct err *err)
{
    struct order_grant body = {.id = 0};
    struct terms_wish wish = {.forever = false};
    bool json = false;
    const struct option options[] = {
        TERMS_OPTIONS(wish),
        {0, OPTION_FLAG, "json", &json, 0, 0, NULL},
    };
    struct door_reply reply;
    struct operands words;
    struct target target;
    const char *user = NULL;
    struct order order;
    auto_close sock = -1;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    if (r == 0)
        r = terms_words(&words, false, &user, &target, err);
    if (r == 0)
        r = terms_read(&wish, &target, clock_wall_ns(), &body.terms, err);
    if (r == 0)
        r = door_order(&order, ORDER_GRANT, "a machine", target.machine, err);
    if (r == 0)
        r = door_open(&sock, err);
    if (r != 0)
        return r;
    if (str_copy(body.user, sizeof(body.user), user) < 0)
        croft_bug("a valid name does not fit its field");
    r = door_call(sock, &order, &body, sizeof(body), &reply, err);
    if (r == 0)
        granted_print(&reply.body.grant, json, cli->started_boot_ns);
    return r;
}

static void check_grant(void *entry)
{
    granted_check(entry);
}

static json_t *grant_json(const void *entry)
{
    return granted_json(entry);
}

static void add_grant(struct table *table, const void *entry)
{
    const struct grant_view *view = entry;
    char text[TARGET_TEXT_SIZE];

    table_format(table, "%" PRIu64, view->grant.id);
    table_cell(table, view->owner);
    table_cell(table, view->grantee);
    table_cell(table, granted_what(&view->grant.terms, view->grant.machine, "", text));
    table_cell(table, view->flags & GRANT_OPEN ? "open" : "machine stopped");
    if (view->left_ns == UINT64_MAX) {
        table_cell(table, "never");
        table_cell(table, "");
        return;
    }
    table_cell(table, say_time(granted_end_wall(view), text, sizeof(text)));
    table_cell(table, when_text(view->left_ns, text, sizeof(text)));
}

int verb_grants(const struct cli *cli, int argc, char **argv, struct err *err)
{
    static const char *const heads[] = {"ID", "OWNER", "TO", "PORT", "STATE", "ENDS", "LEFT"};
    static const struct listing grants = {
        .order = ORDER_GRANTS,
        .entry_size = sizeof(struct grant_view),
        .name = "grants",
        .no_words = "grants takes no words",
        .heads = heads,
        .head_count = ARRAY_LEN(heads),
        .check = check_grant,
        .add = add_grant,
        .json = grant_json,
    };

    (void)cli;
    return listing_verb(&grants, argc, argv, err);
}

/* By its number, or by what it allows whom (or by whom it was given). */
static int read_revoked(const struct operands *words, struct order *order, struct order_grant *body,
                        struct err *err)
{
    const bool one = words->count == 1 && words->rest_count == 0;
    const char *user = NULL;
    struct target target;
    int r;

    if (one && str_u64(words->item[0], 1, UINT64_MAX, &body->id) == 0)
        return door_order(order, ORDER_REVOKE, NULL, NULL, err);
    if (one)
        return err_set(err, OUTCOME_USAGE,
                       "'%.40s' is no number of a grant: `croft grants` shows them",
                       words->item[0]);
    r = terms_words(words, true, &user, &target, err);
    if (r == 0)
        r = door_order(order, ORDER_REVOKE, "a machine", target.machine, err);
    if (r != 0)
        return r;
    if (str_copy(body->user, sizeof(body->user), user) < 0)
        croft_bug("a valid name does not fit its field");
    body->terms = (struct grant_terms){
        .kind = GRANT_PORT,
        .protocol = target.protocol,
        .port = target.port,
    };
    return 0;
}

int verb_revoke(const struct cli *cli, int argc, char **argv, struct err *err)
{
    struct order_grant body = {.id = 0};
    bool json = false;
    const struct option options[] = {{0, OPTION_FLAG, "json", &json, 0, 0, NULL}};
    struct door_reply reply;
    struct operands words;
    struct order order;
    auto_close sock = -1;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    if (r == 0)
        r = read_revoked(&words, &order, &body, err);
    if (r == 0)
        r = door_open(&sock, err);
    if (r == 0)
        r = door_call(sock, &order, &body, sizeof(body), &reply, err);
    if (r == 0)
        print_ended(&reply.body.ended, json, cli->started_boot_ns);
    return r;
}

static void print_ended(struct grant_view *view, bool json, uint64_t started_ns)
{
    char what[TARGET_TEXT_SIZE];

    granted_check(view);
    if (json) {
        auto_json *object = granted_json(view);

        (void)json_object_set_new(object, "cut", json_integer(view->grant.cut));
        granted_add_ms(object, started_ns);
        say_json(object);
        return;
    }
    (void)granted_what(&view->grant.terms, view->grant.machine, view->owner, what);
    if (view->grant.cut == 0)
        say_line("%s can no longer use %s: no connection was open", view->grantee, what);
    else
        say_line("%s can no longer use %s: %" PRIu32 " connection%s cut", view->grantee, what,
                 view->grant.cut, view->grant.cut == 1 ? " was" : "s were");
}
