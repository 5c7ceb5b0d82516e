/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest - the JSON of an image archive: which files of it are the layers, and their order
 *
 * Pure: bytes in, structs out. Fuzzed (tests/fuzz).
 * Source: OCI image specification 1.1 (image-layout, image-index, manifest); what `docker save`
 *         writes has no specification but moby's image/tarexport
 */
#ifndef CROFT_IMAGE_MANIFEST_H
#define CROFT_IMAGE_MANIFEST_H

#include "base/attrs.h"
#include "base/err.h"
#include "base/sha256.h"
#include "wire/limits.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MANIFEST_NAME_SIZE 256U
#define MANIFEST_SIZE_ANY  (-1)

/* A file of the archive: its name there, and its size as announced. */
struct manifest_file {
    char name[MANIFEST_NAME_SIZE];
    int64_t size_bytes; /* MANIFEST_SIZE_ANY: not announced */
};

struct manifest {
    struct manifest_file config;
    struct manifest_file layer[IMAGE_LAYERS_MAX]; /* lowest first */
    size_t layer_count;
};

/** manifest_platform() - what this program was compiled for, in the words of images: "amd64" */
const char *manifest_platform(void);

/**
 * manifest_digest() - reads "sha256:HEX"
 * @text: NULL: there is none
 * Return: the digits (borrowed) with @ret_bytes; NULL when it is no such digest
 */
const char *manifest_digest(const char *text, uint8_t ret_bytes[SHA256_SIZE]);

/**
 * manifest_read_index() - the one image in an index that is for this platform
 * @ret_is_index: it is an index again
 * Return: 0; OUTCOME_FAILED none, several, malformed
 */
nodiscard int manifest_read_index(const char *text, size_t size, struct manifest_file *ret_file,
                                  bool *ret_is_index, struct err *err);

/** manifest_read() - an image manifest (OCI, docker v2). Return: 0; OUTCOME_FAILED */
nodiscard int manifest_read(const char *text, size_t size, struct manifest *ret_manifest,
                            struct err *err);

/** manifest_read_docker() - the manifest.json of `docker save`. Return: 0; OUTCOME_FAILED */
nodiscard int manifest_read_docker(const char *text, size_t size, struct manifest *ret_manifest,
                                   struct err *err);

#endif
