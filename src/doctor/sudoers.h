/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sudoers - the rules of sudo as it reads them, as far as they say who may become whom
 *
 * Where a line can be read in two ways the one that permits more is taken: hosts are not looked at,
 * and a command that is excepted ("ALL, !/bin/sh") closes nothing.
 * Source: sudoers(5)
 */
#ifndef CROFT_DOCTOR_SUDOERS_H
#define CROFT_DOCTOR_SUDOERS_H

#include "doctor/roads.h"

struct sudo_item {
    bool negated;
    char *word;
};

struct sudo_list {
    struct sudo_item *items;
    size_t count;
};

/* kind: 'U', 'R', 'C' or 'H' as in User_Alias */
struct sudo_alias {
    char kind;
    char *name;
    struct sudo_list list;
};

/* has_runas: parentheses stood there; without them it is root */
struct sudo_rule {
    struct sudo_list users;
    struct sudo_list runas;
    struct sudo_list runas_groups;
    struct sudo_list commands;
    bool has_runas;
    bool no_password;
    char *file;
    size_t first_line;
    size_t last_line;
};

struct sudoers {
    struct sudo_alias *aliases;
    size_t alias_count;
    struct sudo_rule *rules;
    size_t rule_count;
    void (*include)(struct sudoers *sudoers, const char *path, bool is_directory);
    unsigned int depth;
};

/** sudoers_parse() - adds the rules and aliases of a whole file, whose @text it changes
 * @file: its path; @sudoers->include is called for each include, unless NULL. Pure; fuzzed. */
void sudoers_parse(struct sudoers *sudoers, const char *file, char *text);

/** sudoers_roads() - adds a road for each account that a rule lets become another one */
void sudoers_roads(const struct sudoers *sudoers, struct roads *roads);

void sudoers_free(struct sudoers *sudoers);

/** sudoers_look() - /etc/sudoers and all it includes */
void sudoers_look(struct roads *roads);

#endif
