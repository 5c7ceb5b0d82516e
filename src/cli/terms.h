/* SPDX-License-Identifier: Apache-2.0 */
/* terms - what is granted, revoked or asked for, from words to what is ordered; pure */
#ifndef CROFT_CLI_TERMS_H
#define CROFT_CLI_TERMS_H

#include "base/err.h"
#include "cli/option.h"
#include "cli/target.h"
#include "wire/grant.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Options as typed; NULL, 0: not given. */
struct terms_wish {
    const char *for_text;
    const char *until_text;
    const char *rate_text;
    uint64_t connections;
    bool forever;
};

/* The rows of an option table that are the same wherever terms are typed. */
#define TERMS_OPTIONS(wish)                                                                        \
    {0, OPTION_TEXT, "for", &(wish).for_text, 0, 0, NULL},                                         \
        {0, OPTION_TEXT, "until", &(wish).until_text, 0, 0, NULL},                                 \
        {0, OPTION_FLAG, "forever", &(wish).forever, 0, 0, NULL},                                  \
        {0, OPTION_COUNT, "connections", &(wish).connections, 1, GRANT_CONNECTIONS_MAX, NULL},     \
    {                                                                                              \
        0, OPTION_TEXT, "rate", &(wish).rate_text, 0, 0, NULL                                      \
    }

/**
 * terms_words() - reads "USER port MACHINE:PORT", the words of grant, revoke and ask
 * @of_user:  the machine is USER's, not the caller's: "db.alice:5432" may then be written
 * @ret_user: borrowed from @words
 * Return: 0; OUTCOME_USAGE with a sentence
 */
nodiscard int terms_words(const struct operands *words, bool of_user, const char **ret_user,
                          struct target *ret_target, struct err *err);

/**
 * terms_read() - with exactly one end
 * @now_wall_ns: decides what --until 18:00 is, and what is past
 * Return: 0; OUTCOME_USAGE with a sentence
 */
nodiscard int terms_read(const struct terms_wish *wish, const struct target *target,
                         uint64_t now_wall_ns, struct grant_terms *ret_terms, struct err *err);

#endif
