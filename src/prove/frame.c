/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame - runs one row: control, attack, judgement, what every row owes, cleanup
 *
 * Theory of operation: a failure of the attack proves nothing until the same step has been seen to
 * succeed where no wall stands, so the control comes first, and its failure is never "BLOCKED".
 * The attacker's report is a raw fact; the verdict comes from comparing it with what only the host
 * knows (secrets), from the host's /proc, and from the canaries. While it is made, the effect of
 * the attack still stands.
 */
#include "prove/row.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "prove/text.h"

static void perform_step(struct scene *scene, struct trial *trial);
static bool run_control(struct scene *scene, struct trial *trial);
static void run_attack(struct scene *scene, struct trial *trial);
static void demand_intact(struct scene *scene, struct trial *trial);

void row_run(struct scene *scene, const struct row *row, struct trial *trial)
{
    uint64_t start = clock_boot_ns();
    struct err err;

    memset(trial, 0, sizeof(*trial));
    trial->row = row;
    trial->live = (struct attack){.child = CHILD_NONE};
    if (scene_ready(scene, &err) != 0)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "%.150s", err.text);
    else if (row->prepare && !row->prepare(scene, trial) && trial->verdict == 0)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "could not be prepared");
    else if (trial->verdict == 0 && row->perform)
        row->perform(scene, trial);
    else if (trial->verdict == 0)
        perform_step(scene, trial);
    if (trial->verdict == 0)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "came to no end");
    attack_end(&trial->live);
    demand_intact(scene, trial);
    if (row->clean)
        row->clean(scene, trial);
    trial->took_ms = (clock_boot_ns() - start) / NS_PER_MS;
}

static void perform_step(struct scene *scene, struct trial *trial)
{
    if (run_control(scene, trial))
        run_attack(scene, trial);
}

/* The arguments as a step wants them. */
static void point_at(const struct step_args *args, const char *argv[STEP_ARGS_MAX])
{
    for (int i = 0; i < args->argc; i++)
        argv[i] = args->text[i];
}

static bool is_absence(int error)
{
    return error == ENOSYS || error == EAFNOSUPPORT || error == EPROTONOSUPPORT ||
           error == ENODEV || error == ENOENT || error == EOPNOTSUPP || error == ENOTTY ||
           error == ENXIO;
}

/* Runs the step where it must succeed. Return: whether it did; else the verdict is set */
static bool run_control(struct scene *scene, struct trial *trial)
{
    const char *argv[STEP_ARGS_MAX] = {NULL};
    struct attack attack = {.child = CHILD_NONE};
    char why[TRIAL_WHY_SIZE];

    point_at(&trial->control_args, argv);
    if (attack_host(scene, trial->row->id, trial->control_args.argc, argv, trial->row->room,
                    AS_ROOM, &attack, &trial->control, why, sizeof(why)) < 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "control: %.150s", why);
        return false;
    }
    bool works = trial->row->control(scene, trial);
    row_control_fact(scene, trial);
    attack_end(&attack);
    /* What the control itself did to the host's canary is no finding. */
    (void)scene_intact(scene, why, sizeof(why));
    if (works)
        return true;
    if (is_absence(trial->control.error))
        row_verdict(trial, VERDICT_NA, "absent on this host: the control got %s",
                    strerrorname_np(trial->control.error));
    else
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the control did not succeed");
    return false;
}

/* Ends the storm's watch and says what it saw. */
static void end_watch(struct scene *scene, struct trial *trial)
{
    struct watchdog_answer saw = {0};

    if (watchdog_disarm(&scene->watchdog, &saw) < 0)
        row_verdict(trial, VERDICT_LEAKED, "the host's watchdog itself no longer answers");
    else if (saw.late)
        row_verdict(trial, VERDICT_LEAKED, "the host missed a heartbeat (%ju ms late)",
                    (uintmax_t)(saw.worst_us / 1000));
    else if (saw.over && trial->verdict != VERDICT_LEAKED)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the storm was ended after %u s",
                    trial->row->storm_seconds);
}

static void run_attack(struct scene *scene, struct trial *trial)
{
    const char *argv[STEP_ARGS_MAX] = {NULL};
    const struct row *row = trial->row;
    char why[TRIAL_WHY_SIZE];
    int error;

    if (row->storm_seconds &&
        watchdog_arm(&scene->watchdog, scene->attacker.init, row->storm_seconds) < 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "no watchdog");
        return;
    }
    if (scene->unwalled && row->unwalled_as == AS_VICTIM_MACHINE) {
        point_at(&trial->args, argv);
        error = attack_inside(&scene->victim, row->id, trial->args.argc, argv, &trial->live,
                              &trial->attack, why, sizeof(why));
    } else if (scene->unwalled) {
        point_at(&trial->control_args, argv);
        error = attack_host(scene, row->id, trial->control_args.argc, argv, row->room,
                            row->unwalled_as, &trial->live, &trial->attack, why, sizeof(why));
    } else {
        point_at(&trial->args, argv);
        error = attack_inside(&scene->attacker, row->id, trial->args.argc, argv, &trial->live,
                              &trial->attack, why, sizeof(why));
    }
    if (error < 0)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "attack: %.150s", why);
    else
        row->judge(scene, trial);
    if (row->storm_seconds)
        end_watch(scene, trial);
}

/* Whatever the row itself thinks: nobody else may have felt it. */
static void demand_intact(struct scene *scene, struct trial *trial)
{
    char why[TRIAL_WHY_SIZE];

    if (!scene_intact(scene, why, sizeof(why)) && trial->verdict != VERDICT_LEAKED)
        row_verdict(trial, VERDICT_LEAKED, "%s", why);
}

void row_verdict(struct trial *trial, enum verdict verdict, const char *fmt, ...)
{
    va_list args;

    trial->verdict = verdict;
    va_start(args, fmt);
    if (vsnprintf(trial->why, sizeof(trial->why), fmt, args) < 0)
        trial->why[0] = '\0';
    va_end(args);
    str_printable(trial->why);
}

void row_control(struct trial *trial, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    if (vsnprintf(trial->control_said, sizeof(trial->control_said), fmt, args) < 0)
        trial->control_said[0] = '\0';
    va_end(args);
    str_printable(trial->control_said);
}

static void printf_like(2, 0) add_arg(struct step_args *args, const char *fmt, va_list list)
{
    if (args->argc == STEP_ARGS_MAX)
        croft_bug("too many arguments for a step");
    int length = vsnprintf(args->text[args->argc], TRIAL_ARG_SIZE, fmt, list);
    if (length < 0 || length >= TRIAL_ARG_SIZE)
        croft_bug("argument of a step too long");
    args->argc++;
}

void row_arg(struct trial *trial, const char *fmt, ...)
{
    va_list list;

    va_start(list, fmt);
    add_arg(&trial->args, fmt, list);
    va_end(list);
}

void row_control_arg(struct trial *trial, const char *fmt, ...)
{
    va_list list;

    va_start(list, fmt);
    add_arg(&trial->control_args, fmt, list);
    va_end(list);
}

void row_both(struct trial *trial, const char *fmt, ...)
{
    va_list list, again;

    va_start(list, fmt);
    va_copy(again, list);
    add_arg(&trial->args, fmt, list);
    add_arg(&trial->control_args, fmt, again);
    va_end(again);
    va_end(list);
}

bool row_reaches(const struct scene *scene, const struct trial *trial)
{
    (void)scene;
    return trial->control.number[0] > 0;
}

void row_judge_reach(struct scene *scene, struct trial *trial)
{
    const struct fact *fact = &trial->attack;

    (void)scene;
    if (fact->number[1] == 0)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "nothing was tried");
    else if (fact->number[0] > 0)
        row_verdict(trial, VERDICT_LEAKED, "%ju of %ju got through: %.120s",
                    (uintmax_t)fact->number[0], (uintmax_t)fact->number[1], fact->text);
    else
        row_verdict(trial, VERDICT_BLOCKED, "0 of %ju, last %s", (uintmax_t)fact->number[1],
                    fact->error ? strerrorname_np(fact->error) : "no error");
}

/* Whose secret the fact's text holds. Return: NULL nobody's */
static const char *secret_in(const struct scene *scene, const struct fact *fact)
{
    const struct {
        const char *secret;
        const char *whose;
    } secrets[] = {{scene->secret, "the host"},
                   {scene->host_canary.secret, "the host"},
                   {scene->victim_secret, "the victim"},
                   {scene->victim_canary.secret, "the victim"}};

    for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
        if (secrets[i].secret[0] && strstr(fact->text, secrets[i].secret))
            return secrets[i].whose;
    return NULL;
}

bool row_reads_secret(const struct scene *scene, const struct trial *trial)
{
    return secret_in(scene, &trial->control) != NULL;
}

void row_control_fact(const struct scene *scene, struct trial *trial)
{
    const struct fact *fact = &trial->control;
    const char *whose = secret_in(scene, fact);
    const char *last = fact->error ? strerrorname_np(fact->error) : "no error";

    /* Storms count what they reached in number[0] and mostly nothing in number[1]. */
    if (whose)
        row_control(trial, "read the secret of %s", whose);
    else if (fact->number[0] == 0)
        row_control(trial, "0 of %ju succeeded, last %s", (uintmax_t)fact->number[1], last);
    else if (fact->number[0] <= fact->number[1])
        row_control(trial, "%ju of %ju succeeded", (uintmax_t)fact->number[0],
                    (uintmax_t)fact->number[1]);
    else
        row_control(trial, "reached %ju, last %s", (uintmax_t)fact->number[0], last);
}

void row_judge_secret(struct scene *scene, struct trial *trial)
{
    const struct fact *fact = &trial->attack;
    const char *whose = secret_in(scene, fact);

    if (whose)
        row_verdict(trial, VERDICT_LEAKED, "read the secret of %s", whose);
    else
        row_verdict(trial, VERDICT_BLOCKED, "%ju tries, last %s", (uintmax_t)fact->number[1],
                    fact->error ? strerrorname_np(fact->error) : "no error, no secret");
}

const char *verdict_name(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_BLOCKED:
        return "BLOCKED";
    case VERDICT_CONTAINED:
        return "CONTAINED";
    case VERDICT_LEAKED:
        return "LEAKED";
    case VERDICT_NA:
        return "N/A";
    case VERDICT_INCONCLUSIVE:
        return "INCONCLUSIVE";
    }
    return "?";
}
