/* SPDX-License-Identifier: Apache-2.0 */
/* sudoers - the rules of sudo as it reads them, as far as they say who may become whom */
#include "doctor/sudoers.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "doctor/look.h"

/* What ends a word outside quotes. */
#define WORD_ENDS    " \t\r,=:()!"
#define PROGRAM_ENDS ",:"

struct line {
    char *text;
    size_t first;
    size_t last;
};

static bool next_line(char **rest, size_t *number, struct line *line);
static void strip_comment(char *text);
static bool take_include(struct sudoers *sudoers, char *text);
static bool take_aliases(struct sudoers *sudoers, char *text);
static void take_rule(struct sudoers *sudoers, const char *file, const struct line *line);
static void take_commands(char **at, struct sudo_rule *rule);
static void take_runas(char **at, struct sudo_rule *rule);
static bool take_tag(char **at, struct sudo_rule *rule);
static void take_list(char **at, const char *ends, struct sudo_list *list);
static char *take_word(char **at, const char *ends);
static void skip_blanks(char **at);
static void copy_list(const struct sudo_list *from, struct sudo_list *to);
static void free_list(struct sudo_list *list);
static void add_rule(struct sudoers *sudoers, const struct sudo_rule *rule);

void sudoers_parse(struct sudoers *sudoers, const char *file, char *text)
{
    struct line line;
    size_t number = 0;

    while (next_line(&text, &number, &line)) {
        if (take_include(sudoers, line.text))
            continue;
        strip_comment(line.text);
        skip_blanks(&line.text);
        if (line.text[0] == '\0' || strncmp(line.text, "Defaults", strlen("Defaults")) == 0 ||
            take_aliases(sudoers, line.text))
            continue;
        take_rule(sudoers, file, &line);
    }
}

void sudoers_free(struct sudoers *sudoers)
{
    for (size_t i = 0; i < sudoers->alias_count; i++) {
        free(sudoers->aliases[i].name);
        free_list(&sudoers->aliases[i].list);
    }
    for (size_t i = 0; i < sudoers->rule_count; i++) {
        struct sudo_rule *rule = &sudoers->rules[i];
        free_list(&rule->users);
        free_list(&rule->runas);
        free_list(&rule->runas_groups);
        free_list(&rule->commands);
        free(rule->file);
    }
    free(sudoers->aliases);
    free(sudoers->rules);
}

/* A logical line: a backslash at the end joins the next one. */
static bool next_line(char **rest, size_t *number, struct line *line)
{
    char *text = look_line(rest);
    if (text == NULL)
        return false;
    *line = (struct line){text, *number + 1, ++*number};
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\\') {
        const char *more = look_line(rest);
        if (more == NULL)
            break;
        line->last = ++*number;
        text[length - 1] = ' ';
        size_t added = strlen(more);
        memmove(text + length, more, added + 1);
        length += added;
    }
    return true;
}

/* "#" begins a comment unless digits follow: then it is a uid. */
static void strip_comment(char *text)
{
    bool quoted = false;

    for (char *at = text; *at != '\0'; at++) {
        if (*at == '\\' && at[1] != '\0')
            at++;
        else if (*at == '"')
            quoted = !quoted;
        else if (*at == '#' && !quoted && !isdigit((unsigned char)at[1])) {
            *at = '\0';
            return;
        }
    }
}

static bool take_include(struct sudoers *sudoers, char *text)
{
    static const struct {
        const char *word;
        bool is_directory;
    } words[] = {
        {"#includedir", true}, {"@includedir", true}, {"#include", false}, {"@include", false}};

    skip_blanks(&text);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t length = strlen(words[i].word);
        if (strncmp(text, words[i].word, length) != 0 || !strchr(" \t", text[length]))
            continue;
        text += length;
        skip_blanks(&text);
        auto_free char *path = take_word(&text, " \t\r");
        if (path != NULL && sudoers->include != NULL)
            sudoers->include(sudoers, path, words[i].is_directory);
        return true;
    }
    return false;
}

/* User_Alias NAME = item, item : NAME = item */
static bool take_aliases(struct sudoers *sudoers, char *text)
{
    static const char *const words[] = {"User_Alias", "Runas_Alias", "Cmnd_Alias", "Cmd_Alias",
                                        "Host_Alias"};
    char kind = '\0';

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t length = strlen(words[i]);
        if (strncmp(text, words[i], length) == 0 && strchr(" \t", text[length]) != NULL) {
            kind = words[i][0];
            text += length;
            break;
        }
    }
    if (kind == '\0')
        return false;
    do {
        skip_blanks(&text);
        struct sudo_alias alias = {.kind = kind, .name = take_word(&text, WORD_ENDS)};
        skip_blanks(&text);
        if (alias.name == NULL || *text != '=') {
            free(alias.name);
            return true;
        }
        text++;
        take_list(&text, kind == 'C' ? PROGRAM_ENDS : WORD_ENDS, &alias.list);
        sudoers->aliases =
            mem_grow(sudoers->aliases, sudoers->alias_count + 1, sizeof(*sudoers->aliases));
        sudoers->aliases[sudoers->alias_count++] = alias;
    } while (*text++ == ':');
    return true;
}

/* users hosts = (runas : groups) TAG: command, command : hosts = ... */
static void take_rule(struct sudoers *sudoers, const char *file, const struct line *line)
{
    char *at = line->text;
    struct sudo_list users = {0};
    struct sudo_list hosts = {0};

    take_list(&at, WORD_ENDS, &users);
    do {
        free_list(&hosts);
        take_list(&at, WORD_ENDS, &hosts);
        if (*at != '=')
            break;
        at++;
        struct sudo_rule rule = {.first_line = line->first, .last_line = line->last};
        rule.file = look_format("%s", file);
        copy_list(&users, &rule.users);
        take_commands(&at, &rule);
        add_rule(sudoers, &rule);
    } while (*at++ == ':');
    free_list(&hosts);
    free_list(&users);
}

/* What one command was given holds for those behind it; the most that any was given is kept. */
static void take_commands(char **at, struct sudo_rule *rule)
{
    do {
        skip_blanks(at);
        if (**at == '(')
            take_runas(at, rule);
        while (take_tag(at, rule))
            continue;
        struct sudo_list one = {0};
        char *comma = *at;
        take_list(at, PROGRAM_ENDS, &one);
        for (size_t i = 0; i < one.count; i++) {
            rule->commands.items = mem_grow(rule->commands.items, rule->commands.count + 1,
                                            sizeof(*rule->commands.items));
            rule->commands.items[rule->commands.count++] = one.items[i];
        }
        free(one.items);
        if (comma == *at)
            break;
    } while (**at == ',' && (*at)++);
}

static void take_runas(char **at, struct sudo_rule *rule)
{
    (*at)++;
    rule->has_runas = true;
    take_list(at, WORD_ENDS, &rule->runas);
    if (**at == ':') {
        (*at)++;
        take_list(at, WORD_ENDS, &rule->runas_groups);
    }
    *at += strcspn(*at, ")");
    *at += **at == ')';
}

/* NOPASSWD: and its like, and options such as TIMEOUT=5m. */
static bool take_tag(char **at, struct sudo_rule *rule)
{
    skip_blanks(at);
    size_t length = strspn(*at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
    const char *behind = *at + length + strspn(*at + length, " \t");

    if (length == 0 || (*behind != ':' && *behind != '='))
        return false;
    rule->no_password |= strncmp(*at, "NOPASSWD", length) == 0;
    *at += behind - *at + 1;
    if (*behind == '=') {
        skip_blanks(at);
        *at += strcspn(*at, " \t,");
    }
    return true;
}

/* Items with commas between; ends behind the last blank. A command in parentheses ends it too, so
 * that the next one's runas and tags are read where they stand. */
static void take_list(char **at, const char *ends, struct sudo_list *list)
{
    for (;;) {
        struct sudo_item item = {0};
        skip_blanks(at);
        while (**at == '!') {
            item.negated = !item.negated;
            (*at)++;
            skip_blanks(at);
        }
        /* sha256:HEX before a command */
        if (ends[0] == ',' && strncmp(*at, "sha", 3) == 0 && (*at)[strcspn(*at, ": ,")] == ':')
            *at += strcspn(*at, " \t");
        skip_blanks(at);
        item.word = take_word(at, ends);
        skip_blanks(at);
        if (item.word == NULL)
            return;
        list->items = mem_grow(list->items, list->count + 1, sizeof(*list->items));
        list->items[list->count++] = item;
        if (**at != ',')
            return;
        char *behind = *at + 1;
        skip_blanks(&behind);
        size_t tag = strspn(behind, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
        char end = behind[tag + strspn(behind + tag, " \t")];
        if (ends[0] == ',' && (*behind == '(' || (tag > 0 && (end == ':' || end == '='))))
            return;
        (*at)++;
    }
}

/* A word with its quotes and backslashes taken away. Return: it (caller frees); NULL: none */
static char *take_word(char **at, const char *ends)
{
    char *word = mem_new(strlen(*at) + 1, 1);
    size_t length = 0;
    bool quoted = false;

    while (**at != '\0' && (quoted || strchr(ends, **at) == NULL)) {
        char c = *(*at)++;
        if (c == '"') {
            quoted = !quoted;
            continue;
        }
        if (c == '\\' && **at != '\0')
            c = *(*at)++;
        word[length++] = c;
    }
    while (length > 0 && strchr(" \t\r", word[length - 1]) != NULL)
        length--;
    word[length] = '\0';
    if (length > 0)
        return word;
    free(word);
    return NULL;
}

static void skip_blanks(char **at)
{
    *at += strspn(*at, " \t\r");
}

static void copy_list(const struct sudo_list *from, struct sudo_list *to)
{
    to->items = mem_new(from->count, sizeof(*to->items));
    to->count = from->count;
    for (size_t i = 0; i < from->count; i++) {
        to->items[i].negated = from->items[i].negated;
        to->items[i].word = look_copy(from->items[i].word, strlen(from->items[i].word));
    }
}

static void free_list(struct sudo_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].word);
    free(list->items);
    *list = (struct sudo_list){0};
}

static void add_rule(struct sudoers *sudoers, const struct sudo_rule *rule)
{
    sudoers->rules = mem_grow(sudoers->rules, sudoers->rule_count + 1, sizeof(*sudoers->rules));
    sudoers->rules[sudoers->rule_count++] = *rule;
}
