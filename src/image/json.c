/* SPDX-License-Identifier: Apache-2.0 */
/* json - strict reading of a stranger's JSON */
#include "image/json.h"

#include "base/str.h"
#include "wire/limits.h"

json_t *json_read(const char *text, size_t size, const char *what, struct err *err)
{
    json_error_t error;
    json_t *value = NULL;

    if (size > IMAGE_JSON_MAX || !str_is_shallow(text, size, IMAGE_JSON_DEPTH_MAX)) {
        err_set(err, OUTCOME_FAILED, "%s in the archive is too large or too deep (%zu bytes)", what,
                size);
        return NULL;
    }
    value = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (value == NULL)
        err_set(err, OUTCOME_FAILED, "%s in the archive is malformed (line %d)", what, error.line);
    return value;
}

const char *json_word(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}
