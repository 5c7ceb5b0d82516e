/* SPDX-License-Identifier: Apache-2.0 */
/* api - one call to croftd (wire/control.h) */
#ifndef CROFT_CLI_API_H
#define CROFT_CLI_API_H

#include "base/err.h"
#include <jansson.h>
#include <stdint.h>

/**
 * api_call() - asks croftd and waits for the answer
 * @parameters: Consumes the reference; NULL is no parameters
 * @ret_answer: the answer's "parameters" (caller owns the reference)
 *
 * Return: 0; OUTCOME_HOST_CANNOT croftd does not run; the outcome that croftd gave, with its
 * sentence
 */
nodiscard int api_call(const char *method, json_t *parameters, json_t **ret_answer,
                       struct err *err);

/** api_timeout() - from now on a call that takes longer than @timeout_ms fails; 0: waits */
void api_timeout(unsigned int timeout_ms);

/** api_text() - a string of an answer. Return: borrowed; "" when there is none */
const char *api_text(const json_t *object, const char *key);

/** api_number() - a number of an answer that is not negative. Return: 0 when there is none */
uint64_t api_number(const json_t *object, const char *key);

/** api_signed() - a number of an answer. Return: @absent when there is none */
int64_t api_signed(const json_t *object, const char *key, int64_t absent);

/** auto_json: a reference that is given back when its scope ends */
void api_json_cleanup(json_t **reference);
#define auto_json cleanup_with(api_json_cleanup) json_t

#endif
