/* SPDX-License-Identifier: Apache-2.0 */
/* str - strict parsing and bounded building of strings; the only integer parser there is */
#ifndef CROFT_BASE_STR_H
#define CROFT_BASE_STR_H

#include "base/attrs.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest name; wire/limits.h has the same number for the layers above. */
#define STR_NAME_MAX_LEN 32

/**
 * str_u64() - parses all of @text as a base-10 number: no sign, no blank, no leading zero but "0"
 * Return: 0; -EINVAL not such a number; -ERANGE not within @min..@max
 */
nodiscard int str_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value);

/**
 * str_size() - parses a number with an optional unit K M G T, KiB MiB GiB TiB (powers of 1024)
 * Units:   result is bytes
 * Return: 0; -EINVAL; -ERANGE
 */
nodiscard int str_size(const char *text, uint64_t *ret_bytes);

/** str_size_text() - writes @bytes as "10 GiB", "1.5 MiB", "17 B". Return: @buf */
char *str_size_text(uint64_t bytes, char *buf, size_t size);

/**
 * str_copy() - copies with terminator
 * Return: 0; -ENAMETOOLONG, and @to is then the empty string
 */
nodiscard int str_copy(char *to, size_t size, const char *from);

/** str_format() - snprintf that treats truncation as failure. Return: 0; -ENAMETOOLONG */
nodiscard int str_format(char *to, size_t size, const char *fmt, ...) printf_like(3, 4);

/**
 * str_fields() - cuts @line, in place, at each ':' into @max fields at most, as passwd(5) has them
 * @ret_fields: all @max are set; those that the line lacks are empty
 * Return: how many it has; when it has more than @max, the last one is all that is left of it
 */
size_t str_fields(char *line, char **ret_fields, size_t max);

/**
 * str_is_name() - whether @text may name a machine, an image or a user: [a-z][a-z0-9-]*,
 * 1 to STR_NAME_MAX_LEN bytes, not ending in '-'
 */
bool str_is_name(const char *text);

/** str_terminated() - whether @field has a 0 byte within @size and only 0 bytes after it */
bool str_terminated(const char *field, size_t size);

/** str_hex() - writes 2 * @size hexadecimal digits and a 0 to @to */
void str_hex(const uint8_t *bytes, size_t size, char *to);

/** str_unhex() - reads exactly 2 * @size lower-case digits. Return: 0; -EINVAL */
nodiscard int str_unhex(const char *text, uint8_t *bytes, size_t size);

/**
 * str_is_shallow() - whether brackets in the @size bytes of JSON at @text nest at most @depth_max
 * deep
 *
 * Asked before a parser that recurses once for each level; what else is wrong with the text is the
 * parser's to say. Brackets in strings do not count.
 */
bool str_is_shallow(const char *text, size_t size, unsigned int depth_max);

/**
 * str_printable() - makes @text safe for a terminal: in place, each byte of a control character
 * (C0, DEL, C1) and each byte that is not UTF-8 becomes '?'
 */
void str_printable(char *text);

#endif
