/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step - one attack as the attacker does it: plain system calls and a raw fact, no opinion
 *
 * The same step runs in two places: inside the attacker's machine, where it must get nowhere, and
 * as host root without confinement, where it must succeed (the positive control) against a target
 * that is the proof's own. A step never decides what a fact means; rows.h does.
 */
#ifndef CROFT_PROVE_STEP_H
#define CROFT_PROVE_STEP_H

#include "base/attrs.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FACT_NUMBERS   4
#define FACT_TEXT_SIZE 512
#define STEP_ARGS_MAX  12
#define STEP_SECONDS   60U /* a step that takes longer is ended by its own alarm */

/*
 * What a step found out. The meaning of number[] stands over each step.
 *
 * pid:   of its process as it sees itself, in pid_space: by both the host finds it again
 * error: errno of the last refusal; 0: nothing was refused
 * text:  bytes the step read, or names for the report; text_size of them
 */
struct fact {
    int error;
    uint64_t pid;
    uint64_t pid_space;
    uint64_t number[FACT_NUMBERS];
    size_t text_size;
    char text[FACT_TEXT_SIZE + 1];
};

/*
 * A step while it runs.
 *
 * argv: its arguments, argc of them (borrowed)
 */
struct step_run {
    int argc;
    char **argv;
    struct fact fact;
};

/*
 * act:  does the attack and leaves its effect standing, so that the host can look at it
 * undo: takes the effect away; NULL when the end of the process does
 */
struct step {
    const char *name;
    void (*act)(struct step_run *run);
    void (*undo)(struct step_run *run);
};

extern const struct step steps_files[];
extern const size_t steps_files_count;
extern const struct step steps_processes[];
extern const size_t steps_processes_count;
extern const struct step steps_calls[];
extern const size_t steps_calls_count;
extern const struct step steps_kernel[];
extern const size_t steps_kernel_count;
extern const struct step steps_resources[];
extern const size_t steps_resources_count;
extern const struct step steps_network[];
extern const size_t steps_network_count;
extern const struct step steps_inject[];
extern const size_t steps_inject_count;
extern const struct step steps_volume[];
extern const size_t steps_volume_count;

/** step_find() - Return: the step of that name; NULL */
const struct step *step_find(const char *name);

/**
 * step_serve() - runs @step: acts, writes the fact as one line to @out, waits for the end of file
 * on @in, undoes
 *
 * While it waits the effect of the step stands and its process can be looked at from the host.
 * Return: exit status of the process
 */
int step_serve(const struct step *step, int argc, char **argv, int in, int out);

/** step_pid_space() - the number of this process's pid namespace. Return: 0 not known */
uint64_t step_pid_space(void);

/** step_arg() - Return: argument @i; "" when it was not given */
const char *step_arg(const struct step_run *run, int i);

/** step_number() - argument @i as a number; 0 when it is none */
uint64_t step_number(const struct step_run *run, int i);

/** fact_note() - adds words to the text, separated by a blank; what does not fit is left out */
void fact_note(struct fact *fact, const char *fmt, ...) printf_like(2, 3);

/**
 * fact_tried() - counts one try in number[1], and in number[0] when it got through
 * @result: of the system call: negative means refused, and errno says why
 * Return: whether it got through
 */
bool fact_tried(struct fact *fact, long result);

/** fact_parse() - reads the line that step_serve() wrote. Return: 0; -EPROTO */
nodiscard int fact_parse(const char *line, struct fact *ret_fact);

#endif
