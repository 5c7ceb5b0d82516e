/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines - a file of lines that is rewritten in place, and of which no reader sees half a line
 *
 * Mounted files cannot be replaced by rename: the mount keeps the old one. So every line has the
 * same size, padded with blanks, and stands or does not stand: its first byte decides, and one byte
 * is written at once. A line that does not stand is a comment.
 */
#ifndef CROFT_MONITOR_LINES_H
#define CROFT_MONITOR_LINES_H

#include "base/attrs.h"
#include <stddef.h>

/* A divisor of every buffer that a reader may have: no line lies across two of its reads. */
#define LINE_SIZE 128U

/* text: what shall stand, @count lines of LINE_SIZE bytes each */
struct lines {
    char *text;
    size_t count;
    size_t room;
};

void lines_free(struct lines *lines);
#define auto_lines cleanup_with(lines_free) struct lines

/** lines_add() - one more line, without its line break; one that is too long is left out */
void lines_add(struct lines *lines, const char *fmt, ...) printf_like(2, 3);

/**
 * lines_write() - makes what stands in the file @fd (open for reading and writing) be @lines
 *
 * The order of what is there already stays; @lines is sorted. Lines that stand in both are not
 * touched.
 * Return: 0; -errno
 */
nodiscard int lines_write(int fd, struct lines *lines);

#endif
