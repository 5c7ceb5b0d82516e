/* SPDX-License-Identifier: Apache-2.0 */
/* keep - keeps what the command prints in two files in turn */
#include "init/keep.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/limits.h"
#include "wire/logfile.h"

static bool begin_next(struct keep *keep);
static size_t write_some(struct keep *keep, const char *bytes, size_t size);
static void tell_dropped(struct keep *keep);

void keep_open(struct keep *keep, int first, int second)
{
    *keep = (struct keep){.fd = {first, second}, .current = 1};
    for (unsigned int i = 0; i < 2; i++) {
        struct logfile_header header;
        struct stat found;
        if (fstat(keep->fd[i], &found) < 0 || found.st_size < (off_t)sizeof(header) ||
            pread(keep->fd[i], &header, sizeof(header), 0) != (ssize_t)sizeof(header))
            continue;
        if (!logfile_valid(&header, (size_t)found.st_size) || header.seq <= keep->seq)
            continue;
        keep->current = i;
        keep->seq = header.seq;
        keep->size = (uint64_t)found.st_size;
    }
}

void keep_write(struct keep *keep, const char *bytes, size_t size)
{
    if (keep->dropped)
        tell_dropped(keep);
    while (size > 0) {
        size_t done = write_some(keep, bytes, size);
        if (done == 0) {
            keep->dropped += size;
            return;
        }
        bytes += done;
        size -= done;
    }
}

static size_t write_some(struct keep *keep, const char *bytes, size_t size)
{
    if (keep->size == 0 || keep->size >= LOG_FILE_BYTES)
        if (!begin_next(keep))
            return 0;
    uint64_t room = LOG_FILE_BYTES - keep->size;
    ssize_t put = pwrite(keep->fd[keep->current], bytes, size < room ? size : (size_t)room,
                         (off_t)keep->size);
    if (put <= 0)
        return 0;
    keep->size += (uint64_t)put;
    return (size_t)put;
}

static bool begin_next(struct keep *keep)
{
    const unsigned int next = keep->current ^ 1U;
    const struct logfile_header header = {
        .magic = LOGFILE_MAGIC,
        .dropped = keep->dropped > UINT32_MAX ? UINT32_MAX : (uint32_t)keep->dropped,
        .seq = keep->seq + 1,
    };
    /* Emptying it first also frees the space that its header needs on a full disk. */
    if (ftruncate(keep->fd[next], 0) < 0 ||
        pwrite(keep->fd[next], &header, sizeof(header), 0) != (ssize_t)sizeof(header))
        return false;
    keep->current = next;
    keep->seq++;
    keep->size = sizeof(header);
    return true;
}

static void tell_dropped(struct keep *keep)
{
    static const char head[] = "\n[croft-init: the disk was full; bytes lost: ";
    char line[sizeof(head) + 24];
    char digits[20];
    size_t count = 0;
    size_t size = sizeof(head) - 1;
    memcpy(line, head, size);
    for (uint64_t rest = keep->dropped; rest > 0; rest /= 10)
        digits[count++] = (char)('0' + rest % 10);
    while (count > 0)
        line[size++] = digits[--count];
    line[size++] = ']';
    line[size++] = '\n';
    if (write_some(keep, line, size) > 0)
        keep->dropped = 0;
}
