/* SPDX-License-Identifier: Apache-2.0 */
/* users - who is a Croft user, her ids, and the control groups that hold what she may use */
#include "monitor/users.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "monitor/images.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"
#include "monitor/sessions.h"

#define SLOT_NONE         UINT32_MAX
#define FULL_MEMORY_BYTES (1ULL * MIB) /* less than this is not enough to start a process */
#define FULL_PIDS         2U           /* the runtime and what it becomes */

static void describe(const struct event_item *item, struct event *ret_event);

uint32_t slot_block(uint32_t slot)
{
    return ID_RANGE_FIRST + slot * BLOCK_COUNT;
}

uint32_t slot_keeper(uint32_t slot)
{
    return ID_RANGE_LAST - slot;
}

uint32_t user_block(const struct user *user)
{
    return slot_block(user->slot);
}

uint32_t user_keeper(const struct user *user)
{
    return slot_keeper(user->slot);
}

struct user *users_by_uid(const struct monitor *monitor, uid_t uid)
{
    struct user *user = monitor->users.first;
    while (user != NULL && (user->uid != uid || user->state == USER_ADDING))
        user = user->next;
    return user;
}

struct user *users_by_name(const struct monitor *monitor, const char *name)
{
    struct user *user = monitor->users.first;
    while (user != NULL && strcmp(user->name, name) != 0)
        user = user->next;
    return user;
}

struct user *user_new(struct monitor *monitor, const char *name, enum user_state state)
{
    struct user *user = mem_new(1, sizeof(*user));

    *user = (struct user){
        .monitor = monitor,
        .next = monitor->users.first,
        .event.describe = describe,
        .state = state,
        .slot = SLOT_NONE,
        .chain.fd = -1,
    };
    if (str_copy(user->name, sizeof(user->name), name) < 0)
        croft_bug("a user's name is longer than a name");
    volume_init(user);
    diskuse_init(user);
    monitor->users.first = user;
    return user;
}

void user_drop(struct user *user)
{
    struct monitor *monitor = user->monitor;

    images_cancel(user);
    sessions_cancel(user);
    sweep_cancel(user);
    grants_user_dropped(user);
    while (user->instances != NULL)
        instance_drop(user->instances);
    while (user->images != NULL)
        image_drop(user->images);
    events_forget(monitor, &user->disk.event);
    if (user->state != USER_ADDING) {
        network_user_gone(user);
        events_gone(monitor, &user->event, EVENT_USER_GONE);
    }
    if (volume_release(user) < 0)
        log_line(LOG_LEVEL_WARNING, "the disk of %s stays mounted", user->name);
    chain_close(&user->chain);
    allowance_free(user);
    struct user **place = &monitor->users.first;
    while (*place != user)
        place = &(*place)->next;
    *place = user->next;
    mem_cleanup(&user);
}

void user_fill(struct user *user, const struct record_user *from)
{
    user->uid = from->uid;
    user->gid = from->gid;
    user->audit_gid = from->audit_gid;
    user->slot = from->slot;
    user->limits = from->limits;
}

struct record_user user_record(const struct user *user)
{
    return (struct record_user){
        .uid = user->uid,
        .gid = user->gid,
        .audit_gid = user->audit_gid,
        .slot = user->slot,
        .limits = user->limits,
    };
}

void user_group(const struct user *user, const char *what, char ret_group[GROUP_NAME_SIZE])
{
    int rc = what[0] == '\0' ? str_format(ret_group, GROUP_NAME_SIZE, "%u", user->uid)
                             : str_format(ret_group, GROUP_NAME_SIZE, "%u/%s", user->uid, what);
    if (rc < 0)
        croft_bug("the name of a group is too long");
}

struct cgroup_limits user_envelope(const struct user *user)
{
    return (struct cgroup_limits){
        .memory_bytes = user->limits.memory_bytes,
        .memory_min_bytes = user->limits.memory_min_bytes,
        .pids = user->limits.pids,
        .cpu_milli = user->limits.cpu_milli == 0
                         ? CGROUP_CPU_ALL
                         : user_cpu_within_host(user, user->limits.cpu_milli),
        .devices = true,
    };
}

uint32_t user_cpu_within_host(const struct user *user, uint32_t cpu_milli)
{
    uint32_t rest = user->monitor->cpu_rest_milli;
    return cpu_milli < rest ? cpu_milli : rest;
}

int user_need(struct user *user, struct err *err)
{
    int rc = user_need_groups(user, err);
    return rc != 0 ? rc : volume_need(user, err);
}

int user_need_groups(struct user *user, struct err *err)
{
    const struct cgroup_limits envelope = user_envelope(user);
    const struct {
        const char *name;
        struct cgroup_limits limits;
        bool instance;
    } groups[] = {
        {"", {0}, false},
        {"all", envelope, false},
        {"all/_jobs", {0}, true},
        {"gate",
         {.memory_bytes = GATE_MEMORY, .pids = GATE_PIDS, .cpu_milli = ASIDE_CPU_MILLI},
         false},
        {"rescue",
         {.memory_bytes = RESCUE_MEMORY,
          .pids = RESCUE_PIDS,
          .cpu_milli = ASIDE_CPU_MILLI,
          .devices = true},
         false},
    };
    struct cgroup_host *host = user->monitor->cgroups;
    char group[GROUP_NAME_SIZE];

    for (size_t i = 0; i < ARRAY_LEN(groups) && !user->has_groups; i++) {
        user_group(user, groups[i].name, group);
        int rc = cgroup_make(host, group, groups[i].instance);
        if (rc == 0)
            rc = cgroup_limit(host, group, &groups[i].limits);
        /* After a restart of the monitor the groups are there, with processes and their limits. */
        if (rc < 0 && rc != -EBUSY)
            return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot limit %s: control group %s/%s",
                             user->name, CROFT_CGROUP, group);
    }
    user->has_groups = true;
    return 0;
}

int user_groups_remove(struct user *user)
{
    static const char *const groups[] = {"all/_jobs", "all", "gate", "rescue", ""};
    char group[GROUP_NAME_SIZE];
    int result = 0;

    user->has_groups = false;
    sweep_strangers(user);
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        user_group(user, groups[i], group);
        int rc = cgroup_remove(user->monitor->cgroups, group);
        if (rc < 0)
            result = rc;
    }
    return result;
}

int user_job(struct user *user, struct job_order *order, const char *group, enum plan_filter filter)
{
    struct monitor *monitor = user->monitor;
    struct rlimit nofile;
    char name[GROUP_NAME_SIZE];

    order->job.block_first = user_block(user);
    order->job.block_count = BLOCK_COUNT;
    order->job.keeper_id = user_keeper(user);
    order->job.without = monitor->without;
    order->job.nofile = DEFAULT_NOFILE;
    if (getrlimit(RLIMIT_NOFILE, &nofile) == 0 && nofile.rlim_max < order->job.nofile)
        order->job.nofile = (uint32_t)nofile.rlim_max;
    int rc = str_format(name, sizeof(name), "filters/%u.bpf", (unsigned int)filter);
    if (rc == 0)
        rc = order->fd[JOB_FD_FILTER] = path_open(monitor->dirs.lib, name, O_RDONLY);
    if (rc < 0)
        return rc;
    _Static_assert(CGROUP_ATTACH_MAX <= JOB_CGROUPS_MAX, "a job carries all groups");
    user_group(user, group, name);
    rc = cgroup_attach_fds(monitor->cgroups, name, order->cgroup);
    if (rc < 0)
        return rc;
    order->job.cgroup_count = (uint32_t)rc;
    if (cgroup_host_is_v2(monitor->cgroups))
        order->job.flags |= JOB_CGROUP_V2;
    return 0;
}

const char *user_jobs_group(const struct user *user)
{
    const struct cgroup_limits envelope = user_envelope(user);
    return user_full(user, "all", &envelope, NULL) ? "rescue" : "all/_jobs";
}

bool user_full(const struct user *user, const char *what, const struct cgroup_limits *limits,
               const char **ret_limit)
{
    struct cgroup_host *host = user->monitor->cgroups;
    struct cgroup_usage usage;
    char group[GROUP_NAME_SIZE];
    const char *full = NULL;
    uint64_t reclaimable = 0;

    user_group(user, what, group);
    if (cgroup_usage(host, group, &usage) < 0)
        return false;
    if (limits->pids != 0 && usage.pids + FULL_PIDS > limits->pids) {
        full = "pids";
    } else if (limits->memory_bytes != 0 &&
               usage.memory_bytes + FULL_MEMORY_BYTES > limits->memory_bytes) {
        /* Cached files make memory look full all the time; they give way. */
        if (cgroup_reclaimable(host, group, &reclaimable) == 0 &&
            usage.memory_bytes - reclaimable + FULL_MEMORY_BYTES > limits->memory_bytes)
            full = "memory";
    }
    if (full != NULL && ret_limit != NULL)
        *ret_limit = full;
    return full != NULL;
}

static void describe(const struct event_item *item, struct event *ret_event)
{
    const struct user *user = event_owner(item, struct user);

    *ret_event = (struct event){
        .type = EVENT_USER,
        .uid = user->uid,
        .gid = user->gid,
        .block_first = user_block(user),
        .keeper_id = user_keeper(user),
        .exit_code = -1,
        .limits = user->limits,
    };
    memcpy(ret_event->name, user->name, sizeof(ret_event->name));
}
