/* SPDX-License-Identifier: Apache-2.0 */
/* test_lines - a file that is rewritten in place: what stands, what does not, what no reader sees
 */
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attrs.h"
#include "base/fd.h"
#include "monitor/lines.h"

#define WHOLE_ROUNDS 3000U

static int file = -1;

static int make_file(void **state)
{
    (void)state;
    file = memfd_create("lines", MFD_CLOEXEC);
    return file < 0 ? -1 : 0;
}

static int drop_file(void **state)
{
    (void)state;
    close(file);
    return 0;
}

/* What stands in the file, one "text|" after the other, in the order of the file. */
static void standing(char *ret_text, size_t size)
{
    char line[LINE_SIZE + 1];
    size_t used = 0;

    ret_text[0] = '\0';
    for (off_t at = 0; pread(file, line, LINE_SIZE, at) == (ssize_t)LINE_SIZE; at += LINE_SIZE) {
        assert_int_equal(line[LINE_SIZE - 1], '\n');
        size_t length = LINE_SIZE - 1;
        while (length > 0 && line[length - 1] == ' ')
            length--;
        line[length] = '\0';
        if (line[0] == '#')
            continue;
        int added = snprintf(ret_text + used, size - used, "%s|", line);
        assert_true(added > 0 && used + (size_t)added < size);
        used += (size_t)added;
    }
}

static void write_lines(const char *const *texts)
{
    auto_lines lines = {.text = NULL};

    for (; *texts != NULL; texts++)
        lines_add(&lines, "%s", *texts);
    assert_int_equal(lines_write(file, &lines), 0);
}

static off_t file_size(void)
{
    return lseek(file, 0, SEEK_END);
}

static void what_is_wanted_stands(void **state)
{
    char text[1024];

    (void)state;
    write_lines((const char *const[]){"b two", "a one", NULL});
    standing(text, sizeof(text));
    assert_string_equal(text, "a one|b two|");
    write_lines((const char *const[]){"c three", "a one", NULL});
    standing(text, sizeof(text));
    assert_string_equal(text, "a one|c three|");
    write_lines((const char *const[]){NULL});
    standing(text, sizeof(text));
    assert_string_equal(text, "");
}

static void what_stays_is_not_touched(void **state)
{
    char before[LINE_SIZE];
    char after[LINE_SIZE];

    (void)state;
    write_lines((const char *const[]){"a one", "b two", NULL});
    assert_int_equal(pread(file, before, sizeof(before), LINE_SIZE), LINE_SIZE);
    write_lines((const char *const[]){"b two", "0 zero", NULL});
    assert_int_equal(pread(file, after, sizeof(after), LINE_SIZE), LINE_SIZE);
    assert_memory_equal(before, after, sizeof(before));
}

static void a_line_that_is_too_long_is_left_out(void **state)
{
    char text[1024];
    char longest[LINE_SIZE];
    char too_long[LINE_SIZE + 1];

    (void)state;
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    memset(too_long, 'y', sizeof(too_long) - 1);
    too_long[sizeof(too_long) - 1] = '\0';
    write_lines((const char *const[]){too_long, longest, NULL});
    standing(text, sizeof(text));
    assert_int_equal(strlen(text), LINE_SIZE);
    assert_int_equal(text[0], 'x');
}

static void places_are_used_again(void **state)
{
    char name[32];

    (void)state;
    for (unsigned int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        write_lines((const char *const[]){name, "stays", NULL});
    }
    assert_true(file_size() <= (off_t)(40 * LINE_SIZE));
}

static void half_a_line_of_one_that_was_killed_is_written_over(void **state)
{
    char text[1024];

    (void)state;
    write_lines((const char *const[]){"a one", NULL});
    assert_int_equal(pwrite(file, "#half", 5, LINE_SIZE), 5);
    write_lines((const char *const[]){"a one", "b two", NULL});
    standing(text, sizeof(text));
    assert_string_equal(text, "a one|b two|");
}

/* Every line that a reader sees at any moment is one that was written whole. */
static noreturn_fn void read_on(void)
{
    char text[4096];

    for (;;) {
        ssize_t got = pread(file, text, sizeof(text), 0);
        for (ssize_t at = 0; at + (ssize_t)LINE_SIZE <= got; at += LINE_SIZE) {
            const char *line = text + at;
            if (line[0] == '#')
                continue;
            /* "17 17 17 17 ...": as many as fit */
            size_t word = strcspn(line, " ");
            for (size_t i = 0; i + word < LINE_SIZE - 16; i += word + 1)
                if (strncmp(line + i, line, word + 1) != 0)
                    _exit(1);
        }
    }
}

static void no_reader_sees_half_a_line(void **state)
{
    char line[LINE_SIZE];
    int status = 0;

    (void)state;
    pid_t reader = fork();
    assert_true(reader >= 0);
    if (reader == 0)
        read_on();
    for (unsigned int i = 1; i < WHOLE_ROUNDS; i++) {
        size_t length = 0;
        while (length < LINE_SIZE - 10)
            length += (size_t)snprintf(line + length, sizeof(line) - length, "%u ", i);
        line[length - 1] = '\0';
        write_lines((const char *const[]){line, NULL});
    }
    assert_int_equal(waitpid(reader, &status, WNOHANG), 0); /* still content */
    kill(reader, SIGKILL);
    assert_int_equal(waitpid(reader, &status, 0), reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_wanted_stands, make_file, drop_file),
        cmocka_unit_test_setup_teardown(what_stays_is_not_touched, make_file, drop_file),
        cmocka_unit_test_setup_teardown(a_line_that_is_too_long_is_left_out, make_file, drop_file),
        cmocka_unit_test_setup_teardown(places_are_used_again, make_file, drop_file),
        cmocka_unit_test_setup_teardown(half_a_line_of_one_that_was_killed_is_written_over,
                                        make_file, drop_file),
        cmocka_unit_test_setup_teardown(no_reader_sees_half_a_line, make_file, drop_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
