/* SPDX-License-Identifier: Apache-2.0 */
/* control - strict JSON between croft and croftd, and base64 for a plan within it */
#include "wire/control.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "wire/limits.h"

static const char base64_digit[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int base64_value(char digit);

json_t *control_parse(const char *text, size_t size, struct err *err)
{
    json_error_t why;
    json_t *object;

    if (size > MESSAGE_SIZE_MAX) {
        err_set(err, OUTCOME_USAGE, "message: %zu bytes; at most %u", size, MESSAGE_SIZE_MAX);
        return NULL;
    }
    if (!str_is_shallow(text, size, CONTROL_DEPTH_MAX)) {
        err_set(err, OUTCOME_USAGE, "message: nested deeper than %u", CONTROL_DEPTH_MAX);
        return NULL;
    }
    object = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
    if (!object) {
        err_set(err, OUTCOME_USAGE, "message: not JSON at byte %d: %s", why.position, why.text);
        return NULL;
    }
    if (!json_is_object(object)) {
        json_decref(object);
        err_set(err, OUTCOME_USAGE, "message: not a JSON object");
        return NULL;
    }
    return object;
}

char *control_text(const json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);

    if (!text)
        croft_bug("a JSON value could not be written");
    return text;
}

char *control_base64(const void *bytes, size_t size)
{
    const uint8_t *from = bytes;
    char *text = mem_new((size + 2) / 3 * 4 + 1, 1);
    char *to = text;
    size_t i;

    for (i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t group = (uint32_t)from[i] << 16 | (left > 1 ? (uint32_t)from[i + 1] << 8 : 0) |
                         (left > 2 ? from[i + 2] : 0);

        *to++ = base64_digit[group >> 18];
        *to++ = base64_digit[group >> 12 & 63];
        *to++ = left > 1 ? base64_digit[group >> 6 & 63] : '=';
        *to++ = left > 2 ? base64_digit[group & 63] : '=';
    }
    return text;
}

int control_unbase64(const char *text, void *bytes, size_t size, size_t *ret_size)
{
    size_t length = strlen(text);
    size_t done = 0;
    size_t pad = 0;
    size_t i;

    if (length % 4 != 0)
        return -EINVAL;
    if (length && text[length - 1] == '=')
        pad = text[length - 2] == '=' ? 2 : 1;
    if (length / 4 * 3 - pad > size)
        return -EMSGSIZE;
    for (i = 0; i < length; i += 4) {
        size_t digits = i + 4 == length ? 4 - pad : 4;
        uint32_t group = 0;
        size_t k;

        for (k = 0; k < digits; k++) {
            int value = base64_value(text[i + k]);

            if (value < 0)
                return -EINVAL;
            group |= (uint32_t)value << (18 - 6 * k);
        }
        /* Bits below the last byte must be 0: one text for each plan, not several. */
        if (digits < 4 && group & (0xffffffU >> (8 * (digits - 1))))
            return -EINVAL;
        for (k = 0; k + 1 < digits; k++)
            ((uint8_t *)bytes)[done++] = (uint8_t)(group >> (16 - 8 * k));
    }
    *ret_size = done;
    return 0;
}

static int base64_value(char digit)
{
    const char *found = digit ? strchr(base64_digit, digit) : NULL;

    return found ? (int)(found - base64_digit) : -1;
}
