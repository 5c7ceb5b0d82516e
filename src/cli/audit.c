/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit - audit, audit verify, audit head: the records, read from their file without any daemon
 *
 * A user may read her own file (the kernel says so: mode 0440 and a group of her own), root every
 * one. Nothing here is asked of a process that could lie.
 */
#include <inttypes.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/account.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/option.h"
#include "cli/recorded.h"
#include "cli/records.h"
#include "cli/say.h"

#define LOOK_EVERY_NS 100000000L
#define LOOKS_MAX     3

/* Whose records, and how to show them. */
struct question {
    const char *user;
    bool host;
    bool json;
    bool follow;
};

static int open_asked(const struct question *question, struct records **ret_records,
                      struct err *err);
static int show(const struct question *question, struct records *records, struct err *err);

static int parse(struct question *question, int argc, char **argv, struct operands *words,
                 struct err *err)
{
    const struct option options[] = {
        {'f', OPTION_FLAG, "follow", &question->follow, 0, 0, NULL},
        {0, OPTION_FLAG, "json", &question->json, 0, 0, NULL},
        {0, OPTION_FLAG, "host", &question->host, 0, 0, NULL},
        {0, OPTION_TEXT, "user", &question->user, 0, 0, NULL},
    };
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, words, err);

    if (r == 0 && question->host && question->user != NULL)
        r = err_set(err, OUTCOME_USAGE, "give --host or --user, not both");
    if (r == 0 && words->rest_count != 0)
        r = err_set(err, OUTCOME_USAGE, "'%.40s' was not expected", words->rest[0]);
    return r;
}

int verb_audit(const struct cli *cli, int argc, char **argv, struct err *err)
{
    struct question question = {.user = NULL};
    auto_records *records = NULL;
    struct operands words;
    int r = parse(&question, argc, argv, &words, err);

    (void)cli;
    if (r == 0 && words.count != 0)
        r = err_set(err, OUTCOME_USAGE, "'%.40s' was not expected", words.item[0]);
    if (r == 0)
        r = open_asked(&question, &records, err);
    if (r == 0)
        r = show(&question, records, err);
    return r;
}

/* By name, or by number: records outlive the account. */
static int find_uid(const char *user, uint64_t *ret_uid, struct err *err)
{
    const struct passwd *entry;

    if (str_u64(user, 0, UINT32_MAX, ret_uid) == 0)
        return 0;
    if (!order_is_user(user))
        return say_no_name("a user", user, err);
    entry = getpwnam(user);
    if (entry == NULL)
        return err_set(err, OUTCOME_NOT_FOUND,
                       "no account %s: a removed user's records have her uid", user);
    *ret_uid = entry->pw_uid;
    return 0;
}

static int open_asked(const struct question *question, struct records **ret_records,
                      struct err *err)
{
    uint64_t uid = getuid();
    char name[NAME_SIZE];
    int r = 0;

    if (question->user != NULL)
        r = find_uid(question->user, &uid, err);
    if (r != 0)
        return r;
    /* Root has no records of its own; the host's are what it can mean. */
    if (question->host || (uid == 0 && question->user == NULL))
        return records_open("host", ret_records, err);
    if (str_format(name, sizeof(name), "%" PRIu64, uid) < 0)
        croft_bug("a uid that does not fit");
    return records_open(name, ret_records, err);
}

static char *words_of(const struct records *records, const struct record *record,
                      char buf[RECORDED_TEXT_SIZE])
{
    size_t size = 0;
    const uint8_t *payload = records_payload(records, &size);

    return recorded_words(record, payload, size, buf);
}

static void show_text(const struct records *records, const struct record *record)
{
    bool outcome = record->phase == RECORD_OUTCOME;
    char when[32];
    char words[RECORDED_TEXT_SIZE];
    char text[sizeof(record->text) + 1] = "";

    memcpy(text, record->text, sizeof(record->text));
    /* Of what failed, the sentence counts. */
    if (words_of(records, record, words)[0] == '\0' || record->outcome != OUTCOME_OK)
        memcpy(words, text, sizeof(text));
    printf("%6" PRIu64 "  %s  ", record->seq, say_time(record->wall_ns, when, sizeof(when)));
    say_line("%-10s %-13s %.*s%s%s%s%s", account_name(record->actor_uid),
             record_type_name(record->type), NAME_SIZE, record->name,
             record->name[0] != '\0' ? "  " : "", outcome ? say_outcome(record->outcome) : "...",
             words[0] != '\0' ? ": " : "", words);
}

/* One object a line, in an array; what is followed has no end that a bracket could close. */
static void show_json(const struct records *records, const struct record *record, bool follow)
{
    char words[RECORDED_TEXT_SIZE];
    char name[sizeof(record->name) + 1] = "";
    char text[sizeof(record->text) + 1] = "";
    auto_json *object = NULL;

    memcpy(name, record->name, sizeof(record->name));
    memcpy(text, record->text, sizeof(record->text));
    str_printable(name);
    str_printable(text);
    object =
        json_pack("{s:I, s:I, s:I, s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:s, s:[IIII]}", "seq",
                  (json_int_t)record->seq, "intent_seq", (json_int_t)record->intent_seq, "wall_ns",
                  (json_int_t)record->wall_ns, "type", record_type_name(record->type), "phase",
                  record->phase == RECORD_OUTCOME ? "outcome" : "intent", "outcome",
                  record->phase == RECORD_OUTCOME ? say_outcome(record->outcome) : "", "actor_uid",
                  (json_int_t)record->actor_uid, "subject_uid", (json_int_t)record->subject_uid,
                  "name", name, "text", text, "words", words_of(records, record, words), "number",
                  (json_int_t)record->number[0], (json_int_t)record->number[1],
                  (json_int_t)record->number[2], (json_int_t)record->number[3]);
    if (object == NULL)
        return;
    if (!follow)
        (void)fputs(record->seq == 1 ? "[\n" : ",\n", stdout);
    (void)json_dumpf(object, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
    if (follow)
        (void)putchar('\n');
}

static int show(const struct question *question, struct records *records, struct err *err)
{
    for (;;) {
        const struct record *record = NULL;
        bool end = false;
        int r = records_next(records, &record, &end, err);

        if (r != 0)
            return r;
        if (!end && question->json)
            show_json(records, record, question->follow);
        else if (!end)
            show_text(records, record);
        if (!end)
            continue;
        if (!question->follow && question->json)
            (void)puts(records_count(records) == 0 ? "[]" : "\n]");
        if (!question->follow)
            return OUTCOME_OK;
        r = say_flush(err);
        if (r != 0)
            return r;
        (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_NS}, NULL);
    }
}

/*
 * Reads to the end. @wanted: a hash that must be met on the way, or NULL. The monitor may be
 * writing: half an entry is looked at again before it is called one.
 */
static int walk(struct records *records, const uint8_t *wanted, uint64_t *ret_wanted_at,
                struct err *err)
{
    int looks = 0;

    for (;;) {
        const struct record *record = NULL;
        bool end = false;
        int r = records_next(records, &record, &end, err);

        if (r != 0)
            return r;
        if (end && records_torn(records) && looks++ < LOOKS_MAX) {
            (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_NS}, NULL);
            continue;
        }
        if (end && records_torn(records))
            return err_set(err, OUTCOME_FAILED,
                           "the records end within entry %" PRIu64 ", the %" PRIu64
                           " before it are intact: the file was cut off",
                           records_count(records) + 1, records_count(records));
        if (end)
            return 0;
        if (wanted != NULL && memcmp(records_head(records), wanted, SHA256_SIZE) == 0)
            *ret_wanted_at = record->seq;
    }
}

int verb_audit_verify(const struct cli *cli, int argc, char **argv, struct err *err)
{
    struct question question = {.user = NULL};
    auto_records *records = NULL;
    uint8_t wanted[SHA256_SIZE];
    uint64_t wanted_at = 0;
    struct operands words;
    bool given;
    int r = parse(&question, argc, argv, &words, err);

    (void)cli;
    if (r != 0)
        return r;
    given = words.count == 1;
    if (question.follow)
        return err_set(err, OUTCOME_USAGE,
                       "audit verify looks at what is there: -f has no meaning");
    if (words.count > 1 || (given && str_unhex(words.item[0], wanted, sizeof(wanted)) < 0))
        return err_set(err, OUTCOME_USAGE, "give one hash, as `croft audit head` printed it");
    r = open_asked(&question, &records, err);
    if (r == 0)
        r = walk(records, given ? wanted : NULL, &wanted_at, err);
    if (r != 0)
        return r;
    if (given && wanted_at == 0)
        return err_set(err, OUTCOME_FAILED,
                       "the chain is whole, but that hash is not on it: these are not the records "
                       "it was taken from");
    if (question.json) {
        auto_json *object =
            json_pack("{s:I, s:b, s:I}", "entries", (json_int_t)records_count(records), "intact", 1,
                      "hash_at", (json_int_t)wanted_at);
        say_json(object);
        return OUTCOME_OK;
    }
    say_line("%" PRIu64 " entries, every one intact and in its place", records_count(records));
    if (given)
        say_line("the hash is that of entry %" PRIu64, wanted_at);
    return OUTCOME_OK;
}

int verb_audit_head(const struct cli *cli, int argc, char **argv, struct err *err)
{
    struct question question = {.user = NULL};
    auto_records *records = NULL;
    uint64_t ignored = 0;
    char hash[2 * SHA256_SIZE + 1];
    struct operands words;
    int r = parse(&question, argc, argv, &words, err);

    (void)cli;
    if (r == 0 && words.count != 0)
        r = err_set(err, OUTCOME_USAGE, "'%.40s' was not expected", words.item[0]);
    if (r == 0)
        r = open_asked(&question, &records, err);
    if (r == 0)
        r = walk(records, NULL, &ignored, err);
    if (r != 0)
        return r;
    str_hex(records_head(records), SHA256_SIZE, hash);
    if (question.json) {
        auto_json *object =
            json_pack("{s:I, s:s}", "seq", (json_int_t)records_count(records), "head", hash);

        say_json(object);
    } else {
        say_line("%" PRIu64 " %s", records_count(records), hash);
    }
    return OUTCOME_OK;
}
