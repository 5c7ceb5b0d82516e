/* SPDX-License-Identifier: Apache-2.0 */
/* terminal - the caller's own terminal: raw mode and back, and its size */
#ifndef CROFT_CLI_TERMINAL_H
#define CROFT_CLI_TERMINAL_H

#include "base/attrs.h"
#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

/* A terminal in raw mode; terminal_restore() is its cleanup and puts it back as it was. */
struct terminal {
    int fd; /* borrowed; -1: nothing to put back */
    struct termios saved;
};
#define auto_terminal cleanup_with(terminal_restore) struct terminal

/** terminal_raw() - every key goes to the other side as it is. Return: 0; -errno */
nodiscard int terminal_raw(struct terminal *terminal, int fd);

/** terminal_raw_again() - after the shell had it in between (SIGCONT) */
void terminal_raw_again(const struct terminal *terminal);

void terminal_restore(struct terminal *terminal);

/** terminal_size() - of the terminal @fd, 0 0 when it is none */
void terminal_size(int fd, uint16_t *ret_rows, uint16_t *ret_columns);

/** terminal_resize() - gives the terminal behind @master the size of the terminal @from */
void terminal_resize(int master, int from);

#endif
