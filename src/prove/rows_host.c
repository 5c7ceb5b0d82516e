/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_host - rows about what Croft itself does on the attacker's order: start an image that was
 * made to lead it astray, start and end machines without leaving anything behind
 */
#include "prove/row.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "prove/hostproc.h"
#include "prove/tar.h"
#include "prove/trap.h"

#define EVIL_IMAGE   "evil"
#define ROUNDS       10
#define SETTLE_TRIES 100 /* of 50 ms: what is emptied later counts as soon as it is gone */

static bool prepare_links(struct scene *scene, struct trial *trial)
{
    row_both(trial, "%s", scene->scratch);
    row_both(trial, "%s", scene->open_path);
    trial->before[0] = trap_entries(scene->open_path);
    return true;
}

/* An image whose /dev, /proc, /sys and /tmp lead to a directory of the host. */
static bool import_evil(const struct scene *scene, char *output, size_t size)
{
    static const char *const names[] = {"dev", "proc", "sys", "tmp", "etc"};
    const char *const words[] = {"image", "import", "-", EVIL_IMAGE, NULL};
    struct tar tar = {0};
    char target[PATH_MAX];
    size_t program_size = 0;

    auto_free void *program = scene_program(&program_size);
    if (!program ||
        str_format(target, sizeof(target), "../../../../../../../..%s", scene->open_path) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        tar_link(&tar, names[i], target);
    tar_file(&tar, "prove", program, program_size);
    tar_end(&tar);
    int status = scene_croft(&scene->attacker, words, tar.bytes, tar.size, output, size);
    free(tar.bytes);
    return status == 0;
}

static void perform_links(struct scene *scene, struct trial *trial)
{
    const char *const run[] = {"run",    "--rm",     EVIL_IMAGE, "--",
                               "/prove", "--inside", "stand",    NULL};
    const char *const remove[] = {"image", "rm", EVIL_IMAGE, NULL};
    const char *control[] = {trial->control_args.text[0], trial->control_args.text[1]};
    char why[TRIAL_WHY_SIZE], output[1024] = "", said[1024];

    if (attack_host(scene, "K-05", 2, control, ROOM_PLAIN, AS_ROOM, &trial->live, &trial->control,
                    why, sizeof(why)) < 0 ||
        trap_entries(scene->open_path) == trial->before[0]) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the control did not follow the link");
        return;
    }
    row_control(trial, "a file appeared behind the link");
    if (scene->unwalled) {
        row_verdict(trial, VERDICT_LEAKED, "a file appeared in a directory of the host");
        return;
    }
    attack_end(&trial->live);
    bool imported = import_evil(scene, output, sizeof(output));
    int status =
        imported ? scene_croft(&scene->attacker, run, NULL, 0, output, sizeof(output)) : -1;
    size_t now = trap_entries(scene->open_path);
    if (now != trial->before[0])
        row_verdict(trial, VERDICT_LEAKED, "%zu files appeared in a directory of the host", now);
    else
        row_verdict(trial, VERDICT_BLOCKED, "%s, status %d: %.100s",
                    imported ? "imported and started" : "not imported", status, output);
    if (imported && scene_croft(&scene->attacker, remove, NULL, 0, said, sizeof(said)) != 0)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the image cannot be removed: %.120s", said);
}

/* What a start could leave on the host. */
struct census {
    size_t mounts;
    size_t loops;
    size_t groups;
    size_t monitor_fds;
    size_t processes;
};

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

static void count_group(const char *name, void *data)
{
    (void)name;
    (*(size_t *)data)++;
}

static struct census take_census(const struct scene *scene)
{
    struct census census = {.mounts = lines_of("/proc/self/mountinfo"), .loops = bound_loops()};
    char group[64], path[64];
    pid_t monitor = hostproc_by_exe(CROFT_LIB_DIR "/croft-monitor");

    if (str_format(group, sizeof(group), "%u/all", scene->attacker.uid) < 0 ||
        str_format(path, sizeof(path), "/proc/%d/fd", monitor) < 0 ||
        cgroup_list(scene->cgroups, group, count_group, &census.groups) < 0)
        return census;
    census.monitor_fds = trap_entries(path);
    struct cgroup_usage usage = {0};
    if (cgroup_usage(scene->cgroups, group, &usage) == 0)
        census.processes = usage.pids;
    return census;
}

static const char *difference(const struct census *before, const struct census *after)
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
    return NULL;
}

/* The control leaves a process of the attacker's behind, which the census must notice. */
static void perform_starts(struct scene *scene, struct trial *trial)
{
    const char *const run[] = {"run", "--rm", PROVE_IMAGE, "--", "/bin/true", NULL};
    const char *none[] = {NULL};
    struct census before = take_census(scene);
    char why[TRIAL_WHY_SIZE], output[512];
    const char *left = NULL;

    if (attack_inside(&scene->attacker, "stand", 0, none, &trial->live, &trial->attack, why,
                      sizeof(why)) < 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "control: %.150s", why);
        return;
    }
    struct census standing = take_census(scene);
    if (!difference(&before, &standing)) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the census does not notice a process");
        return;
    }
    row_control(trial, "the census noticed a process left behind");
    if (!scene->unwalled)
        attack_end(&trial->live);
    for (int i = 0; i < ROUNDS; i++)
        if (scene_croft(&scene->attacker, run, NULL, 0, output, sizeof(output)) != 0) {
            row_verdict(trial, VERDICT_INCONCLUSIVE, "run failed: %.120s", output);
            return;
        }
    for (int i = 0; i < SETTLE_TRIES; i++) {
        struct census after = take_census(scene);

        left = difference(&before, &after);
        if (!left)
            break;
        (void)usleep(50000);
    }
    if (left)
        row_verdict(trial, VERDICT_LEAKED, "%d starts left %s behind", ROUNDS, left);
    else
        row_verdict(trial, VERDICT_BLOCKED,
                    "%d starts left no mount, loop, group, process, descriptor", ROUNDS);
}

const struct row rows_host[] = {
    {
        "K-05",
        SEVERITY_CRITICAL,
        "IMG",
        "an image whose /dev, /proc and /sys are links to the host",
        "mounts by descriptor beneath the root, no link followed",
        .prepare = prepare_links,
        .perform = perform_links,
    },
    {
        "R-44",
        SEVERITY_HIGH,
        "API",
        "start and end jobs: what stays behind on the host",
        "every object has one owner and one end",
        .perform = perform_starts,
    },
};
const size_t rows_host_count = ARRAY_LEN(rows_host);
