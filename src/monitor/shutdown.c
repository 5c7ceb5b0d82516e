/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shutdown - `croft host stop`: ends every instance and puts the host back as it was
 *
 * Asks every instance to end, kills what has not after STOP_TIMEOUT_MS, then unmounts the volumes
 * (which frees their loop devices), removes the control groups, answers, and tells croft-super to
 * end what is left: croftd, the monitor, itself. Machines that ran are wanted again at the next
 * start.
 */
#include "monitor/shutdown.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "linux/path.h"
#include "linux/volume.h"
#include "monitor/images.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"
#include "monitor/names.h"
#include "monitor/sessions.h"

#define GROUPS_RETRY_MS 20U
#define GROUPS_RETRIES  250U

struct shutdown {
    struct request *request;
    struct deed deed;
    struct loop_timer timer;
    unsigned int tries;
    bool unmounted;
};

static void end_users(struct monitor *monitor);
static void on_retry(void *data);
static bool remove_groups(struct monitor *monitor);
static void unmount(struct monitor *monitor, const char *name);
static void finish(struct monitor *monitor);

/* Safe: only uid 0 may, who could kill all of it anyway. */
int shutdown_order(struct request *request, struct user *user, struct err *err)
{
    struct monitor *monitor = request->monitor;
    struct shutdown *shutdown = mem_new(1, sizeof(*shutdown));
    const struct chain_entry intent = {.type = RECORD_HOST_STOP, .actor_uid = request->peer.uid};
    (void)user;

    *shutdown =
        (struct shutdown){.request = request, .timer = {.on_due = on_retry, .data = monitor}};
    int rc = deed_begin(monitor, NULL, &intent, &shutdown->deed, err);
    if (rc != 0) {
        mem_cleanup(&shutdown);
        return rc;
    }
    monitor->stopping = true;
    monitor->shutdown = shutdown;
    request_park(request);
    for (struct user *each = monitor->users.first; each != NULL; each = each->next) {
        struct instance *next;
        for (struct instance *instance = each->instances; instance != NULL; instance = next) {
            next = instance->next; /* one that only starts is dropped at once */
            instance_stop(instance, STOP_TIMEOUT_MS, NULL);
        }
    }
    shutdown_progress(monitor);
    return REQUEST_PENDING;
}

void shutdown_progress(struct monitor *monitor)
{
    struct shutdown *shutdown = monitor->shutdown;

    if (shutdown == NULL || shutdown->unmounted)
        return;
    for (const struct user *user = monitor->users.first; user != NULL; user = user->next)
        if (instances_running(user))
            return;
    /* Not from here: whoever reported the last end is still at work with it. */
    shutdown->unmounted = true;
    loop_arm(monitor->loop, &shutdown->timer, clock_boot_ns());
}

static void on_retry(void *data)
{
    struct monitor *monitor = data;
    struct shutdown *shutdown = monitor->shutdown;

    if (shutdown->tries == 0)
        end_users(monitor);
    if (!remove_groups(monitor) && shutdown->tries++ < GROUPS_RETRIES) {
        loop_arm(monitor->loop, &shutdown->timer, clock_boot_ns() + GROUPS_RETRY_MS * NS_PER_MS);
        return;
    }
    finish(monitor);
}

/* Imports, sessions and logins end too; then nothing holds the volumes. */
static void end_users(struct monitor *monitor)
{
    static const char *const groups[] = {"all", "gate", "rescue"};
    char group[GROUP_NAME_SIZE];

    for (struct user *user = monitor->users.first; user != NULL; user = user->next) {
        for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
            user_group(user, groups[i], group);
            if (cgroup_kill(monitor->cgroups, group) < 0)
                log_line(LOG_LEVEL_WARNING, "cannot kill all of %s", group);
        }
        images_cancel(user);
        sessions_cancel(user);
        sweep_cancel(user);
        int rc = volume_release(user);
        if (rc < 0)
            log_line(LOG_LEVEL_ERROR, "cannot unmount the disk of %s: %s", user->name,
                     strerror(-rc));
    }
}

static bool remove_groups(struct monitor *monitor)
{
    bool all_gone = true;

    for (struct user *user = monitor->users.first; user != NULL; user = user->next)
        all_gone = user_groups_remove(user) == 0 && all_gone;
    return all_gone;
}

static void unmount(struct monitor *monitor, const char *name)
{
    int rc = volume_unmount(monitor->dirs.run, name);
    if (rc < 0 && rc != -EINVAL)
        log_line(LOG_LEVEL_WARNING, "%s/ stays mounted: %s", name, strerror(-rc));
}

static void finish(struct monitor *monitor)
{
    struct shutdown *shutdown = take_ptr(monitor->shutdown);

    sweep_unknown(monitor);
    int rc = cgroup_host_remove(monitor->cgroups);
    monitor->cgroups = NULL;
    if (rc < 0)
        log_line(LOG_LEVEL_WARNING, "control groups stay: %s", strerror(-rc));
    fd_close(&monitor->dirs.mounts);
    fd_close(&monitor->dirs.names);
    unmount(monitor, "volumes");
    unmount(monitor, NAMES_DIR);
    deed_end(monitor, &shutdown->deed, DURABLE_NOW, NULL, NULL);
    records_sync_all(monitor);
    request_finish(shutdown->request, NULL);
    jobs_end_croft(monitor);
    mem_cleanup(&shutdown);
}
