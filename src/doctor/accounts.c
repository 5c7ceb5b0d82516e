/* SPDX-License-Identifier: Apache-2.0 */
/* accounts - passwd, group, gshadow and shadow of this host, and who of them is a Croft user */
#include "doctor/accounts.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "doctor/look.h"

#define FIELDS_MAX 9U

static bool id_of(const char *text, uint32_t *ret_id);
static char *copy_of(const char *text);
static struct account *add_account(struct accounts *accounts, const char *name, uint32_t uid);
static void add_members(struct group *group, char *list);
static struct group *group_mutable(struct accounts *accounts, const char *name);

void accounts_cleanup(struct accounts *accounts)
{
    for (size_t i = 0; i < accounts->count; i++) {
        free(accounts->list[i].name);
        free(accounts->list[i].home);
    }
    for (size_t i = 0; i < accounts->group_count; i++) {
        struct group *group = &accounts->groups[i];
        for (size_t j = 0; j < group->member_count; j++)
            free(group->members[j]);
        free((void *)group->members);
        free(group->name);
    }
    free(accounts->list);
    free(accounts->groups);
    *accounts = (struct accounts){0};
}

int accounts_read(struct accounts *accounts)
{
    auto_free char *passwd = NULL;
    auto_free char *group = NULL;
    auto_free char *gshadow = NULL;
    auto_free char *shadow = NULL;

    int rc = look_file("/etc/passwd", &passwd);
    if (rc == 0)
        rc = look_file("/etc/group", &group);
    if (rc < 0)
        return rc;
    accounts_passwd(accounts, passwd);
    accounts_group(accounts, group);
    /* A host without these two has no passwords in them either. */
    if (look_file("/etc/gshadow", &gshadow) == 0)
        accounts_gshadow(accounts, gshadow);
    if (look_file("/etc/shadow", &shadow) == 0)
        accounts_shadow(accounts, shadow);
    return 0;
}

void accounts_passwd(struct accounts *accounts, char *text)
{
    char *field[FIELDS_MAX];
    char *line;
    uint32_t uid;

    while ((line = look_line(&text)) != NULL) {
        if (str_fields(line, field, FIELDS_MAX) < 7 || field[0][0] == '\0' ||
            !id_of(field[2], &uid))
            continue;
        struct account *account = add_account(accounts, field[0], uid);
        if (!id_of(field[3], &account->gid))
            account->gid = UINT32_MAX;
        account->home = copy_of(field[5]);
        account->open = field[1][0] == '\0';
        account->known = true;
    }
}

void accounts_group(struct accounts *accounts, char *text)
{
    char *field[FIELDS_MAX];
    char *line;
    uint32_t gid;

    while ((line = look_line(&text)) != NULL) {
        if (str_fields(line, field, FIELDS_MAX) < 3 || field[0][0] == '\0' ||
            !id_of(field[2], &gid))
            continue;
        accounts->groups =
            mem_grow(accounts->groups, accounts->group_count + 1, sizeof(*accounts->groups));
        struct group *group = &accounts->groups[accounts->group_count++];
        *group = (struct group){.name = copy_of(field[0]), .gid = gid};
        add_members(group, field[3]);
    }
}

/* name:password:administrators:members; who administers a group may add herself. */
void accounts_gshadow(struct accounts *accounts, char *text)
{
    char *field[FIELDS_MAX];
    char *line;

    while ((line = look_line(&text)) != NULL) {
        struct group *group =
            str_fields(line, field, FIELDS_MAX) < 4 ? NULL : group_mutable(accounts, field[0]);
        if (group == NULL)
            continue;
        add_members(group, field[2]);
        add_members(group, field[3]);
    }
}

void accounts_shadow(struct accounts *accounts, char *text)
{
    char *field[FIELDS_MAX];
    char *line;

    while ((line = look_line(&text)) != NULL) {
        size_t count = str_fields(line, field, FIELDS_MAX);
        ssize_t index = count < 2 ? -1 : accounts_by_name(accounts, field[0]);
        if (index >= 0)
            accounts->list[index].open |= field[1][0] == '\0';
    }
}

ssize_t accounts_by_name(const struct accounts *accounts, const char *name)
{
    for (size_t i = 0; i < accounts->count; i++)
        if (strcmp(accounts->list[i].name, name) == 0)
            return (ssize_t)i;
    return -1;
}

size_t accounts_by_uid(struct accounts *accounts, uint32_t uid)
{
    char name[32];

    for (size_t i = 0; i < accounts->count; i++)
        if (accounts->list[i].uid == uid)
            return i;
    if (str_format(name, sizeof(name), "uid %u", uid) < 0)
        croft_bug("a number that does not fit");
    (void)add_account(accounts, name, uid);
    return accounts->count - 1;
}

const struct group *accounts_group_named(const struct accounts *accounts, const char *name)
{
    for (size_t i = 0; i < accounts->group_count; i++)
        if (strcmp(accounts->groups[i].name, name) == 0)
            return &accounts->groups[i];
    return NULL;
}

const struct group *accounts_group_id(const struct accounts *accounts, uint32_t gid)
{
    for (size_t i = 0; i < accounts->group_count; i++)
        if (accounts->groups[i].gid == gid)
            return &accounts->groups[i];
    return NULL;
}

bool accounts_in_group(const struct account *account, const struct group *group, bool *ret_primary)
{
    *ret_primary = false;
    for (size_t i = 0; i < group->member_count; i++)
        if (strcmp(group->members[i], account->name) == 0)
            return true;
    *ret_primary = account->known && account->gid == group->gid;
    return *ret_primary;
}

/* As libc reads them: "000" is root too. */
static bool id_of(const char *text, uint32_t *ret_id)
{
    uint64_t value;

    while (text[0] == '0' && text[1] != '\0')
        text++;
    if (str_u64(text, 0, UINT32_MAX, &value) < 0)
        return false;
    *ret_id = (uint32_t)value;
    return true;
}

static char *copy_of(const char *text)
{
    return look_copy(text, strlen(text));
}

static struct account *add_account(struct accounts *accounts, const char *name, uint32_t uid)
{
    accounts->list = mem_grow(accounts->list, accounts->count + 1, sizeof(*accounts->list));
    struct account *account = &accounts->list[accounts->count++];
    *account = (struct account){.name = copy_of(name), .uid = uid, .gid = UINT32_MAX};
    return account;
}

static void add_members(struct group *group, char *list)
{
    char *rest = list;
    char *name;

    while ((name = strsep(&rest, ",")) != NULL) {
        if (name[0] == '\0')
            continue;
        group->members = mem_grow((void *)group->members, group->member_count + 1, sizeof(char *));
        group->members[group->member_count++] = copy_of(name);
    }
}

static struct group *group_mutable(struct accounts *accounts, const char *name)
{
    const struct group *found = accounts_group_named(accounts, name);
    return found == NULL ? NULL : &accounts->groups[found - accounts->groups];
}
