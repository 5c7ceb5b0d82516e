/* SPDX-License-Identifier: Apache-2.0 */
/* say - what croft prints: tables, JSON, times, and the sentences that several verbs share */
#include "cli/say.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "wire/limits.h"

#define CELL_MAX       600
#define NAME_SHOWN_MAX 40

void table_cell(struct table *table, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy;

    if (size == 1) {
        text = "-";
        size = 2;
    }
    if (size > CELL_MAX)
        size = CELL_MAX;
    copy = mem_new(size, 1);
    memcpy(copy, text, size - 1);
    str_printable(copy);
    if (table->cell_count == table->cell_room) {
        table->cell_room = table->cell_room == 0 ? 64 : table->cell_room * 2;
        table->cell = mem_grow(table->cell, table->cell_room, sizeof(*table->cell));
    }
    table->cell[table->cell_count++] = copy;
}

void table_format(struct table *table, const char *fmt, ...)
{
    char text[CELL_MAX];
    va_list args;

    va_start(args, fmt);
    if (vsnprintf(text, sizeof(text), fmt, args) < 0)
        text[0] = '\0';
    va_end(args);
    table_cell(table, text);
}

void table_heads(struct table *table, const char *const *heads, size_t count)
{
    if (count > TABLE_COLUMNS_MAX)
        croft_bug("a table with too many columns");
    table->columns = count;
    for (size_t i = 0; i < count; i++)
        table_cell(table, heads[i]);
}

void table_print(const struct table *table)
{
    size_t width[TABLE_COLUMNS_MAX] = {0};

    for (size_t i = 0; i < table->cell_count; i++) {
        size_t length = strlen(table->cell[i]);

        if (length > width[i % table->columns])
            width[i % table->columns] = length;
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t column = i % table->columns;
        bool last = column == table->columns - 1;

        printf("%-*s%s", last ? 0 : (int)width[column], table->cell[i], last ? "\n" : "  ");
    }
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cell[i]);
    free(table->cell);
    *table = (struct table){0};
}

void say_json(const json_t *value)
{
    (void)json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
    (void)putchar('\n');
}

void say_line(const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    if (vsnprintf(text, sizeof(text), fmt, args) < 0)
        text[0] = '\0';
    va_end(args);
    str_printable(text);
    (void)puts(text);
}

void say_progress(const char *text)
{
    static bool shown;

    if (!isatty(STDERR_FILENO))
        return;
    if (text != NULL) {
        fprintf(stderr, "\r%s\033[K", text);
        shown = true;
    } else if (shown) {
        fputs("\r\033[K", stderr);
        shown = false;
    }
}

char *say_time(uint64_t wall_ns, char *buf, size_t size)
{
    const time_t seconds = (time_t)(wall_ns / NS_PER_S);
    struct tm local;

    if (wall_ns == 0 || localtime_r(&seconds, &local) == NULL ||
        strftime(buf, size, "%Y-%m-%d %H:%M:%S", &local) == 0)
        (void)snprintf(buf, size, "-");
    return buf;
}

char *say_cpus(uint64_t cpu_milli, char *buf, size_t size)
{
    unsigned long long whole = cpu_milli / 1000;
    unsigned int part = (unsigned int)(cpu_milli % 1000);
    size_t length;

    if (cpu_milli == 0) {
        (void)snprintf(buf, size, "all");
        return buf;
    }
    if (part == 0) {
        (void)snprintf(buf, size, "%llu", whole);
        return buf;
    }
    (void)snprintf(buf, size, "%llu.%03u", whole, part);
    for (length = strlen(buf); length > 0 && buf[length - 1] == '0'; length--)
        buf[length - 1] = '\0';
    return buf;
}

char *say_size(uint64_t bytes, char *buf, size_t size)
{
    static const char units[] = "BKMGTPE";
    size_t unit = 0;
    uint64_t one = 1;

    /* 1000 and more of a unit would be four digits. */
    while (unit + 1 < sizeof(units) - 1 && bytes / one >= 1000) {
        one *= 1024;
        unit++;
    }
    if (bytes / one < 10 && bytes % one * 10 / one != 0)
        (void)snprintf(buf, size, "%" PRIu64 ".%" PRIu64 "%c", bytes / one, bytes % one * 10 / one,
                       units[unit]);
    else
        (void)snprintf(buf, size, "%" PRIu64 "%c", bytes / one, units[unit]);
    return buf;
}

char *say_rate(uint64_t bytes_per_s, char *buf, size_t size)
{
    char bytes[32];

    if (bytes_per_s == 0)
        (void)snprintf(buf, size, "no limit");
    else
        (void)snprintf(buf, size, "%s/s", str_size_text(bytes_per_s, bytes, sizeof(bytes)));
    return buf;
}

const char *say_outcome(uint32_t outcome)
{
    static const char *const text[] = {
        [OUTCOME_OK] = "ok",
        [OUTCOME_FAILED] = "failed",
        [OUTCOME_USAGE] = "usage",
        [OUTCOME_NOT_FOUND] = "not found",
        [OUTCOME_NOT_PERMITTED] = "not permitted",
        [OUTCOME_OVER_LIMIT] = "over a limit",
        [OUTCOME_HOST_CANNOT] = "host cannot",
    };

    return outcome < ARRAY_LEN(text) ? text[outcome] : "unknown";
}

int say_no_name(const char *what, const char *name, struct err *err)
{
    char shown[NAME_SHOWN_MAX + 1];
    size_t length = strnlen(name, NAME_SHOWN_MAX);

    /* Printable is not enough: letters that turn the direction of a line are no name either. */
    for (size_t i = 0; i < length; i++)
        shown[i] = name[i] >= ' ' && name[i] <= '~' ? name[i] : '?';
    shown[length] = '\0';
    return err_set(err, OUTCOME_USAGE,
                   "'%s%s' is no name of %s: use a-z, 0-9 and -, a letter first, no - at the "
                   "end, at most %d",
                   shown, name[length] != '\0' ? "..." : "", what, NAME_MAX_LEN);
}

bool say_ask(const char *question)
{
    char answer[16];

    fprintf(stderr, "%s Type yes to go on: ", question);
    if (fgets(answer, sizeof(answer), stdin) == NULL)
        return false;
    return strcmp(answer, "yes\n") == 0;
}

int say_flush(struct err *err)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return err_errno(err, OUTCOME_FAILED, -errno, "writing to standard output");
}
