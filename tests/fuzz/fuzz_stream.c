/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_stream - an archive read to its end with every entry decided on: it ends, each refusal has a
 * sentence, and what passes has a plain name
 */
#include "fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/entry.h"
#include "image/stream.h"

static void entry_is_plain(const struct entry *entry)
{
    static struct entry_plan plan;
    struct err err = {.text = ""};
    if (entry_check(entry, ENTRY_ROOT_FS, &plan, &err) != 0) {
        PROMISE(err.outcome == OUTCOME_FAILED && err.text[0] && !strchr(err.text, '\n'));
        return;
    }
    PROMISE(plan.path[0] != '/' && plan.uid < BLOCK_COUNT && plan.gid < BLOCK_COUNT);
    PROMISE(strncmp(plan.path, "../", 3) != 0 && strcmp(plan.path, "..") != 0);
    PROMISE(strstr(plan.path, "/../") == NULL && strstr(plan.path, "//") == NULL);
    PROMISE((plan.mode & ~07777U) == 0);
}

static void read_entry(struct stream *stream, struct err *err)
{
    uint8_t value[ENTRY_XATTR_MAX];
    const void *bytes = NULL;
    const char *name = NULL;
    const void *raw = NULL;
    int64_t offset = 0;
    size_t size = 0;
    while (stream_xattr(stream, &name, &raw, &size))
        if (entry_xattr_check(name, raw, size, ENTRY_FILE, value, &size))
            PROMISE(size <= sizeof(value) && strncmp(name, "trusted.", 8) != 0);
    while (stream_data(stream, &bytes, &size, &offset, err) == 1)
        continue;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct err err = {.text = ""};
    struct timespec mtime;
    struct entry entry;
    int file = memfd_create("archive", MFD_CLOEXEC);
    int more = -1;

    PROMISE(file >= 0 && write(file, bytes, size) == (ssize_t)size);
    PROMISE(lseek(file, 0, SEEK_SET) == 0);
    struct stream *stream = stream_new(file);
    if (stream_open(stream, &err) == 0) {
        while ((more = stream_next(stream, &entry, &mtime, &err)) == 1) {
            PROMISE(mtime.tv_nsec >= 0 && mtime.tv_nsec < 1000000000);
            entry_is_plain(&entry);
            read_entry(stream, &err);
        }
    }
    PROMISE(more == 0 || err.text[0] != '\0');
    stream_free(stream);
    close(file);
    return 0;
}
