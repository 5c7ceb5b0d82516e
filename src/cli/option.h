/* SPDX-License-Identifier: Apache-2.0 */
/* option - command lines by table: options and operands in any order, then a command's own words */
#ifndef CROFT_CLI_OPTION_H
#define CROFT_CLI_OPTION_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an option's value is, and what .to points at. */
enum option_kind {
    OPTION_FLAG,  /* bool: no value */
    OPTION_TEXT,  /* const char *: not empty */
    OPTION_ANY,   /* const char *: may be empty */
    OPTION_COUNT, /* uint64_t within min..max */
    OPTION_SIZE,  /* uint64_t bytes within min..max: "512M", "2G" */
    OPTION_CPUS,  /* uint64_t thousandths of a CPU: "1.5"; "all" is 0 */
    OPTION_RATE,  /* uint64_t bytes a second within min..max: "100M"; "none" (no limit) is 0 */
    OPTION_YES,   /* bool: "yes" or "no" */
    OPTION_LIST,  /* struct option_list: may be given again and again */
};

struct option_list {
    const char **item; /* room for .max, from the caller */
    size_t max;
    size_t count;
};

/*
 * letter: 0 when there is only the long name; given: set when the option was there, may be NULL
 */
struct option {
    char letter;
    enum option_kind kind;
    const char *name;
    void *to;
    uint64_t min;
    uint64_t max;
    bool *given;
};

/* All pointers are borrowed from argv. rest: the words of a command, NULL-terminated as argv is. */
struct operands {
    char **item;
    size_t count;
    char **rest;
    size_t rest_count;
};

/**
 * option_parse() - reads a verb's options and operands
 * @argc, @argv:  the words after the verb; operands are moved to the front
 * @operand_max:  after so many operands everything is the rest (`run IMAGE CMD -x`); 0: no such
 *                border, and the rest is only what follows "--"
 *
 * "--" ends the options; one at the start of the rest is dropped. "-it" is "-i -t"; values come as
 * "--memory 1G", "--memory=1G", "-eA=1" or "-e A=1".
 * Return: 0; OUTCOME_USAGE with a sentence
 */
nodiscard int option_parse(const struct option *options, size_t option_count, int argc, char **argv,
                           size_t operand_max, struct operands *ret_operands, struct err *err);

/** option_cpus() - "1.5" is 1500, "all" is 0. Return: 0; -EINVAL; -ERANGE */
nodiscard int option_cpus(const char *text, uint64_t *ret_milli);

#endif
