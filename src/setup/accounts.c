/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accounts - reads passwd, group, subuid and subgid
 *
 * The files themselves and not getpwnam(3): that loads code by configuration and may ask the
 * network, and a host whose accounts come from elsewhere needs its administrator to see to the ids
 * anyway. A file is read whole, up to a limit; a line that cannot be read is an error, never
 * skipped: it might be the one with the id in question.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "linux/path.h"
#include "setup/setup.h"

#define FILE_SIZE_MAX (4U * 1024U * 1024U)
#define FIELDS_MAX    8U

/* A line cut into fields; called for each. Return: 0 go on; anything else ends and is passed on */
typedef int (*line_fn)(char *const *field, size_t count, void *data);

static int each_line(int etc, const char *name, line_fn each, void *data);
static int id_of(const char *text, uint32_t *ret_id);
static int match_user(char *const *field, size_t count, void *data);
static int match_group(char *const *field, size_t count, void *data);
static int match_ids(char *const *field, size_t count, void *data);

struct user_search {
    const char *name;
    struct account account;
};

/* member: looked for among the members; NULL: the group's own id is what is wanted */
struct group_search {
    const char *name;
    gid_t gid;
};

/* count_field: SIZE_MAX: a single id in id_field, as in passwd and group */
struct ids_search {
    const char *file;
    size_t id_field;
    size_t count_field;
    uint32_t first;
    uint32_t count;
    char *where;
};

int accounts_user(int etc, const char *name, struct account *ret_account)
{
    struct user_search search = {.name = name};
    int rc = each_line(etc, "passwd", match_user, &search);
    if (rc == 1)
        *ret_account = search.account;
    return rc;
}

int accounts_group(int etc, const char *name, gid_t *ret_gid)
{
    struct group_search search = {.name = name};
    int rc = each_line(etc, "group", match_group, &search);
    if (rc == 1)
        *ret_gid = search.gid;
    return rc;
}

int accounts_ids_taken(int etc, uint32_t first, uint32_t count, char ret_where[WHERE_SIZE])
{
    struct ids_search searches[] = {
        {"passwd", 2, SIZE_MAX, first, count, ret_where},
        {"passwd", 3, SIZE_MAX, first, count, ret_where},
        {"group", 2, SIZE_MAX, first, count, ret_where},
        {"subuid", 1, 2, first, count, ret_where},
        {"subgid", 1, 2, first, count, ret_where},
    };

    for (size_t i = 0; i < ARRAY_LEN(searches); i++) {
        int rc = each_line(etc, searches[i].file, match_ids, &searches[i]);
        if (rc == -ENOENT && searches[i].count_field != SIZE_MAX)
            continue; /* a host without subordinate ids */
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int each_line(int etc, const char *name, line_fn each, void *data)
{
    char *field[FIELDS_MAX];
    auto_close file = path_open(etc, name, O_RDONLY);
    if (file < 0)
        return file;
    auto_free char *text = mem_new(FILE_SIZE_MAX + 1, 1);
    ssize_t size = fd_read_full(file, text, FILE_SIZE_MAX + 1);
    if (size < 0)
        return (int)size;
    if (size > (ssize_t)FILE_SIZE_MAX || memchr(text, '\0', (size_t)size) != NULL)
        return -EBADMSG;
    text[size] = '\0';
    for (char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        char *next = line + length + (line[length] == '\n' ? 1 : 0);
        line[length] = '\0';
        /* "+" and "-" lines are of NIS, which nobody asks here. */
        if (line[0] != '\0' && line[0] != '#' && line[0] != '+' && line[0] != '-') {
            int rc = each(field, str_fields(line, field, FIELDS_MAX), data);
            if (rc != 0)
                return rc;
        }
        line = next;
    }
    return 0;
}

static int id_of(const char *text, uint32_t *ret_id)
{
    uint64_t value;
    if (str_u64(text, 0, UINT32_MAX, &value) < 0)
        return -EBADMSG;
    *ret_id = (uint32_t)value;
    return 0;
}

/* name:password:uid:gid:comment:home:shell */
static int match_user(char *const *field, size_t count, void *data)
{
    struct user_search *search = data;
    struct account *account = &search->account;

    if (strcmp(field[0], search->name) != 0)
        return 0;
    if (count < 7 || id_of(field[2], &account->uid) < 0 || id_of(field[3], &account->gid) < 0)
        return -EBADMSG;
    /* Only compared with Croft's own, which fit. */
    if (str_copy(account->home, sizeof(account->home), field[5]) < 0 ||
        str_copy(account->shell, sizeof(account->shell), field[6]) < 0)
        account->home[0] = account->shell[0] = '\0';
    return 1;
}

/* name:password:gid:member,member */
static int match_group(char *const *field, size_t count, void *data)
{
    struct group_search *search = data;

    if (strcmp(field[0], search->name) != 0)
        return 0;
    if (count < 4 || id_of(field[2], &search->gid) < 0)
        return -EBADMSG;
    return 1;
}

static int match_ids(char *const *field, size_t count, void *data)
{
    const struct ids_search *search = data;
    uint32_t first = 0;
    uint32_t ids = 1;
    bool is_range = search->count_field != SIZE_MAX;

    if (count <= (is_range ? search->count_field : search->id_field) ||
        id_of(field[search->id_field], &first) < 0 ||
        (is_range && id_of(field[search->count_field], &ids) < 0))
        return -EBADMSG;
    if (first >= (uint64_t)search->first + search->count || (uint64_t)first + ids <= search->first)
        return 0;
    /* A line too long to be shown is still taken. */
    if (str_format(search->where, WHERE_SIZE, "/etc/%s, %s: %" PRIu32 " (%" PRIu32 ")",
                   search->file, field[0], first, ids) < 0)
        search->where[0] = '\0';
    return 1;
}
