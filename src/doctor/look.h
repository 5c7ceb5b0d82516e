/* SPDX-License-Identifier: Apache-2.0 */
/*
 * look - reads files and directories of the host as they are, and changes nothing
 *
 * The names come from the host's own settings, so they are followed like everybody who reads these
 * files follows them, symbolic links included. What is opened is never a FIFO or device that waits.
 */
#ifndef CROFT_DOCTOR_LOOK_H
#define CROFT_DOCTOR_LOOK_H

#include "base/attrs.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define LOOK_FILE_MAX (16U * 1024U * 1024U)
#define LOOK_PATH_MAX 4096U

/**
 * look_file() - reads a regular or kernel-made file whole
 * @ret_text: terminated, each 0 byte in it replaced by 1 (caller frees)
 * Return: 0; -EFBIG; -EINVAL no regular file; -errno
 */
nodiscard int look_file(const char *path, char **ret_text);

/** look_bytes() - likewise, with every byte as it is and the size */
nodiscard int look_bytes(const char *path, char **ret_bytes, size_t *ret_size);

/** look_number() - a file that holds one number. Return: 0; -errno */
nodiscard int look_number(const char *path, uint64_t *ret_number);

/** look_exists() - whether @path leads to something */
bool look_exists(const char *path);

/** look_stat() - of what @path leads to. Return: 0; -errno */
nodiscard int look_stat(const char *path, struct stat *ret_stat);

/** look_link() - what the symbolic link @path says, terminated. Return: 0; -errno */
nodiscard int look_link(const char *path, char *buf, size_t size);

/** look_each() - calls @each with the path of each entry of @directory, "." and ".." left out; a
 * directory that is not there has none */
void look_each(const char *directory, void (*each)(const char *path, const char *name, void *data),
               void *data);

/** look_attribute() - an extended attribute of what @fd (may be O_PATH) is. Return: its size;
 * -errno */
nodiscard ssize_t look_attribute(int fd, const char *name, void *buf, size_t size);

/** look_line() - cuts the next line out of *@text. Return: it; NULL at the end */
char *look_line(char **text);

/** look_word() - cuts the next word (blanks between) out of *@line. Return: it; NULL at the end */
char *look_word(char **line);

/** look_join() - "@directory/@name"; empty when too long */
void look_join(char path[LOOK_PATH_MAX], const char *directory, const char *name);

/**
 * look_quoted() - @word as a shell takes it for itself, all printable: a byte that a terminal must
 * not see is a "?" outside the quotes, which the shell expands (caller frees)
 */
nodiscard char *look_quoted(const char *word);

/** look_copy() - the first @length bytes of @text, terminated (caller frees) */
nodiscard char *look_copy(const char *text, size_t length);

/** look_format() - a sentence, printable (caller frees) */
nodiscard char *look_format(const char *fmt, ...) printf_like(1, 2);

#endif
