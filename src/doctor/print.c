/* SPDX-License-Identifier: Apache-2.0 */
/* print - the answers, for people or as JSON */
#include "doctor/print.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void print_controls(const struct controls *controls);
static void print_roads(const struct roads *roads);
static json_t *json_text(const char *text);
static json_t *json_road(const struct roads *roads, const struct road *road);
static const char *name_of(const struct roads *roads, size_t account);
static void dump(json_t *value);

void print_host(const struct controls *controls, const struct roads *roads, bool as_json)
{
    if (!as_json) {
        print_controls(controls);
        print_roads(roads);
        return;
    }
    json_t *list = json_array();
    json_t *ways = json_array();
    json_t *notes = json_array();
    for (size_t i = 0; i < controls->count; i++) {
        const struct control *control = &controls->list[i];
        json_array_append_new(
            list, json_pack("{s:o, s:s, s:o, s:o}", "name", json_text(control->name), "state",
                            control_state_name(control->state), "known", json_text(control->known),
                            "todo", json_text(control->todo)));
    }
    for (size_t i = 0; i < roads->count; i++)
        if (roads->list[i].leads)
            json_array_append_new(ways, json_road(roads, &roads->list[i]));
    for (size_t i = 0; i < roads->note_count; i++)
        json_array_append_new(notes, json_text(roads->notes[i]));
    dump(json_pack("{s:o, s:s, s:o, s:o, s:I}", "controls", list, "owner",
                   name_of(roads, roads->root), "roads", ways, "notes", notes, "open_to_users",
                   (json_int_t)roads_of_users(roads)));
}

void print_differences(const struct differences *differences, bool as_json)
{
    if (as_json) {
        json_t *list = json_array();
        for (size_t i = 0; i < differences->count; i++)
            json_array_append_new(list, json_pack("{s:o, s:o}", "what",
                                                  json_text(differences->list[i].what), "todo",
                                                  json_text(differences->list[i].todo)));
        dump(json_pack("{s:I, s:o}", "compared", (json_int_t)differences->looked, "differences",
                       list));
        return;
    }
    for (size_t i = 0; i < differences->count; i++)
        printf("%s\n    %s\n", differences->list[i].what, differences->list[i].todo);
    printf("%zu things compared, %zu different\n", differences->looked, differences->count);
}

static void print_controls(const struct controls *controls)
{
    printf("Can this host hold the walls?\n");
    for (size_t i = 0; i < controls->count; i++) {
        const struct control *control = &controls->list[i];
        printf("  %-8s  %-26s  %s\n", control_state_name(control->state), control->name,
               control->known);
        if (control->todo != NULL)
            printf("            -> %s\n", control->todo);
    }
}

static void print_roads(const struct roads *roads)
{
    size_t open = roads_of_users(roads);

    printf("\nWho is God here?\n  %s: the owner\n", name_of(roads, roads->root));
    for (size_t i = 0; i < roads->count; i++) {
        const struct road *road = &roads->list[i];
        if (!road->leads)
            continue;
        bool is_user = road->from != ACCOUNT_EVERYBODY && roads->accounts->list[road->from].croft;
        printf("  %s%s %s\n      -> %s\n", name_of(roads, road->from),
               is_user ? " (a Croft user)" : "", road->how, road->close);
    }
    for (size_t i = 0; i < roads->note_count; i++)
        printf("  note: %s\n", roads->notes[i]);
    if (open == 0)
        printf("No Croft user has a road to root.\n");
    else
        printf("%zu of these roads %s open to a Croft user.\n", open, open == 1 ? "is" : "are");
}

/* Texts were made printable before; what is no text is null. */
static json_t *json_text(const char *text)
{
    json_t *value = text == NULL ? json_null() : json_string(text);
    return value == NULL ? json_null() : value;
}

static json_t *json_road(const struct roads *roads, const struct road *road)
{
    bool is_everybody = road->from == ACCOUNT_EVERYBODY;
    return json_pack("{s:o, s:b, s:b, s:s, s:o, s:o}", "account",
                     json_text(name_of(roads, road->from)), "everybody", is_everybody, "croft_user",
                     !is_everybody && roads->accounts->list[road->from].croft, "to",
                     name_of(roads, road->to), "how", json_text(road->how), "close",
                     json_text(road->close));
}

static const char *name_of(const struct roads *roads, size_t account)
{
    return account == ACCOUNT_EVERYBODY ? "everybody" : roads->accounts->list[account].name;
}

static void dump(json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    printf("\n");
    json_decref(value);
}
