/* SPDX-License-Identifier: Apache-2.0 */
/* records - reads a file of records from its start, one checked entry at a time, without a daemon
 */
#include "cli/records.h"
#include "croft-paths.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

/* Room for two of the longest, so that a whole one always fits behind a half. */
#define BUFFER_SIZE (2 * RECORD_SIZE_MAX)

struct records {
    int fd;
    uint64_t count;
    size_t start;
    size_t end;
    uint8_t head[SHA256_SIZE];
    struct record current; /* the bytes of the file are not aligned */
    char name[NAME_SIZE];
    uint8_t buf[BUFFER_SIZE];
};

static int fill(struct records *records, struct err *err);

int records_open(const char *name, struct records **ret_records, struct err *err)
{
    auto_close fd = -1;
    char path[256];
    struct records *records;
    int r = str_format(path, sizeof(path), "%s/records/%s", CROFT_STATE_DIR, name);

    if (r < 0)
        return err_errno(err, OUTCOME_USAGE, r, "records of %.40s", name);
    fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return err_set(err, OUTCOME_NOT_FOUND, "there are no records of %.40s", name);
    if (fd < 0 && errno == EACCES)
        return err_set(err, OUTCOME_NOT_PERMITTED,
                       "the records of %.40s are not yours to read: root and their subject may",
                       name);
    if (fd < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "%s", path);
    records = mem_new(1, sizeof(*records));
    if (str_copy(records->name, sizeof(records->name), name) < 0)
        croft_bug("a name of records that does not fit");
    records->fd = take_fd(&fd);
    *ret_records = records;
    return 0;
}

void records_close(struct records *records)
{
    if (records == NULL)
        return;
    fd_close(&records->fd);
    free(records);
}

void records_cleanup(struct records **records)
{
    records_close(*records);
}

int records_next(struct records *records, const struct record **ret_record, bool *ret_end,
                 struct err *err)
{
    size_t size = 0;
    int r;

    *ret_end = false;
    for (;;) {
        uint8_t hash[SHA256_SIZE];
        size_t before = records->end - records->start;

        r = record_check(records->buf + records->start, before, records->count + 1, records->head,
                         &size, hash);
        if (r == 0) {
            memcpy(records->head, hash, sizeof(hash));
            break;
        }
        if (r != -EAGAIN)
            return err_set(err, OUTCOME_FAILED,
                           "the records of %s are broken at entry %" PRIu64
                           ": it was changed, or one was taken out or put in",
                           records->name, records->count + 1);
        r = fill(records, err);
        if (r != 0)
            return r;
        if (records->end - records->start == before) {
            *ret_end = true;
            return 0;
        }
    }
    memcpy(&records->current, records->buf + records->start, sizeof(records->current));
    records->start += size;
    records->count++;
    *ret_record = &records->current;
    return 0;
}

/* Reads on behind what is there; at the end of the file nothing changes. */
static int fill(struct records *records, struct err *err)
{
    ssize_t got;

    memmove(records->buf, records->buf + records->start, records->end - records->start);
    records->end -= records->start;
    records->start = 0;
    got = fd_read_full(records->fd, records->buf + records->end, BUFFER_SIZE - records->end);
    if (got < 0)
        return err_errno(err, OUTCOME_FAILED, (int)got, "the records of %s", records->name);
    records->end += (size_t)got;
    return 0;
}

const uint8_t *records_payload(const struct records *records, size_t *ret_size)
{
    *ret_size = records->current.size_bytes - sizeof(records->current) - SHA256_SIZE;
    return records->buf + records->start - SHA256_SIZE - *ret_size;
}

const uint8_t *records_head(const struct records *records)
{
    return records->head;
}

uint64_t records_count(const struct records *records)
{
    return records->count;
}

bool records_torn(const struct records *records)
{
    return records->end != records->start;
}
