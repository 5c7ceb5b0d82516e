/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image - a tar streamed into the user's own disk by her own order
 *
 * The server has images that anybody on it may import: those that Croft was installed with, and
 * those that an admin built. They are tars that everybody can read; a user's copy is hers.
 */
#ifndef CROFT_CLI_IMAGE_H
#define CROFT_CLI_IMAGE_H

#include "base/err.h"
#include "croft-paths.h"
#include <stdbool.h>
#include <stdint.h>

/* Where root keeps those that were built (image build). */
#define IMAGE_SERVER_DIR CROFT_STATE_DIR "/images"

/** image_on_server() - whether the server has an image of that (valid) name */
bool image_on_server(const char *name);

/** image_is_built_in() - whether Croft was installed with one of that (valid) name */
bool image_is_built_in(const char *name);

/**
 * image_import_server() - imports it for the caller, and says so meanwhile
 *
 * An image of that name which she has already stays as it is. Return: 0; outcome
 */
nodiscard int image_import_server(const char *name, struct err *err);

/** image_import_file() - imports the tar on @file (borrowed) as @name; @flags: 0, ORDER_SYSTEM
 * Return: 0; outcome */
nodiscard int image_import_file(int file, const char *name, uint32_t flags, struct err *err);

/** image_remove() - @flags: 0, ORDER_SYSTEM. Return: 0; outcome */
nodiscard int image_remove(const char *name, uint32_t flags, struct err *err);

#endif
