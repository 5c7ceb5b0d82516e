/* SPDX-License-Identifier: Apache-2.0 */
/*
 * envelope - the arithmetic of a user's limits: defaults, bounds, and what the host keeps
 *
 * Pure but for host_room_read(); the sentences hold the numbers that decided.
 */
#ifndef CROFT_MONITOR_ENVELOPE_H
#define CROFT_MONITOR_ENVELOPE_H

#include "base/attrs.h"
#include "wire/order.h"

/*
 * What the host has.
 * memory_promised_bytes: sum of memory-min of all other users
 * disk_free_bytes:       free on the file system of the volumes
 * disk_name:             where that is, for sentences
 * connections:           that the kernel keeps track of, of everybody; 0: it says nothing of it
 */
struct host_room {
    uint64_t memory_bytes;
    uint64_t memory_promised_bytes;
    uint64_t disk_free_bytes;
    uint32_t pids;
    uint32_t cpu_milli;
    uint64_t connections;
    const char *disk_name;
};

/**
 * host_room_read() - asks the kernel
 * @disk: any descriptor on the file system of the volumes
 * @proc: /proc
 * Return: 0; -errno; memory_promised_bytes and disk_name are the caller's to set
 */
nodiscard int host_room_read(int disk, int proc, struct host_room *ret_room);

/** host_memory_reserve() - what of @total_bytes no user may have */
uint64_t host_memory_reserve(uint64_t total_bytes);

/** host_disk_keep() - what of @free_bytes a new volume must leave free */
uint64_t host_disk_keep(uint64_t free_bytes);

/**
 * envelope_decide() - the limits that a user gets
 * @fields: bits of enum user_field: which of @asked count
 * @now:    her limits so far, which stay where @asked says nothing; NULL: a new user
 * Return: 0; OUTCOME_OVER_LIMIT; OUTCOME_USAGE; OUTCOME_HOST_CANNOT
 */
nodiscard int envelope_decide(const struct host_room *room, uint32_t fields,
                              const struct user_limits *asked, const struct user_limits *now,
                              struct user_limits *ret_limits, struct err *err);

#endif
