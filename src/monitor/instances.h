/* SPDX-License-Identifier: Apache-2.0 */
/* instances - one machine or job from its sealed plan to its end; the states are drawn in
 * instances.c */
#ifndef CROFT_MONITOR_INSTANCES_H
#define CROFT_MONITOR_INSTANCES_H

#include "base/loop.h"
#include "monitor/events.h"
#include "monitor/jobs.h"
#include "monitor/links.h"
#include "monitor/records.h"
#include "monitor/users.h"
#include "wire/event.h"

struct request;
struct session;

/* A removal that waits for the end of what it removes. */
struct removal {
    struct request *request;
    struct deed deed;
};

/*
 * plan:     sealed: byte for byte what its owner ordered (invariant 13); NULL: a --rm job that was
 *           found running after a restart, of which only the hash was recorded
 * flags:    enum plan_flag
 * wanted:   it is started again with the host
 * fresh:    it has never run: when the start fails, nothing of it stays
 * process:  pid 1, when it was taken over; else it is the runner's
 * starter:  who waits until it runs; session: who gets its output
 * stoppers: who waits until it has ended
 * deed:     the launch, run or start whose outcome is not written yet
 * master:   of the terminal, between `waiting` and `running`
 */
struct instance {
    struct user *user;
    struct instance *next;
    struct event_item event;
    char name[NAME_SIZE];
    char image[NAME_SIZE];
    struct plan *plan;
    uint32_t kind;
    uint32_t flags;
    enum instance_state state;
    bool wanted;
    bool fresh;
    uint64_t since_wall_ns;
    int exit_code;
    int exit_signal;
    uint64_t oom_kills;
    char text[ERR_TEXT_SIZE];
    struct process process;
    struct runner *runner;
    struct session *session;
    struct request *starter;
    struct request *stoppers;
    struct removal *removal;
    struct deed deed;
    struct loop_timer stop_timer;
    int master;
    uint32_t slot; /* its address (wire/net.h) as long as it exists; 0: none yet */
    struct link link;
};

/** instances_by_name() - Return: NULL: she has none of that name */
struct instance *instances_by_name(const struct user *user, const char *name);

/** instance_new() - an instance in the list, stopped; @plan is copied, may be NULL. Never NULL */
struct instance *instance_new(struct user *user, const char *name, const struct plan *plan);

/** instance_recorded() - replay: the intent of a launch or run, whose deed it still is. Never NULL
 */
struct instance *instance_recorded(struct user *user, const struct record *record,
                                   const void *payload, size_t payload_size);

/** instance_drop() - takes it out of the list and frees it; it must not run */
void instance_drop(struct instance *instance);

size_t instances_count(const struct user *user);

/** instance_is_up() - whether it has, or soon has, processes */
bool instance_is_up(const struct instance *instance);

/** instances_running() - whether any of hers has processes */
bool instances_running(const struct user *user);

/** instances_by_layer() - one that needs the layer @digest. Return: NULL: none does */
struct instance *instances_by_layer(const struct user *user, const uint8_t digest[SHA256_SIZE]);

/* Who starts an instance, and what it is given; everything is borrowed, all may be NULL. */
struct start {
    struct request *request; /* answered by REPLY_DONE, or with a session by REPLY_STARTED */
    struct session *session;
    const int *stdio; /* three descriptors; NULL: output goes to the log */
    bool tty;
    bool input;
};

/**
 * instance_start() - starts it by its sealed plan
 * @deed: the recorded intent, which the instance ends; moved when this succeeds
 * Return: 0 it is starting, and answers; an outcome: nothing was left behind, the caller answers
 */
nodiscard int instance_start(struct instance *instance, const struct start *start,
                             struct deed *deed, struct err *err);

/** instance_start_slow() - it waits for others: its owner's next order may begin */
void instance_start_slow(struct instance *instance);

/** instance_start_failed() - it is starting, and shall not: undoes it and answers */
void instance_start_failed(struct instance *instance, const struct err *err);

/** instance_start_refused() - it could not even begin to start: is FAILED from now on */
void instance_start_refused(struct instance *instance, const struct err *err);

/** instance_process() - pid 1 (borrowed) */
const struct process *instance_process(const struct instance *instance);

/** instance_limits() - its own limits within the envelope; 0: the envelope only */
struct cgroup_limits instance_limits(const struct instance *instance);

/**
 * instance_remove() - records it, kills it if it runs, and discards it
 * Return: REQUEST_PENDING: @request is answered; an outcome
 */
nodiscard int instance_remove(struct instance *instance, struct request *request, struct err *err);

/** instance_set_state() - it is @state from now on, and croftd hears of it */
void instance_set_state(struct instance *instance, enum instance_state state);

/** instance_running_adopted() - it was found running: @pid is its pid 1; @pidfd is consumed */
void instance_running_adopted(struct instance *instance, pid_t pid, int pidfd);

/** instance_discard() - moves what it wrote to the trash and drops it; it must not run */
void instance_discard(struct instance *instance);

/* halt.c: how an instance ends when it is told to. */

/**
 * instance_stop() - asks pid 1 to end, and kills all of it after @timeout_ms
 * @request: answered when it has ended; may be NULL
 */
void instance_stop(struct instance *instance, uint64_t timeout_ms, struct request *request);

/** instance_stop_due() - the time that it had to end by itself is over: kills all of it */
void instance_stop_due(void *data);

/** instance_answer_stoppers() - it has ended: whoever waited for it is told */
void instance_answer_stoppers(struct instance *instance);

/* adopt.c: what the monitor finds when it starts. */

/** instances_adopt() - of each user: takes over what runs, ends what a crash cut in two, and kills
 * what no record knows */
void instances_adopt(struct monitor *monitor);

/** instances_start_wanted() - starts, a few at a time, what shall run and does not */
void instances_start_wanted(struct monitor *monitor);

/* sweep.c: what ended leaves behind. */

/** sweep_group() - removes the group of an instance that has ended, as soon as it is empty */
void sweep_group(struct user *user, const char *name);

/** sweep_cancel() - forgets what is still to be removed of a user who goes */
void sweep_cancel(struct user *user);

/** sweep_strangers() - kills and removes the groups of hers that belong to no instance */
void sweep_strangers(struct user *user);

/** sweep_unknown() - kills, removes and unmounts what belongs to a uid that is no Croft user's */
void sweep_unknown(struct monitor *monitor);

/** sweep_volume() - moves directories that belong to no instance to the trash */
void sweep_volume(struct user *user);

#endif
