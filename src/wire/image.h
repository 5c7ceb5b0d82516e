/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image - what croft-image says on its descriptor 1 (a pipe or socket pair of the monitor's)
 *
 * Any number of IMAGE_PROGRESS reports, at most one per IMAGE_PROGRESS_MS, then exactly one
 * IMAGE_DONE. End of file without IMAGE_DONE: it was killed (CPU, memory). A report is shorter
 * than PIPE_BUF, so it always arrives whole. The monitor believes the digest (it is made by the
 * half that parses nothing) and shows text; the numbers are for people.
 */
#ifndef CROFT_WIRE_IMAGE_H
#define CROFT_WIRE_IMAGE_H

#include "base/err.h"
#include "base/sha256.h"
#include <stdint.h>

#define IMAGE_VERSION 1U

enum image_report_type {
    IMAGE_PROGRESS = 1,
    IMAGE_DONE,
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

#endif
