/* SPDX-License-Identifier: Apache-2.0 */
/*
 * planner - from what a person wishes to a struct plan: the waterline is written here
 *
 * Pure: looks at nothing but its arguments. Its plan is advice: the monitor holds every plan
 * against its own records, whoever wrote it. So the checks here are for a good sentence, early.
 */
#ifndef CROFT_DAEMON_PLANNER_H
#define CROFT_DAEMON_PLANNER_H

#include "base/attrs.h"
#include "base/err.h"
#include "daemon/view.h"
#include "wire/plan.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What is wished; strings are borrowed.
 * kind:        enum plan_kind
 * name:        of the instance
 * user:        inside; "": the image's
 * workdir:     inside; "": the image's
 * entrypoint:  takes the place of the image's, "": of none; NULL: the image's
 * command:     what is appended to the entry point in place of the image's CMD, which goes with the
 *              image's entry point only; when there is neither, a machine idles, a job is a shell
 * env:         over the image's
 * offline:     no network but its own loopback
 * memory_bytes, pids, cpu_milli: 0: the envelope's
 */
struct wish {
    uint32_t kind;
    const char *name;
    const char *image;
    const char *user;
    const char *workdir;
    const char *entrypoint;
    const char *const *command;
    size_t command_count;
    const char *const *env;
    size_t env_count;
    bool tty;
    bool stdin_open;
    bool remove;
    bool offline;
    uint64_t memory_bytes;
    uint32_t pids;
    uint32_t cpu_milli;
};

/* A plan with room for its strings. */
union plan_buffer {
    struct plan plan;
    char bytes[PLAN_SIZE_MAX];
};

/**
 * planner_make() - the plan of @wish for @owner
 * @ret_plan: plan_size() bytes of it are the plan
 * Return: 0; OUTCOME_USAGE; OUTCOME_NOT_FOUND no such image of hers; OUTCOME_OVER_LIMIT
 */
nodiscard int planner_make(const struct wish *wish, const struct view_user *owner,
                           union plan_buffer *ret_plan, struct err *err);

/**
 * planner_job_name() - "job-" and 8 hexadecimal digits
 * @random: 4 bytes
 */
void planner_job_name(const uint8_t random[4], char ret_name[NAME_SIZE]);

#endif
