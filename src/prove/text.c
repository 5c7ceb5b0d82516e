/* SPDX-License-Identifier: Apache-2.0 */
/* text - sentences for the report */
#include "prove/text.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/str.h"

void text_set(char *to, size_t size, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    if (vsnprintf(to, size, fmt, args) < 0)
        to[0] = '\0';
    va_end(args);
    str_printable(to);
}
