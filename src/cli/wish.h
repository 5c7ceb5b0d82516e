/* SPDX-License-Identifier: Apache-2.0 */
/* wish - what launch and run are asked for, and whether croftd's plan is that; pure */
#ifndef CROFT_CLI_WISH_H
#define CROFT_CLI_WISH_H

#include "base/attrs.h"
#include "base/err.h"
#include "cli/option.h"
#include "wire/plan.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As typed; 0 and NULL: the image's or the envelope's. owner NULL: herself. kind: "machine" or
 * "job"; name NULL: of a job, one is made up. command: NULL-terminated */
struct wish {
    const char *owner;
    const char *kind;
    const char *image;
    const char *name;
    const char *user;
    const char *workdir;
    const char *network;
    const char *entrypoint;
    char **command;
    struct option_list env;
    uint64_t memory_bytes;
    uint64_t pids;
    uint64_t cpu_milli;
    bool tty;
    bool input;
    bool remove;
};

/**
 * wish_check_plan() - whether @size bytes at @plan, which croftd wrote, are what @wish asks for
 * @owner_uid: whose it must be
 *
 * What was typed must stand in it as typed, and what can be asked for and was not must not. What
 * the image decides is taken from croftd: what stands before the command, the whole of it when
 * none was typed, its user, working directory and stop signal unless asked for, and further
 * variables. Ids, layers and what its owner may have at all are the monitor's to look at.
 * Return: 0; OUTCOME_FAILED with a sentence
 */
nodiscard int wish_check_plan(const struct wish *wish, uint32_t owner_uid, const struct plan *plan,
                              size_t size, struct err *err);

#endif
