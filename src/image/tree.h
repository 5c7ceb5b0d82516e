/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree - makes files beneath one directory descriptor, following nothing
 *
 * Runs as: root of the user's own namespace, with CHOWN, DAC_OVERRIDE, FOWNER, FSETID, SETFCAP
 *          there; the tree belongs to this process alone while it works
 */
#ifndef CROFT_IMAGE_TREE_H
#define CROFT_IMAGE_TREE_H

#include "base/attrs.h"
#include "base/err.h"
#include "image/entry.h"
#include <stdint.h>
#include <time.h>

struct tree;

/** tree_new() - @root: directory beneath which all is made (borrowed). Return: never NULL */
nodiscard struct tree *tree_new(int root);
void tree_free(struct tree *tree);

/**
 * tree_rules() - what happens when an entry meets something of another kind
 * ENTRY_ROOT_FS, as it begins: a directory is never replaced by something else or the other way
 * round. ENTRY_LAYER: the later one takes the place of the earlier with all that was beneath it.
 */
void tree_rules(struct tree *tree, enum entry_rules rules);

/**
 * tree_begin() - the root as most archives want it that do not name it: 0755, root's
 * Return: 0; outcome
 */
nodiscard int tree_begin(struct tree *tree, struct err *err);

/**
 * tree_make() - makes the directory, symbolic link, hard link or FIFO that @plan says
 * @mtime: seconds and ns; of a directory it is set by tree_finish()
 * Missing parents are made, 0755 and root's. A later entry replaces an earlier one.
 * Return: 0; outcome
 */
nodiscard int tree_make(struct tree *tree, const struct entry_plan *plan, struct timespec mtime,
                        struct err *err);

/**
 * tree_create() - makes an empty file to be written and then given to tree_close()
 * @ret_fd: open for writing (caller owns)
 * Return: 0; outcome
 */
nodiscard int tree_create(struct tree *tree, const struct entry_plan *plan, int *ret_fd,
                          struct err *err);

/**
 * tree_close() - owner, mode and time of a file that tree_create() just made and that was written
 * @hole_bytes: the size of a file that ends in a hole; 0: it ends with what was written
 * Return: 0; outcome
 */
nodiscard int tree_close(const struct tree *tree, const struct entry_plan *plan, int fd,
                         int64_t hole_bytes, struct timespec mtime, struct err *err);

/** tree_whiteout() - takes @plan's path away, with all beneath it; it need not be there. Return: 0;
 * outcome */
nodiscard int tree_whiteout(struct tree *tree, const struct entry_plan *plan, struct err *err);

/** tree_empty() - takes away what is in @plan's directory; it need not be there. Return: 0; outcome
 */
nodiscard int tree_empty(struct tree *tree, const struct entry_plan *plan, struct err *err);

/** tree_open() - a directory or file just made, to set attributes. Return: fd (caller owns); -errno
 */
nodiscard int tree_open(struct tree *tree, const char *path);

/**
 * tree_finish() - sets the times of directories, which making files in them changed, and waits
 * until the disk has it all
 * Return: 0; outcome
 */
nodiscard int tree_finish(struct tree *tree, struct err *err);

/** tree_error() - a sentence for a negative errno of working on @path. Return: outcome */
int tree_error(struct err *err, int negative_errno, const char *doing, const char *path);

#endif
