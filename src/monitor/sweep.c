/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sweep - what ended leaves behind: empty groups, groups and directories that belong to nobody
 *
 * A killed process is gone a moment after it is reported dead, and until then its group cannot be
 * removed; so removal is tried again, a few milliseconds later and then less and less often.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "linux/path.h"
#include "linux/volume.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"

#define FIRST_WAIT_MS 5U
#define LAST_WAIT_MS  1000U
#define SWEEPS_MAX    60U

struct sweep {
    struct user *user;
    struct sweep *next;
    struct loop_timer timer;
    uint64_t wait_ms;
    unsigned int tries;
    char name[NAME_SIZE];
};

static int remove_group(const struct user *user, const char *name);
static void end_if_unknown(const char *name, void *data);
static void remove_tree(struct cgroup_host *host, const char *group);
static void remove_child(const char *name, void *data);
static void unmount_unknown(struct monitor *monitor);
static bool is_unknown_uid(const struct monitor *monitor, const char *name);
static void on_sweep(void *data);
static void sweep_free(struct sweep *sweep);
static void kill_if_strange(const char *name, void *data);

void sweep_group(struct user *user, const char *name)
{
    int rc = remove_group(user, name);
    if (rc != -EBUSY)
        return;
    struct sweep *sweep = mem_new(1, sizeof(*sweep));
    *sweep = (struct sweep){
        .user = user,
        .next = user->sweeps,
        .timer = {.on_due = on_sweep, .data = sweep},
        .wait_ms = FIRST_WAIT_MS,
    };
    if (str_copy(sweep->name, sizeof(sweep->name), name) < 0)
        croft_bug("the name of a group is longer than a name");
    user->sweeps = sweep;
    loop_arm(user->monitor->loop, &sweep->timer, clock_boot_ns() + FIRST_WAIT_MS * NS_PER_MS);
}

void sweep_cancel(struct user *user)
{
    while (user->sweeps != NULL)
        sweep_free(user->sweeps);
}

void sweep_strangers(struct user *user)
{
    char group[GROUP_NAME_SIZE];

    user_group(user, "all", group);
    int rc = cgroup_list(user->monitor->cgroups, group, kill_if_strange, user);
    if (rc < 0 && rc != -ENOENT)
        log_line(LOG_LEVEL_WARNING, "cannot list the groups of %s: %s", user->name, strerror(-rc));
}

void sweep_volume(struct user *user)
{
    struct dirent *entry;
    /* Records that were lost must not cost her what her machines wrote. */
    if (user->chain.broken)
        return;
    int instances = volume_dir(user, "instances");
    if (instances < 0)
        return;
    DIR *list = fdopendir(instances);
    if (list == NULL) {
        fd_close(&instances);
        return;
    }
    while ((entry = readdir(list)) != NULL) {
        if (!str_is_name(entry->d_name) || instances_by_name(user, entry->d_name) != NULL)
            continue;
        int rc = volume_trash(user, "instances", entry->d_name);
        if (rc < 0)
            log_line(LOG_LEVEL_WARNING, "cannot clear what %s of %s left: %s", entry->d_name,
                     user->name, strerror(-rc));
    }
    closedir(list);
}

void sweep_unknown(struct monitor *monitor)
{
    int rc = cgroup_list(monitor->cgroups, "", end_if_unknown, monitor);
    if (rc < 0)
        log_line(LOG_LEVEL_WARNING, "cannot list Croft's groups: %s", strerror(-rc));
    unmount_unknown(monitor);
}

static int remove_group(const struct user *user, const char *name)
{
    char group[GROUP_NAME_SIZE];
    int rc = str_format(group, sizeof(group), "%u/all/%s", user->uid, name);
    return rc < 0 ? rc : cgroup_remove(user->monitor->cgroups, group);
}

static void on_sweep(void *data)
{
    struct sweep *sweep = data;
    struct user *user = sweep->user;
    const struct instance *instance = instances_by_name(user, sweep->name);
    bool used_again = instance != NULL && instance_is_up(instance);

    if (!used_again && remove_group(user, sweep->name) == -EBUSY && ++sweep->tries < SWEEPS_MAX) {
        sweep->wait_ms = sweep->wait_ms * 2 < LAST_WAIT_MS ? sweep->wait_ms * 2 : LAST_WAIT_MS;
        loop_arm(user->monitor->loop, &sweep->timer, clock_boot_ns() + sweep->wait_ms * NS_PER_MS);
        return;
    }
    sweep_free(sweep);
}

static void sweep_free(struct sweep *sweep)
{
    struct sweep **place = &sweep->user->sweeps;

    while (*place != sweep)
        place = &(*place)->next;
    *place = sweep->next;
    loop_disarm(sweep->user->monitor->loop, &sweep->timer);
    mem_cleanup(&sweep);
}

/* Image jobs of a monitor that is gone are strangers too: nobody reads what they say. */
static void kill_if_strange(const char *name, void *data)
{
    struct user *user = data;
    const struct instance *instance = instances_by_name(user, name);
    char group[GROUP_NAME_SIZE];

    if (instance != NULL && instance_is_up(instance))
        return;
    if (str_format(group, sizeof(group), "%u/all/%s", user->uid, name) < 0)
        return; /* no name that Croft gives */
    int rc = cgroup_kill(user->monitor->cgroups, group);
    if (rc < 0)
        log_line(LOG_LEVEL_WARNING, "cannot kill what runs in %s: %s", group, strerror(-rc));
    if (str_is_name(name))
        sweep_group(user, name);
}

/* The groups of an addition that was taken back when nobody knew its uid any more. */
static void end_if_unknown(const char *name, void *data)
{
    struct monitor *monitor = data;

    if (!is_unknown_uid(monitor, name))
        return;
    int rc = cgroup_kill(monitor->cgroups, name);
    if (rc < 0)
        log_line(LOG_LEVEL_WARNING, "cannot kill what runs in group %s: %s", name, strerror(-rc));
    remove_tree(monitor->cgroups, name);
}

struct tree {
    struct cgroup_host *host;
    const char *group;
};

/* What is still busy is left for `croft host stop`, which sweeps again. */
static void remove_tree(struct cgroup_host *host, const char *group)
{
    struct tree tree = {.host = host, .group = group};

    if (cgroup_list(host, group, remove_child, &tree) == 0 && cgroup_remove(host, group) < 0)
        return;
}

static void remove_child(const char *name, void *data)
{
    const struct tree *tree = data;
    char group[GROUP_NAME_SIZE];

    if (str_format(group, sizeof(group), "%s/%s", tree->group, name) == 0)
        remove_tree(tree->host, group);
}

static void unmount_unknown(struct monitor *monitor)
{
    struct dirent *entry;
    int mounts = path_open_xdev(monitor->dirs.mounts, ".", O_RDONLY | O_DIRECTORY);
    if (mounts < 0)
        return;
    DIR *list = fdopendir(mounts);
    if (list == NULL) {
        fd_close(&mounts);
        return;
    }
    while ((entry = readdir(list)) != NULL) {
        if (!is_unknown_uid(monitor, entry->d_name))
            continue;
        int rc = path_is_mount_point(monitor->dirs.mounts, entry->d_name);
        if (rc == 1)
            rc = volume_detach(monitor->dirs.mounts, entry->d_name);
        if (rc == 0)
            rc = path_rmdir(monitor->dirs.mounts, entry->d_name);
        if (rc < 0)
            log_line(LOG_LEVEL_WARNING, "cannot unmount the disk of uid %s: %s", entry->d_name,
                     strerror(-rc));
    }
    closedir(list);
}

/* Whether @name is a uid, and no Croft user's. */
static bool is_unknown_uid(const struct monitor *monitor, const char *name)
{
    uint64_t uid;
    const struct user *user = monitor->users.first;

    if (str_u64(name, 1, UINT32_MAX, &uid) < 0)
        return false;
    while (user != NULL && user->uid != uid)
        user = user->next;
    return user == NULL;
}
