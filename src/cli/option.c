/* SPDX-License-Identifier: Apache-2.0 */
/* option - command lines by table: options and operands in any order, then a command's own words */
#include "cli/option.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "wire/limits.h"

#define CPUS_MAX 4096U

struct parser {
    const struct option *options;
    size_t option_count;
    char **argv;
    size_t argc;
    size_t at;
    struct err *err;
};

static int parse_long(struct parser *parser, char *word);
static int parse_letters(struct parser *parser, char *letters);
static int take_value(const struct parser *parser, const struct option *option, const char *text);

int option_parse(const struct option *options, size_t option_count, int argc, char **argv,
                 size_t operand_max, struct operands *ret_operands, struct err *err)
{
    struct parser parser = {options, option_count, argv, (size_t)argc, 0, err};
    size_t count = 0;

    while (parser.at < parser.argc) {
        char *word = argv[parser.at];
        int r;

        if (operand_max != 0 && count == operand_max)
            break;
        parser.at++;
        if (strcmp(word, "--") == 0) {
            /* In `run -- IMAGE CMD` the operands are still to come. */
            while (operand_max != 0 && count < operand_max && parser.at < parser.argc)
                argv[count++] = argv[parser.at++];
            break;
        }
        if (word[0] != '-' || word[1] == '\0') {
            argv[count++] = word;
            continue;
        }
        r = word[1] == '-' ? parse_long(&parser, word + 2) : parse_letters(&parser, word + 1);
        if (r != 0)
            return r;
    }
    if (operand_max != 0 && parser.at < parser.argc && strcmp(argv[parser.at], "--") == 0)
        parser.at++;
    *ret_operands = (struct operands){
        .item = argv,
        .count = count,
        .rest = argv + parser.at,
        .rest_count = parser.argc - parser.at,
    };
    return 0;
}

static const struct option *find_long(const struct parser *parser, const char *name, size_t length)
{
    for (size_t i = 0; i < parser->option_count; i++) {
        const struct option *option = &parser->options[i];

        if (strlen(option->name) == length && memcmp(option->name, name, length) == 0)
            return option;
    }
    return NULL;
}

static const struct option *find_letter(const struct parser *parser, char letter)
{
    for (size_t i = 0; i < parser->option_count; i++) {
        if (parser->options[i].letter == letter)
            return &parser->options[i];
    }
    return NULL;
}

static int parse_long(struct parser *parser, char *word)
{
    size_t length = strcspn(word, "=");
    const struct option *option = find_long(parser, word, length);

    if (option == NULL)
        return err_set(parser->err, OUTCOME_USAGE, "unknown option --%.*s",
                       (int)(length > 64 ? 64 : length), word);
    if (option->kind == OPTION_FLAG) {
        if (word[length] == '=')
            return err_set(parser->err, OUTCOME_USAGE, "--%s takes no value", option->name);
        return take_value(parser, option, NULL);
    }
    if (word[length] == '=')
        return take_value(parser, option, word + length + 1);
    if (parser->at == parser->argc)
        return err_set(parser->err, OUTCOME_USAGE, "--%s needs a value", option->name);
    return take_value(parser, option, parser->argv[parser->at++]);
}

static int parse_letters(struct parser *parser, char *letters)
{
    for (; *letters != '\0'; letters++) {
        const struct option *option = find_letter(parser, *letters);
        int r;

        if (option == NULL)
            return err_set(parser->err, OUTCOME_USAGE, "unknown option -%c", *letters);
        if (option->kind == OPTION_FLAG) {
            r = take_value(parser, option, NULL);
            if (r != 0)
                return r;
            continue;
        }
        if (letters[1] != '\0')
            return take_value(parser, option, letters + 1);
        if (parser->at == parser->argc)
            return err_set(parser->err, OUTCOME_USAGE, "-%c needs a value", *letters);
        return take_value(parser, option, parser->argv[parser->at++]);
    }
    return 0;
}

static int take_number(const struct parser *parser, const struct option *option, const char *text)
{
    char least[32];
    char most[32];
    uint64_t value = 0;
    int r;

    if (option->kind == OPTION_CPUS) {
        r = option_cpus(text, &value);
        if (r < 0)
            return err_set(parser->err, OUTCOME_USAGE,
                           "--%s %.40s: give a number of CPUs such as 2 or 0.5, at least 0.01, or "
                           "all",
                           option->name, text);
    } else if (option->kind == OPTION_SIZE) {
        r = str_size(text, &value);
        if (r < 0 || value < option->min || value > option->max)
            return err_set(parser->err, OUTCOME_USAGE,
                           "--%s %.40s: give a size such as 512M or 2G, from %s to %s",
                           option->name, text, str_size_text(option->min, least, sizeof(least)),
                           str_size_text(option->max, most, sizeof(most)));
    } else if (option->kind == OPTION_RATE && strcmp(text, "none") == 0) {
        value = 0;
    } else if (option->kind == OPTION_RATE) {
        r = str_size(text, &value);
        if (r < 0 || value < option->min || value > option->max)
            return err_set(parser->err, OUTCOME_USAGE,
                           "--%s %.40s: give bytes a second such as 100M, at least %s, or none for "
                           "no limit",
                           option->name, text, str_size_text(option->min, least, sizeof(least)));
    } else {
        r = str_u64(text, option->min, option->max, &value);
        if (r < 0)
            return err_set(parser->err, OUTCOME_USAGE,
                           "--%s %.40s: give a whole number from %llu to %llu", option->name, text,
                           (unsigned long long)option->min, (unsigned long long)option->max);
    }
    *(uint64_t *)option->to = value;
    return 0;
}

static int take_item(const struct parser *parser, const struct option *option, const char *text)
{
    struct option_list *list = option->to;

    if (list->count == list->max)
        return err_set(parser->err, OUTCOME_USAGE, "--%s was given more than %zu times",
                       option->name, list->max);
    list->item[list->count++] = text;
    return 0;
}

static int take_value(const struct parser *parser, const struct option *option, const char *text)
{
    if (option->given != NULL)
        *option->given = true;
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)option->to = true;
        return 0;
    case OPTION_TEXT:
        if (text[0] == '\0')
            return err_set(parser->err, OUTCOME_USAGE, "--%s needs a value", option->name);
        *(const char **)option->to = text;
        return 0;
    case OPTION_ANY:
        *(const char **)option->to = text;
        return 0;
    case OPTION_LIST:
        return take_item(parser, option, text);
    case OPTION_YES:
        *(bool *)option->to = strcmp(text, "yes") == 0;
        if (*(bool *)option->to || strcmp(text, "no") == 0)
            return 0;
        return err_set(parser->err, OUTCOME_USAGE, "--%s %.40s: give yes or no", option->name,
                       text);
    case OPTION_COUNT:
    case OPTION_SIZE:
    case OPTION_CPUS:
    case OPTION_RATE:
        return take_number(parser, option, text);
    }
    croft_bug("unknown kind of option");
}

int option_cpus(const char *text, uint64_t *ret_milli)
{
    char whole[16];
    size_t length = strcspn(text, ".");
    uint64_t milli = 0;
    uint64_t unit = 100;
    uint64_t cpus = 0;
    int r;

    if (strcmp(text, "all") == 0) {
        *ret_milli = 0;
        return 0;
    }
    if (length >= sizeof(whole))
        return -EINVAL;
    memcpy(whole, text, length);
    whole[length] = '\0';
    r = str_u64(whole, 0, CPUS_MAX, &cpus);
    if (r < 0)
        return r;
    if (text[length] == '.') {
        const char *digit = text + length + 1;

        if (*digit == '\0')
            return -EINVAL;
        for (; *digit != '\0'; digit++, unit /= 10) {
            if (*digit < '0' || *digit > '9' || unit == 0)
                return -EINVAL;
            milli += (uint64_t)(*digit - '0') * unit;
        }
    }
    milli += cpus * 1000;
    if (milli < CPU_MILLI_MIN)
        return -ERANGE;
    *ret_milli = milli;
    return 0;
}
