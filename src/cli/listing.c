/* SPDX-License-Identifier: Apache-2.0 */
/* listing - a verb that shows one list of the monitor's, as a table or as JSON */
#include "cli/listing.h"

#include <stdbool.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/api.h"
#include "cli/door.h"
#include "cli/option.h"

static void say_rows(const struct listing *listing, const char *entries, size_t count)
{
    auto_table table = {0};

    table_heads(&table, listing->heads, listing->head_count);
    for (size_t i = 0; i < count; i++)
        listing->add(&table, entries + i * listing->entry_size);
    table_print(&table);
}

static void say_objects(const struct listing *listing, const char *entries, size_t count)
{
    auto_json *list = json_array();
    auto_json *answer = json_pack("{s:O}", listing->name, list);

    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, listing->json(entries + i * listing->entry_size));
    say_json(answer);
}

int listing_verb(const struct listing *listing, int argc, char **argv, struct err *err)
{
    bool json = false;
    const struct option options[] = {{0, OPTION_FLAG, "json", &json, 0, 0, NULL}};
    auto_free void *entries = NULL;
    struct operands words;
    auto_close sock = -1;
    size_t count = 0;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    if (r == 0 && words.count + words.rest_count != 0)
        r = err_set(err, OUTCOME_USAGE, "%s", listing->no_words);
    if (r == 0)
        r = door_open(&sock, err);
    if (r == 0)
        r = door_list(sock, listing->order, listing->entry_size, &entries, &count, err);
    if (r != 0)
        return r;
    for (size_t i = 0; i < count; i++)
        listing->check((char *)entries + i * listing->entry_size);
    if (json)
        say_objects(listing, entries, count);
    else
        say_rows(listing, entries, count);
    return OUTCOME_OK;
}
