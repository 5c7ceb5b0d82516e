/* SPDX-License-Identifier: Apache-2.0 */
/* str - strict parsing and bounded building of strings; the only integer parser there is */
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int str_digits(const char *text, size_t length, uint64_t *ret_value);
static size_t str_utf8_length(const unsigned char *text);

int str_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
    uint64_t value;
    int r = str_digits(text, strlen(text), &value);

    if (r < 0)
        return r;
    if (value < min || value > max)
        return -ERANGE;
    *ret_value = value;
    return 0;
}

int str_size(const char *text, uint64_t *ret_bytes)
{
    static const char unit[] = "KMGT";
    size_t digits = strspn(text, "0123456789");
    const char *rest = text + digits;
    unsigned int shift = 0;
    uint64_t value;
    int r;

    if (*rest) {
        const char *found = strchr(unit, *rest);

        if (!found || (rest[1] && strcmp(rest + 1, "iB") != 0))
            return -EINVAL;
        shift = 10U * (unsigned int)(found - unit + 1);
    }
    r = str_digits(text, digits, &value);
    if (r < 0)
        return r;
    if (value > UINT64_MAX >> shift)
        return -ERANGE;
    *ret_bytes = value << shift;
    return 0;
}

char *str_size_text(uint64_t bytes, char *buf, size_t size)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    unsigned int power = 0;
    uint64_t whole;
    uint64_t tenths;

    while (power + 1 < ARRAY_LEN(unit) && bytes >> (10 * (power + 1)))
        power++;
    whole = bytes >> (10 * power);
    /* Cut off, not rounded: a text never promises more than there is. */
    tenths = power ? (((bytes >> (10 * (power - 1))) & 1023) * 10) >> 10 : 0;
    if (tenths)
        snprintf(buf, size, "%llu.%llu %s", (unsigned long long)whole, (unsigned long long)tenths,
                 unit[power]);
    else
        snprintf(buf, size, "%llu %s", (unsigned long long)whole, unit[power]);
    return buf;
}

int str_copy(char *to, size_t size, const char *from)
{
    size_t length = strlen(from);

    if (length >= size) {
        if (size)
            to[0] = '\0';
        return -ENAMETOOLONG;
    }
    memcpy(to, from, length + 1);
    return 0;
}

int str_format(char *to, size_t size, const char *fmt, ...)
{
    va_list args;
    int length;

    va_start(args, fmt);
    length = vsnprintf(to, size, fmt, args);
    va_end(args);
    if (length < 0 || (size_t)length >= size) {
        if (size)
            to[0] = '\0';
        return -ENAMETOOLONG;
    }
    return 0;
}

size_t str_fields(char *line, char **ret_fields, size_t max)
{
    size_t count = 0;

    while (count < max) {
        size_t length = strcspn(line, ":");
        ret_fields[count++] = line;
        line += length;
        if (*line == '\0' || count == max)
            break;
        *line++ = '\0';
    }
    for (size_t i = count; i < max; i++)
        ret_fields[i] = line;
    return count;
}

bool str_is_name(const char *text)
{
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

    if (text[length] || length == 0 || length > STR_NAME_MAX_LEN)
        return false;
    return text[0] >= 'a' && text[0] <= 'z' && text[length - 1] != '-';
}

bool str_terminated(const char *field, size_t size)
{
    size_t i = strnlen(field, size);

    if (i == size)
        return false;
    for (; i < size; i++)
        if (field[i])
            return false;
    return true;
}

void str_hex(const uint8_t *bytes, size_t size, char *to)
{
    static const char digit[] = "0123456789abcdef";
    size_t i;

    for (i = 0; i < size; i++) {
        to[2 * i] = digit[bytes[i] >> 4];
        to[2 * i + 1] = digit[bytes[i] & 15];
    }
    to[2 * size] = '\0';
}

int str_unhex(const char *text, uint8_t *bytes, size_t size)
{
    static const char digit[] = "0123456789abcdef";
    size_t i;

    if (strlen(text) != 2 * size || strspn(text, digit) != 2 * size)
        return -EINVAL;
    for (i = 0; i < size; i++) {
        size_t high = (size_t)(strchr(digit, text[2 * i]) - digit);
        size_t low = (size_t)(strchr(digit, text[2 * i + 1]) - digit);

        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

bool str_is_shallow(const char *text, size_t size, unsigned int depth_max)
{
    bool in_string = false;
    unsigned int depth = 0;

    for (size_t i = 0; i < size; i++) {
        if (in_string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            in_string = !in_string;
        else if (!in_string && (text[i] == '{' || text[i] == '['))
            depth++;
        else if (!in_string && (text[i] == '}' || text[i] == ']') && depth > 0)
            depth--;
        if (depth > depth_max)
            return false;
    }
    return true;
}

void str_printable(char *text)
{
    unsigned char *next = (unsigned char *)text;

    while (*next) {
        size_t length = str_utf8_length(next);

        if (length == 0)
            *next = '?';
        next += length ? length : 1;
    }
}

static int str_digits(const char *text, size_t length, uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t i;

    if (length == 0 || (length > 1 && text[0] == '0'))
        return -EINVAL;
    for (i = 0; i < length; i++)
        if (text[i] < '0' || text[i] > '9')
            return -EINVAL;
    for (i = 0; i < length; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');

        if (__builtin_mul_overflow(value, 10U, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return -ERANGE;
    }
    *ret_value = value;
    return 0;
}

/*
 * Bytes of the printable character that @text starts with; 0 for a control character, which in
 * UTF-8 are also U+0080 to U+009F (a terminal takes U+009B for an escape sequence), and for bytes
 * that are not UTF-8.
 */
static size_t str_utf8_length(const unsigned char *text)
{
    uint32_t code;
    size_t length;
    size_t i;

    if (text[0] < 0x80)
        return text[0] >= 0x20 && text[0] != 0x7f;
    if (text[0] >= 0xc2 && text[0] <= 0xdf)
        length = 2;
    else if ((text[0] & 0xf0) == 0xe0)
        length = 3;
    else if (text[0] >= 0xf0 && text[0] <= 0xf4)
        length = 4;
    else
        return 0;
    code = text[0] & (0x7fU >> length);
    for (i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3fU);
    }
    if (code < 0xa0 || (length == 3 && code < 0x800) || (code >= 0xd800 && code <= 0xdfff) ||
        (length == 4 && (code < 0x10000 || code > 0x10ffff)))
        return 0;
    return length;
}
