/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image - what croft-image says on its descriptor 1 (a pipe or socket pair of the monitor's)
 *
 * Any number of IMAGE_PROGRESS reports, at most one per IMAGE_PROGRESS_MS, at most one IMAGE_CONFIG
 * (of an OCI or docker archive), then exactly one IMAGE_DONE. End of file without IMAGE_DONE: it
 * was killed (CPU, memory). A report is shorter than PIPE_BUF, so it always arrives whole. The
 * monitor believes the digest (it is made by the half that parses nothing) and shows text; the
 * numbers are for people.
 */
#ifndef CROFT_WIRE_IMAGE_H
#define CROFT_WIRE_IMAGE_H

#include "base/err.h"
#include "base/sha256.h"
#include "wire/limits.h"
#include <stdint.h>

#define IMAGE_VERSION 1U

/* What a file of an image may be marked with: the capabilities that an instance has
 * (runtime/confine.c). Nobody could execute a file that is marked with another one. */
#define IMAGE_FILE_CAPABILITIES 0x200405ffU

enum image_report_type {
    IMAGE_PROGRESS = 1,
    IMAGE_DONE,
    IMAGE_CONFIG, /* followed by a struct image_config in the same message */
};

/*
 * outcome: enum outcome; text: a sentence for a person when it is not OUTCOME_OK
 * entries: files, directories, links made (unpack) or deleted (remove)
 * bytes:   of file content written (unpack)
 * archive_bytes: received so far, as they came (unpack)
 * skipped: device nodes (unpack); what could not be deleted (remove)
 * digest:  SHA-256 of the bytes as received, to the end of the stream (unpack, IMAGE_DONE)
 */
struct image_report {
    uint32_t version;
    uint32_t type;
    uint32_t outcome;
    uint32_t reserved;
    uint64_t entries;
    uint64_t bytes;
    uint64_t archive_bytes;
    uint64_t skipped;
    uint8_t digest[SHA256_SIZE];
    char text[ERR_TEXT_SIZE];
};
_Static_assert(sizeof(struct image_report) == 48 + SHA256_SIZE + ERR_TEXT_SIZE, "wire layout");

/*
 * What an image says about how it wants to be started. Opaque to the monitor but for its form: it
 * means something only inside. strings, each with its 0 byte: the working directory, entry_count
 * words of ENTRYPOINT, cmd_count of CMD, env_count of ENV ("NAME=VALUE").
 * user: "", "NAME", "ID", either with ":GROUP"; stop_signal 0: SIGTERM
 */
struct image_config {
    uint32_t entry_count;
    uint32_t cmd_count;
    uint32_t env_count;
    uint32_t stop_signal;
    uint32_t strings_len;
    uint32_t reserved;
    char user[NAME_SIZE];
    char strings[];
};
_Static_assert(sizeof(struct image_config) == 64, "wire layout");
#define IMAGE_CONFIG_SIZE_MAX (sizeof(struct image_config) + IMAGE_CONFIG_STRINGS_MAX)
_Static_assert(sizeof(struct image_report) + IMAGE_CONFIG_SIZE_MAX <= 4096, "one PIPE_BUF");

/** image_config_check() - whether @size bytes at @config are one well-formed config. Pure; fuzzed.
 * Return: 0; -EINVAL */
nodiscard int image_config_check(const struct image_config *config, size_t size);

#endif
