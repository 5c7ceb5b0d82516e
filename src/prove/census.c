/* SPDX-License-Identifier: Apache-2.0 */
/* census - what jobs of the attacker's could leave behind on the host */
#include "prove/census.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "linux/path.h"
#include "prove/speaker.h"
#include "wire/net.h"

#define SETTLE_TRIES    100 /* of 50 ms: what is emptied later counts as soon as it is gone */
#define SETTLE_UNWALLED 10

static size_t lines_of(const char *path)
{
    auto_close fd = path_root(path, O_RDONLY);
    char bytes[4096];
    size_t count = 0;
    ssize_t got;

    while (fd >= 0 && (got = read(fd, bytes, sizeof(bytes))) > 0)
        for (ssize_t i = 0; i < got; i++)
            count += bytes[i] == '\n';
    return count;
}

/* Loop devices that are bound to a file. */
static size_t bound_loops(void)
{
    DIR *dir = opendir("/sys/block");
    struct dirent *entry;
    char path[PATH_MAX];
    size_t count = 0;

    while (dir && (entry = readdir(dir)))
        if (strncmp(entry->d_name, "loop", 4) == 0 &&
            str_format(path, sizeof(path), "/sys/block/%s/loop", entry->d_name) == 0)
            count += access(path, F_OK) == 0;
    if (dir)
        (void)closedir(dir);
    return count;
}

/* Outside ends of machines' links. */
static size_t network_links(void)
{
    DIR *dir = opendir("/sys/class/net");
    struct dirent *entry;
    size_t count = 0;

    while (dir && (entry = readdir(dir)))
        count += net_link_slot(entry->d_name) != 0;
    if (dir)
        (void)closedir(dir);
    return count;
}

static void count_group(const char *name, void *data)
{
    (void)name;
    (*(size_t *)data)++;
}

static struct census census_take(const struct scene *scene)
{
    struct census census = {.mounts = lines_of("/proc/self/mountinfo"), .loops = bound_loops()};
    char group[64];

    census.links = network_links();
    census.monitor_fds = speaker_files();
    if (str_format(group, sizeof(group), "%u/all", scene->attacker.uid) < 0 ||
        cgroup_list(scene->cgroups, group, count_group, &census.groups) < 0)
        return census;
    struct cgroup_usage usage = {0};
    if (cgroup_usage(scene->cgroups, group, &usage) == 0)
        census.processes = usage.pids;
    return census;
}

/* Return: what there is more of; NULL nothing */
static const char *census_more(const struct census *before, const struct census *after)
{
    if (after->mounts > before->mounts)
        return "mounts";
    if (after->loops > before->loops)
        return "loop devices";
    if (after->groups > before->groups)
        return "control groups";
    if (after->monitor_fds > before->monitor_fds)
        return "descriptors of the monitor";
    if (after->processes > before->processes)
        return "processes";
    if (after->links > before->links)
        return "network links";
    return NULL;
}

bool census_control(struct scene *scene, struct trial *trial, struct census *ret_before)
{
    const struct census before = census_take(scene);
    const char *none[] = {NULL};
    char why[TRIAL_WHY_SIZE];

    if (attack_inside(&scene->attacker, "stand", 0, none, &trial->live, &trial->attack, why,
                      sizeof(why)) < 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "control: %.150s", why);
        return false;
    }
    const struct census standing = census_take(scene);
    if (!census_more(&before, &standing)) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the census does not notice a process");
        return false;
    }
    row_control(trial, "the census noticed a process left behind");
    if (!scene->unwalled)
        attack_end(&trial->live);
    *ret_before = before;
    return true;
}

const char *census_settled(const struct scene *scene, const struct census *before)
{
    const char *left = NULL;

    for (int i = 0; i < (scene->unwalled ? SETTLE_UNWALLED : SETTLE_TRIES); i++) {
        struct census after = census_take(scene);

        left = census_more(before, &after);
        if (!left)
            break;
        (void)usleep(50000);
    }
    return left;
}
