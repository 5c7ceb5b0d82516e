/* SPDX-License-Identifier: Apache-2.0 */
/* changes_internal - what changes.c and removals.c share */
#ifndef CROFT_MONITOR_CHANGES_INTERNAL_H
#define CROFT_MONITOR_CHANGES_INTERNAL_H

#include "base/loop.h"
#include "monitor/changes.h"
#include "monitor/records.h"
#include "monitor/users.h"

/* An addition, a change or a removal on its way. */
struct change {
    struct monitor *monitor;
    struct change *next;
    struct user *user;
    struct request *request;
    struct deed deed;
    struct record_user record;
    struct err failure;
    uint64_t disk_free_before;
    bool purge;
    unsigned int retries;
    struct loop_timer timer;
};

/** change_remove() - carries a recorded removal out, and answers. Consumes @change */
void change_remove(struct change *change);

/** change_record_own() - what an admin did to her stands in her own file too (invariant 10) */
void change_record_own(struct change *change, enum record_type type, uint32_t actor_uid);

void change_free(struct change *change);

#endif
