/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record - one entry of the records: append-only, hash-chained, one file per user and one of the
 * host; written by the monitor alone, read by the monitor at start and by `croft audit`
 *
 * A file is a sequence of records: struct record, a payload, and the SHA-256 of both. previous is
 * the hash of the entry before it (zeroes for the first), so an entry changed, removed or inserted
 * breaks every hash after it. The host's file holds the head of each user's file in turn.
 */
#ifndef CROFT_WIRE_RECORD_H
#define CROFT_WIRE_RECORD_H

#include "wire/order.h"

#define RECORD_MAGIC 0x32524643U /* "CFR2" */

enum record_type {
    RECORD_HOST_START = 1,
    RECORD_HOST_STOP,
    RECORD_HEAD, /* host file: subject_uid's file ends at number[0] with the hash in the payload */
    RECORD_USER_ADD, /* payload of the outcome: struct record_user */
    RECORD_USER_SET, /* likewise */
    RECORD_USER_REMOVE,
    RECORD_LAUNCH, /* payload: the plan, sealed */
    RECORD_RUN,    /* payload: the plan, sealed; of a --rm job its SHA-256. number: flags, kind.
                      Its outcome comes with its end and has the numbers of ENDED */
    RECORD_START,
    RECORD_STOP,
    RECORD_REMOVE,
    RECORD_EXEC,         /* payload: the first bytes of the command's strings */
    RECORD_IMAGE_IMPORT, /* payload of the outcome: the layer's SHA-256, struct image_config;
                            number: entries, bytes */
    RECORD_IMAGE_REMOVE,
    RECORD_ENDED, /* an instance ended: number: enum record_ended */
    RECORD_LOGIN,
    RECORD_HOST_NETWORK, /* host file; payload: struct order_network */
    RECORD_GRANT,        /* payload: struct grant; in the owner's file, its outcome in both */
    RECORD_GRANT_END,    /* payload: struct grant with over and cut; likewise */
    RECORD_ASK,          /* payload: struct ask; in both files */
    RECORD_DENY,         /* payload: struct ask; in both files; also one taken back or too old */
    RECORD_TYPE_COUNT
};

/* WANTED: 1 when the host's stop ended it, so that the host's start brings it back. */
enum record_ended {
    RECORD_ENDED_CODE = 0,
    RECORD_ENDED_SIGNAL,
    RECORD_ENDED_OOM,
    RECORD_ENDED_WANTED,
};

enum record_phase {
    RECORD_INTENT = 1,  /* before it happens */
    RECORD_OUTCOME = 2, /* after; intent_seq says of what */
};

struct record {
    uint32_t magic;
    uint32_t size_bytes; /* whole: struct, payload, hash */
    uint64_t seq;        /* 1, 2, 3... in its file */
    uint64_t intent_seq;
    uint64_t wall_ns;
    uint64_t boot_ns;
    uint32_t type;
    uint32_t phase;
    uint32_t outcome; /* enum outcome; of an intent 0 */
    uint32_t actor_uid;
    uint32_t subject_uid;
    uint32_t reserved;
    uint64_t number[4];
    char name[NAME_SIZE]; /* of the machine, image or user */
    char text[128];       /* for people: never matched on */
    uint8_t previous[SHA256_SIZE];
};
_Static_assert(sizeof(struct record) == 296, "file layout");
#define RECORD_SIZE_MAX (sizeof(struct record) + PLAN_SIZE_MAX + SHA256_SIZE)

/*
 * Payload of USER_ADD and USER_SET: the user whole.
 * slot: block_first = ID_RANGE_FIRST + slot * BLOCK_COUNT; keeper = ID_RANGE_LAST - slot
 */
struct record_user {
    uint32_t uid;
    uint32_t gid;
    uint32_t audit_gid;
    uint32_t slot;
    struct user_limits limits;
};
_Static_assert(sizeof(struct record_user) == 80, "file layout");

/**
 * record_check() - whether @size bytes start with one whole, intact record that follows @previous
 * @seq:      the number it must have
 * @ret_size: its size in bytes
 * @ret_hash: its hash, the @previous of the next
 * Pure; fuzzed.
 * Return: 0; -EAGAIN only the start of one (a torn tail); -EBADMSG broken
 */
nodiscard int record_check(const uint8_t *bytes, size_t size, uint64_t seq,
                           const uint8_t previous[SHA256_SIZE], size_t *ret_size,
                           uint8_t ret_hash[SHA256_SIZE]);

/** record_type_name() - "launch", "user add"...: for `croft audit`. Return: never NULL */
const char *record_type_name(uint32_t type);

#endif
