/* SPDX-License-Identifier: Apache-2.0 */
/* options - croft-init's own arguments; they come from the runtime, COMMAND from the plan */
#ifndef CROFT_INIT_OPTIONS_H
#define CROFT_INIT_OPTIONS_H

#include <stdbool.h>

/* user, workdir: NULL when not given; command: at least one word, ends with NULL (borrowed) */
struct options {
    bool as;
    bool terminal;
    bool log;
    const char *user;
    const char *workdir;
    const char *const *command;
};

/** options_parse() - Return: false when they are malformed */
bool options_parse(struct options *options, int argc, const char *const *argv);

#endif
