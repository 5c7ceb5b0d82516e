/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adopt - what the monitor finds when it starts: machines that run, deeds that a crash cut in two
 *
 * Theory of operation
 * The monitor may be killed at any moment and no instance notices (invariant 9). Its successor
 * knows the instances from the records, and from the kernel which of them run: those whose control
 * group holds a process that is pid 1 of a pid namespace of its own. No pid is ever saved.
 *
 *   recorded           | runs                     | does not run
 *   -------------------+--------------------------+------------------------------------------
 *   machine, wanted    | taken over               | started by its sealed plan
 *   machine, stopped   | taken over               | stays stopped
 *   launch without end | taken over, is a success | undone, is a failure
 *   job                | taken over               | ended with nobody knowing how; --rm: discarded
 *   nothing            | killed                   |
 *   damaged            | left alone               |
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "linux/path.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"

#define PIDS_MAX         4096U
#define STATUS_FILE_SIZE 4096U
#define STARTS_AT_ONCE   4U
#define START_AGAIN_MS   50U

static void adopt_user(struct user *user);
static bool adopt(struct instance *instance);
static bool is_pid_one(const struct monitor *monitor, pid_t pid);
static void end_interrupted(struct instance *instance);
static void start_sealed(struct instance *instance);

struct instance *instance_recorded(struct user *user, const struct record *record,
                                   const void *payload, size_t payload_size)
{
    static _Alignas(struct plan) uint8_t copy[PLAN_SIZE_MAX];
    const struct plan *plan = NULL;

    if (payload_size >= sizeof(*plan) && payload_size <= sizeof(copy)) {
        memcpy(copy, payload, payload_size);
        plan = (const struct plan *)(const void *)copy;
        if (plan_size(plan) != payload_size)
            plan = NULL;
    }
    struct instance *instance = instance_new(user, record->name, plan);
    if (plan == NULL) {
        instance->flags = (uint32_t)record->number[0];
        instance->kind = (uint32_t)record->number[1];
        if (str_copy(instance->image, sizeof(instance->image), record->text) < 0)
            instance->image[0] = '\0';
    }
    instance->fresh = false;
    instance->wanted = instance->kind == PLAN_MACHINE;
    instance->since_wall_ns = record->wall_ns;
    instance->deed = (struct deed){
        .chain = &user->chain,
        .type = (enum record_type)record->type,
        .seq = record->seq,
        .actor_uid = record->actor_uid,
        .subject_uid = user->uid,
    };
    memcpy(instance->deed.name, instance->name, sizeof(instance->deed.name));
    return instance;
}

void instances_adopt(struct monitor *monitor)
{
    sweep_unknown(monitor);
    for (struct user *user = monitor->users.first; user != NULL; user = user->next)
        adopt_user(user);
}

void instances_start_wanted(struct monitor *monitor)
{
    unsigned int starting = 0;

    if (monitor->stopping || !monitor->starting_wanted)
        return;
    for (struct user *user = monitor->users.first; user != NULL; user = user->next)
        for (const struct instance *instance = user->instances; instance != NULL;
             instance = instance->next)
            starting += instance->state == INSTANCE_STARTING ? 1 : 0;
    for (struct user *user = monitor->users.first; user != NULL; user = user->next) {
        for (struct instance *instance = user->instances; instance != NULL;
             instance = instance->next) {
            if (user->state != USER_ACTIVE || !instance->wanted || instance->plan == NULL ||
                instance->state != INSTANCE_STOPPED)
                continue;
            if (starting++ == STARTS_AT_ONCE) {
                loop_arm(monitor->loop, &monitor->start_timer,
                         clock_boot_ns() + START_AGAIN_MS * NS_PER_MS);
                return;
            }
            start_sealed(instance);
        }
    }
    monitor->starting_wanted = false;
}

static void adopt_user(struct user *user)
{
    struct instance *next;
    struct err err;

    for (struct instance *instance = user->instances; instance != NULL; instance = next) {
        next = instance->next;
        if (!adopt(instance) && instance->deed.chain != NULL)
            end_interrupted(instance);
    }
    /* Her machines are in records that nobody believes, and look like strangers. */
    if (user->chain.broken)
        log_line(LOG_LEVEL_WARNING, "what runs of %s is left alone: nobody can say what it is",
                 user->name);
    else
        sweep_strangers(user);
    if (instances_running(user) && user_need(user, &err) != 0)
        log_line(LOG_LEVEL_ERROR, "%s", err.text);
}

static bool adopt(struct instance *instance)
{
    struct user *user = instance->user;
    static pid_t pids[PIDS_MAX];
    char group[GROUP_NAME_SIZE];

    if (str_format(group, sizeof(group), "%u/all/%s", user->uid, instance->name) < 0)
        return false;
    ssize_t count = cgroup_pids(user->monitor->cgroups, group, pids, PIDS_MAX);
    if (count > (ssize_t)PIDS_MAX)
        count = PIDS_MAX;
    for (ssize_t i = 0; i < count; i++) {
        auto_close pidfd = (int)syscall(SYS_pidfd_open, pids[i], 0);
        /* The pidfd first: alive afterwards, what /proc said in between was about it. */
        if (pidfd < 0 || !is_pid_one(user->monitor, pids[i]) ||
            syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) < 0)
            continue;
        instance_running_adopted(instance, pids[i], take_fd(&pidfd));
        return instance_is_up(instance);
    }
    return false;
}

/* "NSpid:\t4711\t1": its number here, and in the one namespace below. */
static bool is_pid_one(const struct monitor *monitor, pid_t pid)
{
    char name[32];
    char text[STATUS_FILE_SIZE];

    if (str_format(name, sizeof(name), "%d/status", pid) < 0 ||
        path_read_text(monitor->dirs.proc, name, text, sizeof(text)) < 0)
        return false;
    char *line = strstr(text, "\nNSpid:\t");
    if (line == NULL)
        return false;
    line += strlen("\nNSpid:\t");
    line[strcspn(line, "\n")] = '\0';
    const char *inner = strchr(line, '\t');
    return inner != NULL && strcmp(inner, "\t1") == 0;
}

/* A launch or run whose outcome is in no record, and which is not there. */
static void end_interrupted(struct instance *instance)
{
    struct user *user = instance->user;
    struct monitor *monitor = user->monitor;
    const struct err interrupted = {.outcome = OUTCOME_FAILED, .text = "interrupted"};
    const struct chain_entry unknown = {
        .number = {[RECORD_ENDED_CODE] = (uint64_t)-1, [RECORD_ENDED_SIGNAL] = (uint64_t)-1}};
    bool is_kept = instance->deed.type == RECORD_RUN && !(instance->flags & PLAN_REMOVE);

    log_line(LOG_LEVEL_WARNING, "the %s of %s by %s was interrupted",
             record_type_name((uint32_t)instance->deed.type), instance->name, user->name);
    if (is_kept) {
        deed_end(monitor, &instance->deed, DURABLE_NOW, NULL, &unknown);
        return;
    }
    deed_end(monitor, &instance->deed, DURABLE_NOW, &interrupted, NULL);
    instance_drop(instance); /* what it wrote goes when her volume is mounted: sweep_volume() */
}

/* Nobody is at the door: what starts is the plan as its owner ordered it (invariant 13). */
static void start_sealed(struct instance *instance)
{
    struct user *user = instance->user;
    const struct start nobody = {0};
    struct err err;
    struct deed deed;
    const struct chain_entry intent = {
        .type = RECORD_START,
        .actor_uid = 0,
        .name = instance->name,
        .text = "started with the host",
    };

    int rc = deed_begin(user->monitor, user, &intent, &deed, &err);
    if (rc == 0) {
        rc = instance_start(instance, &nobody, &deed, &err);
        if (rc != 0)
            deed_end(user->monitor, &deed, DURABLE_NOW, &err, NULL);
    }
    if (rc == 0)
        return;
    log_line(LOG_LEVEL_ERROR, "%s of %s is not started: %s", instance->name, user->name, err.text);
    instance_start_refused(instance, &err);
}
