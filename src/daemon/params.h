/* SPDX-License-Identifier: Apache-2.0 */
/*
 * params - the parameters of a call, each of the type that it must have
 *
 * All of these leave @ret_value alone when the parameter is absent (or null), skip what they do
 * not know, and return 0 or OUTCOME_USAGE with a sentence that names the parameter.
 */
#ifndef CROFT_DAEMON_PARAMS_H
#define CROFT_DAEMON_PARAMS_H

#include "base/attrs.h"
#include "base/err.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** params_text() - @ret_value: borrowed from @params */
nodiscard int params_text(const json_t *params, const char *key, const char **ret_value,
                          struct err *err);

/** params_number() - a whole number from 1 to @max */
nodiscard int params_number(const json_t *params, const char *key, uint64_t max,
                            uint64_t *ret_value, struct err *err);

nodiscard int params_flag(const json_t *params, const char *key, bool *ret_value, struct err *err);

/**
 * params_list() - an array of strings
 * @ret_list: room for @max pointers, borrowed from @params
 */
nodiscard int params_list(const json_t *params, const char *key, size_t max, const char **ret_list,
                          size_t *ret_count, struct err *err);

#endif
