/* SPDX-License-Identifier: Apache-2.0 */
/* say - what croft prints: tables, JSON, times, and the sentences that several verbs share */
#ifndef CROFT_CLI_SAY_H
#define CROFT_CLI_SAY_H

#include "base/err.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAY_NOT_RUNNING                                                                            \
    "Croft does not run on this host: an admin starts it with `croft host start`"
#define SAY_HUNG_UP "the monitor hung up: look with `croft ls`, then try again"

#define TABLE_COLUMNS_MAX 12

/* Cells are copied and made printable as they are added. Fill with { } before the first call. */
struct table {
    size_t columns;
    size_t cell_count;
    size_t cell_room;
    char **cell; /* row by row, the heading first */
};

/** table_cell() - adds the next cell, left to right; "" prints as "-" */
void table_cell(struct table *table, const char *text);

/** table_format() - adds the next cell */
void table_format(struct table *table, const char *fmt, ...) printf_like(2, 3);

/** table_heads() - the first row; sets how many columns there are */
void table_heads(struct table *table, const char *const *heads, size_t count);

/** table_print() - writes the whole table to standard output, columns aligned */
void table_print(const struct table *table);

void table_free(struct table *table);
#define auto_table cleanup_with(table_free) struct table

/** say_json() - writes @value to standard output, indented, ASCII only: safe on every terminal */
void say_json(const json_t *value);

/** say_line() - writes one line to standard output, its control characters made harmless */
void say_line(const char *fmt, ...) printf_like(1, 2);

/** say_progress() - shows @text in place on standard error where that is a terminal; NULL clears */
void say_progress(const char *text);

/** say_time() - local time of @wall_ns as "2026-11-23 22:41:05", "-" for 0. Return: @buf */
char *say_time(uint64_t wall_ns, char *buf, size_t size);

/** say_cpus() - "all", "2", "0.5" CPUs. Return: @buf */
char *say_cpus(uint64_t cpu_milli, char *buf, size_t size);

/** say_size() - at most four characters for a table: "41M", "2.5G", "10G". Return: @buf */
char *say_size(uint64_t bytes, char *buf, size_t size);

/** say_rate() - "100 MiB/s", "no limit" for 0. Return: @buf */
char *say_rate(uint64_t bytes_per_s, char *buf, size_t size);

/** say_outcome() - "ok", "not found"... Return: never NULL */
const char *say_outcome(uint32_t outcome);

/** say_no_name() - the sentence about a name that is none. Return: OUTCOME_USAGE */
int say_no_name(const char *what, const char *name, struct err *err);

/** say_ask() - asks on the terminal. Return: true only when the answer is "yes" */
bool say_ask(const char *question);

/** say_flush() - standard output is written out. Return: 0; OUTCOME_FAILED (a full disk) */
nodiscard int say_flush(struct err *err);

#endif
