/* SPDX-License-Identifier: Apache-2.0 */
/* grants_internal - what the files of the grants share: the table of grants.c, and its rows */
#ifndef CROFT_MONITOR_GRANTS_INTERNAL_H
#define CROFT_MONITOR_GRANTS_INTERNAL_H

#include "base/loop.h"
#include "monitor/allowance.h"
#include "monitor/grants.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"
#include "monitor/sockets.h"

enum granted_state {
    GRANTED_MAKING = 1, /* its intent is recorded; croft-net is asked */
    GRANTED_LIVE,
    GRANTED_ENDING, /* its end is recorded; who waits is answered when it is closed */
};

/*
 * told:     the slot under which croft-net was told, so that the kernel lets packets through, or
 *           soon does; 0: it was not
 * open:     croft-net has answered that the kernel does
 * written_wall_ns: when the record was written from which it was replayed
 * ask_id:   of the ask that this one answers; 0: none
 * deed:     of its making, or of its end, as long as the outcome is not written
 * waiting:  MAKING, LIVE: who granted it; ENDING: everybody who ends it
 * actor_uid: ENDING: who ended it
 * timer:    how long they wait
 * jobs:     what looks at, or destroys, sockets
 * late:     the look was given up
 * asked:    ENDING: croft-net was asked to close it, and has not answered
 * closed:   ENDING: no packet passes any more; in_line: the sockets are cut when others are
 * closed_slot: ENDING: where croft-net closed it
 * cutting:  ENDING: its sockets are being destroyed
 * unwritten: ENDING: all is done, but it could not be recorded
 * ender:    ENDING: whose turn it takes, and in whose list it stands
 * counted:  connections that were tracked; destroyed: sockets of the server, of its clients
 */
struct granted {
    struct monitor *monitor;
    struct granted *next;
    struct granted *previous;
    struct user *owner;
    struct user *grantee;
    struct grant grant;
    enum granted_state state;
    uint32_t told;
    bool open;
    uint64_t written_wall_ns;
    uint64_t ask_id;
    struct deed deed;
    struct request *waiting;
    uint32_t actor_uid;
    struct loop_timer timer;
    uint32_t listening;
    struct sockets *jobs;
    bool late;
    bool asked;
    bool closed;
    bool in_line;
    bool cutting;
    bool unwritten;
    uint32_t closed_slot;
    struct user *ender;
    struct granted *next_ending;
    struct granted *previous_ending;
    uint32_t counted;
    uint32_t destroyed[2];
};

struct asked {
    struct monitor *monitor;
    struct asked *next;
    struct asked *previous;
    struct user *asker;
    struct user *owner;
    struct ask ask;
};

/* grants.c: the table */

/** granted_new() - a row of its own, in its place by id. Return: never NULL */
struct granted *granted_new(struct monitor *monitor, const struct grant *grant);
/** granted_free() - takes it out; who waits was answered */
void granted_free(struct granted *granted);
struct granted *granted_by_id(const struct monitor *monitor, uint64_t id);
/** granted_instance() - its machine. Return: NULL: there is none */
struct instance *granted_instance(const struct granted *granted);
/** granted_is_of() - whether @instance is what it grants */
bool granted_is_of(const struct granted *granted, const struct instance *instance);
/** granted_left() - what is left of it now */
uint64_t granted_left(const struct granted *granted);
void granted_view(const struct granted *granted, struct grant_view *ret_view);
/** granted_record() - writes an outcome of @type into both users' files, on the disk if somebody
 * waits for it. Return: 0; -errno: it is not in the owner's */
int granted_record(struct granted *granted, enum record_type type);
/** grants_clocks() - what they say now */
void grants_clocks(const struct monitor *monitor, struct grant_clocks *ret_clocks);

/**
 * granted_make() - grants @terms of @machine, which is @owner's, and answers @request when it is
 * open
 * @ask_id: the ask that is answered by it; 0: none
 * Return: REQUEST_PENDING; an outcome: nothing was done
 */
nodiscard int granted_make(struct request *request, struct user *owner, struct user *grantee,
                           const char *machine, const struct grant_terms *terms, uint64_t ask_id,
                           struct err *err);

/** grants_user() - an active user by name who is not @user. Return: NULL: none, @err is set */
struct user *grants_user(const struct user *user, const char *name, struct err *err);

/* opening.c */

/** granted_open() - croft-net is asked, and the machine looked at; or nothing of both, if it does
 * not run */
void granted_open(struct granted *granted);
/** granted_made() - records that it is there, whether it is open already or will be. Return: 0;
 * -errno: it is not in the records, and must end */
int granted_made(struct granted *granted);
/** granted_request() - what croft-net is told of it in @slot */
struct net_request granted_request(const struct granted *granted, enum net_request_type type,
                                   uint32_t slot);

/* cut.c */

/**
 * granted_end() - ends it: recorded, closed, cut; in this order
 * @request: answered when all of it is done; may be NULL
 */
void granted_end(struct granted *granted, enum grant_over over, uint32_t actor_uid,
                 struct request *request);
/** granted_ends() - it is nobody's from here on, and in the list of her who ends it */
void granted_ends(struct granted *granted, enum grant_over over, uint32_t actor_uid);
/** granted_ended() - out of that list, with its turn; fine for one that is in none */
void granted_ended(struct granted *granted);
/** cuts_init() - no cut is at work yet */
void cuts_init(struct monitor *monitor);
/** granted_close() - ENDING: asks croft-net to close it, or goes on when there is nothing open */
void granted_close(struct granted *granted);

/* ends.c */

/** ends_note() - a grant or an ask is new: the timer is perhaps due sooner */
void ends_note(struct monitor *monitor, uint64_t left_ns, uint64_t until_wall_ns);

/* asks.c */

/** asks_recorded() - replay of a RECORD_ASK or DENY */
void asks_recorded(struct user *owner, const struct record *record, const struct ask *ask);
/** asks_answered() - ask @id was answered by a grant */
void asks_answered(struct monitor *monitor, uint64_t id);
/** asks_expire() - those that nobody answered go. Return: when the next one will, wall clock */
uint64_t asks_expire(struct monitor *monitor, uint64_t now_wall_ns);
/** asks_user_gone() - those of and to @user go */
void asks_user_gone(struct user *user);

#endif
