/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logfile - the two files in which croft-init keeps what a machine's command printed
 *
 * Each starts with this header, then holds the bytes as they came, up to LOG_FILE_BYTES in all.
 * When one is full the other is emptied and begun with the next seq. So the older of two valid
 * files comes first, and a reader that follows moves on when the other's seq passes the one it
 * reads. A file shorter than its header, or without the magic, holds nothing.
 */
#ifndef CROFT_WIRE_LOGFILE_H
#define CROFT_WIRE_LOGFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGFILE_MAGIC 0x31474F4CU /* "LOG1" */

/* seq: 1, 2, 3...; dropped: bytes lost before this file was begun because the disk was full */
struct logfile_header {
    uint32_t magic;
    uint32_t dropped;
    uint64_t seq;
};
_Static_assert(sizeof(struct logfile_header) == 16, "file layout");

/** logfile_valid() - whether a file of @size bytes that starts with @header holds anything */
static inline bool logfile_valid(const struct logfile_header *header, size_t size)
{
    return size >= sizeof(*header) && header->magic == LOGFILE_MAGIC && header->seq != 0;
}

#endif
