/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_resources - R rows: storms, and what the victim and the host felt of them
 *
 * A storm goes a bounded way beyond the attacker's limit and no further. It is contained when it
 * was stopped at his limit and, while it stands, the victim and the host can still do what they do;
 * it leaked when it came past the limit or somebody else could not.
 */
#include "prove/row.h"

#include <errno.h>
#include <string.h>

#include "prove/hostproc.h"
#include "prove/text.h"

#define STORM_SECONDS   40U
#define UNBOUNDED       UINT64_MAX /* his own budget, whatever it is */
#define BEYOND          100U       /* processes or MiB that a storm tries past the limit */
#define ASK_MS          20000U
#define SLOW_US         3000000U
#define HOST_SLACK_MIB  24U /* what others may write to the host's disk meanwhile */
#define BLOCK_IDS       65536U
#define BURNERS         8U
#define CPU_SHARE_LEAST 20U /* percent of what both got; alone against 8 equals it would be 11 */

/* Asks both canaries to do something. Return: true; false with the verdict set */
static bool others_can(struct scene *scene, struct trial *trial, enum canary_ask ask,
                       const char *what)
{
    struct canary *canaries[] = {&scene->victim_canary, &scene->host_canary};
    static const char *const who[] = {"the victim", "the host"};

    for (size_t i = 0; i < ARRAY_LEN(canaries); i++) {
        struct canary_answer said = {0};

        if (canary_question(canaries[i], ask, ASK_MS, &said) < 0) {
            row_verdict(trial, VERDICT_LEAKED, "%s does not answer", who[i]);
            return false;
        }
        if (said.error) {
            row_verdict(trial, VERDICT_LEAKED, "%s cannot %s: %s", who[i], what,
                        strerrorname_np(said.error));
            return false;
        }
        if (said.number > SLOW_US) {
            row_verdict(trial, VERDICT_LEAKED, "%s needs %ju ms to %s", who[i],
                        (uintmax_t)(said.number / 1000), what);
            return false;
        }
    }
    return true;
}

/* number[0] stopped at the limit, and others can do @ask. */
static void judge_bound(struct scene *scene, struct trial *trial, uint64_t limit, const char *unit,
                        enum canary_ask ask, const char *what)
{
    uint64_t reached = trial->attack.number[0];

    char of[32] = "";

    if (limit != UNBOUNDED)
        text_set(of, sizeof(of), " of %ju", (uintmax_t)limit);
    if (reached > limit)
        row_verdict(trial, VERDICT_LEAKED, "%ju %s, limit %ju", (uintmax_t)reached, unit,
                    (uintmax_t)limit);
    else if (reached == 0)
        row_verdict(trial, VERDICT_BLOCKED, "not one: %s", strerrorname_np(trial->attack.error));
    else if (others_can(scene, trial, ask, what))
        row_verdict(trial, VERDICT_CONTAINED, "%ju %s%s; the victim and the host can %s",
                    (uintmax_t)reached, unit, of, what);
}

static bool prepare_forks(struct scene *scene, struct trial *trial)
{
    (void)scene;
    row_both(trial, "%u", PROVE_PIDS + BEYOND);
    return true;
}

static bool control_beyond_pids(const struct scene *scene, const struct trial *trial)
{
    (void)scene;
    return trial->control.number[0] > PROVE_PIDS;
}

static void judge_forks(struct scene *scene, struct trial *trial)
{
    judge_bound(scene, trial, PROVE_PIDS, "processes", CANARY_FORK, "fork");
}

static bool prepare_memory(struct scene *scene, struct trial *trial)
{
    trial->before[0] = hostproc_oom_kills();
    trial->before[1] = scene_usage(scene, &scene->attacker).oom_kills;
    row_both(trial, "%u", PROVE_MEMORY_MIB + BEYOND);
    return true;
}

static bool control_beyond_memory(const struct scene *scene, const struct trial *trial)
{
    (void)scene;
    return trial->control.number[0] > PROVE_MEMORY_MIB;
}

/* Every kill that the host counts must be one of the attacker's own group. */
static void judge_memory(struct scene *scene, struct trial *trial)
{
    judge_bound(scene, trial, PROVE_MEMORY_MIB, "MiB", CANARY_FORK, "fork");
    if (trial->verdict != VERDICT_CONTAINED)
        return;
    uint64_t host = hostproc_oom_kills() - trial->before[0];
    uint64_t own = scene_usage(scene, &scene->attacker).oom_kills - trial->before[1];
    if (host > own)
        row_verdict(trial, VERDICT_LEAKED, "%ju processes killed for want of memory, %ju were his",
                    (uintmax_t)host, (uintmax_t)own);
}

static bool prepare_tmpfs(struct scene *scene, struct trial *trial)
{
    row_both(trial, "%u", PROVE_MEMORY_MIB + BEYOND);
    row_arg(trial, "/dev/shm");
    row_arg(trial, "/dev");
    row_control_arg(trial, "/dev/shm");
    trial->before[0] = hostproc_oom_kills();
    trial->before[1] = scene_usage(scene, &scene->attacker).oom_kills;
    return true;
}

/* The storm may kill its own process: then no fact comes, and the bound is what the group says. */
static void perform_tmpfs(struct scene *scene, struct trial *trial)
{
    const char *argv[STEP_ARGS_MAX] = {trial->args.text[0], trial->args.text[1],
                                       trial->args.text[2]};
    const char *control[] = {trial->control_args.text[0], trial->control_args.text[1]};
    char why[TRIAL_WHY_SIZE];
    struct watchdog_answer saw = {0};
    int error;

    if (attack_host(scene, "R-04", 2, control, ROOM_PLAIN, AS_ROOM, &trial->live, &trial->control,
                    why, sizeof(why)) < 0 ||
        !control_beyond_memory(scene, trial)) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the control did not fill its tmpfs");
        return;
    }
    row_control_fact(scene, trial);
    trial->attack = trial->control;
    if (!scene->unwalled) {
        attack_end(&trial->live);
        if (watchdog_arm(&scene->watchdog, scene->attacker.init, STORM_SECONDS) < 0)
            return;
        error = attack_inside(&scene->attacker, "R-04", 3, argv, &trial->live, &trial->attack, why,
                              sizeof(why));
        if (error < 0) {
            trial->attack = (struct fact){.error = ENOMEM};
            trial->attack.number[0] =
                scene_usage(scene, &scene->attacker).memory_peak_bytes / (1024 * 1024);
            if (trial->attack.number[0] == 0)
                trial->attack.number[0] = 1;
        }
    }
    judge_memory(scene, trial);
    if (!scene->unwalled && watchdog_disarm(&scene->watchdog, &saw) == 0 && saw.late)
        row_verdict(trial, VERDICT_LEAKED, "the host missed a heartbeat");
}

/*
 * A step that was killed could not undo what it did, and with all her memory in a tmpfs nothing new
 * runs in a machine: stopping it is what helps its owner, too.
 */
static void clean_tmpfs(struct scene *scene, struct trial *trial)
{
    const char *const stop[] = {"stop", "--timeout", "0", scene->attacker.machine, NULL};
    char output[512];

    attack_end(&trial->live);
    if (scene_croft(&scene->attacker, stop, NULL, 0, output, sizeof(output)) != 0)
        trial->before[0] = 0;
}

static bool prepare_disk(struct scene *scene, struct trial *trial)
{
    row_both(trial, "%u", PROVE_DISK_MIB + BEYOND);
    row_arg(trial, "/");
    row_control_arg(trial, "%s", scene->scratch);
    trial->before[0] = scene_free_mib();
    return true;
}

static bool control_beyond_disk(const struct scene *scene, const struct trial *trial)
{
    (void)scene;
    return trial->control.number[0] > PROVE_DISK_MIB;
}

static void judge_disk(struct scene *scene, struct trial *trial)
{
    uint64_t now = scene_free_mib();

    judge_bound(scene, trial, PROVE_DISK_MIB, "MiB", CANARY_WRITE, "write and sync 1 MiB");
    if (trial->verdict == VERDICT_CONTAINED && now + HOST_SLACK_MIB < trial->before[0])
        row_verdict(trial, VERDICT_LEAKED, "the host's disk has %ju MiB less",
                    (uintmax_t)(trial->before[0] - now));
}

/* The file system of a volume has an inode per 16 KiB: 8,192 for 128 MiB. */
static bool prepare_inodes(struct scene *scene, struct trial *trial)
{
    row_both(trial, "%u", PROVE_DISK_MIB * 64 + BEYOND);
    row_arg(trial, "/");
    row_control_arg(trial, "%s", scene->scratch);
    return true;
}

static bool control_inodes(const struct scene *scene, const struct trial *trial)
{
    (void)scene;
    return trial->control.number[0] > PROVE_DISK_MIB * 64;
}

static void judge_inodes(struct scene *scene, struct trial *trial)
{
    judge_bound(scene, trial, PROVE_DISK_MIB * 64, "files", CANARY_WRITE, "write a file");
}

/* More than the host gives one id; the control runs as one and must meet that end. */
static bool prepare_small_budget(struct scene *scene, struct trial *trial)
{
    (void)scene;
    row_both(trial, "%u", 400U);
    return true;
}

static bool control_meets_end(const struct scene *scene, const struct trial *trial)
{
    (void)scene;
    return trial->control.number[0] > 0 && trial->control.error != 0;
}

static void judge_inotify(struct scene *scene, struct trial *trial)
{
    judge_bound(scene, trial, UNBOUNDED, "inotify instances", CANARY_INOTIFY, "open one");
}

static void judge_pipes(struct scene *scene, struct trial *trial)
{
    judge_bound(scene, trial, UNBOUNDED, "pipes of 1 MiB", CANARY_PIPE, "make one");
}

static bool prepare_files(struct scene *scene, struct trial *trial)
{
    (void)scene;
    row_both(trial, "%u", 20000U);
    return true;
}

static void judge_files(struct scene *scene, struct trial *trial)
{
    judge_bound(scene, trial, 16384, "open files", CANARY_FILE, "open one");
}

static bool prepare_keys(struct scene *scene, struct trial *trial)
{
    (void)scene;
    row_both(trial, "%u", 300U);
    return true;
}

/* Keys are counted per id; that nobody inside can make one at all is the stronger wall. */
static void judge_keys(struct scene *scene, struct trial *trial)
{
    if (trial->attack.number[0])
        row_verdict(trial, VERDICT_LEAKED, "%ju keys in the host's one key store",
                    (uintmax_t)trial->attack.number[0]);
    else
        row_judge_reach(scene, trial);
}

static bool prepare_ids(struct scene *scene, struct trial *trial)
{
    (void)scene;
    row_both(trial, "%u", BLOCK_IDS);
    return true;
}

/* Whether two users' ids have any in common. */
static bool overlap(const struct id_range *a, int a_count, const struct id_range *b, int b_count)
{
    for (int i = 0; i < a_count; i++)
        for (int j = 0; j < b_count; j++)
            if (a[i].first < b[j].first + b[j].count && b[j].first < a[i].first + a[i].count)
                return true;
    return false;
}

static void judge_ids(struct scene *scene, struct trial *trial)
{
    struct id_range his[ID_RANGES_MAX], hers[ID_RANGES_MAX];
    int his_count = hostproc_id_map(trial->live.host_pid, his);
    int her_count = hostproc_id_map(scene->victim.init, hers);
    uint64_t uid = 0;

    if (his_count <= 0 || her_count <= 0 ||
        hostproc_field(trial->live.host_pid, "Uid:", false, &uid) < 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the host cannot see whose process it is");
        return;
    }
    if (uid < ID_RANGE_FIRST || uid > ID_RANGE_LAST)
        row_verdict(trial, VERDICT_LEAKED, "a process inside is uid %ju of the host",
                    (uintmax_t)uid);
    for (int i = 0; i < his_count && !trial->verdict; i++)
        if (his[i].first < ID_RANGE_FIRST || his[i].first + his[i].count - 1 > ID_RANGE_LAST)
            row_verdict(trial, VERDICT_LEAKED, "ids %ju+%ju of the host are inside",
                        (uintmax_t)his[i].first, (uintmax_t)his[i].count);
    if (!trial->verdict && overlap(his, his_count, hers, her_count))
        row_verdict(trial, VERDICT_LEAKED, "the two users have ids in common");
    if (!trial->verdict)
        row_verdict(trial, VERDICT_BLOCKED, "%s; host ids %ju+%ju against %ju+%ju",
                    trial->attack.error ? strerrorname_np(trial->attack.error) : "no error",
                    (uintmax_t)his[0].first, (uintmax_t)his[0].count, (uintmax_t)hers[0].first,
                    (uintmax_t)hers[0].count);
}

static bool prepare_burn(struct scene *scene, struct trial *trial)
{
    (void)scene;
    row_both(trial, "%u", BURNERS);
    row_both(trial, "%u", STORM_SECONDS / 4);
    return true;
}

/* The victim's one process against all of his, in the same stretch of time. */
static void judge_burn(struct scene *scene, struct trial *trial)
{
    struct canary_answer said = {0};
    uint64_t before = hostproc_cpu_of_children(trial->live.host_pid);

    if (canary_question(&scene->victim_canary, CANARY_CPU, ASK_MS, &said) < 0) {
        row_verdict(trial, VERDICT_LEAKED, "the victim does not answer");
        return;
    }
    uint64_t his = hostproc_cpu_of_children(trial->live.host_pid) - before;
    uint64_t share = his + said.number ? said.number * 100 / (his + said.number) : 100;
    if (share < CPU_SHARE_LEAST)
        row_verdict(trial, VERDICT_LEAKED, "her one process got %ju %% of the CPU, his 8 the rest",
                    (uintmax_t)share);
    else
        row_verdict(trial, VERDICT_CONTAINED, "her one process got %ju ms in %u ms, his 8 got %ju",
                    (uintmax_t)(said.number / 1000), CANARY_CPU_MS, (uintmax_t)(his / 1000));
}

const struct row rows_resources[] = {
    {
        "R-01",
        SEVERITY_CRITICAL,
        "AC",
        "fork bomb",
        "pids controller",
        .lane = LANE_ALONE,
        .storm_seconds = STORM_SECONDS,
        .prepare = prepare_forks,
        .control = control_beyond_pids,
        .judge = judge_forks,
    },
    {
        "R-02",
        SEVERITY_MEDIUM,
        "AC",
        "zombies that nobody reaps",
        "pids controller",
        .lane = LANE_ALONE,
        .storm_seconds = STORM_SECONDS,
        .prepare = prepare_forks,
        .control = control_beyond_pids,
        .judge = judge_forks,
    },
    {
        "R-03",
        SEVERITY_CRITICAL,
        "AC",
        "memory hog past the limit",
        "memory controller",
        .lane = LANE_ALONE,
        .storm_seconds = STORM_SECONDS,
        .prepare = prepare_memory,
        .control = control_beyond_memory,
        .judge = judge_memory,
    },
    {
        "R-04",
        SEVERITY_HIGH,
        "AC",
        "fill /dev/shm and /dev",
        "tmpfs size, memory controller",
        .lane = LANE_ALONE,
        .prepare = prepare_tmpfs,
        .perform = perform_tmpfs,
        .clean = clean_tmpfs,
    },
    {
        "R-09",
        SEVERITY_MEDIUM,
        "AC",
        "pipes of 1 MiB until refused",
        "one block of ids per user",
        .lane = LANE_ALONE,
        .storm_seconds = STORM_SECONDS,
        .room = ROOM_NOBODY,
        .unwalled_as = AS_VICTIM_ROOT,
        .prepare = prepare_small_budget,
        .control = control_meets_end,
        .judge = judge_pipes,
    },
    {
        "R-11",
        SEVERITY_HIGH,
        "AC",
        "open files until refused",
        "RLIMIT_NOFILE",
        .lane = LANE_ALONE,
        .storm_seconds = STORM_SECONDS,
        .prepare = prepare_files,
        .control = row_reaches,
        .judge = judge_files,
    },
    {
        "R-15",
        SEVERITY_MEDIUM,
        "AC",
        "fill the kernel's key store",
        "seccomp",
        .prepare = prepare_keys,
        .control = row_reaches,
        .judge = judge_keys,
    },
    {
        "R-18",
        SEVERITY_CRITICAL,
        "AC",
        "fill the disk",
        "one preallocated volume per user",
        .lane = LANE_ALONE,
        .storm_seconds = STORM_SECONDS,
        .prepare = prepare_disk,
        .control = control_beyond_disk,
        .judge = judge_disk,
    },
    {
        "R-20",
        SEVERITY_HIGH,
        "AC",
        "all inotify instances",
        "one keeper id per user",
        .lane = LANE_ALONE,
        .storm_seconds = STORM_SECONDS,
        .room = ROOM_NOBODY,
        .unwalled_as = AS_VICTIM_KEEPER,
        .prepare = prepare_small_budget,
        .control = control_meets_end,
        .judge = judge_inotify,
    },
    {
        "R-23",
        SEVERITY_CRITICAL,
        "AC",
        "be the same host id as the victim, or the host's root",
        "user namespace, one block of ids per user",
        .prepare = prepare_ids,
        .control = row_reaches,
        .judge = judge_ids,
    },
    {
        "R-28",
        SEVERITY_CRITICAL,
        "AC",
        "burn all CPUs with 8 processes",
        "cpu controller per user",
        .lane = LANE_ALONE,
        .storm_seconds = STORM_SECONDS,
        .unwalled_as = AS_VICTIM_MACHINE,
        .prepare = prepare_burn,
        .control = row_reaches,
        .judge = judge_burn,
    },
    {
        "R-37",
        SEVERITY_MEDIUM,
        "AC",
        "use up all inodes",
        "an own file system per user",
        .lane = LANE_ALONE,
        .storm_seconds = STORM_SECONDS,
        .prepare = prepare_inodes,
        .control = control_inodes,
        .judge = judge_inodes,
    },
};
const size_t rows_resources_count = ARRAY_LEN(rows_resources);
