/* SPDX-License-Identifier: Apache-2.0 */
/* step - finding a step, running it, and its fact as one line of text */
#include "prove/step.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

/* The line: this word, error, pid, pid namespace, the numbers, the text in hexadecimal ("-": none).
 */
#define FACT_WORD      "croft-fact"
#define FACT_LINE_SIZE (256 + 2 * FACT_TEXT_SIZE)

static const struct step *find_in(const struct step *steps, size_t count, const char *name);
static int fact_write(const struct fact *fact, int out);

const struct step *step_find(const char *name)
{
    const struct {
        const struct step *steps;
        size_t count;
    } lists[] = {{steps_files, steps_files_count},         {steps_processes, steps_processes_count},
                 {steps_kernel, steps_kernel_count},       {steps_calls, steps_calls_count},
                 {steps_resources, steps_resources_count}, {steps_volume, steps_volume_count},
                 {steps_network, steps_network_count},     {steps_inject, steps_inject_count}};

    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        const struct step *found = find_in(lists[i].steps, lists[i].count, name);
        if (found)
            return found;
    }
    return NULL;
}

static const struct step *find_in(const struct step *steps, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(steps[i].name, name) == 0)
            return &steps[i];
    return NULL;
}

int step_serve(const struct step *step, int argc, char **argv, int in, int out)
{
    struct step_run run = {.argc = argc, .argv = argv};
    char byte;

    alarm(STEP_SECONDS);
    step->act(&run);
    run.fact.pid = (uint64_t)getpid();
    run.fact.pid_space = step_pid_space();
    if (fact_write(&run.fact, out) < 0)
        return 1;
    while (read(in, &byte, 1) > 0)
        ;
    if (step->undo)
        step->undo(&run);
    return 0;
}

uint64_t step_pid_space(void)
{
    struct stat meta;

    return stat("/proc/self/ns/pid", &meta) == 0 ? meta.st_ino : 0;
}

const char *step_arg(const struct step_run *run, int i)
{
    return i < run->argc ? run->argv[i] : "";
}

uint64_t step_number(const struct step_run *run, int i)
{
    uint64_t value = 0;

    if (str_u64(step_arg(run, i), 0, UINT64_MAX, &value) < 0)
        return 0;
    return value;
}

void fact_note(struct fact *fact, const char *fmt, ...)
{
    size_t room = FACT_TEXT_SIZE - fact->text_size;
    char words[128];
    va_list args;

    va_start(args, fmt);
    int length = vsnprintf(words, sizeof(words), fmt, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof(words) || (size_t)length + 1 > room)
        return;
    if (fact->text_size)
        fact->text[fact->text_size++] = ' ';
    memcpy(fact->text + fact->text_size, words, (size_t)length + 1);
    fact->text_size += (size_t)length;
}

bool fact_tried(struct fact *fact, long result)
{
    fact->number[1]++;
    if (result < 0) {
        fact->error = errno;
        return false;
    }
    fact->number[0]++;
    return true;
}

static int fact_write(const struct fact *fact, int out)
{
    char line[FACT_LINE_SIZE];
    char hex[2 * FACT_TEXT_SIZE + 1] = "-";

    if (fact->text_size)
        str_hex((const uint8_t *)fact->text, fact->text_size, hex);
    if (str_format(line, sizeof(line), FACT_WORD " %d %ju %ju %ju %ju %ju %ju %s\n", fact->error,
                   (uintmax_t)fact->pid, (uintmax_t)fact->pid_space, (uintmax_t)fact->number[0],
                   (uintmax_t)fact->number[1], (uintmax_t)fact->number[2],
                   (uintmax_t)fact->number[3], hex) < 0)
        return -EMSGSIZE;
    return fd_write_full(out, line, strlen(line));
}

/* Cuts the next word out of *at. Return: the word; NULL at the end. */
static char *next_word(char **at)
{
    char *word = *at;
    char *end;

    if (!word || !*word)
        return NULL;
    end = strpbrk(word, " \n");
    if (end)
        *end++ = '\0';
    *at = end;
    return word;
}

int fact_parse(const char *line, struct fact *ret_fact)
{
    char copy[FACT_LINE_SIZE];
    struct fact fact = {0};
    uint64_t error = 0;
    char *at = copy;
    char *word;

    if (str_copy(copy, sizeof(copy), line) < 0)
        return -EPROTO;
    word = next_word(&at);
    if (!word || strcmp(word, FACT_WORD) != 0)
        return -EPROTO;
    word = next_word(&at);
    if (!word || str_u64(word, 0, 4096, &error) < 0)
        return -EPROTO;
    fact.error = (int)error;
    uint64_t *const fields[] = {&fact.pid,       &fact.pid_space, &fact.number[0],
                                &fact.number[1], &fact.number[2], &fact.number[3]};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        word = next_word(&at);
        if (!word || str_u64(word, 0, UINT64_MAX, fields[i]) < 0)
            return -EPROTO;
    }
    word = next_word(&at);
    if (!word)
        return -EPROTO;
    if (strcmp(word, "-") != 0) {
        fact.text_size = strlen(word) / 2;
        if (fact.text_size > FACT_TEXT_SIZE ||
            str_unhex(word, (uint8_t *)fact.text, fact.text_size) < 0)
            return -EPROTO;
    }
    *ret_fact = fact;
    return 0;
}
