/* SPDX-License-Identifier: Apache-2.0 */
/*
 * extract - the half that parses: an archive on a descriptor becomes files beneath a directory
 *
 * The first name that is not the root itself says what the archive is: a root file system, which is
 * unpacked as it comes, or an image with its layers, whose files are put aside until all are there.
 */
#include "image/extract.h"

#include <stdbool.h>

#include "image/layer.h"
#include "image/layout.h"

static int read_archive(struct layer *layer, int root, struct err *err);
static int read_root_fs(struct layer *layer, struct entry *entry, struct timespec mtime,
                        struct err *err);
static int read_layout(struct layer *layer, int root, struct entry *entry, struct timespec mtime,
                       struct err *err);

int extract(int archive, int root, struct reporter *reporter, struct err *err)
{
    struct layer layer = {
        .stream = stream_new(archive),
        .tree = tree_new(root),
        .reporter = reporter,
    };
    int rc = stream_open(layer.stream, err);
    if (rc == 0)
        rc = tree_begin(layer.tree, err);
    if (rc == 0)
        rc = read_archive(&layer, root, err);
    if (rc == 0)
        rc = tree_finish(layer.tree, err);
    tree_free(layer.tree);
    stream_free(layer.stream);
    return rc;
}

static bool is_root(const struct entry *entry)
{
    char clean[2];
    return entry->path != NULL && entry_path_clean(entry->path, clean, sizeof(clean)) == 0 &&
           clean[0] == '\0';
}

/* The stream is at the next entry by now, so the extended attributes that it has are not the
 * root's. */
static int make_root(struct layer *layer, const struct entry *entry, struct timespec mtime,
                     struct err *err)
{
    int rc = entry_check(entry, layer->rules, &layer->plan, err);
    if (rc == 0)
        rc = tree_make(layer->tree, &layer->plan, mtime, err);
    if (rc == 0)
        layer->reporter->report.entries++;
    return rc;
}

/* The root may come first in either kind, and only in one of them it means something. */
static int read_archive(struct layer *layer, int root, struct err *err)
{
    struct entry entry;
    struct timespec mtime;
    struct entry first = {.path = NULL};
    struct timespec first_mtime = {0};
    int rc = 0;
    int more = 0;
    while ((more = layer_next(layer, &entry, &mtime, err)) == 1 && is_root(&entry)) {
        first = entry;
        first.path = "."; /* what it has is the stream's, until the next entry */
        first.hardlink = first.hardlink != NULL ? "." : NULL;
        first.symlink = first.symlink != NULL ? "." : NULL;
        first_mtime = mtime;
    }
    if (more == 1 && layout_begins(entry.path))
        return read_layout(layer, root, &entry, mtime, err);
    layer->rules = ENTRY_ROOT_FS;
    if (more >= 0 && first.path != NULL)
        rc = make_root(layer, &first, first_mtime, err);
    if (rc == 0 && more == 1)
        rc = read_root_fs(layer, &entry, mtime, err);
    if (rc == 0 && more >= 0 && layer->reporter->report.entries == 0)
        return err_set(err, OUTCOME_FAILED, "the archive has no files in it");
    return more < 0 ? (int)err->outcome : rc;
}

static int read_root_fs(struct layer *layer, struct entry *entry, struct timespec mtime,
                        struct err *err)
{
    int more = 1;
    while (more == 1) {
        int rc = layer_extract(layer, entry, mtime, err);
        if (rc != 0)
            return rc;
        more = layer_next(layer, entry, &mtime, err);
    }
    return more < 0 ? (int)err->outcome : 0;
}

static int read_layout(struct layer *layer, int root, struct entry *entry, struct timespec mtime,
                       struct err *err)
{
    auto_layout struct layout *layout = NULL;
    int more = 1;
    int rc = layout_new(root, &layout, err);
    if (rc != 0)
        return rc;
    layer->rules = ENTRY_LAYOUT;
    while (more == 1) {
        rc = layout_keep(layout, layer, entry, err);
        if (rc != 0)
            return rc;
        more = layer_next(layer, entry, &mtime, err);
    }
    return more < 0 ? (int)err->outcome : layout_apply(layout, layer, err);
}
