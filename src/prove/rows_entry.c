/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_entry - P, K and R rows about how Croft's programs come into a machine, and what a machine
 * can make of the host's tables and quota
 */
#include "prove/row.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "prove/trap.h"

#define PLANT_MS       700U
#define VISITS         30
#define CROWD          8
#define CROWDS         30
#define BEYOND_MIB     40U
#define HOST_SLACK_MIB 24U

static const char *const planted[] = {
    "/etc/ld.so.preload", "/etc/ld.so.cache",       "/etc/nsswitch.conf",         "/etc/gai.conf",
    "/etc/localtime",     "/lib/libnss_files.so.2", "/lib64/ld-linux-x86-64.so.2"};

/* Starts the planting, inside or (control) in the scratch directory, and leaves it watching. */
static bool plant(struct scene *scene, struct trial *trial)
{
    char why[TRIAL_WHY_SIZE], ms[16], file[PATH_MAX];
    const char *control[] = {"own", "10", file};

    if (str_format(ms, sizeof(ms), "%u", PLANT_MS) < 0 ||
        str_format(file, sizeof(file), "%s/program", scene->scratch) < 0 ||
        attack_host(scene, "P-08", 3, control, ROOM_PLAIN, AS_ROOM, &trial->live, &trial->control,
                    why, sizeof(why)) < 0 ||
        trial->control.number[0] == 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the control did not see its file opened");
        return false;
    }
    row_control(trial, "an opened file was seen");
    attack_end(&trial->live);
    if (scene->unwalled)
        row_verdict(trial, VERDICT_LEAKED, "a planted file was opened");
    return !scene->unwalled;
}

/* Programs of the host enter while the attacker watches the files that a careless one would load.
 */
static void perform_plant(struct scene *scene, struct trial *trial)
{
    char ms[16], line[2048] = "", output[512];
    const char *argv[STEP_ARGS_MAX + 10] = {scene_client, "exec",     "-i",   TRAP_MACHINE, "--",
                                            "/prove",     "--inside", "P-08", "",           ms};
    const char *const enter[] = {"exec", TRAP_MACHINE, "--", "/bin/true", NULL};
    const char *const receive[] = {"exec",
                                   "-i",
                                   TRAP_MACHINE,
                                   "--",
                                   "/bin/sh",
                                   "-c",
                                   "mkdir -p /lib /lib64; cat >/prove; chmod 755 /prove",
                                   NULL};
    struct child watcher = CHILD_NONE;
    size_t size = 0;
    int met = 0;

    if (!plant(scene, trial) || !trap_open(scene, trial))
        return;
    for (size_t i = 0; i < ARRAY_LEN(planted); i++)
        argv[10 + i] = planted[i];
    auto_free void *program = scene_program(&size);
    if (!program || str_format(ms, sizeof(ms), "%u", PLANT_MS) < 0 ||
        scene_croft(&scene->attacker, receive, program, size, output, sizeof(output)) != 0 ||
        child_exec(argv, scene->attacker.uid, scene->attacker.gid, &watcher) < 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "nothing was planted: %.100s", output);
        (void)trap_close(scene, trial);
        return;
    }
    (void)usleep(PLANT_MS * 1000 / 4);
    for (int i = 0; i < VISITS; i++)
        met += trap_words(scene, enter, output, sizeof(output)) == 0;
    if (child_line(&watcher, line, sizeof(line), 20000) <= 0 ||
        fact_parse(line, &trial->attack) < 0 || trial->attack.number[2] < 3 || met == 0)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "%d commands, %ju files planted: %.60s", met,
                    (uintmax_t)trial->attack.number[2], line);
    else if (trial->attack.number[0] > 0)
        row_verdict(trial, VERDICT_LEAKED, "planted files were opened %ju times",
                    (uintmax_t)trial->attack.number[0]);
    else
        row_verdict(trial, VERDICT_BLOCKED, "%d commands came in, none of %ju files was opened",
                    met, (uintmax_t)trial->attack.number[2]);
    (void)child_end(&watcher, 5000);
    (void)trap_close(scene, trial);
}

static void clean_program(struct scene *scene, struct trial *trial)
{
    auto_close scratch = path_root(scene->scratch, O_RDONLY | O_DIRECTORY);

    (void)trial;
    if (scratch >= 0 && path_unlink(scratch, "program") < 0)
        return;
}

/* What one of the crowd came with. Return: false when it could not be heard */
static bool hear(struct scene *scene, struct trial *trial, struct child *child)
{
    char line[2048];
    struct fact fact;
    bool heard = child_line(child, line, sizeof(line), 20000) > 0 && fact_parse(line, &fact) == 0;

    (void)child_end(child, 5000);
    if (!heard)
        return false;
    trial->attack.number[1]++;
    trial->attack.number[0] += fact.number[2] > 0;
    if (fact.number[2] > 0 || strstr(fact.text, scene->secret))
        row_verdict(trial, VERDICT_LEAKED, "came in with %.140s", fact.text);
    return true;
}

/* Many commands enter side by side: a descriptor that one lets slip is another's. */
static void perform_crowd(struct scene *scene, struct trial *trial)
{
    const char *secrets[] = {scene->secret_path[0], scene->secret_path[1]};
    const char *const argv[] = {scene_client, "exec",        "-i",       scene->attacker.machine,
                                "--",         PROVE_PROGRAM, "--inside", "P-09",
                                secrets[0],   secrets[1],    NULL};
    struct child crowd[CROWD];
    char why[TRIAL_WHY_SIZE];
    unsigned lost = 0;

    if (attack_host(scene, "P-09", 2, secrets, ROOM_LEAK, AS_ROOM, &trial->live, &trial->control,
                    why, sizeof(why)) < 0 ||
        trial->control.number[2] == 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the control's descriptor was not seen");
        return;
    }
    row_control_fact(scene, trial);
    attack_end(&trial->live);
    if (scene->unwalled) {
        row_verdict(trial, VERDICT_LEAKED, "came with %.140s", trial->control.text);
        return;
    }
    for (int i = 0; i < CROWDS && !trial->verdict; i++) {
        for (size_t j = 0; j < CROWD; j++)
            if (child_exec(argv, scene->attacker.uid, scene->attacker.gid, &crowd[j]) < 0)
                crowd[j] = CHILD_NONE;
        for (size_t j = 0; j < CROWD; j++)
            lost += !hear(scene, trial, &crowd[j]);
    }
    if (!trial->verdict && lost > CROWD)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "%u of %d were not heard", lost, CROWDS * CROWD);
    else if (!trial->verdict)
        row_verdict(trial, VERDICT_BLOCKED, "%ju came in, %d at a time, with 0, 1 and 2 only",
                    (uintmax_t)trial->attack.number[1], CROWD);
}

/* What a runtime opens in /dev leads to the host, if anybody follows. */
static void perform_dev(struct scene *scene, struct trial *trial)
{
    static const char *const turns[][6] = {{"exec", TRAP_MACHINE, "--", "/bin/true", NULL},
                                           {"exec", "-t", TRAP_MACHINE, "--", "/bin/true", NULL},
                                           {"stop", "--timeout", "0", TRAP_MACHINE, NULL},
                                           {"start", TRAP_MACHINE, NULL},
                                           {"exec", TRAP_MACHINE, "--", "/bin/true", NULL}};
    char script[1024], output[1024];
    size_t before = trap_entries(scene->open_path);
    unsigned worked = 0;

    if (!trap_control(scene, trial) || !trap_open(scene, trial))
        return;
    if (str_format(script, sizeof(script),
                   "cd /dev && rm -rf null console tty ptmx zero && for d in null console tty ptmx "
                   "zero; do ln -s ../../../../../../..%s/$d $d; done",
                   scene->open_path) < 0)
        return;
    int turned = trap_shell(scene, script, output, sizeof(output));
    for (size_t i = 0; i < ARRAY_LEN(turns); i++)
        worked += trap_words(scene, turns[i], output, sizeof(output)) == 0;
    size_t now = trap_entries(scene->open_path);
    bool removed = trap_close(scene, trial);
    if (now != before)
        row_verdict(trial, VERDICT_LEAKED, "%zu files appeared in a directory of the host",
                    now - before);
    else if (turned != 0)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the links could not be made");
    else if (removed)
        row_verdict(trial, VERDICT_BLOCKED, "%u of %zu orders worked, none followed a link", worked,
                    ARRAY_LEN(turns));
}

static bool prepare_quota(struct scene *scene, struct trial *trial)
{
    row_both(trial, "%u", PROVE_DISK_MIB + BEYOND_MIB);
    row_arg(trial, "/");
    row_control_arg(trial, "%s", scene->scratch);
    trial->before[0] = scene_free_mib();
    return true;
}

static bool control_quota(const struct scene *scene, const struct trial *trial)
{
    (void)scene;
    return trial->control.number[0] > PROVE_DISK_MIB;
}

/* What the file is called and whose it is said to be must not matter: the file system is hers. */
static void judge_quota(struct scene *scene, struct trial *trial)
{
    uint64_t now = scene_free_mib(), taken = trial->attack.number[0];

    (void)scene;
    if (taken > PROVE_DISK_MIB)
        row_verdict(trial, VERDICT_LEAKED, "%ju MiB, limit %u", (uintmax_t)taken, PROVE_DISK_MIB);
    else if (now + HOST_SLACK_MIB < trial->before[0])
        row_verdict(trial, VERDICT_LEAKED, "the host's disk has %ju MiB less",
                    (uintmax_t)(trial->before[0] - now));
    else if (taken == 0)
        row_verdict(trial, VERDICT_BLOCKED, "no unnamed file: %s",
                    strerrorname_np(trial->attack.error));
    else
        row_verdict(trial, VERDICT_CONTAINED,
                    "%ju MiB of %u in an unnamed file of another id, "
                    "all of her own volume",
                    (uintmax_t)taken, PROVE_DISK_MIB);
}

static bool prepare_groups(struct scene *scene, struct trial *trial)
{
    static const char *const tops[] = {"/sys/fs/cgroup/pids/" CROFT_CGROUP,
                                       "/sys/fs/cgroup/" CROFT_CGROUP};

    (void)scene;
    row_arg(trial, "/sys/fs/cgroup");
    for (size_t i = 0; i < ARRAY_LEN(tops) && trial->control_args.argc == 0; i++)
        if (access(tops[i], W_OK) == 0)
            row_control_arg(trial, "%s", tops[i]);
    return trial->control_args.argc > 0;
}

const struct row rows_entry[] = {
    {
        "P-08",
        SEVERITY_CRITICAL,
        "AC",
        "a preload list and NSS modules for who enters the machine",
        "the runtime is static and looks nothing up inside",
        .perform = perform_plant,
        .clean = clean_program,
    },
    {
        "P-10",
        SEVERITY_CRITICAL,
        "AC",
        "descriptors that slip when many commands enter at once",
        "close-on-exec from birth, close_range",
        .perform = perform_crowd,
    },
    {
        "K-07",
        SEVERITY_CRITICAL,
        "AC",
        "/dev/null, console, ptmx as links to the host",
        "standard descriptors come from outside, an own /dev",
        .perform = perform_dev,
    },
    {
        "K-27",
        SEVERITY_CRITICAL,
        "AC",
        "register an interpreter for every program of the host",
        "no CAP_SYS_ADMIN, read-only /proc/sys",
        .room = ROOM_MOUNTS,
        .control = row_reaches,
        .judge = row_judge_reach,
    },
    {
        "R-19",
        SEVERITY_CRITICAL,
        "AC",
        "disk space under another project, owner and no name",
        "one preallocated volume per user",
        .lane = LANE_ALONE,
        .prepare = prepare_quota,
        .control = control_quota,
        .judge = judge_quota,
    },
    {
        "R-26",
        SEVERITY_CRITICAL,
        "AC",
        "make control groups until the host has none left",
        "no group is delegated on v1",
        .prepare = prepare_groups,
        .control = row_reaches,
        .judge = row_judge_reach,
    },
};
const size_t rows_entry_count = ARRAY_LEN(rows_entry);
