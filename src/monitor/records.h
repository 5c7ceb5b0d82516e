/* SPDX-License-Identifier: Apache-2.0 */
/*
 * records - the truth: intent before, outcome after, in the user's file and the host's
 *
 * Theory: see records.c. The file format is wire/record.h, one file is chain.h.
 */
#ifndef CROFT_MONITOR_RECORDS_H
#define CROFT_MONITOR_RECORDS_H

#include "base/loop.h"
#include "monitor/chain.h"

struct monitor;
struct user;

struct records {
    struct chain host;
    struct loop_timer sync;  /* within RECORD_SYNC_MS of the first unsynced record */
    struct loop_timer heads; /* writes the heads of changed chains into the host's file */
};

/* How long an answer may be ahead of the disk (invariant 10). */
enum durability {
    DURABLE_SOON, /* within RECORD_SYNC_MS: run and exec of one's own machine */
    DURABLE_NOW,  /* before the answer: everything else */
};

/* Something that was begun and whose outcome is still to be written. */
struct deed {
    struct chain *chain; /* NULL: no deed */
    enum record_type type;
    uint64_t seq;
    uint32_t actor_uid;
    uint32_t subject_uid;
    char name[NAME_SIZE];
};

/**
 * deed_begin() - writes the intent
 * @user:    whose file; NULL: the host's
 * @entry:   type, actor_uid, name, text, payload and number are used
 * @ret_deed: give it to deed_end()
 * Return: 0; OUTCOME_HOST_CANNOT, OUTCOME_OVER_LIMIT: nothing may be done then
 */
nodiscard int deed_begin(struct monitor *monitor, struct user *user,
                         const struct chain_entry *entry, struct deed *ret_deed, struct err *err);

/**
 * deed_end() - writes the outcome, and waits for the disk when @durability says so
 * @failure: NULL: OUTCOME_OK
 * @entry:   number, text and payload are used; may be NULL
 * A deed without a chain is fine, and ending it twice too.
 * Return: 0; -errno: it was logged, and is not on the disk
 */
int deed_end(struct monitor *monitor, struct deed *deed, enum durability durability,
             const struct err *failure, const struct chain_entry *entry);

/**
 * deed_done() - ends a deed that succeeded, on the disk: what is answered by OK is never lost
 * Return: 0; OUTCOME_HOST_CANNOT: it was done, and the host's next crash may undo it, says @err
 */
nodiscard int deed_done(struct monitor *monitor, struct deed *deed, const struct chain_entry *entry,
                        struct err *err);

/** records_full() - whether @chain takes no more than what ends something or takes it away */
bool records_full(struct chain *chain);

/** records_outcome() - a lone outcome: what happened by itself, or was refused. Return: as
 * deed_end() */
int records_outcome(struct monitor *monitor, struct chain *chain, const struct chain_entry *entry,
                    enum durability durability);

/** records_sync_all() - waits for the disk, then writes all heads */
void records_sync_all(struct monitor *monitor);

/**
 * records_open() - replays the host's file and each user's: users, images, instances
 *
 * A user whose file is broken is there, with no image and no instance, and may do nothing.
 * Return: 0; outcome: the host's own file is broken or cannot be read
 */
nodiscard int records_open(struct monitor *monitor, struct err *err);

/** records_user_open() - the file of a new user; one of an older user of that uid is moved aside.
 * Return: 0; -errno */
nodiscard int records_user_open(struct monitor *monitor, struct user *user);

/** records_user_retire() - closes the file of a user who was removed and moves it aside */
void records_user_retire(struct monitor *monitor, struct user *user);

#endif
