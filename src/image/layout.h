/* SPDX-License-Identifier: Apache-2.0 */
/* layout - an image with its layers, as an OCI image layout or what `docker save` writes */
#ifndef CROFT_IMAGE_LAYOUT_H
#define CROFT_IMAGE_LAYOUT_H

#include "base/attrs.h"
#include "base/err.h"
#include "image/layer.h"
#include <stdbool.h>

struct layout;

/** layout_begins() - whether @path, the first in an archive, says that it is such an image */
bool layout_begins(const char *path);

/** layout_new() - @root: a directory on the disk that holds what is put aside. Return: 0; outcome
 */
nodiscard int layout_new(int root, struct layout **ret_layout, struct err *err);
void layout_cleanup(struct layout **layout);
#define auto_layout cleanup_with(layout_cleanup)

/**
 * layout_keep() - puts one file of the archive aside, its digest checked if it is named after it
 * @layer: of its stream the content is read, of its reporter the progress said
 * Return: 0; outcome
 */
nodiscard int layout_keep(struct layout *layout, struct layer *layer, const struct entry *entry,
                          struct err *err);

/**
 * layout_apply() - unpacks the layers over each other and reports the image's settings
 * @layer: its tree is filled; its stream is left alone
 * Return: 0; outcome
 */
nodiscard int layout_apply(struct layout *layout, struct layer *layer, struct err *err);

#endif
