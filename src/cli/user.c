/* SPDX-License-Identifier: Apache-2.0 */
/* user - user add, set, ls, info, rm: the people of this host and their envelopes */
#include "croft-paths.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "cli/account.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/door.h"
#include "cli/file.h"
#include "cli/key.h"
#include "cli/option.h"
#include "cli/say.h"

#define SHARE_SIZE 68

/* Which bit of enum user_field is which option. */
enum {
    FIELD_CPUS,
    FIELD_MEMORY,
    FIELD_MEMORY_MIN,
    FIELD_PIDS,
    FIELD_DISK,
    FIELD_INODES,
    FIELD_KEY,
    FIELD_NET,
    FIELD_PACKETS,
    FIELD_CONNECTIONS,
    FIELD_LAN,
    FIELD_COUNT
};
_Static_assert(1U << FIELD_LAN == USER_LAN && 1U << FIELD_COUNT == USER_FIELDS_ALL + 1,
               "in the order of enum user_field");

/* The order, its key, and which fields were given. */
struct wanted {
    const char *key_file;
    uint64_t cpu_milli;
    uint64_t pids;
    uint64_t packets;
    uint64_t connections;
    bool lan;
    bool given[FIELD_COUNT];
    bool json;
    union {
        struct order_user head;
        char bytes[sizeof(struct order_user) + KEY_FILE_MAX];
    } body;
};

static int change_user(const struct cli *cli, uint32_t type, int argc, char **argv,
                       struct err *err);
static int read_key(const struct cli *cli, struct wanted *wanted, struct err *err);
static void print_envelope(const char *name, const struct wanted *wanted,
                           const struct reply_user *user, bool added);
static json_t *envelope_json(const char *name, const struct reply_user *user);

int verb_user_add(const struct cli *cli, int argc, char **argv, struct err *err)
{
    return change_user(cli, ORDER_USER_ADD, argc, argv, err);
}

int verb_user_set(const struct cli *cli, int argc, char **argv, struct err *err)
{
    return change_user(cli, ORDER_USER_SET, argc, argv, err);
}

static int parse_wanted(struct wanted *wanted, int argc, char **argv, const char **ret_name,
                        struct err *err)
{
    struct user_limits *limits = &wanted->body.head.limits;
    bool *given = wanted->given;
    const struct option options[] = {
        {0, OPTION_CPUS, "cpus", &wanted->cpu_milli, 0, 0, &given[FIELD_CPUS]},
        {0, OPTION_SIZE, "memory", &limits->memory_bytes, MEMORY_MIN_BYTES, INT64_MAX,
         &given[FIELD_MEMORY]},
        {0, OPTION_SIZE, "memory-min", &limits->memory_min_bytes, 0, INT64_MAX,
         &given[FIELD_MEMORY_MIN]},
        {0, OPTION_COUNT, "pids", &wanted->pids, PIDS_MIN, HOST_PID_MAX, &given[FIELD_PIDS]},
        {0, OPTION_SIZE, "disk", &limits->disk_bytes, DISK_MIN_BYTES, INT64_MAX,
         &given[FIELD_DISK]},
        {0, OPTION_COUNT, "inodes", &limits->inodes, INODES_MIN, UINT32_MAX, &given[FIELD_INODES]},
        {0, OPTION_RATE, "net", &limits->net_bytes_per_s, NET_BYTES_MIN, INT64_MAX,
         &given[FIELD_NET]},
        {0, OPTION_COUNT, "packets", &wanted->packets, NET_PACKETS_MIN, UINT32_MAX,
         &given[FIELD_PACKETS]},
        {0, OPTION_COUNT, "connections", &wanted->connections, NET_CONNECTIONS_MIN, UINT32_MAX,
         &given[FIELD_CONNECTIONS]},
        {0, OPTION_YES, "lan", &wanted->lan, 0, 0, &given[FIELD_LAN]},
        {0, OPTION_TEXT, "key", &wanted->key_file, 0, 0, NULL},
        {0, OPTION_FLAG, "json", &wanted->json, 0, 0, NULL},
    };
    struct operands words;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    if (r != 0)
        return r;
    if (words.count != 1 || words.rest_count != 0)
        return err_set(err, OUTCOME_USAGE, "give the name of one user");
    limits->cpu_milli = (uint32_t)wanted->cpu_milli;
    limits->pids = (uint32_t)wanted->pids;
    limits->net_packets_per_s = (uint32_t)wanted->packets;
    limits->net_connections = (uint32_t)wanted->connections;
    limits->lan = wanted->lan;
    for (unsigned int i = 0; i < ARRAY_LEN(wanted->given); i++)
        wanted->body.head.fields |= wanted->given[i] ? (uint32_t)USER_CPUS << i : 0;
    *ret_name = words.item[0];
    return 0;
}

static int change_user(const struct cli *cli, uint32_t type, int argc, char **argv, struct err *err)
{
    static struct wanted wanted;
    struct door_reply reply;
    struct order order;
    const char *name = NULL;
    auto_close sock = -1;
    int r = parse_wanted(&wanted, argc, argv, &name, err);

    if (r == 0)
        r = door_order(&order, type, "a user", name, err);
    if (r == 0)
        r = read_key(cli, &wanted, err);
    if (r != 0)
        return r;
    if (type == ORDER_USER_SET && wanted.body.head.fields == 0)
        return err_set(err, OUTCOME_USAGE, "say what to change, such as --memory 4G");
    r = door_open(&sock, err);
    if (r == 0)
        r = door_call(sock, &order, &wanted.body,
                      sizeof(wanted.body.head) + wanted.body.head.key_size, &reply, err);
    if (r != 0)
        return r;
    if (wanted.json) {
        auto_json *object = envelope_json(name, &reply.body.user);

        say_json(object);
    } else {
        print_envelope(name, &wanted, &reply.body.user, type == ORDER_USER_ADD);
    }
    return OUTCOME_OK;
}

/* A public key only: who gives the private half by mistake is told so before it goes anywhere. */
static int read_key(const struct cli *cli, struct wanted *wanted, struct err *err)
{
    char *key = wanted->body.bytes + sizeof(wanted->body.head);
    size_t size = 0;
    size_t line = 0;
    int r;

    if (wanted->key_file == NULL)
        return 0;
    r = file_read(cli, wanted->key_file, key, KEY_FILE_MAX, &size, err);
    if (r != 0)
        return r;
    if (memmem(key, size, "PRIVATE KEY", strlen("PRIVATE KEY")) != NULL)
        return err_set(err, OUTCOME_USAGE,
                       "%.200s is a private key: give the file that ends in .pub",
                       wanted->key_file);
    if (key_check(key, size, &line) < 0)
        return err_set(err, OUTCOME_USAGE,
                       "%.200s, line %zu: no OpenSSH public key: give lines such as `ssh-ed25519 "
                       "AAAA... name`, without options",
                       wanted->key_file, line);
    wanted->body.head.key_size = (uint32_t)size;
    wanted->body.head.fields |= USER_KEY;
    return 0;
}

/* How a default was made, so that nobody has to look it up. */
static const char *because(const struct wanted *wanted, bool added, unsigned int field,
                           const char *why)
{
    if (wanted->given[field])
        return "as given";
    return added ? why : "as before";
}

static void print_envelope(const char *name, const struct wanted *wanted,
                           const struct reply_user *user, bool added)
{
    const struct user_limits *limits = &user->limits;
    char size[32];
    char more[32];
    char after[32];

    say_line("user %s %s: uid %u, for all machines of this user together:", name,
             added ? "added" : "changed", user->uid);
    say_line("  cpus        %-10s %s", say_cpus(limits->cpu_milli, size, sizeof(size)),
             because(wanted, added, FIELD_CPUS, "at equal weight with every other user"));
    say_line(
        "  memory      %-10s %s", str_size_text(limits->memory_bytes, size, sizeof(size)),
        because(wanted, added, FIELD_MEMORY, "a quarter of what the host leaves, at most 2 GiB"));
    say_line("  memory-min  %-10s %s", str_size_text(limits->memory_min_bytes, size, sizeof(size)),
             because(wanted, added, FIELD_MEMORY_MIN, "nothing promised"));
    say_line("  pids        %-10u %s", limits->pids,
             because(wanted, added, FIELD_PIDS, "the default"));
    say_line("  disk        %-10s %s", str_size_text(limits->disk_bytes, size, sizeof(size)),
             because(wanted, added, FIELD_DISK, "a tenth of the free space, at most 10 GiB"));
    say_line("  inodes      %-10" PRIu64 " %s", limits->inodes,
             because(wanted, added, FIELD_INODES, "one per 16 KiB"));
    say_line("  net         %-10s %s", say_rate(limits->net_bytes_per_s, size, sizeof(size)),
             because(wanted, added, FIELD_NET, "no limit of bytes a second"));
    say_line("  packets     %-10u %s", limits->net_packets_per_s,
             because(wanted, added, FIELD_PACKETS, "a second, each way"));
    say_line("  connections %-10u %s", limits->net_connections,
             because(wanted, added, FIELD_CONNECTIONS, "the default"));
    say_line("  lan         %-10s %s", limits->lan ? "yes" : "no",
             because(wanted, added, FIELD_LAN, "the host's own networks are closed"));
    say_line("  ids         %u to %u, keeper %u", user->block_first,
             user->block_first + BLOCK_COUNT - 1, user->keeper_id);
    if (added && user->disk_free_before >= limits->disk_bytes)
        say_line("  the host    had %s free, %s of it are now this user's, %s are left",
                 str_size_text(user->disk_free_before, more, sizeof(more)),
                 str_size_text(limits->disk_bytes, size, sizeof(size)),
                 str_size_text(user->disk_free_before - limits->disk_bytes, after, sizeof(after)));
    if (added && wanted->body.head.key_size == 0)
        say_line("  no key yet: `croft user set %s --key FILE.pub` opens ssh", name);
}

static json_t *envelope_json(const char *name, const struct reply_user *user)
{
    const struct user_limits *limits = &user->limits;
    json_t *shown = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "memory_bytes",
        (json_int_t)limits->memory_bytes, "memory_min_bytes", (json_int_t)limits->memory_min_bytes,
        "disk_bytes", (json_int_t)limits->disk_bytes, "inodes", (json_int_t)limits->inodes, "pids",
        (json_int_t)limits->pids, "cpu_milli", (json_int_t)limits->cpu_milli, "net_bytes_per_s",
        (json_int_t)limits->net_bytes_per_s, "net_packets_per_s",
        (json_int_t)limits->net_packets_per_s, "net_connections",
        (json_int_t)limits->net_connections, "lan", limits->lan != 0);

    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:o}", "name", name, "uid",
                     (json_int_t)user->uid, "gid", (json_int_t)user->gid, "block_first",
                     (json_int_t)user->block_first, "keeper_id", (json_int_t)user->keeper_id,
                     "disk_free_before", (json_int_t)user->disk_free_before, "limits", shown);
}

/* "41 MiB of 2 GiB"; "? of 10 GiB" where it has not been asked yet */
static char *share_text(const json_t *user, const char *key, uint64_t limit, char buf[SHARE_SIZE])
{
    char left[32] = "?";
    char right[32];

    if (json_object_get(user, key) != NULL)
        (void)str_size_text(api_number(user, key), left, sizeof(left));
    (void)snprintf(buf, SHARE_SIZE, "%s of %s", left, str_size_text(limit, right, sizeof(right)));
    return buf;
}

static void add_user(struct table *table, const json_t *user)
{
    const json_t *limits = json_object_get(user, "limits");
    char share[SHARE_SIZE];
    char text[32];

    table_cell(table, api_text(user, "name"));
    table_format(table, "%" PRIu64, api_number(user, "uid"));
    table_format(table, "%" PRIu64, api_number(user, "machines"));
    table_cell(table, say_cpus(api_number(limits, "cpu_milli"), text, sizeof(text)));
    table_cell(table, share_text(user, "memory_bytes", api_number(limits, "memory_bytes"), share));
    table_format(table, "%" PRIu64 " of %" PRIu64, api_number(user, "pids"),
                 api_number(limits, "pids"));
    table_cell(table, share_text(user, "disk_used_bytes", api_number(limits, "disk_bytes"), share));
    if (json_object_get(user, "inodes_used") != NULL)
        table_format(table, "%" PRIu64 " of %" PRIu64, api_number(user, "inodes_used"),
                     api_number(limits, "inodes"));
    else
        table_format(table, "? of %" PRIu64, api_number(limits, "inodes"));
    table_cell(table, say_rate(api_number(limits, "net_bytes_per_s"), text, sizeof(text)));
    table_cell(table, json_is_true(json_object_get(limits, "lan")) ? "yes" : "no");
    table_format(table, "%" PRIu64, api_number(user, "block_first"));
}

int verb_user_ls(const struct cli *cli, int argc, char **argv, struct err *err)
{
    static const char *const heads[] = {"NAME", "UID",    "MACHINES", "CPUS", "MEMORY",  "PIDS",
                                        "DISK", "INODES", "NET",      "LAN",  "IDS FROM"};
    bool json = false;
    const struct option options[] = {{0, OPTION_FLAG, "json", &json, 0, 0, NULL}};
    auto_table table = {0};
    auto_json *answer = NULL;
    struct operands words;
    const json_t *user;
    size_t i;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    (void)cli;
    if (r != 0)
        return r;
    if (words.count + words.rest_count != 0)
        return err_set(err, OUTCOME_USAGE, "user ls takes no words");
    r = api_call("Users", NULL, &answer, err);
    if (r != 0)
        return r;
    if (json) {
        say_json(answer);
        return OUTCOME_OK;
    }
    table_heads(&table, heads, ARRAY_LEN(heads));
    json_array_foreach(json_object_get(answer, "users"), i, user) add_user(&table, user);
    table_print(&table);
    return OUTCOME_OK;
}

static void print_user(const json_t *user)
{
    const json_t *limits = json_object_get(user, "limits");
    char share[SHARE_SIZE];
    char text[32];

    say_line("name         %s", api_text(user, "name"));
    say_line("uid          %" PRIu64, api_number(user, "uid"));
    say_line("machines     %" PRIu64, api_number(user, "machines"));
    say_line("cpus         %s", say_cpus(api_number(limits, "cpu_milli"), text, sizeof(text)));
    say_line("memory       %s",
             share_text(user, "memory_bytes", api_number(limits, "memory_bytes"), share));
    say_line("memory-min   %s",
             str_size_text(api_number(limits, "memory_min_bytes"), text, sizeof(text)));
    say_line("pids         %" PRIu64 " of %" PRIu64, api_number(user, "pids"),
             api_number(limits, "pids"));
    say_line("disk         %s",
             share_text(user, "disk_used_bytes", api_number(limits, "disk_bytes"), share));
    say_line("inodes       %" PRIu64 " of %" PRIu64, api_number(user, "inodes_used"),
             api_number(limits, "inodes"));
    say_line("net          %s",
             say_rate(api_number(limits, "net_bytes_per_s"), text, sizeof(text)));
    say_line("packets      %" PRIu64 " a second", api_number(limits, "net_packets_per_s"));
    say_line("connections  %" PRIu64, api_number(limits, "net_connections"));
    say_line("lan          %s", json_is_true(json_object_get(limits, "lan")) ? "yes" : "no");
    say_line("ids from     %" PRIu64, api_number(user, "block_first"));
}

int verb_user_info(const struct cli *cli, int argc, char **argv, struct err *err)
{
    bool json = false;
    const struct option options[] = {{0, OPTION_FLAG, "json", &json, 0, 0, NULL}};
    auto_json *answer = NULL;
    struct operands words;
    const json_t *user;
    const char *name;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    (void)cli;
    if (r != 0)
        return r;
    if (words.count > 1 || words.rest_count != 0)
        return err_set(err, OUTCOME_USAGE, "give the name of one user, or none for yourself");
    name = words.count == 1 ? words.item[0] : account_own();
    if (!order_is_user(name))
        return say_no_name("a user", name, err);
    r = api_call("Users", json_pack("{s:s}", "user", name), &answer, err);
    if (r != 0)
        return r;
    user = json_array_get(json_object_get(answer, "users"), 0);
    if (user == NULL)
        return err_set(err, OUTCOME_NOT_FOUND, "no user named %s", name);
    if (json)
        say_json(user);
    else
        print_user(user);
    return OUTCOME_OK;
}

/* What goes away, in numbers where croftd knows them. */
static void say_loss(const char *name, bool purge)
{
    struct err ignored;
    auto_json *answer = NULL;
    const json_t *user;
    char text[32];
    size_t i;

    if (api_call("Users", NULL, &answer, &ignored) != 0)
        return;
    json_array_foreach(json_object_get(answer, "users"), i, user)
    {
        const json_t *limits = json_object_get(user, "limits");

        if (strcmp(api_text(user, "name"), name) != 0)
            continue;
        fprintf(stderr, "%s has %" PRIu64 " machines; they end. The account goes away.\n", name,
                api_number(user, "machines"));
        fprintf(stderr,
                purge ? "The disk (%s) is destroyed: nothing brings it back.\n"
                      : "The disk (%s) is kept; --purge would destroy it.\n",
                str_size_text(api_number(limits, "disk_bytes"), text, sizeof(text)));
    }
}

static bool agrees(const char *name, bool purge)
{
    char answer[8];

    if (isatty(STDIN_FILENO)) {
        say_loss(name, purge);
        return say_ask(purge ? "Remove and destroy?" : "Remove?");
    }
    return fgets(answer, sizeof(answer), stdin) != NULL && strcmp(answer, "yes\n") == 0;
}

int verb_user_rm(const struct cli *cli, int argc, char **argv, struct err *err)
{
    bool purge = false;
    bool yes = false;
    const struct option options[] = {
        {0, OPTION_FLAG, "purge", &purge, 0, 0, NULL},
        {'y', OPTION_FLAG, "yes", &yes, 0, 0, NULL},
    };
    struct door_reply reply;
    struct operands words;
    struct order order;
    auto_close sock = -1;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    (void)cli;
    if (r != 0)
        return r;
    if (words.count != 1 || words.rest_count != 0)
        return err_set(err, OUTCOME_USAGE, "give the name of one user");
    r = door_order(&order, ORDER_USER_REMOVE, "a user", words.item[0], err);
    if (r == 0)
        r = door_open(&sock, err);
    if (r != 0)
        return r;
    if (!yes && !agrees(words.item[0], purge))
        return err_set(err, OUTCOME_FAILED,
                       "user %s stays: answer yes, or give --yes where nobody can answer",
                       words.item[0]);
    order.flags = purge ? ORDER_PURGE : 0;
    return door_call(sock, &order, NULL, 0, &reply, err);
}
