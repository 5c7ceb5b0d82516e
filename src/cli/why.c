/* SPDX-License-Identifier: Apache-2.0 */
/*
 * why - why [FROM] TO: one sentence about one port: open by what, or closed by what and who opens
 * it
 *
 * The monitor answers from the kernel's tables. The sentence tells nothing about another user's
 * machine that an ask would not: whether there is one is not in it.
 */
#include <inttypes.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "cli/account.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/door.h"
#include "cli/granted.h"
#include "cli/option.h"
#include "cli/say.h"

#define SENTENCE_SIZE 480

struct question {
    const char *from;
    struct target target;
    bool json;
};

/* The rules in the words of JSON, and whether they let pass. */
static const struct {
    const char *name;
    bool open;
} rules[NET_RULE_COUNT] = {
    [NET_RULE_NONE] = {"none", false},
    [NET_RULE_GRANT] = {"grant", true},
    [NET_RULE_OWN] = {"own", true},
    [NET_RULE_SERVICE] = {"service", true},
    [NET_RULE_INTERNET] = {"internet", true},
    [NET_RULE_LAN] = {"lan", true},
    [NET_RULE_NO_GRANT] = {"no-grant", false},
    [NET_RULE_NO_LAN] = {"no-lan", false},
    [NET_RULE_HOST] = {"host", false},
    [NET_RULE_NEVER] = {"never", false},
    [NET_RULE_NO_TABLE] = {"no-table", false},
};

static int parse(struct question *question, int argc, char **argv, struct err *err)
{
    const struct option options[] = {{0, OPTION_FLAG, "json", &question->json, 0, 0, NULL}};
    struct operands words;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    if (r == 0 && (words.count < 1 || words.count > 2 || words.rest_count != 0))
        r = err_set(err, OUTCOME_USAGE, "give what is to be reached, such as db.alice:5432");
    if (r != 0)
        return r;
    if (words.count == 2)
        question->from = words.item[0];
    return target_parse(words.item[words.count - 1], &question->target, err);
}

static int ask(const struct question *question, struct door_reply *reply, struct err *err)
{
    const struct target *target = &question->target;
    struct order_why body = {
        .ipv6 = target->ipv6,
        .protocol = target->protocol,
        .port = target->port,
    };
    struct order order;
    auto_close sock = -1;
    int r = door_order(&order, ORDER_WHY, "a machine", question->from, err);

    if (r == 0)
        r = door_open(&sock, err);
    if (r != 0)
        return r;
    memcpy(body.user, target->owner, sizeof(body.user));
    memcpy(body.machine, target->machine, sizeof(body.machine));
    memcpy(body.address, target->address, sizeof(body.address));
    return door_call(sock, &order, &body, sizeof(body), reply, err);
}

/* What is open leads nowhere while an end of it does not run. */
static const char *but(const struct reply_why *why)
{
    if (!(why->running & WHY_TO_RUNS))
        return "; but that machine does not run now";
    return why->running & WHY_FROM_RUNS ? "" : "; but yours does not run now";
}

/* Without a grant: whom to ask, in the words to type. */
static void say_no_grant(const struct target *target, const char *what, char *to)
{
    const char *udp = target->protocol == IPPROTO_UDP ? "/udp" : "";

    if (target->owner[0] != '\0')
        (void)snprintf(to, SENTENCE_SIZE,
                       "closed: nothing lets your machines reach %s; %s can open it: `croft ask %s "
                       "port %s:%u%s --for 1h --why ...`",
                       what, target->owner, target->owner, target->machine, target->port, udp);
    else if (target->machine[0] != '\0')
        (void)snprintf(to, SENTENCE_SIZE,
                       "closed: you have no machine %s with a network now: `croft start %s`, or "
                       "name another user's as %s.OWNER:%u%s",
                       target->machine, target->machine, target->machine, target->port, udp);
    else
        (void)snprintf(to, SENTENCE_SIZE,
                       "closed: %s is no machine of yours, and nobody granted you one there; its "
                       "owner can: `croft ask OWNER port MACHINE:%u%s --for 1h --why ...`",
                       what, target->port, udp);
}

static void say_rule(const struct question *question, struct reply_why *why, char *to)
{
    char what[TARGET_TEXT_SIZE];
    char end[GRANTED_TEXT_SIZE];

    (void)target_text(&question->target, what);
    switch ((enum net_rule)why->rule) {
    case NET_RULE_GRANT:
        (void)snprintf(to, SENTENCE_SIZE, "open: %s granted it %s (grant %" PRIu64 ")%s",
                       why->view.owner, granted_end(&why->view, end), why->view.grant.id, but(why));
        return;
    case NET_RULE_OWN:
        (void)snprintf(to, SENTENCE_SIZE, "open: both machines are yours%s", but(why));
        return;
    case NET_RULE_SERVICE:
        (void)snprintf(to, SENTENCE_SIZE,
                       "open: %s is a service of this host that every machine may use", what);
        return;
    case NET_RULE_INTERNET:
        (void)snprintf(to, SENTENCE_SIZE, "open: %s lies beyond this host's own networks", what);
        return;
    case NET_RULE_LAN:
        (void)snprintf(to, SENTENCE_SIZE,
                       "open: an admin lets your machines into this host's own networks (--lan)");
        return;
    case NET_RULE_NO_GRANT:
        say_no_grant(&question->target, what, to);
        return;
    case NET_RULE_NO_LAN:
        (void)snprintf(to, SENTENCE_SIZE,
                       "closed: %s is in a private network or one of this host's own; an admin can "
                       "open those: `croft user set %s --lan yes`",
                       what, account_own());
        return;
    case NET_RULE_HOST:
        (void)snprintf(to, SENTENCE_SIZE,
                       "closed: %s is this host itself, which no machine reaches; nobody can open "
                       "it",
                       what);
        return;
    case NET_RULE_NEVER:
        (void)snprintf(to, SENTENCE_SIZE,
                       "closed: %s is a metadata, multicast, loopback or reserved address, closed "
                       "to every machine; nobody can open it",
                       what);
        return;
    case NET_RULE_NO_TABLE:
        (void)snprintf(to, SENTENCE_SIZE,
                       "closed: the network's rules are not in place, so no machine has a network; "
                       "they come back within seconds, or an admin looks at `croft doctor`");
        return;
    case NET_RULE_NONE:
    case NET_RULE_COUNT:
        break;
    }
    (void)snprintf(to, SENTENCE_SIZE, "closed: no rule says anything about %s", what);
}

int verb_why(const struct cli *cli, int argc, char **argv, struct err *err)
{
    struct question question = {.from = NULL};
    struct door_reply reply;
    struct reply_why *why = &reply.body.why;
    char sentence[SENTENCE_SIZE];
    int r = parse(&question, argc, argv, err);

    (void)cli;
    if (r == 0)
        r = ask(&question, &reply, err);
    if (r != 0)
        return r;
    if (why->rule >= NET_RULE_COUNT)
        why->rule = NET_RULE_NONE;
    granted_check(&why->view);
    say_rule(&question, why, sentence);
    if (question.json) {
        auto_json *object =
            json_pack("{s:b, s:s, s:b, s:s}", "open", rules[why->rule].open, "rule",
                      rules[why->rule].name, "running", why->running != 0, "text", sentence);

        if (why->rule == NET_RULE_GRANT)
            (void)json_object_set_new(object, "grant", granted_json(&why->view));
        say_json(object);
        return OUTCOME_OK;
    }
    say_line("%s", sentence);
    return OUTCOME_OK;
}
