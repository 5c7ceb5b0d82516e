/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allowance - how much one user may write into the records of others
 *
 * A grant stands in the grantee's file and an ask in the owner's: so that nobody fills another's
 * records, each user has a number of such entries, which comes back slowly, and each file takes so
 * many bytes that others caused. Half of those are whoever's is first; of the other half each user
 * has her own equal part, so that nobody, and no two together, can take away another's.
 */
#ifndef CROFT_MONITOR_ALLOWANCE_H
#define CROFT_MONITOR_ALLOWANCE_H

#include "base/attrs.h"
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

struct record;
struct user;

/* Who wrote into a file that is not hers, and how much. */
struct allowance_writer {
    uint32_t uid;
    uint64_t bytes;
};

/* used: entries not yet come back; counted_boot_ns: when they were counted; bytes: in her own file,
 * caused by others, who are the writers */
struct allowance {
    uint32_t used;
    uint64_t counted_boot_ns;
    uint64_t bytes;
    struct allowance_writer *writers;
    size_t writer_count;
};

/** allowance_take() - room for what @user begins with @other, and for its end. Return: 0;
 * OUTCOME_OVER_LIMIT */
nodiscard int allowance_take(struct user *user, struct user *other, struct err *err);

/** allowance_written() - a record of @size bytes by @actor_uid stands in the file of @user now */
void allowance_written(struct user *user, uint32_t actor_uid, uint64_t size);

/** allowance_free() - @user is about to be freed */
void allowance_free(struct user *user);

#endif
