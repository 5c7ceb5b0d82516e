/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain - one file of records: append-only, each entry with the hash of the one before
 *
 * Knows files and hashes, not what the entries mean: records.c does.
 */
#ifndef CROFT_MONITOR_CHAIN_H
#define CROFT_MONITOR_CHAIN_H

#include "base/attrs.h"
#include "wire/record.h"
#include <stdbool.h>
#include <sys/types.h>

/*
 * size_bytes: of all whole records; seq, hash, wall_ns: of the last one
 * held_bytes: up to here the file system has given the file its blocks
 * broken:     the file did not check: nothing may be appended, nothing that it says is believed
 * unsynced:   something appended is perhaps not on the disk yet
 * unheaded:   something was appended since the host's file last got this one's head
 */
struct chain {
    int fd;
    uint64_t size_bytes;
    uint64_t held_bytes;
    uint64_t seq;
    uint8_t hash[SHA256_SIZE];
    uint64_t wall_ns;
    bool broken;
    bool unsynced;
    bool unheaded;
};

/* What the host's file last said about a chain; seq 0: nothing. */
struct chain_head {
    uint64_t seq;
    uint8_t hash[SHA256_SIZE];
};

/* Fields of a record that its writer chooses; text and payload may be NULL. */
struct chain_entry {
    enum record_type type;
    enum record_phase phase;
    uint32_t outcome;
    uint64_t intent_seq;
    uint32_t actor_uid;
    uint32_t subject_uid;
    uint64_t number[4];
    const char *name;
    const char *text;
    const void *payload;
    size_t payload_size;
};

/* Called for each record of a file in turn, with its payload; both are valid during the call. */
typedef void (*chain_each_fn)(const struct record *record, const void *payload, size_t payload_size,
                              void *data);

/**
 * chain_open() - opens @name beneath @dir (makes it with @mode and @gid if it is not there),
 * checks it from end to end and tells @each about every record
 * @head: what the host's file knows about it; a file that ends earlier or differs there is broken
 *
 * The start of a record at the end of the file is what a crash leaves behind: it is cut off. Any
 * other damage sets @ret_chain->broken, and the file is left as it is for a person to look at.
 * Runs as: monitor, CAP_CHOWN
 * Return: 0, also for a broken file; -errno
 */
nodiscard int chain_open(int dir, const char *name, mode_t mode, gid_t gid,
                         const struct chain_head *head, chain_each_fn each, void *data,
                         struct chain *ret_chain);

void chain_close(struct chain *chain);

/**
 * chain_append() - writes one record; all of it or nothing
 * @ret_seq: its number; may be NULL
 * Return: 0; -EBADMSG the chain is broken; -EMSGSIZE; -errno
 */
nodiscard int chain_append(struct chain *chain, const struct chain_entry *entry, uint64_t *ret_seq);

/**
 * chain_has_reserve() - whether RECORD_RESERVE more bytes fit, whatever becomes of the disk
 *
 * What begins something asks first; so when the disk is full, what ends something still has where
 * to be written. Beyond the end of the file, where no reader sees it.
 * Source:  fallocate(2), FALLOC_FL_KEEP_SIZE
 */
nodiscard bool chain_has_reserve(struct chain *chain);

/** chain_sync() - waits until all of it is on the disk. Return: 0; -errno */
nodiscard int chain_sync(struct chain *chain);

#endif
