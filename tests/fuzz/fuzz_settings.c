/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_settings - crontabs, units, doas.conf, commands, rules: what a host says runs as root
 *
 * Input: one text, up to its first 0 byte; it is taken for each of them.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "doctor/look.h"
#include "doctor/settings.h"

static const char *first;
static const char *last;

static char *copy(const char *text)
{
    char *fresh = strdup(text);

    PROMISE(fresh);
    first = fresh;
    last = fresh + strlen(fresh);
    return fresh;
}

/* What is handed on lies in the text. */
static void inside(const char *text)
{
    PROMISE(text >= first && text + strlen(text) <= last);
}

static void take_program(const char *path, bool is_directory, void *data)
{
    (void)is_directory;
    (void)data;
    inside(path);
    PROMISE(path[0] == '/');
}

static void take_job(const char *user, char *command, size_t line, void *data)
{
    (void)data;
    if (user)
        inside(user);
    inside(command);
    PROMISE(line > 0 && command[0]);
    command_programs(command, take_program, NULL);
}

static void take_variable(const char *name, char *value, size_t line, void *data)
{
    (void)data;
    (void)line;
    inside(name);
    inside(value);
}

static void take_setting(const char *section, const char *key, char *value, size_t line, void *data)
{
    (void)section;
    take_variable(key, value, line, data);
}

static void take_doas(const struct doas_rule *rule, void *data)
{
    (void)data;
    inside(rule->identity);
    PROMISE(rule->identity[0]);
}

static void take_string(const char *string, void *data)
{
    (void)data;
    inside(string);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    auto_free char *given = mem_new(size + 1, 1);
    char *text;

    memcpy(given, bytes, size);
    for (enum crontab_kind kind = CRONTAB_SYSTEM; kind <= CRONTAB_ANA; kind++) {
        text = copy(given);
        crontab_parse(text, kind, take_job, take_variable, NULL);
        free(text);
    }
    text = copy(given);
    ini_parse(text, take_setting, NULL);
    free(text);
    text = copy(given);
    doas_parse(text, take_doas, NULL);
    free(text);
    text = copy(given);
    command_programs(text, take_program, NULL);
    free(text);
    text = copy(given);
    quoted_strings(text, take_string, NULL);
    free(text);
    text = look_quoted(given);
    for (const char *at = text; *at; at++)
        PROMISE((unsigned char)*at >= 0x20 && *at != 0x7f);
    free(text);
    return 0;
}
