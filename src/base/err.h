/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err - outcomes that a person will read
 *
 * Three kinds of failure, never mixed (HACKING.md, "Errors"):
 *  - 0 or a negative errno: forwarded unchanged, not matched on;
 *  - a positive enum outcome, made by err_set(): a known outcome with a sentence for a person;
 *  - a bug or a broken protocol: croft_bug(), which aborts.
 */
#ifndef CROFT_BASE_ERR_H
#define CROFT_BASE_ERR_H

#include "base/attrs.h"

/* The exit statuses of `croft`, one documented table (croft(1), "Exit status"). */
enum outcome {
    OUTCOME_OK = 0,
    OUTCOME_FAILED = 1,
    OUTCOME_USAGE = 2,
    OUTCOME_NOT_FOUND = 3,
    OUTCOME_NOT_PERMITTED = 4,
    OUTCOME_OVER_LIMIT = 5,
    OUTCOME_HOST_CANNOT = 6,
};

#define ERR_TEXT_SIZE 480

/* A failure as a person reads it: what, where, what to do; one line, no line break. */
struct err {
    enum outcome outcome;
    char text[ERR_TEXT_SIZE];
};

/**
 * err_set() - fills @err and returns @outcome, so that `return err_set(...)` reads well
 * @err:     receives the sentence (borrowed)
 * @outcome: never OUTCOME_OK
 *
 * Control characters in the result are replaced by '?', so that a name made by a stranger
 * cannot move the reader's cursor.
 * Return: @outcome
 */
int err_set(struct err *err, enum outcome outcome, const char *fmt, ...) printf_like(3, 4);

/**
 * err_errno() - as err_set(), with ": " and the text of a negative errno added
 * @negative_errno: as the failed call returned it
 * Return: @outcome
 */
int err_errno(struct err *err, enum outcome outcome, int negative_errno, const char *fmt, ...)
    printf_like(4, 5);

/** croft_bug() - ends the process: a rule that the code itself must keep was broken */
noreturn_fn void croft_bug(const char *what);

#endif
