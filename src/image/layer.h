/* SPDX-License-Identifier: Apache-2.0 */
/* layer - the entries of one tar stream become files in a tree */
#ifndef CROFT_IMAGE_LAYER_H
#define CROFT_IMAGE_LAYER_H

#include "base/attrs.h"
#include "base/err.h"
#include "image/entry.h"
#include "image/report.h"
#include "image/stream.h"
#include "image/tree.h"

/*
 * What is unpacked, all borrowed. seen: entries of all streams so far, for IMAGE_ENTRIES_MAX
 * plan: of the entry in work
 */
struct layer {
    struct stream *stream;
    struct tree *tree;
    struct reporter *reporter;
    enum entry_rules rules;
    uint64_t seen;
    struct entry_plan plan;
};

/**
 * layer_next() - reads the next entry
 * Return: 1; 0 the stream is whole and at its end; -1 with @err set
 */
nodiscard int layer_next(struct layer *layer, struct entry *ret_entry, struct timespec *ret_mtime,
                         struct err *err);

/** layer_extract() - decides about an entry (layer->plan) and makes it. Return: 0; outcome */
nodiscard int layer_extract(struct layer *layer, const struct entry *entry, struct timespec mtime,
                            struct err *err);

/** layer_apply() - a whole stream of entries, whiteouts left out. Return: 0; outcome */
nodiscard int layer_apply(struct layer *layer, struct err *err);

/**
 * layer_take_away() - the whiteouts of a whole stream, and nothing else of it
 * Before layer_apply(): a whiteout is about the layers below, wherever it stands in its own.
 * Return: 0; outcome
 */
nodiscard int layer_take_away(struct layer *layer, struct err *err);

#endif
