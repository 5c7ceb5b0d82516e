/* SPDX-License-Identifier: Apache-2.0 */
/* text - sentences for the report: cut off when too long, never an error */
#ifndef CROFT_PROVE_TEXT_H
#define CROFT_PROVE_TEXT_H

#include "base/attrs.h"
#include <stddef.h>

/** text_set() - writes a sentence to @to; what does not fit is cut off */
void text_set(char *to, size_t size, const char *fmt, ...) printf_like(3, 4);

#endif
