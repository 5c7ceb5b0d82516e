/* SPDX-License-Identifier: Apache-2.0 */
/*
 * extract - the half that parses: an archive on a descriptor becomes files beneath a directory
 *
 * Three steps for each entry: stream.c reads it, entry.c decides, tree.c makes the file. What one
 * archive can cost is bounded by the user's disk (bytes, inodes), by IMAGE_ENTRIES_MAX and by
 * IMAGE_CPU_SECONDS; memory by the limits that main.c sets.
 */
#include "image/extract.h"

#include <errno.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/entry.h"
#include "image/stream.h"
#include "image/tree.h"

struct extraction {
    struct stream *stream;
    struct tree *tree;
    struct reporter *reporter;
    struct image_report *counts; /* of reporter */
    struct entry_plan plan;
};

static int extract_all(struct extraction *work, struct err *err);
static int extract_entry(struct extraction *work, const struct entry *entry, struct timespec mtime,
                         struct err *err);

int extract(int archive, int root, struct reporter *reporter, struct err *err)
{
    struct extraction work = {
        .stream = stream_new(archive),
        .tree = tree_new(root),
        .reporter = reporter,
        .counts = &reporter->report,
    };
    int rc = stream_open(work.stream, err);
    if (rc == 0)
        rc = tree_begin(work.tree, err);
    if (rc == 0)
        rc = extract_all(&work, err);
    if (rc == 0)
        rc = tree_finish(work.tree, err);
    tree_free(work.tree);
    stream_free(work.stream);
    return rc;
}

static int extract_all(struct extraction *work, struct err *err)
{
    struct entry entry;
    struct timespec mtime;
    uint64_t seen = 0;
    int more = 0;
    while ((more = stream_next(work->stream, &entry, &mtime, err)) == 1) {
        if (++seen > IMAGE_ENTRIES_MAX)
            return err_set(err, OUTCOME_OVER_LIMIT, "the archive has more than %llu entries",
                           (unsigned long long)IMAGE_ENTRIES_MAX);
        int rc = extract_entry(work, &entry, mtime, err);
        if (rc != 0)
            return rc;
        reporter_progress(work->reporter);
    }
    if (more < 0)
        return (int)err->outcome;
    if (work->counts->entries == 0)
        return err_set(err, OUTCOME_FAILED, "the archive has no files in it");
    return 0;
}

/* What the volume cannot keep (an attribute too many) is left out, as with a kind not kept. */
static void set_xattrs(struct extraction *work, int fd)
{
    uint8_t value[ENTRY_XATTR_MAX];
    const char *name = NULL;
    const void *raw = NULL;
    size_t raw_size = 0;
    size_t size = 0;
    unsigned int kept = 0;
    while (kept < ENTRY_XATTRS_MAX && stream_xattr(work->stream, &name, &raw, &raw_size)) {
        if (!entry_xattr_check(name, raw, raw_size, work->plan.kind, value, &size))
            continue;
        kept += fsetxattr(fd, name, value, size, 0) == 0;
    }
}

static void set_directory_xattrs(struct extraction *work)
{
    auto_close fd = tree_open(work->tree, work->plan.path);
    if (fd >= 0)
        set_xattrs(work, fd);
}

static int write_piece(int fd, const char *bytes, size_t size, int64_t offset)
{
    size_t done = 0;
    while (done < size) {
        ssize_t written = pwrite(fd, bytes + done, size - done, offset + (int64_t)done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        done += (size_t)written;
    }
    return 0;
}

static int extract_content(struct extraction *work, int fd, int64_t size_bytes, struct err *err)
{
    const void *bytes = NULL;
    size_t size = 0;
    int64_t offset = 0;
    int more = 0;
    while ((more = stream_data(work->stream, &bytes, &size, &offset, err)) == 1) {
        if (offset < 0 || offset > size_bytes || (int64_t)size > size_bytes - offset)
            return err_set(err, OUTCOME_FAILED, "%.160s in the archive is longer than it says",
                           work->plan.path);
        int rc = write_piece(fd, bytes, size, offset);
        if (rc < 0)
            return tree_error(err, rc, "writing", work->plan.path);
        work->counts->bytes += size;
        reporter_progress(work->reporter);
    }
    return more < 0 ? (int)err->outcome : 0;
}

static int extract_file(struct extraction *work, const struct entry *entry, struct timespec mtime,
                        struct err *err)
{
    auto_close fd = -1;
    int rc = tree_create(work->tree, &work->plan, &fd, err);
    if (rc == 0)
        rc = extract_content(work, fd, entry->size_bytes, err);
    if (rc == 0)
        rc = tree_close(&work->plan, fd, entry->size_bytes, mtime, err);
    if (rc == 0)
        set_xattrs(work, fd);
    return rc;
}

static int extract_entry(struct extraction *work, const struct entry *entry, struct timespec mtime,
                         struct err *err)
{
    int rc = entry_check(entry, &work->plan, err);
    if (rc != 0)
        return rc;
    switch (work->plan.kind) {
    case ENTRY_SKIPPED:
        work->counts->skipped++;
        return 0;
    case ENTRY_FILE:
        rc = extract_file(work, entry, mtime, err);
        break;
    case ENTRY_DIRECTORY:
        rc = tree_make(work->tree, &work->plan, mtime, err);
        if (rc == 0)
            set_directory_xattrs(work);
        break;
    case ENTRY_SYMLINK:
    case ENTRY_HARDLINK:
    case ENTRY_FIFO:
        rc = tree_make(work->tree, &work->plan, mtime, err);
        break;
    }
    if (rc == 0)
        work->counts->entries++;
    return rc;
}
