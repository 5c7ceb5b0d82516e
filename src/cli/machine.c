/* SPDX-License-Identifier: Apache-2.0 */
/* machine - ls, info, start, stop, rm: machines as they are, and the ends of their lives */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/door.h"
#include "cli/option.h"
#include "cli/say.h"

#define STOP_SECONDS_MAX 3600

static int order_each(struct operands *words, uint32_t type, uint32_t flags, uint64_t number,
                      struct err *err);
static void add_machine(struct table *table, const json_t *machine);
static void print_machine(const json_t *machine);

int verb_ls(const struct cli *cli, int argc, char **argv, struct err *err)
{
    static const char *const heads[] = {"MACHINE", "OWNER",  "KIND", "IMAGE",
                                        "STATE",   "MEMORY", "DISK"};
    const char *user = NULL;
    bool all = false;
    bool json = false;
    const struct option options[] = {
        {'a', OPTION_FLAG, "all", &all, 0, 0, NULL},
        {0, OPTION_TEXT, "user", &user, 0, 0, NULL},
        {0, OPTION_FLAG, "json", &json, 0, 0, NULL},
    };
    auto_table table = {0};
    auto_json *answer = NULL;
    struct operands words;
    const json_t *machine;
    json_t *question;
    size_t i;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    (void)cli;
    if (r != 0)
        return r;
    if (words.count + words.rest_count != 0)
        return err_set(err, OUTCOME_USAGE,
                       "ls takes no words: `croft info NAME` shows one machine");
    if (all && user != NULL)
        return err_set(err, OUTCOME_USAGE, "give --all or --user, not both");
    if (user != NULL && !order_is_user(user))
        return say_no_name("a user", user, err);
    question = json_object();
    if (all)
        (void)json_object_set_new(question, "all", json_true());
    if (user != NULL)
        (void)json_object_set_new(question, "user", json_string(user));
    r = api_call("List", question, &answer, err);
    if (r != 0)
        return r;
    if (json) {
        say_json(answer);
        return OUTCOME_OK;
    }
    table_heads(&table, heads, ARRAY_LEN(heads));
    json_array_foreach(json_object_get(answer, "machines"), i, machine)
        add_machine(&table, machine);
    table_print(&table);
    return OUTCOME_OK;
}

/* "stopped" says how it ended as well, where that was not simply 0. */
static const char *state_text(const json_t *machine, char *buf, size_t size)
{
    const char *state = api_text(machine, "state");
    int64_t number = api_signed(machine, "exit_signal", 0);
    int r;

    if (strcmp(state, "stopped") != 0)
        return state;
    if (number > 0) {
        r = str_format(buf, size, "%s (signal %" PRId64 ")", state, number);
        return r == 0 ? buf : state;
    }
    number = api_signed(machine, "exit_code", 0);
    if (number <= 0)
        return state;
    r = str_format(buf, size, "%s (status %" PRId64 ")", state, number);
    return r == 0 ? buf : state;
}

/* A job is a container that ends with its command. */
static const char *kind_text(const json_t *machine)
{
    const char *kind = api_text(machine, "kind");

    return strcmp(kind, "machine") == 0 ? "container" : kind;
}

/* "41M of 2G"; "" where nobody knows yet */
static void add_share(struct table *table, const json_t *machine, const char *used,
                      const char *limit)
{
    char left[32] = "?";
    char right[32];

    if (json_object_get(machine, used) != NULL)
        (void)say_size(api_number(machine, used), left, sizeof(left));
    table_format(table, "%s of %s", left,
                 say_size(api_number(machine, limit), right, sizeof(right)));
}

static void add_machine(struct table *table, const json_t *machine)
{
    char text[64];

    table_cell(table, api_text(machine, "name"));
    table_cell(table, api_text(machine, "user"));
    table_cell(table, kind_text(machine));
    table_cell(table, api_text(machine, "image"));
    table_cell(table, state_text(machine, text, sizeof(text)));
    if (strcmp(api_text(machine, "state"), "running") == 0)
        add_share(table, machine, "memory_bytes", "memory_limit_bytes");
    else
        table_cell(table, "");
    add_share(table, machine, "disk_used_bytes", "disk_limit_bytes");
}

int verb_info(const struct cli *cli, int argc, char **argv, struct err *err)
{
    const char *user = NULL;
    bool json = false;
    const struct option options[] = {
        {0, OPTION_TEXT, "user", &user, 0, 0, NULL},
        {0, OPTION_FLAG, "json", &json, 0, 0, NULL},
    };
    auto_json *answer = NULL;
    struct operands words;
    json_t *question;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    (void)cli;
    if (r != 0)
        return r;
    if (words.count != 1 || words.rest_count != 0)
        return err_set(err, OUTCOME_USAGE, "give the name of one machine");
    if (!str_is_name(words.item[0]))
        return say_no_name("a machine", words.item[0], err);
    if (user != NULL && !order_is_user(user))
        return say_no_name("a user", user, err);
    question = json_pack("{s:s}", "name", words.item[0]);
    if (user != NULL)
        (void)json_object_set_new(question, "user", json_string(user));
    r = api_call("Info", question, &answer, err);
    if (r != 0)
        return r;
    if (json)
        say_json(json_object_get(answer, "machine"));
    else
        print_machine(json_object_get(answer, "machine"));
    return OUTCOME_OK;
}

static void print_machine(const json_t *machine)
{
    const json_t *limits = json_object_get(machine, "limits");
    uint64_t pids = api_number(limits, "pids");
    uint64_t cpu = api_number(limits, "cpu_milli");
    char text[64];
    char more[64];

    say_line("name       %s", api_text(machine, "name"));
    say_line("image      %s", api_text(machine, "image"));
    say_line("kind       %s", kind_text(machine));
    say_line("state      %s", state_text(machine, text, sizeof(text)));
    say_line("since      %s", say_time(api_number(machine, "since"), text, sizeof(text)));
    if (api_text(machine, "text")[0] != '\0')
        say_line("because    %s", api_text(machine, "text"));
    say_line("address    %s",
             api_text(machine, "address")[0] != '\0' ? api_text(machine, "address") : "none now");
    say_line("memory     %s of %s",
             str_size_text(api_number(machine, "memory_bytes"), text, sizeof(text)),
             str_size_text(api_number(machine, "memory_limit_bytes"), more, sizeof(more)));
    if (pids == 0)
        say_line("pids       %" PRIu64 " of your envelope's", api_number(machine, "pids"));
    else
        say_line("pids       %" PRIu64 " of %" PRIu64, api_number(machine, "pids"), pids);
    say_line("cpus       %s", cpu == 0 ? "your envelope's" : say_cpus(cpu, text, sizeof(text)));
    say_line("disk       %s of %s, with all of your machines",
             json_object_get(machine, "disk_used_bytes") != NULL
                 ? str_size_text(api_number(machine, "disk_used_bytes"), text, sizeof(text))
                 : "?",
             str_size_text(api_number(machine, "disk_limit_bytes"), more, sizeof(more)));
    say_line("oom kills  %" PRIu64, api_number(machine, "oom_kills"));
    say_line("owner      %s", api_text(machine, "user"));
}

int verb_start(const struct cli *cli, int argc, char **argv, struct err *err)
{
    struct operands words;
    int r = option_parse(NULL, 0, argc, argv, 0, &words, err);

    (void)cli;
    return r != 0 ? r : order_each(&words, ORDER_START, 0, 0, err);
}

int verb_stop(const struct cli *cli, int argc, char **argv, struct err *err)
{
    uint64_t seconds = STOP_TIMEOUT_MS / 1000;
    const struct option options[] = {
        {'t', OPTION_COUNT, "timeout", &seconds, 0, STOP_SECONDS_MAX, NULL},
        {0, OPTION_COUNT, "time", &seconds, 0, STOP_SECONDS_MAX, NULL},
    };
    struct operands words;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    (void)cli;
    return r != 0 ? r : order_each(&words, ORDER_STOP, 0, seconds * 1000, err);
}

int verb_rm(const struct cli *cli, int argc, char **argv, struct err *err)
{
    bool force = false;
    const struct option options[] = {{'f', OPTION_FLAG, "force", &force, 0, 0, NULL}};
    struct operands words;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    (void)cli;
    return r != 0 ? r : order_each(&words, ORDER_REMOVE, force ? ORDER_FORCE : 0, 0, err);
}

/* All names are looked at before the first order is sent; the first failure ends it. */
static int order_each(struct operands *words, uint32_t type, uint32_t flags, uint64_t number,
                      struct err *err)
{
    auto_close sock = -1;
    struct order order;
    int r;

    if (words->count == 0 || words->rest_count != 0)
        return err_set(err, OUTCOME_USAGE, "give the name of a machine");
    for (size_t i = 0; i < words->count; i++) {
        r = door_order(&order, type, "a machine", words->item[i], err);
        if (r != 0)
            return r;
    }
    r = door_open(&sock, err);
    for (size_t i = 0; i < words->count && r == 0; i++) {
        struct door_reply reply;

        r = door_order(&order, type, "a machine", words->item[i], err);
        if (r != 0)
            break;
        order.flags = flags;
        order.number = number;
        r = door_call(sock, &order, NULL, 0, &reply, err);
    }
    return r;
}
