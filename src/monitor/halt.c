/* SPDX-License-Identifier: Apache-2.0 */
/*
 * halt - how an instance is asked to end, and is killed; and who waits for its end
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "linux/cgroup.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"

static void forget_gone_stoppers(struct instance *instance);
static void kill_all(struct instance *instance);

void instance_stop(struct instance *instance, uint64_t timeout_ms, struct request *request)
{
    const struct err failure = {.outcome = OUTCOME_FAILED, .text = "it was stopped"};
    int signal = instance->plan != NULL ? (int)instance->plan->stop_signal : SIGTERM;

    if (!instance_is_up(instance)) {
        request_finish(request, NULL);
        return;
    }
    if (instance->state == INSTANCE_STARTING) {
        instance_start_failed(instance, &failure);
        request_finish(request, NULL);
        return;
    }
    if (request != NULL) {
        forget_gone_stoppers(instance);
        request_park(request);
        request->next = instance->stoppers;
        instance->stoppers = request;
    }
    if (instance->state == INSTANCE_RUNNING)
        instance_set_state(instance, INSTANCE_STOPPING);
    if (timeout_ms == 0) {
        kill_all(instance);
        return;
    }
    int rc = process_signal(instance_process(instance), signal);
    if (rc < 0 && rc != -ESRCH)
        log_line(LOG_LEVEL_WARNING, "cannot signal %s of %s: %s", instance->name,
                 instance->user->name, strerror(-rc));
    uint64_t due = clock_boot_ns() + timeout_ms * NS_PER_MS;
    if (!instance->stop_timer.armed || instance->stop_timer.due_boot_ns > due)
        loop_arm(instance->user->monitor->loop, &instance->stop_timer, due);
}

void instance_answer_stoppers(struct instance *instance)
{
    while (instance->stoppers != NULL) {
        struct request *request = instance->stoppers;
        instance->stoppers = request->next;
        request->next = NULL;
        request_finish(request, NULL);
    }
}

void instance_stop_due(void *data)
{
    struct instance *instance = data;
    kill_all(instance);
}

/* Who hung up waits for nothing: stop and hang up, again and again, must not pile up requests. */
static void forget_gone_stoppers(struct instance *instance)
{
    struct request **place = &instance->stoppers;

    while (*place != NULL) {
        struct request *request = *place;
        if (request->client != NULL) {
            place = &request->next;
            continue;
        }
        *place = request->next;
        request->next = NULL;
        request_finish(request, NULL);
    }
}

static void kill_all(struct instance *instance)
{
    char what[GROUP_NAME_SIZE];
    char group[GROUP_NAME_SIZE];

    /* The death of pid 1 is that of all of its namespace, wherever they stand; and nothing freezes
     * the group for it, which on cgroup v1 the monitor would have to wait for. */
    if (process_signal(instance_process(instance), SIGKILL) == 0)
        return;
    if (str_format(what, sizeof(what), "all/%s", instance->name) < 0)
        croft_bug("the name of a group is too long");
    user_group(instance->user, what, group);
    int rc = cgroup_kill(instance->user->monitor->cgroups, group);
    if (rc < 0)
        log_line(LOG_LEVEL_ERROR, "cannot kill %s of %s: %s", instance->name, instance->user->name,
                 strerror(-rc));
}
