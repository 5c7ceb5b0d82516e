/* SPDX-License-Identifier: Apache-2.0 */
/* found - what of Croft the kernel has: mounts, loops, control groups, links, elements */
#include "doctor/found.h"
#include "croft-paths.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "doctor/look.h"
#include "doctor/programs.h"
#include "doctor/ruleset.h"
#include "wire/addresses.h"
#include "wire/net.h"

#define MOUNTS  CROFT_RUN_DIR "/volumes/"
#define FILES   CROFT_STATE_DIR "/volumes/"
#define SUFFIX  ".ext4"
#define CGROUPS "/sys/fs/cgroup"

static void add(struct found *found, const struct found_thing *thing);
static bool uid_of(const char *text, const char *suffix, uint32_t *ret_uid);
static void take_mounts(struct found *found);
static void take_loop(const char *path, const char *name, void *data);
static void take_hierarchy(const char *path, const char *name, void *data);
static void take_user_group(const char *path, const char *name, void *data);
static void take_link(const char *path, const char *name, void *data);
static void take_addresses(struct found *found);
static void take_set(struct found *found, const json_t *set);
static bool take_concat(const json_t *concat, struct found_thing *thing);
static bool number_of(const json_t *value, uint32_t *ret_number);
static bool address_of(const json_t *value, struct found_address *address);

void found_look(struct found *found)
{
    take_mounts(found);
    look_each("/sys/block", take_loop, found);
    take_hierarchy(CGROUPS, "", found);
    look_each(CGROUPS, take_hierarchy, found);
    look_each("/sys/class/net", take_link, found);
    take_addresses(found);
    auto_free char *ruleset = program_ruleset();
    if (ruleset != NULL)
        found_elements(found, ruleset);
}

void found_free(struct found *found)
{
    free(found->list);
    *found = (struct found){0};
}

void found_elements(struct found *found, const char *ruleset)
{
    json_t *whole = NULL;
    const json_t *objects = ruleset_load(ruleset, &whole);
    const json_t *object;
    size_t i;

    json_array_foreach(objects, i, object)
    {
        const json_t *set = json_object_get(object, "set");
        if (set == NULL)
            set = json_object_get(object, "map");
        const char *family = json_string_value(json_object_get(set, "family"));
        const char *table = json_string_value(json_object_get(set, "table"));
        if (family == NULL || table == NULL || strcmp(family, "inet") != 0 ||
            strcmp(table, "croft") != 0)
            continue;
        take_set(found, set);
    }
    json_decref(whole);
}

const struct found_thing *found_same(const struct found *found, const struct found_thing *wanted)
{
    for (size_t i = 0; i < found->count; i++) {
        const struct found_thing *thing = &found->list[i];
        if (thing->kind == wanted->kind && thing->uid == wanted->uid &&
            thing->slot == wanted->slot && thing->address.ipv6 == wanted->address.ipv6 &&
            memcmp(thing->address.bytes, wanted->address.bytes, sizeof(thing->address.bytes)) ==
                0 &&
            thing->protocol == wanted->protocol && thing->port == wanted->port &&
            strcmp(thing->name, wanted->name) == 0)
            return thing;
    }
    return NULL;
}

static void add(struct found *found, const struct found_thing *thing)
{
    found->list = mem_grow(found->list, found->count + 1, sizeof(*found->list));
    found->list[found->count++] = *thing;
}

/* "1030" or "1030.ext4" */
static bool uid_of(const char *text, const char *suffix, uint32_t *ret_uid)
{
    char number[16];
    uint64_t value;
    size_t length = strcspn(text, ".");

    if (strcmp(text + length, suffix) != 0 ||
        str_format(number, sizeof(number), "%.*s", (int)length, text) < 0 ||
        str_u64(number, 1, UINT32_MAX, &value) < 0)
        return false;
    *ret_uid = (uint32_t)value;
    return true;
}

static void take_mounts(struct found *found)
{
    auto_free char *text = NULL;
    char *line;

    if (look_file("/proc/self/mountinfo", &text) < 0)
        return;
    for (char *rest = text; (line = look_line(&rest)) != NULL;) {
        const char *field[6];
        for (size_t i = 0; i < ARRAY_LEN(field); i++)
            field[i] = look_word(&line);
        struct found_thing thing = {.kind = FOUND_MOUNT};
        if (field[5] == NULL || strncmp(field[4], MOUNTS, strlen(MOUNTS)) != 0 ||
            !uid_of(field[4] + strlen(MOUNTS), "", &thing.uid))
            continue;
        thing.fine = strstr(field[5], "nosuid") != NULL && strstr(field[5], "nodev") != NULL;
        add(found, &thing);
    }
}

static void take_loop(const char *path, const char *name, void *data)
{
    char file[LOOK_PATH_MAX];
    auto_free char *backing = NULL;
    struct found_thing thing = {.kind = FOUND_LOOP};

    (void)name;
    look_join(file, path, "loop/backing_file");
    if (look_file(file, &backing) < 0)
        return;
    backing[strcspn(backing, "\n")] = '\0';
    if (strncmp(backing, FILES, strlen(FILES)) == 0 &&
        uid_of(backing + strlen(FILES), SUFFIX, &thing.uid))
        add(data, &thing);
}

/* The top group of one hierarchy, and whose groups stand below it. */
static void take_hierarchy(const char *path, const char *name, void *data)
{
    char top[LOOK_PATH_MAX];

    /* A link is another name of a hierarchy that comes by itself. */
    char link[LOOK_PATH_MAX];
    if (name[0] != '\0' && look_link(path, link, sizeof(link)) == 0)
        return;
    look_join(top, path, CROFT_CGROUP);
    look_each(top, take_user_group, data);
}

struct user_groups {
    struct found *found;
    uint32_t uid;
};

static void take_group(const char *path, const char *name, void *data)
{
    const struct user_groups *groups = data;
    struct found_thing thing = {.kind = FOUND_GROUP, .uid = groups->uid};
    struct stat meta;

    /* "_jobs" is no instance's. */
    if (look_stat(path, &meta) == 0 && S_ISDIR(meta.st_mode) && name[0] != '_' &&
        str_copy(thing.name, sizeof(thing.name), name) == 0 &&
        found_same(groups->found, &thing) == NULL)
        add(groups->found, &thing);
}

static void take_user_group(const char *path, const char *name, void *data)
{
    struct found *found = data;
    struct found_thing thing = {.kind = FOUND_USER};
    char all[LOOK_PATH_MAX];

    if (!uid_of(name, "", &thing.uid))
        return;
    if (found_same(found, &thing) == NULL)
        add(found, &thing);
    struct user_groups groups = {found, thing.uid};
    look_join(all, path, "all");
    look_each(all, take_group, &groups);
}

static void take_link(const char *path, const char *name, void *data)
{
    struct found_thing thing = {.kind = FOUND_LINK, .slot = net_link_slot(name)};

    (void)path;
    if (thing.slot != 0)
        add(data, &thing);
}

static void take_addresses(struct found *found)
{
    size_t size = 0;
    auto_free char *bytes = NULL;

    if (look_bytes(CROFT_RUN_DIR "/" ADDRESSES_FILE, &bytes, &size) < 0)
        return;
    for (uint32_t slot = NET_SLOT_FIRST; (slot + 1) * sizeof(struct addresses_entry) <= size;
         slot++) {
        struct addresses_entry entry;
        struct found_thing thing = {.kind = FOUND_SLOT, .slot = slot};
        memcpy(&entry, bytes + slot * sizeof(entry), sizeof(entry));
        thing.uid = entry.uid;
        if (entry.uid == 0 || !str_terminated(entry.name, sizeof(entry.name)))
            continue;
        memcpy(thing.name, entry.name, sizeof(thing.name));
        add(found, &thing);
    }
}

/* An element is a concatenation, alone, in {"elem": {"val": ...}}, or with what a map gives. */
static void take_set(struct found *found, const json_t *set)
{
    static const struct {
        const char *name;
        enum found_kind kind;
        bool ipv6;
    } sets[] = {
        {"owner4", FOUND_OWNER, false},    {"owner6", FOUND_OWNER, true},
        {"members4", FOUND_MEMBER, false}, {"members6", FOUND_MEMBER, true},
        {"grants4", FOUND_GRANT, false},   {"grants6", FOUND_GRANT, true},
    };
    const char *name = json_string_value(json_object_get(set, "name"));
    const json_t *elements = json_object_get(set, "elem");
    const json_t *element;
    size_t i;

    for (size_t j = 0; j < ARRAY_LEN(sets) && name != NULL; j++) {
        if (strcmp(name, sets[j].name) != 0)
            continue;
        json_array_foreach(elements, i, element)
        {
            struct found_thing thing = {.kind = sets[j].kind, .address.ipv6 = sets[j].ipv6};
            const json_t *key = json_is_array(element) ? json_array_get(element, 0) : element;
            const json_t *inner = json_object_get(json_object_get(key, "elem"), "val");
            if (json_is_array(element) && !number_of(json_array_get(element, 1), &thing.uid))
                continue;
            if (take_concat(json_object_get(inner != NULL ? inner : key, "concat"), &thing))
                add(found, &thing);
        }
    }
}

static bool take_concat(const json_t *concat, struct found_thing *thing)
{
    uint32_t number;

    if (thing->kind == FOUND_OWNER) {
        const char *link = json_string_value(json_array_get(concat, 0));
        thing->slot = link == NULL ? 0 : net_link_slot(link);
        return thing->slot != 0 && address_of(json_array_get(concat, 1), &thing->address);
    }
    if (!number_of(json_array_get(concat, 0), &thing->uid) ||
        !address_of(json_array_get(concat, 1), &thing->address))
        return false;
    if (thing->kind != FOUND_GRANT)
        return true;
    const char *protocol = json_string_value(json_array_get(concat, 2));
    if (protocol != NULL)
        number = strcmp(protocol, "tcp") == 0   ? IPPROTO_TCP
                 : strcmp(protocol, "udp") == 0 ? IPPROTO_UDP
                                                : 0;
    else if (!number_of(json_array_get(concat, 2), &number))
        return false;
    thing->protocol = (uint16_t)number;
    bool is_port = number_of(json_array_get(concat, 3), &number);
    thing->port = (uint16_t)number;
    return is_port;
}

/* 1030, or "0x00000406" */
static bool number_of(const json_t *value, uint32_t *ret_number)
{
    uint8_t bytes[4];
    const char *text = json_string_value(value);

    if (json_is_integer(value)) {
        *ret_number = (uint32_t)json_integer_value(value);
        return true;
    }
    if (text == NULL || strncmp(text, "0x", 2) != 0 || str_unhex(text + 2, bytes, 4) < 0)
        return false;
    *ret_number =
        (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    return true;
}

static bool address_of(const json_t *value, struct found_address *address)
{
    const char *text = json_string_value(value);
    return text != NULL && inet_pton(address->ipv6 ? AF_INET6 : AF_INET, text, address->bytes) == 1;
}
