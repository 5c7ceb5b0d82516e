/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idfile - reads passwd(5), group(5), subuid(5) and subgid(5)
 *
 * The files are root's own, yet read strictly: a line that cannot be understood is skipped when a
 * name is looked up, and counts as taking its ids when a range must be free and its numbers can be
 * read.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "setup/setup_internal.h"

#define FILE_SIZE_MAX (16LL * 1024 * 1024)
#define PASSWD        "/etc/passwd"
#define GROUP         "/etc/group"

struct lookup {
    const char *name;
    bool found;
    bool has_gate;
    uint32_t uid;
    uint32_t gid;
};

struct range {
    uint64_t first;
    uint64_t count;
    char holder[NAME_SIZE];
    uint64_t held;
};

static size_t cut(char *line, char **fields);
static void match_user(char *const *fields, size_t count, void *data);
static void match_group(char *const *fields, size_t count, void *data);
static void in_range_account(char *const *fields, size_t count, void *data);
static void in_range_sub(char *const *fields, size_t count, void *data);
static void in_range(struct range *range, const char *name, uint64_t first, uint64_t count);

int idfile_each(const char *path, idfile_fn each, void *data)
{
    char *fields[IDFILE_FIELDS_MAX];
    struct stat found;

    auto_close fd = path_root(path, O_RDONLY);
    if (fd == -ENOENT)
        return 0;
    if (fd < 0)
        return fd;
    if (fstat(fd, &found) < 0)
        return -errno;
    if (found.st_size > FILE_SIZE_MAX)
        return -EFBIG;
    size_t size = (size_t)found.st_size;
    auto_free char *text = mem_new(size + 1, 1);
    ssize_t got = fd_read_full(fd, text, size);
    if (got < 0)
        return (int)got;
    text[got] = '\0';
    for (char *line = text; line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = '\0';
        each(fields, cut(line, fields), data);
        line = end == NULL ? NULL : end + 1;
    }
    return 0;
}

int idfile_user(const char *name, uint32_t *ret_uid, uint32_t *ret_gid, bool *ret_has_gate)
{
    struct lookup lookup = {.name = name};
    int rc = idfile_each(PASSWD, match_user, &lookup);
    if (rc == 0 && !lookup.found)
        rc = -ENOENT;
    if (rc < 0)
        return rc;
    *ret_uid = lookup.uid;
    *ret_gid = lookup.gid;
    *ret_has_gate = lookup.has_gate;
    return 0;
}

int idfile_group(const char *name, uint32_t *ret_gid)
{
    struct lookup lookup = {.name = name};
    int rc = idfile_each(GROUP, match_group, &lookup);
    if (rc == 0 && !lookup.found)
        rc = -ENOENT;
    if (rc == 0)
        *ret_gid = lookup.gid;
    return rc;
}

int idfile_range_free(uint32_t first, uint32_t count, struct err *err)
{
    static const struct {
        const char *path;
        idfile_fn look;
    } files[] = {
        {PASSWD, in_range_account},
        {GROUP, in_range_account},
        {"/etc/subuid", in_range_sub},
        {"/etc/subgid", in_range_sub},
    };
    struct range range = {.first = first, .count = count};

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        int rc = idfile_each(files[i].path, files[i].look, &range);
        if (rc < 0)
            return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot read %s", files[i].path);
        if (range.holder[0] != '\0')
            return err_set(err, OUTCOME_HOST_CANNOT,
                           "ids %u to %llu must be nobody's, but %s gives %s the id %llu; change "
                           "that line",
                           first, (unsigned long long)first + count - 1, files[i].path,
                           range.holder, (unsigned long long)range.held);
    }
    return 0;
}

static size_t cut(char *line, char **fields)
{
    size_t count = 0;

    while (count < IDFILE_FIELDS_MAX) {
        fields[count++] = line;
        line = strchr(line, ':');
        if (line == NULL)
            break;
        *line++ = '\0';
    }
    return count;
}

static void match_user(char *const *fields, size_t count, void *data)
{
    struct lookup *lookup = data;
    uint64_t uid;
    uint64_t gid;

    if (lookup->found || count < 7 || strcmp(fields[0], lookup->name) != 0 ||
        str_u64(fields[2], 0, UINT32_MAX, &uid) < 0 || str_u64(fields[3], 0, UINT32_MAX, &gid) < 0)
        return;
    lookup->found = true;
    lookup->uid = (uint32_t)uid;
    lookup->gid = (uint32_t)gid;
    lookup->has_gate = strcmp(fields[6], CROFT_LIB_DIR "/croft-gate") == 0;
}

static void match_group(char *const *fields, size_t count, void *data)
{
    struct lookup *lookup = data;
    uint64_t gid;

    if (lookup->found || count < 3 || strcmp(fields[0], lookup->name) != 0 ||
        str_u64(fields[2], 0, UINT32_MAX, &gid) < 0)
        return;
    lookup->found = true;
    lookup->gid = (uint32_t)gid;
}

/* passwd has two ids in fields 2 and 3, group one in 2; group's field 3 is names, no number. */
static void in_range_account(char *const *fields, size_t count, void *data)
{
    uint64_t id;

    for (size_t i = 2; i < 4 && i < count; i++)
        if (str_u64(fields[i], 0, UINT32_MAX, &id) == 0)
            in_range(data, fields[0], id, 1);
}

static void in_range_sub(char *const *fields, size_t count, void *data)
{
    uint64_t first;
    uint64_t length;

    if (count >= 3 && str_u64(fields[1], 0, UINT32_MAX, &first) == 0 &&
        str_u64(fields[2], 0, UINT32_MAX, &length) == 0)
        in_range(data, fields[0], first, length);
}

static void in_range(struct range *range, const char *name, uint64_t first, uint64_t count)
{
    if (range->holder[0] != '\0' || count == 0 || first >= range->first + range->count ||
        range->first >= first + count)
        return;
    range->held = first > range->first ? first : range->first;
    if (name[0] == '\0' || str_copy(range->holder, sizeof(range->holder), name) < 0)
        range->holder[0] = '?';
}
