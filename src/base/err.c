/* SPDX-License-Identifier: Apache-2.0 */
/* err - outcomes that a person will read */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

static void err_fill(struct err *err, enum outcome outcome, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));

int err_set(struct err *err, enum outcome outcome, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    err_fill(err, outcome, fmt, args);
    va_end(args);
    return (int)outcome;
}

int err_errno(struct err *err, enum outcome outcome, int negative_errno, const char *fmt, ...)
{
    /* Not strerror(): that one follows the locale, and texts are compared in tests. */
    const char *reason = strerrordesc_np(-negative_errno);
    size_t length;
    va_list args;

    va_start(args, fmt);
    err_fill(err, outcome, fmt, args);
    va_end(args);
    length = strlen(err->text);
    if (reason)
        snprintf(err->text + length, sizeof(err->text) - length, ": %s", reason);
    else
        snprintf(err->text + length, sizeof(err->text) - length, ": error %d", -negative_errno);
    return (int)outcome;
}

void croft_bug(const char *what)
{
    dprintf(STDERR_FILENO, "<2>bug: %s\n", what);
    abort();
}

static void err_fill(struct err *err, enum outcome outcome, const char *fmt, va_list args)
{
    if (outcome == OUTCOME_OK)
        croft_bug("err_set with OUTCOME_OK");
    err->outcome = outcome;
    if (vsnprintf(err->text, sizeof(err->text), fmt, args) < 0)
        err->text[0] = '\0';
    str_printable(err->text);
}
