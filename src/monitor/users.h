/* SPDX-License-Identifier: Apache-2.0 */
/* users - who is a Croft user, what she may use, and how she comes and goes */
#ifndef CROFT_MONITOR_USERS_H
#define CROFT_MONITOR_USERS_H

#include "linux/cgroup.h"
#include "monitor/allowance.h"
#include "monitor/chain.h"
#include "monitor/diskuse.h"
#include "monitor/envelope.h"
#include "monitor/events.h"
#include "monitor/grants.h"
#include "monitor/jobs.h"
#include "monitor/volumes.h"
#include <stdbool.h>
#include <sys/types.h>

struct monitor;
struct request;
struct instance;
struct image;
struct import;
struct session;
struct sweep;
struct unfinished;
struct change;

#define GROUP_NAME_SIZE 96U

enum user_state {
    USER_ADDING = 1, /* croft-setup makes the account, or her disk is being made ready */
    USER_ACTIVE,
    USER_REMOVING,
};

struct user {
    struct monitor *monitor;
    struct user *next;
    struct event_item event;
    enum user_state state;
    uid_t uid;
    gid_t gid;
    gid_t audit_gid;
    uint32_t slot;
    char name[NAME_SIZE];
    struct user_limits limits;
    struct chain_head head; /* what the host's file says about her chain */
    struct chain chain;
    struct allowance allowance;
    struct endings endings;
    struct volume volume;
    struct diskuse disk;
    bool has_groups;
    bool names_changed; /* see names.c */
    bool asks_why;      /* see why.c */
    struct instance *instances;
    struct image *images;
    struct import *imports;
    struct session *sessions;
    struct sweep *sweeps;
};

/*
 * unfinished, removals: see changes.c
 * next_slot: never given back (invariant 2)
 */
struct users {
    struct user *first;
    struct unfinished *unfinished;
    struct change *removals;
    uint32_t next_slot;
};

/* The block and the keeper of a slot. */
uint32_t slot_block(uint32_t slot);
uint32_t slot_keeper(uint32_t slot);
uint32_t user_block(const struct user *user);
uint32_t user_keeper(const struct user *user);

struct user *users_by_uid(const struct monitor *monitor, uid_t uid);
struct user *users_by_name(const struct monitor *monitor, const char *name);

/** user_new() - a user who is in no file yet, in the list. Return: never NULL */
struct user *user_new(struct monitor *monitor, const char *name, enum user_state state);

/** user_drop() - takes her out of the list and frees her, her images and her instances */
void user_drop(struct user *user);

/** user_fill() - takes over what a record says */
void user_fill(struct user *user, const struct record_user *from);

/** user_record() - the user as the records have her */
struct record_user user_record(const struct user *user);

/** user_group() - "UID/what" for linux/cgroup.h; @what: "all", "gate", "rescue", "all/NAME" or ""
 */
void user_group(const struct user *user, const char *what, char ret_group[GROUP_NAME_SIZE]);

/** user_need() - makes sure that her groups and her volume are there. Return: 0; outcome */
nodiscard int user_need(struct user *user, struct err *err);

/** user_need_groups() - makes sure that her groups are there, with their limits. Return: 0; outcome
 */
nodiscard int user_need_groups(struct user *user, struct err *err);

/** user_groups_remove() - removes the groups. Return: 0; -EBUSY something in them still ends;
 * -errno */
nodiscard int user_groups_remove(struct user *user);

/**
 * user_job() - fills what every job of hers has: her ids, the filter, the groups
 * @group: "all/NAME", "all/_jobs", "rescue" or "gate"
 * Return: 0; -errno; descriptors are @order's either way
 */
nodiscard int user_job(struct user *user, struct job_order *order, const char *group,
                       enum plan_filter filter);

/** user_jobs_group() - where her image jobs run: "all/_jobs", or "rescue" when all is full */
const char *user_jobs_group(const struct user *user);

/**
 * user_full() - whether no process more would fit into her group @what
 * @limits:    what the group may use at most; 0: not limited
 * @ret_limit: which limit, for a sentence: "pids" or "memory"; may be NULL
 */
bool user_full(const struct user *user, const char *what, const struct cgroup_limits *limits,
               const char **ret_limit);

/** user_envelope() - her limits as those of the group "all" */
struct cgroup_limits user_envelope(const struct user *user);

/** user_cpu_within_host() - @cpu_milli, or all that the host's reserve leaves if that is less */
uint32_t user_cpu_within_host(const struct user *user, uint32_t cpu_milli);

#endif
