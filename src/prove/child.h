/* SPDX-License-Identifier: Apache-2.0 */
/* child - programs and forked bodies that the proof runs, each with three pipes */
#ifndef CROFT_PROVE_CHILD_H
#define CROFT_PROVE_CHILD_H

#include "base/attrs.h"
#include <stddef.h>
#include <sys/types.h>

/* in: our end of its standard input; out, err: our ends of what it writes; pid 0: none */
struct child {
    pid_t pid;
    int in;
    int out;
    int err;
};
#define CHILD_NONE ((struct child){.in = -1, .out = -1, .err = -1})

/** What a forked child does instead of executing a program. Return: its exit status */
typedef int (*child_body_fn)(void *data, int in, int out);

/**
 * child_exec() - starts a program with an empty environment, in /, under these ids
 * @argv: argv[0] is the absolute path; ends with NULL
 * Runs as: root
 * Return: 0; -errno (caller ends it with child_end())
 */
nodiscard int child_exec(const char *const *argv, uid_t uid, gid_t gid, struct child *ret_child);

/** child_fork() - the same with a body in this very program, as root. Return: 0; -errno */
nodiscard int child_fork(child_body_fn body, void *data, struct child *ret_child);

/**
 * child_line() - the next line it writes, terminated, with its line break
 * Return: length; 0 at end of file; -ETIMEDOUT; -EMSGSIZE; -errno
 */
nodiscard ssize_t child_line(struct child *child, char *line, size_t size, unsigned timeout_ms);

/** child_bytes() - exactly @size bytes. Return: 0; -EPIPE at end of file; -ETIMEDOUT; -errno */
nodiscard int child_bytes(struct child *child, void *bytes, size_t size, unsigned timeout_ms);

/** child_error() - the first line that waits on its standard error, printable; "" when none */
void child_error(struct child *child, char *line, size_t size);

/**
 * child_end() - closes its input, waits, kills it when that takes longer; closes the rest
 * Return: exit status; 128 + signal; -ECHILD there was none
 */
int child_end(struct child *child, unsigned timeout_ms);

/**
 * child_run() - starts a program, feeds it @input, waits for its end
 * @output: gets what it wrote to both outputs, terminated and cut off at @size; may be NULL
 * Return: as child_end(); -errno
 */
nodiscard int child_run(const char *const *argv, uid_t uid, gid_t gid, const void *input,
                        size_t input_size, char *output, size_t size, unsigned timeout_ms);

#endif
