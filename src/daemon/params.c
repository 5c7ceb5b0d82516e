/* SPDX-License-Identifier: Apache-2.0 */
/* params - the parameters of a call, each of the type that it must have */
#include "daemon/params.h"

#include <inttypes.h>

int params_text(const json_t *params, const char *key, const char **ret_value, struct err *err)
{
    const json_t *value = json_object_get(params, key);
    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_string(value))
        return err_set(err, OUTCOME_USAGE, "%s must be a text", key);
    *ret_value = json_string_value(value);
    return 0;
}

int params_number(const json_t *params, const char *key, uint64_t max, uint64_t *ret_value,
                  struct err *err)
{
    const json_t *value = json_object_get(params, key);
    if (value == NULL || json_is_null(value))
        return 0;
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 1 || (uint64_t)number > max)
        return err_set(err, OUTCOME_USAGE, "%s must be a whole number from 1 to %" PRIu64, key,
                       max);
    *ret_value = (uint64_t)number;
    return 0;
}

int params_flag(const json_t *params, const char *key, bool *ret_value, struct err *err)
{
    const json_t *value = json_object_get(params, key);
    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_boolean(value))
        return err_set(err, OUTCOME_USAGE, "%s must be true or false", key);
    *ret_value = json_is_true(value);
    return 0;
}

int params_list(const json_t *params, const char *key, size_t max, const char **ret_list,
                size_t *ret_count, struct err *err)
{
    const json_t *list = json_object_get(params, key);
    if (list == NULL || json_is_null(list))
        return 0;
    if (!json_is_array(list))
        return err_set(err, OUTCOME_USAGE, "%s must be a list of texts", key);
    size_t count = json_array_size(list);
    if (count > max)
        return err_set(err, OUTCOME_USAGE, "%s has %zu words; at most %zu fit", key, count, max);
    for (size_t i = 0; i < count; i++) {
        const json_t *word = json_array_get(list, i);
        if (!json_is_string(word))
            return err_set(err, OUTCOME_USAGE, "%s must be a list of texts", key);
        ret_list[i] = json_string_value(word);
    }
    *ret_count = count;
    return 0;
}
