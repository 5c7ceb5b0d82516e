/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links - an instance and its link to the host
 *
 * Theory of operation
 *
 *   address_take, names_make --job--> READY_NETNS --NET_LINK--> answered --JOB_NETWORK--> goes on
 *
 * The network namespace is held from READY_NETNS until the link is there, so that each new
 * croft-net can be asked for it again. Afterwards the link is told without it: croft-net that was
 * started again finds it where the last one left it. What is told here is also what is taken back:
 * nothing of a link outlives its instance but the slot, which stays the instance's in this boot.
 */
#include "monitor/links.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "monitor/addresses.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"
#include "monitor/names.h"

#define PARK_AFTER_MS 300U /* the user's next order waits no longer for a link */

static void on_link(void *data, const struct net_reply *reply);
static void on_told(void *data, const struct net_reply *reply);
static void on_wait(void *data);
static void ask(struct instance *instance);
static void linked(struct instance *instance);

void link_init(struct instance *instance)
{
    instance->link = (struct link){.netns = -1, .timer = {.on_due = on_wait, .data = instance}};
}

int link_prepare(struct instance *instance, struct job_order *order)
{
    if (instance->slot == 0 || instance->flags & PLAN_OFFLINE)
        return 0;
    order->job.slot = instance->slot;
    order->job.prefix = network_inside(instance->user->monitor);
    return names_make(instance, &order->fd[JOB_FD_HOSTS], &order->fd[JOB_FD_RESOLV]);
}

void link_make(struct instance *instance, int *netns)
{
    uint64_t now = clock_boot_ns();

    if (instance->slot == 0 || instance->flags & PLAN_OFFLINE) {
        runner_network(instance->runner);
        return;
    }
    fd_close(&instance->link.netns);
    instance->link.netns = take_fd(netns);
    instance->link.due_boot_ns = now + LINK_TIMEOUT_MS * NS_PER_MS;
    loop_arm(instance->user->monitor->loop, &instance->link.timer, now + PARK_AFTER_MS * NS_PER_MS);
    ask(instance);
}

void link_tell(struct instance *instance)
{
    const struct net_request request = {
        .type = NET_LINK, .uid = instance->user->uid, .slot = instance->slot};

    if (instance->link.netns >= 0)
        ask(instance);
    else if (instance->link.linked)
        network_tell(instance->user->monitor, &request, -1, on_told, instance);
}

void link_end(struct instance *instance)
{
    struct monitor *monitor = instance->user->monitor;
    const struct net_request gone = {.type = NET_LINK_GONE, .slot = instance->slot};
    bool was_linked = instance->link.linked;

    if (instance->slot == 0)
        return;
    loop_disarm(monitor->loop, &instance->link.timer);
    fd_close(&instance->link.netns);
    network_forget(monitor, instance);
    instance->link.linked = false;
    if (was_linked)
        grants_unlinked(instance);
    if (instance->link.asked)
        network_tell(monitor, &gone, -1, NULL, NULL);
    instance->link.asked = false;
    names_remove(instance);
    if (was_linked)
        names_changed(instance->user);
}

static void ask(struct instance *instance)
{
    const struct net_request request = {
        .type = NET_LINK, .uid = instance->user->uid, .slot = instance->slot};

    instance->link.asked = true;
    network_tell(instance->user->monitor, &request, instance->link.netns, on_link, instance);
}

static void on_link(void *data, const struct net_reply *reply)
{
    struct instance *instance = data;
    struct err err;

    if (reply == NULL)
        return; /* the next croft-net is asked */
    if (reply->error == 0) {
        linked(instance);
        return;
    }
    err_errno(&err, OUTCOME_FAILED, -reply->error, "cannot start %s: making its link",
              instance->name);
    instance_start_failed(instance, &err);
}

static void linked(struct instance *instance)
{
    loop_disarm(instance->user->monitor->loop, &instance->link.timer);
    fd_close(&instance->link.netns);
    instance->link.linked = true;
    runner_network(instance->runner);
    grants_linked(instance);
    names_changed(instance->user);
}

/* Its link is not where it was: the machine runs, and is cut off until it is started again. */
static void on_told(void *data, const struct net_reply *reply)
{
    struct instance *instance = data;

    if (reply == NULL || reply->error == 0)
        return;
    log_line(LOG_LEVEL_ERROR, "%s of %s has no network until it is stopped and started: %s",
             instance->name, instance->user->name, strerror(reply->error));
    instance->link.linked = false;
    events_mark(instance->user->monitor, &instance->event);
    grants_unlinked(instance);
    names_changed(instance->user);
}

static void on_wait(void *data)
{
    struct instance *instance = data;
    struct err err;

    if (clock_boot_ns() < instance->link.due_boot_ns) {
        instance_start_slow(instance);
        loop_arm(instance->user->monitor->loop, &instance->link.timer, instance->link.due_boot_ns);
        return;
    }
    err_set(&err, OUTCOME_HOST_CANNOT,
            "cannot start %s: croft-net does not answer, so it would have no network; try again "
            "soon, or ask an admin to look at croft host status",
            instance->name);
    instance_start_failed(instance, &err);
}
