/* SPDX-License-Identifier: Apache-2.0 */
/*
 * speaker - a client of the door and of croftd's socket who says what `croft` never would, under
 * whichever id the proof gives it
 *
 * This program has one thread: it takes an id for the moment in which the kernel looks.
 */
#ifndef CROFT_PROVE_SPEAKER_H
#define CROFT_PROVE_SPEAKER_H

#include "base/attrs.h"
#include "prove/scene.h"
#include "wire/order.h"
#include <stddef.h>
#include <sys/types.h>

/* One order: what the fields of its head shall be, what follows, which descriptors come with it. */
struct speech {
    uint32_t type;
    uint32_t flags;
    uint64_t number;
    const char *name; /* NULL: none; may be anything that fits */
    const void *body;
    size_t body_size;
    const int *fds;
    size_t fd_count;
};

#define SPOKEN_STRINGS_MAX 64

/* A plan and the bytes behind it. */
union spoken_plan {
    struct plan plan;
    char room[sizeof(struct plan) + SPOKEN_STRINGS_MAX];
};

/** speaker_as() - takes effective ids, with no group but @gid. Return: 0; -errno */
nodiscard int speaker_as(uid_t uid, gid_t gid);

/** speaker_back() - is root again; ends the process when it cannot be */
void speaker_back(void);

/** speaker_connect() - to the socket @name in Croft's directory, as @uid. Return: descriptor
 * (caller owns); -errno */
nodiscard int speaker_connect(const char *name, uid_t uid, gid_t gid);

/** speaker_send() - sends one order over @sock. Return: 0; -errno */
nodiscard int speaker_send(int sock, const struct speech *speech);

/**
 * speaker_hear() - the next reply that is no note; descriptors that come with it are closed
 * Return: its outcome (REPLY_STARTED is 0); -EPIPE hung up; -ETIMEDOUT; -errno
 */
nodiscard int speaker_hear(int sock, struct reply *ret_reply);

/** speaker_say() - one order on a connection of its own. Return: as speaker_hear() */
nodiscard int speaker_say(uid_t uid, gid_t gid, const struct speech *speech,
                          struct reply *ret_reply);

/** speaker_ask() - one line of JSON to croftd, on a connection of its own; @answer: terminated.
 * Return: 0; -errno */
nodiscard int speaker_ask(uid_t uid, gid_t gid, const char *json, char *answer, size_t size);

/**
 * speaker_plan() - a plan that the monitor takes from @party: a job of the scene's image that runs
 * `sleep @seconds`
 * @name: of the job
 * Return: 0; -errno
 */
nodiscard int speaker_plan(const struct party *party, const char *name, unsigned seconds,
                           union spoken_plan *ret_plan);

/** speaker_send_run() - sends ORDER_RUN with @plan and three pipes. Return: 0; -errno */
nodiscard int speaker_send_run(int sock, const union spoken_plan *plan);

/** speaker_run() - says ORDER_RUN with @plan over @sock, with three pipes. Return: as
 * speaker_hear() */
nodiscard int speaker_run(int sock, const union spoken_plan *plan, struct reply *ret_reply);

/** speaker_command() - the bytes of a command of one word, for ORDER_EXEC. Return: their size */
size_t speaker_command(const char *word, void *bytes, size_t size);

/** speaker_files() - how many descriptors the monitor has open; 0: not known */
size_t speaker_files(void);

#endif
