/* SPDX-License-Identifier: Apache-2.0 */
/* grants - who may what of whom, from the granting to its end; and the asking */
#ifndef CROFT_MONITOR_GRANTS_H
#define CROFT_MONITOR_GRANTS_H

#include "base/loop.h"
#include "monitor/records.h"
#include "wire/grant.h"
#include <stdbool.h>

struct monitor;
struct instance;
struct request;
struct user;
struct granted;
struct asked;

/*
 * first, last: grants, and asks, by rising id
 * next_id:     of grants and asks; never given twice
 * replaying:   the records are read: what goes now is not recorded again
 * timer:       the nearest end by what was left
 * wall:        the nearest GRANT_UNTIL by the clock, and every setting of the clock
 * wall_due_ns: what wall is set to
 * line:        a close or a cut is over, so that the next may have its turn
 * unwritten:   ends that could not be recorded are tried again
 */
struct grants {
    struct granted *first;
    struct granted *last;
    struct asked *asks;
    struct asked *asks_last;
    uint64_t next_id;
    bool replaying;
    struct loop_timer timer;
    struct loop_source wall;
    uint64_t wall_due_ns;
    struct loop_timer line;
    struct loop_timer unwritten;
};

/*
 * Grants that one user is ending, the first one first.
 * closing: croft-net is asked about so many; cutting: sockets of so many are being destroyed
 * at_once: ended in this turn of the loop without either
 */
struct endings {
    struct granted *first;
    struct granted *last;
    uint32_t closing;
    uint32_t cutting;
    uint32_t at_once;
};

/** grants_init() - before the records are read. Return: 0; -errno no clock to be had */
nodiscard int grants_init(struct monitor *monitor);

/** grants_recorded() - replay of a RECORD_GRANT, GRANT_END, ASK or DENY in the file of @user */
void grants_recorded(struct user *user, const struct record *record, const void *payload,
                     size_t payload_size);

/** grants_disbelieved() - the file of @user is damaged: nothing that it says is granted */
void grants_disbelieved(struct user *user);

/** grants_replayed() - after all files and the adoption of what runs: ends what ended while Croft
 * was down, before anything has a network; arms the timer */
void grants_replayed(struct monitor *monitor);

/** grants_tell_all() - tells a new croft-net every grant whose machine has a link */
void grants_tell_all(struct monitor *monitor);

/** grants_synced() - croft-net knows all now: what ended meanwhile is closed */
void grants_synced(struct monitor *monitor);

/** grants_open() - how many the kernel's table should hold */
uint32_t grants_open(const struct monitor *monitor);

/** grants_linked() - @instance has its link now: its grants open, its grantees learn its name */
void grants_linked(struct instance *instance);

/** grants_unlinked() - @instance ended: its elements go; the grants stay */
void grants_unlinked(struct instance *instance);

/** grants_instance_gone() - @instance is about to be removed: its grants end */
void grants_instance_gone(struct instance *instance);

/** grants_user_gone() - grants and asks of and to @user end */
void grants_user_gone(struct user *user);

/** grants_user_dropped() - @user is about to be freed: nothing waits for her any more */
void grants_user_dropped(struct user *user);

/** grants_each_to() - calls @each with every running machine that is granted to @user, once each */
void grants_each_to(const struct user *user,
                    void (*each)(const struct instance *instance, void *data), void *data);

/* Orders; each returns 0, an outcome with @err set, or REQUEST_PENDING. */
nodiscard int grant_order_grant(struct request *request, struct user *user, struct err *err);
nodiscard int grant_order_revoke(struct request *request, struct user *user, struct err *err);
nodiscard int grant_order_list(struct request *request, struct user *user, struct err *err);
nodiscard int ask_order_ask(struct request *request, struct user *user, struct err *err);
nodiscard int ask_order_list(struct request *request, struct user *user, struct err *err);
nodiscard int ask_order_approve(struct request *request, struct user *user, struct err *err);
nodiscard int ask_order_deny(struct request *request, struct user *user, struct err *err);
nodiscard int why_order(struct request *request, struct user *user, struct err *err);

#endif
