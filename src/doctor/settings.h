/* SPDX-License-Identifier: Apache-2.0 */
/* settings - the small languages in which a host says what runs as root: pure parsers */
#ifndef CROFT_DOCTOR_SETTINGS_H
#define CROFT_DOCTOR_SETTINGS_H

#include "base/attrs.h"
#include <stdbool.h>
#include <stddef.h>

/* Each changes the text it is given; what it hands on lies in it. All are fuzzed. */

/** ini_parse() - "[section]" and "key=value", as systemd's units and polkit's .pkla have them; a
 * backslash at the end of a line joins the next */
void ini_parse(char *text,
               void (*each)(const char *section, const char *key, char *value, size_t line,
                            void *data),
               void *data);

enum crontab_kind {
    CRONTAB_SYSTEM, /* five fields, user, command */
    CRONTAB_OWN,    /* five fields, command; user is NULL */
    CRONTAB_ANA,    /* period, delay, name, command; user is NULL */
};

/** crontab_parse() - calls @job for each entry and @variable for each assignment */
void crontab_parse(char *text, enum crontab_kind kind,
                   void (*job)(const char *user, char *command, size_t line, void *data),
                   void (*variable)(const char *name, char *value, size_t line, void *data),
                   void *data);

/**
 * command_programs() - calls @each with every absolute path that @command executes: the first word
 * of each part, and the script that an interpreter is given
 * @is_directory: run-parts: everything in it is run
 */
void command_programs(char *command, void (*each)(const char *path, bool is_directory, void *data),
                      void *data);

/* One rule of doas.conf. as, command NULL: anybody, anything. */
struct doas_rule {
    bool permit;
    bool no_password;
    const char *identity;
    const char *as;
    const char *command;
    size_t line;
};

/** doas_parse() - calls @each with every rule, in order */
void doas_parse(char *text, void (*each)(const struct doas_rule *rule, void *data), void *data);

/** quoted_strings() - calls @each with every "..." or '...' of @text, for rules that are programs
 */
void quoted_strings(char *text, void (*each)(const char *string, void *data), void *data);

#endif
