/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_volume - F rows on what lies beneath a machine's files, and rows in which the attacker's
 * machine is a trap for the host's programs that start, enter, stop and remove it
 */
#include "prove/row.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "prove/trap.h"

#define SWAP_MS    15000U /* at most: it ends with the race, or with the commands */
#define RACED      150
#define WORKDIRS   12
#define MARK_BYTES "4000000"

static bool prepare_layer(struct scene *scene, struct trial *trial)
{
    row_control_arg(trial, "/croft-prove-mount");
    trial->before[0] = trap_layers_hash(scene);
    return trial->before[0] != 0;
}

/* What the step says and, as the host reads them, every layer of both users. */
static void judge_layers(struct scene *scene, struct trial *trial)
{
    if (trap_layers_hash(scene) != trial->before[0])
        row_verdict(trial, VERDICT_LEAKED, "an image layer is no longer what it was");
    else
        row_judge_reach(scene, trial);
}

static bool prepare_overlay(struct scene *scene, struct trial *trial)
{
    row_control_arg(trial, "own");
    trial->before[0] = trap_layers_hash(scene);
    return trial->before[0] != 0;
}

static bool prepare_force(struct scene *scene, struct trial *trial)
{
    auto_close scratch = path_root(scene->scratch, O_RDONLY | O_DIRECTORY);
    auto_close file = scratch < 0 ? scratch : path_create(scratch, "program", O_WRONLY, 0644);

    if (file < 0 || fd_write_full(file, scene->secret, CANARY_SECRET_LEN) < 0)
        return false;
    row_arg(trial, "lower");
    row_arg(trial, "/bin/busybox");
    row_control_arg(trial, "own");
    row_control_arg(trial, "%s/program", scene->scratch);
    trial->before[0] = trap_layers_hash(scene);
    return trial->before[0] != 0;
}

static void clean_force(struct scene *scene, struct trial *trial)
{
    auto_close scratch = path_root(scene->scratch, O_RDONLY | O_DIRECTORY);

    if (scratch >= 0 && path_unlink(scratch, "program") < 0)
        trial->before[0] = 0;
}

/* With --unwalled the control has already changed the file, and changing it back is no change. */
static void judge_force(struct scene *scene, struct trial *trial)
{
    if (scene->unwalled)
        row_verdict(trial, VERDICT_LEAKED, "the file was changed");
    else
        judge_layers(scene, trial);
}

/* The victim writes her secret all over her disk and deletes it; the host's copy is the control. */
static bool prepare_hunt(struct scene *scene, struct trial *trial)
{
    char script[256], output[256];
    const char *const words[] = {"exec", scene->victim.machine, "--", "/bin/sh", "-c", script,
                                 NULL};

    if (str_format(script, sizeof(script),
                   "yes %s | head -c " MARK_BYTES " >/deleted; sync /deleted; rm /deleted",
                   scene->victim_secret) < 0 ||
        scene_croft(&scene->victim, words, NULL, 0, output, sizeof(output)) != 0)
        return false;
    row_both(trial, "%s", scene->victim_secret);
    row_control_arg(trial, "/%s", scene->secret_path[1]);
    return true;
}

/* The very device that the attacker's volume is mounted from. */
static bool prepare_raw(struct scene *scene, struct trial *trial)
{
    char path[128];
    struct stat meta;

    if (str_format(path, sizeof(path), CROFT_RUN_DIR "/volumes/%u", scene->attacker.uid) < 0 ||
        stat(path, &meta) < 0)
        return false;
    row_both(trial, "%u", major(meta.st_dev));
    row_both(trial, "%u", minor(meta.st_dev));
    row_control_arg(trial, "%s", scene->scratch);
    static const char *const inside[] = {"/", "/dev", "/dev/shm", "/tmp"};
    for (size_t i = 0; i < ARRAY_LEN(inside); i++)
        row_arg(trial, "%s", inside[i]);
    return true;
}

/* How many more files a directory of the host has, and whether its link's target is still there. */
static void judge_links(const struct scene *scene, struct trial *trial, size_t before,
                        const char *done)
{
    struct stat meta;
    size_t now = trap_entries(scene->open_path);

    if (stat(scene->open_path, &meta) < 0)
        row_verdict(trial, VERDICT_LEAKED, "a directory of the host is gone");
    else if (now != before)
        row_verdict(trial, VERDICT_LEAKED, "%zu files appeared in a directory of the host",
                    now - before);
    else
        row_verdict(trial, VERDICT_BLOCKED, "%s; nothing behind the links changed", done);
}

/* Everything in the volume that the host's programs may come by is a link to the host. */
static void perform_links(struct scene *scene, struct trial *trial)
{
    static const char *const turns[][5] = {{"stop", "--timeout", "0", TRAP_MACHINE, NULL},
                                           {"start", TRAP_MACHINE, NULL},
                                           {"logs", TRAP_MACHINE, NULL},
                                           {"exec", TRAP_MACHINE, "--", "/bin/true", NULL}};
    char script[1024], output[1024];
    size_t before = trap_entries(scene->open_path);
    bool started = false;

    if (!trap_control(scene, trial) || !trap_open(scene, trial))
        return;
    if (str_format(script, sizeof(script),
                   "rm -rf /etc /tmp /var /root /home; for d in etc tmp var root home links; do "
                   "ln -s ../../../../../../../..%s /$d; done; ln -s /%s /secret; ln -s / /loop",
                   scene->open_path, scene->secret_path[0]) < 0)
        return;
    int turned = trap_shell(scene, script, output, sizeof(output));
    for (size_t i = 0; i < ARRAY_LEN(turns); i++) {
        int status = trap_words(scene, turns[i], output, sizeof(output));
        started = started || (i == 1 && status == 0);
    }
    bool removed = trap_close(scene, trial);
    if (turned != 0)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the links could not be made: %.100s", output);
    else if (removed)
        judge_links(scene, trial, before,
                    started ? "stopped, started, logged, entered, removed"
                            : "stopped, not started, removed");
}

/* The same with links that only /proc resolves, and working directories that are such links. */
static void perform_magic(struct scene *scene, struct trial *trial)
{
    const char *argv[] = {scene->secret_path[0], scene->secret_path[1]};
    char why[TRIAL_WHY_SIZE], script[1024], output[1024], workdir[64];
    const char *const enter[] = {"exec",    "-w", workdir, TRAP_MACHINE, "--",
                                 "/bin/sh", "-c", script,  NULL};
    unsigned entered = 0;

    if (attack_host(scene, "P-09", 2, argv, ROOM_LEAK, AS_ROOM, &trial->live, &trial->control, why,
                    sizeof(why)) < 0 ||
        !row_reads_secret(scene, trial)) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the control's descriptor led nowhere");
        return;
    }
    row_control_fact(scene, trial);
    attack_end(&trial->live);
    if (scene->unwalled) {
        row_verdict(trial, VERDICT_LEAKED, "a descriptor led to the host's secret");
        return;
    }
    if (!trap_open(scene, trial))
        return;
    (void)trap_shell(
        scene,
        "mkdir /w; for n in 3 4 5 6 7 8 9; do ln -s /proc/self/fd/$n /w/$n; done; "
        "ln -s /proc/1/root /w/10; ln -s /proc/self/root /w/11; ln -s /proc/1/cwd /w/12",
        output, sizeof(output));
    if (str_format(script, sizeof(script), "cat ../../../../../../../../%s ./%s 2>/dev/null; pwd",
                   scene->secret_path[0], scene->secret_path[0]) < 0)
        return;
    for (unsigned i = 3; i < 3 + 2 * WORKDIRS && !trial->verdict; i++) {
        bool direct = i < 3 + WORKDIRS;
        if (str_format(workdir, sizeof(workdir), "%s/%u", direct ? "/proc/self/fd" : "/w",
                       direct ? i : i - WORKDIRS) < 0)
            break;
        entered += trap_words(scene, enter, output, sizeof(output)) == 0;
        if (strstr(output, scene->secret) || strstr(output, scene->victim_secret))
            row_verdict(trial, VERDICT_LEAKED, "%s led to a secret", workdir);
    }
    if (trap_close(scene, trial) && !trial->verdict)
        row_verdict(trial, VERDICT_BLOCKED, "%u working directories, %u entered, all her own",
                    2 * WORKDIRS, entered);
}

/* While a directory and a link change places, commands enter by it. */
static void perform_swap(struct scene *scene, struct trial *trial)
{
    char play[128], ms[16], why[TRIAL_WHY_SIZE], output[1024], target[PATH_MAX];
    const char *control[] = {"own", play, scene->scratch, ms};
    const char *inside[] = {"", "/race", target, ms};
    const char *const enter[] = {"exec", "-w",       "/race/dir", scene->attacker.machine,
                                 "--",   "/bin/cat", "secret",    NULL};
    unsigned entered = 0;

    if (str_format(play, sizeof(play), "%s/race", scene->open_path) < 0 ||
        str_format(ms, sizeof(ms), "%u", SWAP_MS) < 0 ||
        str_format(target, sizeof(target), "../../../../../..%s", scene->scratch) < 0 ||
        attack_host(scene, "F-13", 4, control, ROOM_PLAIN, AS_ROOM, &trial->live, &trial->control,
                    why, sizeof(why)) < 0 ||
        !row_reads_secret(scene, trial)) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the control did not win its race");
        return;
    }
    row_control(trial, "read the secret of the host after %ju walks",
                (uintmax_t)trial->control.number[1]);
    attack_end(&trial->live);
    if (scene->unwalled) {
        row_verdict(trial, VERDICT_LEAKED, "a walk by names was led astray");
        return;
    }
    if (attack_inside(&scene->attacker, "F-13", 4, inside, &trial->live, &trial->attack, why,
                      sizeof(why)) < 0 ||
        trial->attack.number[2] == 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "attack: %.120s", why);
        return;
    }
    for (int i = 0; i < RACED && !trial->verdict; i++) {
        int status = trap_words(scene, enter, output, sizeof(output));
        entered += status == 1; /* cat found no such file: it was started there */
        if (strstr(output, scene->secret))
            row_verdict(trial, VERDICT_LEAKED, "a command was led to the host's secret");
    }
    if (!trial->verdict)
        row_verdict(trial, VERDICT_BLOCKED,
                    "%d commands entered by the raced path, %u got in, "
                    "none out",
                    RACED, entered);
}

const struct row rows_volume[] = {
    {
        "F-05",
        SEVERITY_CRITICAL,
        "AC",
        "write beneath the overlay: remount, bind, its own options",
        "no CAP_SYS_ADMIN, locked mounts, layers out of sight",
        .room = ROOM_HIDDEN,
        .prepare = prepare_layer,
        .control = row_reaches,
        .judge = judge_layers,
    },
    {
        "F-10",
        SEVERITY_CRITICAL,
        "AC",
        "an overlay of one's own, to copy files up with their bits",
        "no CAP_SYS_ADMIN, seccomp",
        .room = ROOM_MOUNTS,
        .prepare = prepare_overlay,
        .control = row_reaches,
        .judge = judge_layers,
    },
    {
        "F-12",
        SEVERITY_CRITICAL,
        "AC",
        "links to the host wherever Croft works in a volume",
        "openat2 beneath a descriptor, no link followed",
        .perform = perform_links,
    },
    {
        "F-13",
        SEVERITY_CRITICAL,
        "AC",
        "swap a directory and a link while a command enters by it",
        "the runtime is inside before it walks",
        .perform = perform_swap,
    },
    {
        "F-14",
        SEVERITY_CRITICAL,
        "AC",
        "/proc/self/fd and /proc/1/root as working directory",
        "no descriptor is left, the runtime is inside before it walks",
        .perform = perform_magic,
    },
    {
        "F-21",
        SEVERITY_CRITICAL,
        "AC",
        "find what the victim deleted in space that was never written",
        "an own volume per user; the file system hands out zeroes",
        .prepare = prepare_hunt,
        .control = row_reads_secret,
        .judge = row_judge_secret,
    },
    {
        "F-23",
        SEVERITY_CRITICAL,
        "AC",
        "write to the device one's own volume is mounted from",
        "user namespace, device cgroup, nodev",
        .prepare = prepare_raw,
        .control = row_reaches,
        .judge = row_judge_reach,
    },
    {
        "F-32",
        SEVERITY_CRITICAL,
        "AC",
        "write a layer's file through /proc/self/mem",
        "layers are private to a user, and read-only beneath",
        .prepare = prepare_force,
        .control = row_reaches,
        .judge = judge_force,
        .clean = clean_force,
    },
};
const size_t rows_volume_count = ARRAY_LEN(rows_volume);
