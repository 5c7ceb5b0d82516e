/* SPDX-License-Identifier: Apache-2.0 */
/* recorded - what a record's payload says, in words that its owner and the other side both read */
#ifndef CROFT_CLI_RECORDED_H
#define CROFT_CLI_RECORDED_H

#include "wire/record.h"
#include <stddef.h>

#define RECORDED_TEXT_SIZE 512

/**
 * recorded_words() - of grants, their ends, asks, denials and the host's network
 * @payload: @size bytes, in any alignment
 * Return: @buf; "" where the record's own text says all there is
 */
char *recorded_words(const struct record *record, const uint8_t *payload, size_t size,
                     char buf[RECORDED_TEXT_SIZE]);

#endif
