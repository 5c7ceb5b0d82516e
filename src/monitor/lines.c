/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines - a file of lines that is rewritten in place, and of which no reader sees half a line
 *
 * Theory of operation
 * The file itself says what stands in it, so that a monitor that was restarted goes on where the
 * last one was killed. To put a line where none stands: everything but its first byte, then the
 * first byte. To take one away: '#' as its first byte. A reader who has seen the first byte of a
 * line that stands finds the rest of it, for it was there before. What is appended needs no such
 * care: the kernel copies first and moves the end of the file after it.
 *
 * A place is used again only for want of others: at the end of the file as long as it is short, and
 * then where a line was taken away. A reader would have to stand still within one line from before
 * it was taken away until after the next was put there.
 */
#include "monitor/lines.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define ROOM_FIRST 16U
#define GONE       '#'
/* Up to here a file grows before places are used again: one page. */
#define GROW_LINES 32U

static char *line_new(struct lines *lines);
static int compare(const void *a, const void *b);
static const char *find(const struct lines *sorted, const char *line);
static int read_file(int fd, struct lines *ret_old);
static int take_away(int fd, const struct lines *old, const struct lines *wanted);
static int append(int fd, size_t place, const struct lines *more);
static int put(int fd, size_t place, const char *line);

void lines_free(struct lines *lines)
{
    mem_cleanup(&lines->text);
    lines->count = lines->room = 0;
}

void lines_add(struct lines *lines, const char *fmt, ...)
{
    char *line = line_new(lines);
    va_list args;

    va_start(args, fmt);
    int length = vsnprintf(line, LINE_SIZE, fmt, args);
    va_end(args);
    if (length < 0 || (size_t)length >= LINE_SIZE) {
        lines->count--;
        return;
    }
    memset(line + length, ' ', LINE_SIZE - (size_t)length - 1);
    line[LINE_SIZE - 1] = '\n';
}

int lines_write(int fd, struct lines *lines)
{
    auto_lines old = {.text = NULL};
    auto_lines standing = {.text = NULL};
    auto_lines more = {.text = NULL};

    if (lines->count > 0)
        qsort(lines->text, lines->count, LINE_SIZE, compare);
    int rc = read_file(fd, &old);
    if (rc == 0)
        rc = take_away(fd, &old, lines);
    for (size_t i = 0; i < old.count && rc == 0; i++)
        if (old.text[i * LINE_SIZE] != GONE)
            memcpy(line_new(&standing), old.text + i * LINE_SIZE, LINE_SIZE);
    if (standing.count > 0)
        qsort(standing.text, standing.count, LINE_SIZE, compare);
    size_t place = old.count < GROW_LINES ? old.count : 0;
    for (size_t i = 0; i < lines->count && rc == 0; i++) {
        const char *line = lines->text + i * LINE_SIZE;
        if (find(&standing, line) != NULL)
            continue;
        while (place < old.count && old.text[place * LINE_SIZE] != GONE)
            place++;
        if (place < old.count)
            rc = put(fd, place++, line);
        else
            memcpy(line_new(&more), line, LINE_SIZE);
    }
    return rc == 0 ? append(fd, old.count, &more) : rc;
}

/* Room for one more, whose bytes the caller sets. */
static char *line_new(struct lines *lines)
{
    if (lines->count == lines->room) {
        lines->room = lines->room == 0 ? ROOM_FIRST : lines->room * 2;
        lines->text = mem_grow(lines->text, lines->room, LINE_SIZE);
    }
    return lines->text + lines->count++ * LINE_SIZE;
}

static const char *find(const struct lines *sorted, const char *line)
{
    if (sorted->count == 0)
        return NULL;
    return bsearch(line, sorted->text, sorted->count, LINE_SIZE, compare);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, LINE_SIZE);
}

/* Half a line at the end is what a monitor left that was killed while it wrote: a place like any.
 */
static int read_file(int fd, struct lines *ret_old)
{
    struct stat found;

    if (fstat(fd, &found) < 0)
        return -errno;
    ret_old->room = (size_t)found.st_size / LINE_SIZE + 1;
    ret_old->text = mem_grow(ret_old->text, ret_old->room, LINE_SIZE);
    ssize_t got = pread(fd, ret_old->text, ret_old->room * LINE_SIZE, 0);
    if (got < 0)
        return -errno;
    ret_old->count = (size_t)got / LINE_SIZE;
    return 0;
}

static int take_away(int fd, const struct lines *old, const struct lines *wanted)
{
    static const char gone = GONE;

    for (size_t i = 0; i < old->count; i++) {
        char *line = old->text + i * LINE_SIZE;
        if (line[0] == GONE || find(wanted, line) != NULL)
            continue;
        if (pwrite(fd, &gone, 1, (off_t)(i * LINE_SIZE)) != 1)
            return -errno;
        line[0] = GONE;
    }
    return 0;
}

static int append(int fd, size_t place, const struct lines *more)
{
    const size_t size = more->count * LINE_SIZE;

    if (size == 0)
        return 0;
    ssize_t written = pwrite(fd, more->text, size, (off_t)(place * LINE_SIZE));
    return written == (ssize_t)size ? 0 : written < 0 ? -errno : -EIO;
}

static int put(int fd, size_t place, const char *line)
{
    const off_t at = (off_t)(place * LINE_SIZE);
    char hidden[LINE_SIZE];

    memcpy(hidden, line, sizeof(hidden));
    hidden[0] = GONE;
    ssize_t written = pwrite(fd, hidden, sizeof(hidden), at);
    if (written == (ssize_t)sizeof(hidden))
        written = pwrite(fd, line, 1, at) == 1 ? written : -1;
    return written == (ssize_t)sizeof(hidden) ? 0 : written < 0 ? -errno : -EIO;
}
