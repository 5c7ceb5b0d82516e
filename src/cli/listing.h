/* SPDX-License-Identifier: Apache-2.0 */
/* listing - a verb that shows one list of the monitor's, as a table or as JSON */
#ifndef CROFT_CLI_LISTING_H
#define CROFT_CLI_LISTING_H

#include "base/err.h"
#include "cli/say.h"
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/*
 * order:      ORDER_GRANTS, ORDER_ASKS
 * entry_size: of one entry, as door_list() has it
 * name:       of the list in JSON
 * no_words:   what is said when there are words
 * check:      makes an entry safe to show, in place
 * add, json:  one entry as a row, as an object (new reference)
 */
struct listing {
    uint32_t order;
    size_t entry_size;
    const char *name;
    const char *no_words;
    const char *const *heads;
    size_t head_count;
    void (*check)(void *entry);
    void (*add)(struct table *table, const void *entry);
    json_t *(*json)(const void *entry);
};

/** listing_verb() - parses the verb's words, which are --json or none. Return: 0; outcome */
nodiscard int listing_verb(const struct listing *listing, int argc, char **argv, struct err *err);

#endif
