/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instances - one machine or job from its sealed plan to its end
 *
 * Theory of operation
 *
 *   state      | start ordered | executed      | failed       | stop ordered     | pid 1 ended
 *   -----------+---------------+---------------+--------------+------------------+----------------
 *   STOPPED    | -> STARTING   |               |              | answered at once |
 *   STARTING   |               | -> RUNNING    | -> FAILED *) | fails            | fails
 *   RUNNING    |               |               |              | -> STOPPING      | -> STOPPED **)
 *   STOPPING   |               |               |              | perhaps sooner   | -> STOPPED **)
 *   FAILED     | -> STARTING   |               |              | answered at once |
 *
 *   *)  an instance that never ran is undone whole instead
 *   **) a --rm job, or one whose removal waits, is discarded instead
 *
 * Nothing of an instance is remembered that the kernel knows better: after a restart of the monitor
 * it is found again by its control group, and its pid 1 by being pid 1 of a namespace of its own.
 *
 * The runtime is asked for first; while it is forked and executed, the directories and groups are
 * made. Groups are removed after the answer, again and again until they are empty.
 */
#include "monitor/instances.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "linux/path.h"
#include "linux/volume.h"
#include "monitor/changes.h"
#include "monitor/images.h"
#include "monitor/monitor.h"
#include "monitor/sessions.h"
#include "monitor/shutdown.h"

static void describe(const struct event_item *item, struct event *ret_event);
static void group_name(const struct instance *instance, char name[GROUP_NAME_SIZE]);
static int start_fill(struct instance *instance, const struct start *start,
                      struct job_order *order);
static int fill_stdio(struct instance *instance, const struct start *start,
                      struct job_order *order);
static int make_group(struct instance *instance);
static void start_undo(struct instance *instance);
static void on_network(void *data, int *netns);
static void on_waiting(void *data, int *master);
static void on_running(void *data);
static void on_failed(void *data, uint32_t stage, int error);
static void start_sentence(const struct instance *instance, uint32_t stage, int error,
                           struct err *err);
static void on_ended(void *data, struct exit_status status);
static void record_end(struct instance *instance);
static void removal_finish(struct instance *instance);

static const struct runner_calls START_CALLS = {
    .network = on_network,
    .waiting = on_waiting,
    .running = on_running,
    .failed = on_failed,
    .ended = on_ended,
};

struct instance *instance_new(struct user *user, const char *name, const struct plan *plan)
{
    struct instance *instance = mem_new(1, sizeof(*instance));

    *instance = (struct instance){
        .user = user,
        .next = user->instances,
        .event.describe = describe,
        .state = INSTANCE_STOPPED,
        .fresh = true,
        .since_wall_ns = clock_wall_ns(),
        .exit_code = -1,
        .exit_signal = -1,
        .process.pidfd = -1,
        .stop_timer = {.on_due = instance_stop_due, .data = instance},
        .master = -1,
    };
    if (str_copy(instance->name, sizeof(instance->name), name) < 0)
        croft_bug("an instance's name is longer than a name");
    if (plan != NULL) {
        instance->plan = mem_new(1, plan_size(plan));
        memcpy(instance->plan, plan, plan_size(plan));
        memcpy(instance->image, plan->image, sizeof(instance->image));
        instance->kind = plan->kind;
        instance->flags = plan->flags;
    }
    link_init(instance);
    user->instances = instance;
    return instance;
}

void instance_drop(struct instance *instance)
{
    struct instance **place = &instance->user->instances;

    grants_instance_gone(instance);
    /* Also of one whose start failed at once: croftd may have heard of it already. */
    events_gone(instance->user->monitor, &instance->event, EVENT_INSTANCE_GONE);
    while (*place != instance)
        place = &(*place)->next;
    *place = instance->next;
    link_end(instance);
    address_retire(instance);
    loop_disarm(instance->user->monitor->loop, &instance->stop_timer);
    runner_free(instance->runner);
    process_unwatch(&instance->process);
    fd_close(&instance->master);
    mem_cleanup(&instance->removal);
    mem_cleanup(&instance->plan);
    mem_cleanup(&instance);
}

void instance_discard(struct instance *instance)
{
    struct user *user = instance->user;
    struct plan *plan = take_ptr(instance->plan);
    int rc = 0;

    if (user->volume.root >= 0)
        rc = volume_trash(user, "instances", instance->name);
    if (rc < 0 && rc != -ENOENT)
        log_line(LOG_LEVEL_WARNING, "what %s of %s wrote stays: %s", instance->name, user->name,
                 strerror(-rc));
    instance_drop(instance);
    /* An image that lost its name while this one needed its layer. */
    for (uint32_t i = 0; plan != NULL && i < plan->layer_count; i++)
        images_forget_layer(user, plan->layer[i]);
    mem_cleanup(&plan);
}

const struct process *instance_process(const struct instance *instance)
{
    return instance->runner != NULL ? runner_process(instance->runner) : &instance->process;
}

struct cgroup_limits instance_limits(const struct instance *instance)
{
    if (instance->plan == NULL)
        return (struct cgroup_limits){0};
    return (struct cgroup_limits){
        .memory_bytes = instance->plan->memory_bytes,
        .pids = instance->plan->pids,
        .cpu_milli = user_cpu_within_host(instance->user, instance->plan->cpu_milli),
    };
}

int instance_start(struct instance *instance, const struct start *start, struct deed *deed,
                   struct err *err)
{
    struct user *user = instance->user;
    auto_job order;
    job_init(&order, JOB_START);

    int rc = user_need(user, err);
    if (rc == 0 && !(instance->flags & PLAN_OFFLINE))
        rc = address_take(instance, err);
    if (rc != 0)
        return rc;
    volume_make_room(user);
    rc = runner_new(user->monitor, &START_CALLS, instance, &instance->runner);
    if (rc == 0)
        rc = volume_instance_make(user, instance->name, (instance->flags & PLAN_REMOVE) == 0);
    if (rc == 0)
        rc = make_group(instance);
    if (rc == 0)
        rc = start_fill(instance, start, &order);
    if (rc == 0)
        rc = link_prepare(instance, &order);
    if (rc == 0)
        rc = runner_send(instance->runner, &order, instance->plan, plan_size(instance->plan));
    if (rc < 0) {
        start_undo(instance);
        return err_errno(err, OUTCOME_FAILED, rc, "cannot start %s", instance->name);
    }
    instance->starter = start->request;
    instance->session = start->session;
    instance->deed = *deed;
    deed->chain = NULL;
    instance->text[0] = '\0';
    instance_set_state(instance, INSTANCE_STARTING);
    return 0;
}

void instance_start_slow(struct instance *instance)
{
    if (instance->session != NULL)
        session_park(instance->session);
    else
        request_park(instance->starter);
}

void instance_start_refused(struct instance *instance, const struct err *err)
{
    memcpy(instance->text, err->text, sizeof(instance->text));
    instance_set_state(instance, INSTANCE_FAILED);
}

int instance_remove(struct instance *instance, struct request *request, struct err *err)
{
    struct user *user = instance->user;
    struct removal removal = {.request = request};
    const struct chain_entry intent = {
        .type = RECORD_REMOVE, .actor_uid = request->peer.uid, .name = instance->name};

    if (instance->removal != NULL)
        return err_set(err, OUTCOME_FAILED, "%s is being removed already", instance->name);
    int rc = user_need(user, err);
    if (rc == 0)
        rc = deed_begin(user->monitor, user, &intent, &removal.deed, err);
    if (rc != 0)
        return rc;
    instance->removal = mem_new(1, sizeof(*instance->removal));
    *instance->removal = removal;
    if (!instance_is_up(instance)) {
        removal_finish(instance);
        return REQUEST_PENDING;
    }
    request_park(request);
    instance->wanted = false;
    instance_stop(instance, 0, NULL);
    return REQUEST_PENDING;
}

void instance_running_adopted(struct instance *instance, pid_t pid, int pidfd)
{
    struct user *user = instance->user;
    int rc = process_watch(user->monitor, &instance->process, pid, pidfd, on_ended, instance);
    if (rc < 0) {
        log_line(LOG_LEVEL_ERROR, "cannot watch %s of %s: %s", instance->name, user->name,
                 strerror(-rc));
        return;
    }
    instance->fresh = false;
    /* One without an address of this boot cannot be reached: its link goes with NET_SYNCED. */
    instance->link.linked = instance->link.asked =
        instance->slot != 0 && !(instance->flags & PLAN_OFFLINE);
    instance_set_state(instance, INSTANCE_RUNNING);
    if (instance->deed.type == RECORD_LAUNCH)
        deed_end(user->monitor, &instance->deed, DURABLE_NOW, NULL, NULL);
    instance->wanted = instance->kind == PLAN_MACHINE;
}

static void describe(const struct event_item *item, struct event *ret_event)
{
    const struct instance *instance = event_owner(item, struct instance);
    const struct cgroup_limits limits = instance_limits(instance);

    *ret_event = (struct event){
        .type = EVENT_INSTANCE,
        .uid = instance->user->uid,
        .kind = instance->kind,
        .state = (uint32_t)instance->state,
        .exit_code = instance->exit_code,
        .exit_signal = instance->exit_signal,
        .oom_kills = (uint32_t)instance->oom_kills,
        .flags = instance->flags,
        .wall_ns = instance->since_wall_ns,
        .limits = {.memory_bytes = limits.memory_bytes,
                   .pids = limits.pids,
                   .cpu_milli = limits.cpu_milli},
        .slot = instance->link.linked ? instance->slot : 0,
    };
    memcpy(ret_event->name, instance->name, sizeof(ret_event->name));
    memcpy(ret_event->image, instance->image, sizeof(ret_event->image));
    memcpy(ret_event->text, instance->text, sizeof(ret_event->text) - 1);
}

void instance_set_state(struct instance *instance, enum instance_state state)
{
    instance->state = state;
    instance->since_wall_ns = clock_wall_ns();
    events_mark(instance->user->monitor, &instance->event);
}

static void group_name(const struct instance *instance, char name[GROUP_NAME_SIZE])
{
    if (str_format(name, GROUP_NAME_SIZE, "%u/all/%s", instance->user->uid, instance->name) < 0)
        croft_bug("the name of a group is too long");
}

/* What the runtime is told and given. */
static int start_fill(struct instance *instance, const struct start *start, struct job_order *order)
{
    struct user *user = instance->user;
    char group[GROUP_NAME_SIZE];
    uint64_t memory = instance->plan->memory_bytes;

    if (str_format(group, sizeof(group), "all/%s", instance->name) < 0)
        croft_bug("the name of a group is too long");
    order->job.shm_bytes = memory != 0 ? memory : user->limits.memory_bytes;
    if (instance->flags & PLAN_REMOVE)
        order->job.flags |= JOB_VOLATILE;
    int rc = user_job(user, order, group, PLAN_FILTER_DEFAULT);
    if (rc == 0)
        rc = order->fd[JOB_FD_VOLUME] = volume_clone(user->volume.root);
    if (rc >= 0)
        rc = order->fd[JOB_FD_EXEC] = volume_init_open(user);
    return rc < 0 ? rc : fill_stdio(instance, start, order);
}

static int fill_stdio(struct instance *instance, const struct start *start, struct job_order *order)
{
    char name[GROUP_NAME_SIZE];

    if (start->tty) {
        order->job.flags |= JOB_TTY;
        order->job.rows = start->request->order.rows;
        order->job.columns = start->request->order.columns;
        return 0;
    }
    if (start->stdio != NULL)
        return job_stdio(order, start->stdio, start->input);
    if (str_format(name, sizeof(name), "instances/%s", instance->name) < 0)
        croft_bug("the name of a directory is too long");
    auto_close dir = volume_dir(instance->user, name);
    if (dir < 0)
        return dir;
    int rc = order->fd[JOB_FD_LOG0] = path_open(dir, "log.0", O_RDWR);
    if (rc >= 0)
        rc = order->fd[JOB_FD_LOG1] = path_open(dir, "log.1", O_RDWR);
    return rc < 0 ? rc : 0;
}

static int make_group(struct instance *instance)
{
    struct cgroup_host *host = instance->user->monitor->cgroups;
    const struct cgroup_limits limits = instance_limits(instance);
    char group[GROUP_NAME_SIZE];

    group_name(instance, group);
    int rc = cgroup_make(host, group, true);
    return rc < 0 ? rc : cgroup_limit(host, group, &limits);
}

static void start_undo(struct instance *instance)
{
    struct user *user = instance->user;

    link_end(instance);
    runner_free(instance->runner);
    instance->runner = NULL;
    fd_close(&instance->master);
    sweep_group(user, instance->name);
    if (!instance->fresh)
        return;
    int rc = volume_trash(user, "instances", instance->name);
    if (rc < 0 && rc != -ENOENT)
        log_line(LOG_LEVEL_WARNING, "what %s of %s left stays: %s", instance->name, user->name,
                 strerror(-rc));
}

static void on_network(void *data, int *netns)
{
    link_make(data, netns);
}

static void on_waiting(void *data, int *master)
{
    struct instance *instance = data;
    instance->master = take_fd(master);
    volume_take_back(instance->user);
    runner_go(instance->runner);
}

static void on_running(void *data)
{
    struct instance *instance = data;
    struct user *user = instance->user;
    struct request *starter = take_ptr(instance->starter);
    struct err err;
    int rc = 0;

    instance->fresh = false;
    instance->wanted = instance->kind == PLAN_MACHINE;
    instance_set_state(instance, INSTANCE_RUNNING);
    /* The outcome of a run is its end. */
    if (instance->deed.type != RECORD_RUN)
        rc = deed_done(user->monitor, &instance->deed, NULL, &err);
    if (instance->session != NULL)
        session_running(instance->session, instance->master);
    else
        request_finish(starter, rc == 0 ? NULL : &err);
    fd_close(&instance->master);
    instances_start_wanted(user->monitor);
}

static void on_failed(void *data, uint32_t stage, int error)
{
    struct instance *instance = data;
    struct err err;

    start_sentence(instance, stage, error, &err);
    instance_start_failed(instance, &err);
}

/* Where a limit of hers is the reason, the limit is what she can do something about. */
static void start_sentence(const struct instance *instance, uint32_t stage, int error,
                           struct err *err)
{
    const struct user *user = instance->user;
    const struct cgroup_limits envelope = user_envelope(user);
    const char *limit = NULL;

    if (error == -ENOSPC || error == -EDQUOT)
        limit = "disk";
    else if (!user_full(user, "all", &envelope, &limit))
        limit = NULL;
    if (limit != NULL)
        (void)err_set(err, OUTCOME_OVER_LIMIT,
                      "cannot start %s: %s is at her limit of %s: stop or remove something first",
                      instance->name, user->name, limit);
    else
        (void)runner_sentence(err, "start", instance->name, stage, error);
}

static void on_ended(void *data, struct exit_status status)
{
    struct instance *instance = data;
    struct user *user = instance->user;
    struct monitor *monitor = user->monitor;
    struct session *session = take_ptr(instance->session);
    struct cgroup_usage usage = {0};
    char group[GROUP_NAME_SIZE];

    group_name(instance, group);
    if (cgroup_usage(monitor->cgroups, group, &usage) < 0)
        usage.oom_kills = 0; /* nobody could say */
    instance->exit_code = status.code;
    instance->exit_signal = status.signal;
    instance->oom_kills = usage.oom_kills;
    loop_disarm(monitor->loop, &instance->stop_timer);
    record_end(instance);
    link_end(instance);
    if (session != NULL)
        session_ended(session, status, NULL);
    runner_free(instance->runner);
    instance->runner = NULL;
    process_unwatch(&instance->process);
    instance_set_state(instance, INSTANCE_STOPPED);
    sweep_group(user, instance->name);
    instance_answer_stoppers(instance);
    if (instance->removal != NULL)
        removal_finish(instance);
    else if (instance->flags & PLAN_REMOVE)
        instance_discard(instance);
    volume_keep_spares(user);
    changes_at_rest(user);
    shutdown_progress(monitor);
}

/* From whatever went wrong between the order and the first instruction. */
void instance_start_failed(struct instance *instance, const struct err *err)
{
    struct user *user = instance->user;
    struct monitor *monitor = user->monitor;
    struct request *starter = take_ptr(instance->starter);
    struct session *session = take_ptr(instance->session);
    bool fresh = instance->fresh;

    start_undo(instance);
    deed_end(monitor, &instance->deed, DURABLE_NOW, err, NULL);
    memcpy(instance->text, err->text, sizeof(instance->text));
    instance_set_state(instance, INSTANCE_FAILED);
    instance_answer_stoppers(instance);
    if (instance->removal != NULL)
        removal_finish(instance);
    else if (fresh)
        instance_discard(instance);
    if (session != NULL)
        session_failed(session, err);
    else
        request_finish(starter, err);
    changes_at_rest(user);
    shutdown_progress(monitor);
}

static void record_end(struct instance *instance)
{
    struct user *user = instance->user;
    struct monitor *monitor = user->monitor;
    bool wanted = instance->wanted && monitor->stopping;
    const struct chain_entry entry = {
        .type = RECORD_ENDED,
        .actor_uid = user->uid,
        .subject_uid = user->uid,
        .name = instance->name,
        .number = {[RECORD_ENDED_CODE] = (uint64_t)instance->exit_code,
                   [RECORD_ENDED_SIGNAL] = (uint64_t)instance->exit_signal,
                   [RECORD_ENDED_OOM] = instance->oom_kills,
                   [RECORD_ENDED_WANTED] = wanted},
    };

    if (instance->deed.chain != NULL)
        deed_end(monitor, &instance->deed, DURABLE_SOON, NULL, &entry);
    else
        records_outcome(monitor, &user->chain, &entry, DURABLE_SOON);
    if (!monitor->stopping)
        instance->wanted = false;
}

static void removal_finish(struct instance *instance)
{
    struct monitor *monitor = instance->user->monitor;
    struct removal *removal = take_ptr(instance->removal);
    struct err err;

    instance_discard(instance);
    int rc = deed_done(monitor, &removal->deed, NULL, &err);
    request_finish(removal->request, rc == 0 ? NULL : &err);
    mem_cleanup(&removal);
}
