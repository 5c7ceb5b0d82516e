/* SPDX-License-Identifier: Apache-2.0 */
/* json - strict reading of a stranger's JSON */
#include "image/json.h"

#include <stdbool.h>

#include "wire/limits.h"

/* Counts brackets outside of strings; what else is wrong with the text is the parser's to say. */
static bool is_shallow(const char *text, size_t size)
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
        else if (!in_string && (text[i] == '}' || text[i] == ']'))
            depth--;
        if (depth > IMAGE_JSON_DEPTH_MAX)
            return false; /* too deep, or closed more often than opened */
    }
    return true;
}

json_t *json_read(const char *text, size_t size, const char *what, struct err *err)
{
    json_error_t error;
    json_t *value = NULL;

    if (size > IMAGE_JSON_MAX || !is_shallow(text, size)) {
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
