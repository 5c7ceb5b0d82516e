/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream - entries and content of a tar archive, plain or compressed by gzip or zstd
 *
 * Allowed to be fed anything. Wraps libarchive, which nothing else here speaks to.
 */
#ifndef CROFT_IMAGE_STREAM_H
#define CROFT_IMAGE_STREAM_H

#include "base/attrs.h"
#include "base/err.h"
#include "base/sha256.h"
#include "image/entry.h"
#include <stdint.h>
#include <time.h>

struct stream;

/** stream_new() - @fd: the archive's bytes (borrowed). Return: never NULL */
nodiscard struct stream *stream_new(int fd);

/**
 * stream_new_part() - as stream_new(), of @size bytes at @offset of a file
 * The file's own position is neither used nor moved.
 */
nodiscard struct stream *stream_new_part(int fd, int64_t offset, int64_t size);
void stream_free(struct stream *stream);

/** stream_digest() - of the tar stream behind the compression; once stream_next() returned 0 */
void stream_digest(const struct stream *stream, uint8_t ret_digest[SHA256_SIZE]);

/** stream_open() - reads the first bytes. Return: 0; OUTCOME_FAILED empty, no tar archive */
nodiscard int stream_open(struct stream *stream, struct err *err);

/**
 * stream_next() - the next entry
 * @ret_entry: its strings are valid until the next call
 * Return: 1; 0 the archive is whole and nothing follows it; -1 with @err set
 */
nodiscard int stream_next(struct stream *stream, struct entry *ret_entry,
                          struct timespec *ret_mtime, struct err *err);

/**
 * stream_data() - the next piece of the entry's content
 * @ret_offset: where it belongs; what is left out between pieces is a hole
 * Return: 1; 0 no more; -1 with @err set
 */
nodiscard int stream_data(struct stream *stream, const void **ret_bytes, size_t *ret_size,
                          int64_t *ret_offset, struct err *err);

/** stream_has_xattrs() - whether the entry has any extended attribute */
bool stream_has_xattrs(const struct stream *stream);

/** stream_xattr() - the entry's next extended attribute. Return: true; false: no more */
bool stream_xattr(struct stream *stream, const char **ret_name, const void **ret_value,
                  size_t *ret_size);

#endif
