/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer - the entries of one tar stream become files in a tree
 *
 * Three steps for each entry: stream.c reads it, entry.c decides, tree.c makes the file. What one
 * archive can cost is bounded by the user's disk (bytes, inodes), by IMAGE_ENTRIES_MAX and by
 * IMAGE_CPU_SECONDS; memory by the limits that main.c sets.
 */
#include "image/layer.h"

#include <errno.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"

int layer_next(struct layer *layer, struct entry *ret_entry, struct timespec *ret_mtime,
               struct err *err)
{
    int more = stream_next(layer->stream, ret_entry, ret_mtime, err);
    if (more != 1)
        return more;
    if (++layer->seen > IMAGE_ENTRIES_MAX) {
        err_set(err, OUTCOME_OVER_LIMIT, "the archive has more than %llu entries",
                (unsigned long long)IMAGE_ENTRIES_MAX);
        return -1;
    }
    reporter_progress(layer->reporter);
    return 1;
}

int layer_apply(struct layer *layer, struct err *err)
{
    struct entry entry;
    struct timespec mtime;
    int more = 0;
    while ((more = layer_next(layer, &entry, &mtime, err)) == 1) {
        int rc = layer_extract(layer, &entry, mtime, err);
        if (rc != 0)
            return rc;
    }
    return more < 0 ? (int)err->outcome : 0;
}

int layer_take_away(struct layer *layer, struct err *err)
{
    struct entry entry;
    struct timespec mtime;
    int more = 0;
    while ((more = layer_next(layer, &entry, &mtime, err)) == 1) {
        int rc = entry_check(&entry, layer->rules, &layer->plan, err);
        if (rc == 0 && layer->plan.kind == ENTRY_WHITEOUT)
            rc = tree_whiteout(layer->tree, &layer->plan, err);
        else if (rc == 0 && layer->plan.kind == ENTRY_OPAQUE)
            rc = tree_empty(layer->tree, &layer->plan, err);
        if (rc != 0)
            return rc;
    }
    return more < 0 ? (int)err->outcome : 0;
}

/* What the volume cannot keep (an attribute too many) is left out, as with a kind not kept. */
static void set_xattrs(struct layer *layer, int fd)
{
    uint8_t value[ENTRY_XATTR_MAX];
    const char *name = NULL;
    const void *raw = NULL;
    size_t raw_size = 0;
    size_t size = 0;
    unsigned int kept = 0;
    while (kept < ENTRY_XATTRS_MAX && stream_xattr(layer->stream, &name, &raw, &raw_size)) {
        if (!entry_xattr_check(name, raw, raw_size, layer->plan.kind, value, &size))
            continue;
        kept += fsetxattr(fd, name, value, size, 0) == 0;
    }
}

static void set_directory_xattrs(struct layer *layer)
{
    if (!stream_has_xattrs(layer->stream))
        return;
    auto_close fd = tree_open(layer->tree, layer->plan.path);
    if (fd >= 0)
        set_xattrs(layer, fd);
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

/* @ret_hole_bytes: see tree_close() */
static int extract_content(struct layer *layer, int fd, int64_t size_bytes, int64_t *ret_hole_bytes,
                           struct err *err)
{
    const void *bytes = NULL;
    size_t size = 0;
    int64_t offset = 0;
    int64_t end = 0;
    int more = 0;
    while ((more = stream_data(layer->stream, &bytes, &size, &offset, err)) == 1) {
        if (offset < 0 || offset > size_bytes || (int64_t)size > size_bytes - offset)
            return err_set(err, OUTCOME_FAILED, "%.160s in the archive is longer than it says",
                           layer->plan.path);
        int rc = write_piece(fd, bytes, size, offset);
        if (rc < 0)
            return tree_error(err, rc, "writing", layer->plan.path);
        end = offset + (int64_t)size > end ? offset + (int64_t)size : end;
        layer->reporter->report.bytes += size;
        reporter_progress(layer->reporter);
    }
    *ret_hole_bytes = end < size_bytes ? size_bytes : 0;
    return more < 0 ? (int)err->outcome : 0;
}

static int extract_file(struct layer *layer, const struct entry *entry, struct timespec mtime,
                        struct err *err)
{
    int64_t hole_bytes = 0;
    auto_close fd = -1;
    int rc = tree_create(layer->tree, &layer->plan, &fd, err);
    if (rc == 0)
        rc = extract_content(layer, fd, entry->size_bytes, &hole_bytes, err);
    if (rc == 0)
        rc = tree_close(layer->tree, &layer->plan, fd, hole_bytes, mtime, err);
    if (rc == 0)
        set_xattrs(layer, fd);
    return rc;
}

int layer_extract(struct layer *layer, const struct entry *entry, struct timespec mtime,
                  struct err *err)
{
    struct image_report *counts = &layer->reporter->report;
    int rc = entry_check(entry, layer->rules, &layer->plan, err);
    if (rc != 0)
        return rc;
    switch (layer->plan.kind) {
    case ENTRY_SKIPPED:
        counts->skipped++;
        return 0;
    case ENTRY_WHITEOUT:
    case ENTRY_OPAQUE:
        return 0;
    case ENTRY_FILE:
        rc = extract_file(layer, entry, mtime, err);
        break;
    case ENTRY_DIRECTORY:
        rc = tree_make(layer->tree, &layer->plan, mtime, err);
        if (rc == 0)
            set_directory_xattrs(layer);
        break;
    case ENTRY_SYMLINK:
    case ENTRY_HARDLINK:
    case ENTRY_FIFO:
        rc = tree_make(layer->tree, &layer->plan, mtime, err);
        break;
    }
    if (rc == 0)
        counts->entries++;
    return rc;
}
