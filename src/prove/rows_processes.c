/* SPDX-License-Identifier: Apache-2.0 */
/* rows_processes - P rows: targets, controls and verdicts of the attacks on processes */
#include "prove/row.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "prove/hostproc.h"

#define AMBUSH_MS     1500U
#define AMBUSH_VISITS 40
#define ORPHAN_LIFE_S 60U

/* The attacker is told the host pids, which he would have to guess. */
static bool prepare_pids(struct scene *scene, struct trial *trial)
{
    row_arg(trial, "guess");
    row_arg(trial, "%d", scene->victim_canary.host_pid);
    row_arg(trial, "%d", scene->host_canary.host_pid);
    row_arg(trial, "%d", scene->victim.init);
    row_control_arg(trial, "own");
    row_control_arg(trial, "%d", scene->host_canary.host_pid);
    return true;
}

static bool prepare_memory(struct scene *scene, struct trial *trial)
{
    const struct canary *canaries[] = {&scene->victim_canary, &scene->host_canary};

    row_arg(trial, "guess");
    for (size_t i = 0; i < ARRAY_LEN(canaries); i++) {
        row_arg(trial, "%d", canaries[i]->host_pid);
        row_arg(trial, "%ju", (uintmax_t)canaries[i]->start.address);
    }
    row_control_arg(trial, "own");
    row_control_arg(trial, "%d", scene->host_canary.host_pid);
    row_control_arg(trial, "%ju", (uintmax_t)scene->host_canary.start.address);
    return true;
}

/* Reading, but also attaching, would be reach. */
static void judge_memory(struct scene *scene, struct trial *trial)
{
    row_judge_secret(scene, trial);
    if (trial->verdict == VERDICT_BLOCKED && trial->attack.number[0] > 0)
        row_judge_reach(scene, trial);
}

static bool prepare_ambush(struct scene *scene, struct trial *trial)
{
    row_arg(trial, "%u", AMBUSH_MS);
    row_control_arg(trial, "%u", AMBUSH_MS);
    row_control_arg(trial, "%d", scene->host_canary.host_pid);
    return true;
}

/* While the attacker lies in wait, processes of the runtime come into his machine. */
static void perform_ambush(struct scene *scene, struct trial *trial)
{
    const char *const visit[] = {"exec", scene->attacker.machine, "--", "/bin/true", NULL};
    const char *own[] = {trial->args.text[0]};
    const char *control[] = {trial->control_args.text[0], trial->control_args.text[1]};
    struct child visitor = CHILD_NONE;
    char why[TRIAL_WHY_SIZE];

    if (attack_host(scene, "P-04", 2, control, ROOM_PLAIN, AS_ROOM, &trial->live, &trial->control,
                    why, sizeof(why)) < 0 ||
        trial->control.number[0] == 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the control did not get hold of its target");
        return;
    }
    row_control_fact(scene, trial);
    attack_end(&trial->live);
    if (scene->unwalled) {
        row_verdict(trial, VERDICT_LEAKED, "%.150s", trial->control.text);
        return;
    }
    const char *argv[] = {scene_client, "exec",        "-i",       scene->attacker.machine,
                          "--",         PROVE_PROGRAM, "--inside", "P-04",
                          own[0],       NULL};
    char line[2048] = "", output[512];
    int met = 0;

    if (child_exec(argv, scene->attacker.uid, scene->attacker.gid, &visitor) < 0)
        return;
    for (int i = 0; i < AMBUSH_VISITS; i++)
        met += scene_croft(&scene->attacker, visit, NULL, 0, output, sizeof(output)) == 0;
    if (child_line(&visitor, line, sizeof(line), 20000) <= 0 ||
        fact_parse(line, &trial->attack) < 0)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the ambush said nothing: %.100s", line);
    else if (trial->attack.number[2] == 0 || met == 0)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "no process came by (%d commands ran)", met);
    else if (trial->attack.number[0] > 0)
        row_verdict(trial, VERDICT_LEAKED, "took hold of the runtime: %.120s", trial->attack.text);
    else
        row_verdict(trial, VERDICT_BLOCKED, "met %ju processes of %d commands, got none of them",
                    (uintmax_t)trial->attack.number[2], met);
    (void)child_end(&visitor, 5000);
}

/* One number over the programs that root runs and that a machine might reach. */
static uint64_t programs_hash(const struct scene *scene)
{
    char copy[128];
    const char *const paths[] = {CROFT_LIB_DIR "/croft-init", CROFT_LIB_DIR "/croft-runtime", copy};
    struct sha256 hash;
    uint8_t digest[SHA256_SIZE];
    uint64_t first = 0;

    if (str_format(copy, sizeof(copy), CROFT_RUN_DIR "/volumes/%u/init", scene->attacker.uid) < 0)
        return 0;
    sha256_init(&hash);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        auto_close fd = path_root(paths[i], O_RDONLY);
        char bytes[16384];
        ssize_t got;

        while (fd >= 0 && (got = fd_read_full(fd, bytes, sizeof(bytes))) > 0)
            sha256_add(&hash, bytes, (size_t)got);
    }
    sha256_end(&hash, digest);
    memcpy(&first, digest, sizeof(first));
    return first;
}

/* A program of our own in the scratch directory that runs for a moment, for the control. */
static int sleep_body(void *data, int in, int out)
{
    const char *const argv[] = {data, "--sleep", NULL};

    (void)in;
    (void)out;
    (void)execv(argv[0], (char *const *)(uintptr_t)argv);
    return 127;
}

static bool copy_program(const struct scene *scene, const char *name)
{
    auto_close scratch = path_root(scene->scratch, O_RDONLY | O_DIRECTORY);
    auto_close from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    auto_close to = scratch < 0 ? scratch : path_create(scratch, name, O_WRONLY, 0755);
    char bytes[16384];
    ssize_t got;

    while (from >= 0 && to >= 0 && (got = fd_read_full(from, bytes, sizeof(bytes))) > 0)
        if (fd_write_full(to, bytes, (size_t)got) < 0)
            return false;
    return to >= 0;
}

static bool prepare_overwrite(struct scene *scene, struct trial *trial)
{
    char path[PATH_MAX];
    struct child child = CHILD_NONE;

    trial->before[0] = programs_hash(scene);
    row_arg(trial, "1");
    if (!copy_program(scene, "program") ||
        str_format(path, sizeof(path), "%s/program", scene->scratch) < 0 ||
        child_fork(sleep_body, path, &child) < 0)
        return false;
    row_control_arg(trial, "%d", child.pid);
    fd_close(&child.in);
    fd_close(&child.out);
    fd_close(&child.err);
    (void)usleep(100000); /* until it has become the program */
    return true;
}

/*
 * Allowed-but-busy is a leak as well: the next start would run what he wrote. Without walls there
 * is one target only, and the control has used it up.
 */
static void judge_overwrite(struct scene *scene, struct trial *trial)
{
    const struct fact *fact = scene->unwalled ? &trial->control : &trial->attack;

    if (programs_hash(scene) != trial->before[0])
        row_verdict(trial, VERDICT_LEAKED, "a program of Croft is no longer what it was");
    else if (fact->number[0] > 0)
        row_verdict(trial, VERDICT_LEAKED, "the program was written to");
    else if (fact->number[2] > 0)
        row_verdict(trial, VERDICT_LEAKED, "writing pid 1's program is allowed, it was only busy");
    else
        row_verdict(trial, VERDICT_BLOCKED, "%s; croft-init, the runtime, her copy hash the same",
                    strerrorname_np(fact->error));
}

static void clean_program(struct scene *scene, struct trial *trial)
{
    auto_close scratch = path_root(scene->scratch, O_RDONLY | O_DIRECTORY);

    if (scratch >= 0 && path_unlink(scratch, "program") < 0)
        trial->before[0] = 0;
}

static bool prepare_descriptors(struct scene *scene, struct trial *trial)
{
    for (size_t i = 0; i < ARRAY_LEN(scene->secret_path); i++)
        row_both(trial, "%s", scene->secret_path[i]);
    return true;
}

static bool control_descriptors(const struct scene *scene, const struct trial *trial)
{
    return row_reads_secret(scene, trial) && trial->control.number[2] > 0;
}

static void judge_descriptors(struct scene *scene, struct trial *trial)
{
    row_judge_secret(scene, trial);
    if (trial->verdict == VERDICT_BLOCKED && trial->attack.number[2] > 0)
        row_verdict(trial, VERDICT_LEAKED, "%ju descriptors beyond 0, 1, 2: %.120s",
                    (uintmax_t)trial->attack.number[2], trial->attack.text);
}

static bool prepare_sockets(struct scene *scene, struct trial *trial)
{
    row_arg(trial, "%s", scene->victim_canary.socket);
    row_both(trial, "%s", scene->host_canary.socket);
    return true;
}

/* After `stop` nothing of the machine may live, whatever it did to hide from that. */
static void perform_orphan(struct scene *scene, struct trial *trial)
{
    const char *const stop[] = {"stop", "--timeout", "3", scene->attacker.machine, NULL};
    char life[16], why[TRIAL_WHY_SIZE], output[512];
    const char *argv[] = {life};

    if (str_format(life, sizeof(life), "%u", ORPHAN_LIFE_S) < 0)
        return;
    if (attack_inside(&scene->attacker, "P-12", 1, argv, &trial->live, &trial->attack, why,
                      sizeof(why)) < 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "attack: %.150s", why);
        return;
    }
    attack_end(&trial->live);
    uint64_t pid_space = hostproc_space(scene->attacker.init);
    size_t before = hostproc_count(pid_space);
    if (before < 2) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the orphan did not survive its parents");
        return;
    }
    row_control(trial, "the orphan outlived its parents");
    if (!scene->unwalled &&
        scene_croft(&scene->attacker, stop, NULL, 0, output, sizeof(output)) != 0) {
        row_verdict(trial, VERDICT_LEAKED, "stop failed: %.150s", output);
        return;
    }
    size_t after = hostproc_count(pid_space);
    if (after)
        row_verdict(trial, VERDICT_LEAKED, "%zu of %zu processes outlived the stop", after, before);
    else
        row_verdict(trial, VERDICT_BLOCKED, "%zu processes before, none after the stop", before);
}

const struct row rows_processes[] = {
    {
        "P-02",
        SEVERITY_CRITICAL,
        "AC",
        "signal the victim and the host by their host pids",
        "pid namespace, user namespace",
        .prepare = prepare_pids,
        .control = row_reaches,
        .judge = row_judge_reach,
    },
    {
        "P-03",
        SEVERITY_CRITICAL,
        "AC",
        "ptrace, process_vm_readv, /proc/PID/mem of others",
        "pid namespace, user namespace",
        .prepare = prepare_memory,
        .control = row_reads_secret,
        .judge = judge_memory,
    },
    {
        "P-04",
        SEVERITY_CRITICAL,
        "AC",
        "seize the runtime while a command enters the machine",
        "not dumpable until it executes, namespaces entered at once",
        .prepare = prepare_ambush,
        .perform = perform_ambush,
    },
    {
        "P-07",
        SEVERITY_CRITICAL,
        "AC",
        "overwrite croft-init through /proc/PID/exe",
        "her own copy, root's, not writable by any id of hers",
        .prepare = prepare_overwrite,
        .control = row_reaches,
        .judge = judge_overwrite,
        .clean = clean_program,
    },
    {
        "P-09",
        SEVERITY_CRITICAL,
        "AC",
        "descriptors left open at start or by exec",
        "close-on-exec from birth, close_range",
        .room = ROOM_LEAK,
        .prepare = prepare_descriptors,
        .control = control_descriptors,
        .judge = judge_descriptors,
    },
    {
        "P-12",
        SEVERITY_HIGH,
        "AC",
        "outlive `stop` as an orphan that ignores signals",
        "pid namespace ends with its pid 1; group killed",
        .perform = perform_orphan,
    },
    {
        "P-14",
        SEVERITY_CRITICAL,
        "AC",
        "setns to the parent's and the victim's namespaces",
        "user namespace owns nothing outside",
        .room = ROOM_PLAIN,
        .prepare = prepare_pids,
        .control = row_reaches,
        .judge = row_judge_reach,
    },
    {
        "P-15",
        SEVERITY_HIGH,
        "AC",
        "nested user namespace to regain capabilities",
        "seccomp; clone3 does not exist",
        .control = row_reaches,
        .judge = row_judge_reach,
    },
    {
        "P-24",
        SEVERITY_CRITICAL,
        "AC",
        "connect to abstract sockets of the victim and the host",
        "own network namespace",
        .prepare = prepare_sockets,
        .control = row_reaches,
        .judge = row_judge_reach,
    },
    {
        "P-29",
        SEVERITY_CRITICAL,
        "AC",
        "28 system calls that no machine may make",
        "seccomp, capabilities",
        .control = row_reaches,
        .judge = row_judge_reach,
    },
};
const size_t rows_processes_count = ARRAY_LEN(rows_processes);
