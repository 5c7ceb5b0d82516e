/* SPDX-License-Identifier: Apache-2.0 */
/* words - cuts the command line of a "croft ..." login into words; nothing is expanded */
#ifndef CROFT_GATE_WORDS_H
#define CROFT_GATE_WORDS_H

#include "base/attrs.h"
#include <stdbool.h>
#include <stddef.h>

/** words_is_croft() - whether the first word of @line, after blanks, is exactly "croft" */
bool words_is_croft(const char *line);

/**
 * words_split() - cuts @line in place at spaces and tabs
 * @line:      rewritten: the words point into it
 * @words:     receives the words and a NULL after them; room for @words_max + 1
 * @ret_count: how many words there are
 *
 * Within single quotes every byte stands for itself; a backslash outside of quotes makes the next
 * byte stand for itself. Every other byte, double quotes, '$', '*' and line breaks included, is an
 * ordinary one: there is no shell here to give it a meaning.
 *
 * Return: 0; -EINVAL a quote is not closed or a backslash ends the line; -E2BIG too many words
 */
nodiscard int words_split(char *line, char **words, size_t words_max, size_t *ret_count);

/**
 * words_is_plain() - whether @value is safe as the value of TERM or LANG: 1 to 64 of
 * [A-Za-z0-9._+@-]
 */
bool words_is_plain(const char *value);

#endif
