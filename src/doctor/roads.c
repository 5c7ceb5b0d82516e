/* SPDX-License-Identifier: Apache-2.0 */
/* roads - who may become whom on this host, by what, and the command that closes it */
#include "doctor/roads.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "doctor/look.h"

/* A host with more is beyond a list; the rest would only repeat it. */
#define ROADS_MAX 4096U

static bool is_known(const struct roads *roads, size_t from, size_t to, const char *close);

void roads_init(struct roads *roads, struct accounts *accounts)
{
    ssize_t root = accounts_by_name(accounts, "root");

    *roads = (struct roads){.accounts = accounts};
    if (root < 0 || accounts->list[root].uid != 0)
        root = (ssize_t)accounts_by_uid(accounts, 0);
    roads->root = (size_t)root;
}

void roads_free(struct roads *roads)
{
    for (size_t i = 0; i < roads->count; i++) {
        free(roads->list[i].how);
        free(roads->list[i].close);
    }
    for (size_t i = 0; i < roads->note_count; i++)
        free(roads->notes[i]);
    free((void *)roads->notes);
    free(roads->list);
}

void roads_add(struct roads *roads, size_t from, size_t to, char *how, char *close)
{
    if (from == to || from == roads->root || roads->count >= ROADS_MAX ||
        is_known(roads, from, to, close)) {
        free(how);
        free(close);
        return;
    }
    roads->list = mem_grow(roads->list, roads->count + 1, sizeof(*roads->list));
    roads->list[roads->count++] = (struct road){.from = from, .to = to, .how = how, .close = close};
}

void roads_add_group(struct roads *roads, uint32_t gid, size_t to, const char *how,
                     const char *close)
{
    const struct group *group = accounts_group_id(roads->accounts, gid);
    struct group unnamed = {.gid = gid};
    bool is_primary;

    if (group == NULL)
        group = &unnamed;
    for (size_t i = 0; i < roads->accounts->count; i++)
        if (accounts_in_group(&roads->accounts->list[i], group, &is_primary))
            roads_add(roads, i, to, look_format("%s", how), look_format("%s", close));
}

void roads_note(struct roads *roads, char *note)
{
    roads->notes = mem_grow((void *)roads->notes, roads->note_count + 1, sizeof(char *));
    roads->notes[roads->note_count++] = note;
}

void roads_follow(struct roads *roads)
{
    const struct account *accounts = roads->accounts->list;
    bool is_new = true;

    while (is_new) {
        is_new = false;
        for (size_t i = 0; i < roads->count; i++) {
            struct road *road = &roads->list[i];
            bool leads = accounts[road->to].uid == 0;
            for (size_t j = 0; j < roads->count && !leads; j++)
                leads = roads->list[j].leads && roads->list[j].from == road->to;
            is_new |= leads && !road->leads;
            road->leads = leads || road->leads;
        }
    }
}

size_t roads_of_users(const struct roads *roads)
{
    size_t count = 0;

    for (size_t i = 0; i < roads->count; i++) {
        const struct road *road = &roads->list[i];
        count += road->leads &&
                 (road->from == ACCOUNT_EVERYBODY || roads->accounts->list[road->from].croft);
    }
    return count;
}

static bool is_known(const struct roads *roads, size_t from, size_t to, const char *close)
{
    for (size_t i = 0; i < roads->count; i++)
        if (roads->list[i].from == from && roads->list[i].to == to &&
            strcmp(roads->list[i].close, close) == 0)
            return true;
    return false;
}
