/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan - the waterline: the fixed description of one instance to start, and of one command to run
 *
 * To the left of a plan is text, to the right are fixed structs and descriptors. Anyone may write
 * a plan; what decides is plan_check() in the monitor against the monitor's own records. A plan
 * holds no host path: strings mean something only inside the instance.
 */
#ifndef CROFT_WIRE_PLAN_H
#define CROFT_WIRE_PLAN_H

#include "base/attrs.h"
#include "base/err.h"
#include "base/sha256.h"
#include "wire/limits.h"
#include <stdint.h>

#define PLAN_VERSION 1U

enum plan_kind {
    PLAN_MACHINE = 1, /* launch: stays up, is started again with the host */
    PLAN_JOB = 2,     /* run: ends with its command */
};

enum plan_flag {
    PLAN_REMOVE = 1U << 0,  /* --rm: the instance goes away with its end */
    PLAN_TTY = 1U << 1,     /* stdio is a terminal of the instance's own devpts */
    PLAN_STDIN = 1U << 2,   /* -i: standard input is kept open */
    PLAN_OFFLINE = 1U << 3, /* no network but its own loopback */
    PLAN_FLAGS_ALL = 15U,
};

/* How the name of a job begins that nobody named. */
#define PLAN_JOB_PREFIX "job-"
/* The command of a machine, and of a job, when neither the wish nor the image has one. */
#define PLAN_NO_COMMAND "-"
#define PLAN_SHELL      "/bin/sh"

/* Filters by number, never by bytes; the files are lib/croft/filters/N.bpf. */
enum plan_filter {
    PLAN_FILTER_DEFAULT = 1,
    PLAN_FILTER_UNPACK = 2, /* for the image jobs only; no plan may name it */
};

/*
 * A command: who, where, what, with which environment. strings holds, each with its 0 byte:
 * the working directory, argc arguments, envc variables; strings_len counts all of it.
 * The single argument "-" (PLAN_NO_COMMAND) is no command: croft-init is all that runs, until it is
 * asked to end.
 *
 * user: "" (root inside), a decimal id, or a name that croft-init looks up inside the instance;
 *       either may have ":GROUP" after it; "?NAME": NAME if the image has it, else root
 */
struct command {
    uint32_t argc;
    uint32_t envc;
    uint32_t strings_len;
    uint32_t reserved;
    char user[NAME_SIZE];
    char strings[];
};

/*
 * owner_uid:     host uid of the owner; must be the peer's
 * block_first:   her block, as the records have it
 * keeper_id:     the id under which her namespaces are made
 * layer:         SHA-256 of each layer, lowest first; each must be hers
 * memory_bytes, pids, cpu_milli: limits of this instance within her envelope; 0: the envelope only
 * mount_count, device_count: must be 0 (grants will fill them)
 * stop_signal:   1..64
 */
struct plan {
    uint32_t version;
    uint32_t kind;
    uint32_t flags;
    uint32_t filter;
    uint32_t owner_uid;
    uint32_t block_first;
    uint32_t block_count;
    uint32_t keeper_id;
    uint32_t layer_count;
    uint32_t mount_count;
    uint32_t device_count;
    uint32_t stop_signal;
    uint32_t pids;
    uint32_t cpu_milli;
    uint64_t memory_bytes;
    char name[NAME_SIZE];
    char image[NAME_SIZE];
    uint8_t layer[PLAN_LAYERS_MAX][SHA256_SIZE];
    struct command command;
};

_Static_assert(sizeof(struct command) == 56, "wire layout");
_Static_assert(sizeof(struct plan) == 64 + 2 * NAME_SIZE + PLAN_LAYERS_MAX * SHA256_SIZE + 56,
               "wire layout");
#define PLAN_SIZE_MAX (sizeof(struct plan) + PLAN_STRINGS_MAX)
_Static_assert(PLAN_SIZE_MAX + 256 <= MESSAGE_SIZE_MAX, "an order with a plan is one message");

/* What the monitor's records say about the owner, against which a plan is held. */
struct plan_owner {
    uint32_t uid;
    uint32_t block_first;
    uint32_t keeper_id;
    uint64_t memory_bytes;
    uint32_t pids;
    uint32_t cpu_milli; /* 0: all CPUs */
};

/** plan_size() - bytes that @plan takes with its strings */
static inline size_t plan_size(const struct plan *plan)
{
    return sizeof(*plan) + plan->command.strings_len;
}

/**
 * command_check() - whether @size bytes at @command are one well-formed command
 * Return: 0; OUTCOME_USAGE with a sentence
 */
nodiscard int command_check(const struct command *command, size_t size, struct err *err);

/**
 * plan_check() - whether @size bytes at @plan are a plan that @owner may start
 *
 * Pure: everything but whether the layers exist and the name is free, which the caller knows.
 * Return: 0; OUTCOME_USAGE malformed; OUTCOME_NOT_PERMITTED not hers; OUTCOME_OVER_LIMIT
 */
nodiscard int plan_check(const struct plan *plan, size_t size, const struct plan_owner *owner,
                         struct err *err);

/**
 * command_strings() - walks a checked command's strings
 * @ret_workdir: points into @command
 * @argv:        receives argc pointers and a NULL; room for PLAN_ARGS_MAX + 1
 * @envp:        likewise
 */
void command_strings(const struct command *command, const char **ret_workdir, const char **argv,
                     const char **envp);

#endif
