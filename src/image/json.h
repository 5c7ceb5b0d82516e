/* SPDX-License-Identifier: Apache-2.0 */
/* json - strict reading of a stranger's JSON */
#ifndef CROFT_IMAGE_JSON_H
#define CROFT_IMAGE_JSON_H

#include "base/attrs.h"
#include "base/err.h"
#include <jansson.h>
#include <stddef.h>

/**
 * json_read() - UTF-8, no duplicate keys, nothing after it, at most IMAGE_JSON_DEPTH_MAX deep
 * @what: names it in a sentence
 * Return: new reference (caller owns); NULL with @err set
 */
nodiscard json_t *json_read(const char *text, size_t size, const char *what, struct err *err);

static inline void json_release(json_t **value)
{
    json_decref(*value);
}
#define auto_value cleanup_with(json_release) json_t

/** json_word() - the text at @key; NULL: none, or something else */
const char *json_word(const json_t *object, const char *key);

#endif
