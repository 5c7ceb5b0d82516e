/* SPDX-License-Identifier: Apache-2.0 */
/* settings - the small languages in which a host says what runs as root: pure parsers */
#include "doctor/settings.h"

#include <ctype.h>
#include <string.h>

#include "doctor/look.h"

#define BLANKS     " \t\r"
#define SEPARATORS ";|&()`{}\n"

/* What a word in the place of a command makes of the words behind it. */
enum expect {
    EXPECT_PROGRAM,   /* the next word is a command */
    EXPECT_SCRIPT,    /* the next word that is no option is one */
    EXPECT_DIRECTORY, /* likewise, of commands */
    EXPECT_LOCK,      /* one word, then as SCRIPT */
    EXPECT_NOTHING,
};

static const struct {
    const char *word;
    enum expect expect;
} words[] = {
    {"!", EXPECT_PROGRAM},      {"if", EXPECT_PROGRAM},     {"then", EXPECT_PROGRAM},
    {"else", EXPECT_PROGRAM},   {"elif", EXPECT_PROGRAM},   {"while", EXPECT_PROGRAM},
    {"do", EXPECT_PROGRAM},     {"sh", EXPECT_SCRIPT},      {"dash", EXPECT_SCRIPT},
    {"bash", EXPECT_SCRIPT},    {"zsh", EXPECT_SCRIPT},     {"ksh", EXPECT_SCRIPT},
    {"fish", EXPECT_SCRIPT},    {"python", EXPECT_SCRIPT},  {"perl", EXPECT_SCRIPT},
    {"ruby", EXPECT_SCRIPT},    {"php", EXPECT_SCRIPT},     {"node", EXPECT_SCRIPT},
    {"lua", EXPECT_SCRIPT},     {"awk", EXPECT_SCRIPT},     {"env", EXPECT_SCRIPT},
    {"nice", EXPECT_SCRIPT},    {"ionice", EXPECT_SCRIPT},  {"chrt", EXPECT_SCRIPT},
    {"nohup", EXPECT_SCRIPT},   {"setsid", EXPECT_SCRIPT},  {"time", EXPECT_SCRIPT},
    {"timeout", EXPECT_SCRIPT}, {"chronic", EXPECT_SCRIPT}, {"exec", EXPECT_SCRIPT},
    {"command", EXPECT_SCRIPT}, {".", EXPECT_SCRIPT},       {"source", EXPECT_SCRIPT},
    {"sudo", EXPECT_SCRIPT},    {"flock", EXPECT_LOCK},     {"run-parts", EXPECT_DIRECTORY},
    {"unshare", EXPECT_SCRIPT}, {"stdbuf", EXPECT_SCRIPT},  {"busybox", EXPECT_SCRIPT},
    {"taskset", EXPECT_SCRIPT},
};

static char *trimmed(char *text);
static bool is_assignment(const char *line);
static enum expect after(const char *word);
static char *next_word(char **at, char *ret_separator, bool *ret_is_target);
static void take_doas(char *line, size_t number,
                      void (*each)(const struct doas_rule *rule, void *data), void *data);

void ini_parse(char *text,
               void (*each)(const char *section, const char *key, char *value, size_t line,
                            void *data),
               void *data)
{
    static char none[1];
    const char *section = none;
    char *line;

    for (size_t number = 1; (line = look_line(&text)) != NULL; number++) {
        size_t first = number;
        for (size_t length = strlen(line); length > 0 && line[length - 1] == '\\';) {
            const char *more = look_line(&text);
            line[length - 1] = ' ';
            if (more == NULL)
                break;
            number++;
            memmove(line + length, more, strlen(more) + 1);
            length = strlen(line);
        }
        line = trimmed(line);
        char *equals = strchr(line, '=');
        if (line[0] == '[') {
            section = line + 1;
            line[strcspn(line, "]")] = '\0';
        } else if (line[0] != '#' && line[0] != ';' && equals != NULL) {
            *equals = '\0';
            each(section, trimmed(line), trimmed(equals + 1), first, data);
        }
    }
}

void crontab_parse(char *text, enum crontab_kind kind,
                   void (*job)(const char *user, char *command, size_t line, void *data),
                   void (*variable)(const char *name, char *value, size_t line, void *data),
                   void *data)
{
    char *line;

    for (size_t number = 1; (line = look_line(&text)) != NULL; number++) {
        line += strspn(line, BLANKS);
        if (line[0] == '#' || line[0] == '\0')
            continue;
        char *equals = is_assignment(line) ? strchr(line, '=') : NULL;
        if (equals != NULL) {
            *equals = '\0';
            variable(trimmed(line), trimmed(equals + 1), number, data);
            continue;
        }
        unsigned int fields = kind == CRONTAB_ANA ? 3 : line[0] == '@' ? 1 : 5;
        for (unsigned int i = 0; i < fields; i++)
            (void)look_word(&line);
        const char *user = kind == CRONTAB_SYSTEM ? look_word(&line) : NULL;
        line += strspn(line, BLANKS);
        if (line[0] != '\0' && (user != NULL || kind != CRONTAB_SYSTEM))
            job(user, line, number, data);
    }
}

void command_programs(char *command, void (*each)(const char *path, bool is_directory, void *data),
                      void *data)
{
    enum expect expect = EXPECT_PROGRAM;
    char separator = '\0';
    bool is_target = false;
    char *word;

    while ((word = next_word(&command, &separator, &is_target)) != NULL) {
        bool is_option =
            word[0] == '-' || word[strcspn(word, "=")] == '=' || isdigit((unsigned char)word[0]);
        if (word[0] == '\0' || is_target || (is_option && expect != EXPECT_NOTHING)) {
            /* nothing that is run */
        } else if (expect == EXPECT_LOCK) {
            expect = EXPECT_SCRIPT;
        } else if (expect != EXPECT_NOTHING) {
            if (word[0] == '/')
                each(word, expect == EXPECT_DIRECTORY, data);
            expect = expect == EXPECT_DIRECTORY ? EXPECT_NOTHING : after(word);
        }
        if (separator != '\0' && strchr(SEPARATORS, separator) != NULL)
            expect = EXPECT_PROGRAM;
    }
}

void doas_parse(char *text, void (*each)(const struct doas_rule *rule, void *data), void *data)
{
    char *line;

    for (size_t number = 1; (line = look_line(&text)) != NULL; number++) {
        line[strcspn(line, "#")] = '\0';
        take_doas(line, number, each, data);
    }
}

void quoted_strings(char *text, void (*each)(const char *string, void *data), void *data)
{
    for (char *at = text; *at != '\0'; at++) {
        if (*at != '"' && *at != '\'')
            continue;
        char *end = strchr(at + 1, *at);
        if (end == NULL)
            return;
        *end = '\0';
        each(at + 1, data);
        at = end;
    }
}

static char *trimmed(char *text)
{
    text += strspn(text, BLANKS);
    size_t length = strlen(text);
    while (length > 0 && strchr(BLANKS, text[length - 1]) != NULL)
        text[--length] = '\0';
    return text;
}

/* NAME = value: a name and nothing else before the sign */
static bool is_assignment(const char *line)
{
    size_t length = 0;

    while (isalnum((unsigned char)line[length]) || line[length] == '_')
        length++;
    length += strspn(line + length, BLANKS);
    return length > 0 && line[length] == '=' && !isdigit((unsigned char)line[0]);
}

static enum expect after(const char *word)
{
    const char *slash = strrchr(word, '/');
    const char *name = slash == NULL ? word : slash + 1;
    /* python3.11 and its like */
    size_t length = strcspn(name, "0123456789");

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i].word) == length && strncmp(name, words[i].word, length) == 0)
            return words[i].expect;
    return EXPECT_NOTHING;
}

/* Quotes are blanks here: what stands in them is read too. @ret_is_target: of a redirection */
static char *next_word(char **at, char *ret_separator, bool *ret_is_target)
{
    static const char ends[] = BLANKS "\"'<>" SEPARATORS;
    char *word = *at;

    if (*word == '\0')
        return NULL;
    *ret_is_target = *ret_separator == '>' || *ret_separator == '<';
    if (*ret_is_target)
        word += strspn(word, BLANKS "&><");
    size_t length = strcspn(word, ends);
    *ret_separator = word[length];
    *at = word + length + (word[length] != '\0');
    word[length] = '\0';
    return word;
}

/* permit|deny [option...] identity [as target] [cmd command ...] */
static void take_doas(char *line, size_t number,
                      void (*each)(const struct doas_rule *rule, void *data), void *data)
{
    struct doas_rule rule = {.line = number};
    const char *word = look_word(&line);

    if (word == NULL || (strcmp(word, "permit") != 0 && strcmp(word, "deny") != 0))
        return;
    rule.permit = word[0] == 'p';
    while ((word = look_word(&line)) != NULL) {
        if (rule.identity != NULL && strcmp(word, "as") == 0) {
            rule.as = look_word(&line);
        } else if (rule.identity != NULL && strcmp(word, "cmd") == 0) {
            rule.command = look_word(&line);
            break;
        } else if (strcmp(word, "nopass") == 0) {
            rule.no_password = true;
        } else if (strncmp(word, "setenv", strlen("setenv")) == 0) {
            line += strcspn(line, "}");
            line += *line == '}';
        } else if (strcmp(word, "persist") != 0 && strcmp(word, "keepenv") != 0 &&
                   strcmp(word, "nolog") != 0) {
            rule.identity = word;
        }
    }
    if (rule.identity != NULL)
        each(&rule, data);
}
