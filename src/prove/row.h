/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row - one attack of the proof: who, what, the wall that should stop it, its positive control, and
 * how a verdict follows from what the victim's and the host's side saw
 */
#ifndef CROFT_PROVE_ROW_H
#define CROFT_PROVE_ROW_H

#include "prove/attack.h"
#include "prove/scene.h"
#include "prove/step.h"

enum verdict {
    VERDICT_BLOCKED = 1,  /* refused at the boundary */
    VERDICT_CONTAINED,    /* it happens, on the attacker's own share only */
    VERDICT_LEAKED,       /* it reached the victim or the host */
    VERDICT_NA,           /* the feature is not there */
    VERDICT_INCONCLUSIVE, /* the control failed, or something broke */
};

enum severity { SEVERITY_CRITICAL = 'C', SEVERITY_HIGH = 'H', SEVERITY_MEDIUM = 'M' };

#define TRIAL_ARG_SIZE  512
#define TRIAL_WHY_SIZE  200
#define TRIAL_SAID_SIZE 100

/* Arguments of a step; the pointers in argv lead into text. */
struct step_args {
    int argc;
    char text[STEP_ARGS_MAX][TRIAL_ARG_SIZE];
};

/*
 * One run of one row.
 *
 * args, control_args: of the attack and of its control
 * before: what the row's own prepare() noted; live: the attack while its effect stands
 * why: of the verdict; control_said: what the control came to, "" where none ran
 */
struct trial {
    const struct row *row;
    struct step_args args;
    struct step_args control_args;
    struct fact control;
    struct fact attack;
    struct attack live;
    uint64_t before[4];
    enum verdict verdict;
    char why[TRIAL_WHY_SIZE];
    char control_said[TRIAL_SAID_SIZE];
    uint64_t took_ms;
};

/* Beside what a row may run. */
enum row_lane {
    LANE_MAIN = 0,
    LANE_ASIDE, /* in a process of its own, beside the others; it asks no canary */
    LANE_ALONE, /* a storm, or a count of what is left over: nothing else runs meanwhile */
};

/*
 * The first five are for the report and come first in every row of the tables. The id is the attack
 * catalogue's and is never reused. who is "AC" root in her own machine, "IMG" who makes an image,
 * "API" who speaks to the daemons, "NET" an outside client of sshd.
 *
 * room:          where the control runs, enum attack_room bits
 * unwalled_as:   whom the attack runs as with --unwalled
 * lane:          whether other rows may run meanwhile
 * storm_seconds: 0, or how long the watchdog lets it last
 * prepare:       makes arguments and targets; false when there is nothing to try
 * control:       whether the control's fact shows that the step works
 * perform:       instead of control and attack step: does everything itself, row_control() too
 * judge:         sets verdict and why, while the effect of the attack stands
 * clean:         takes away what prepare() made; also called when that failed
 */
struct row {
    const char *id;
    enum severity severity;
    const char *who;
    const char *title;
    const char *mechanism;
    unsigned room;
    enum attack_as unwalled_as;
    enum row_lane lane;
    unsigned storm_seconds;
    bool (*prepare)(struct scene *scene, struct trial *trial);
    bool (*control)(const struct scene *scene, const struct trial *trial);
    void (*perform)(struct scene *scene, struct trial *trial);
    void (*judge)(struct scene *scene, struct trial *trial);
    void (*clean)(struct scene *scene, struct trial *trial);
};

extern const struct row rows_files[];
extern const size_t rows_files_count;
extern const struct row rows_volume[];
extern const size_t rows_volume_count;
extern const struct row rows_processes[];
extern const size_t rows_processes_count;
extern const struct row rows_kernel[];
extern const size_t rows_kernel_count;
extern const struct row rows_entry[];
extern const size_t rows_entry_count;
extern const struct row rows_door[];
extern const size_t rows_door_count;
extern const struct row rows_client[];
extern const size_t rows_client_count;
extern const struct row rows_words[];
extern const size_t rows_words_count;
extern const struct row rows_network[];
extern const size_t rows_network_count;
extern const struct row rows_grants[];
extern const size_t rows_grants_count;
extern const struct row rows_ends[];
extern const size_t rows_ends_count;
extern const struct row rows_resources[];
extern const size_t rows_resources_count;
extern const struct row rows_host[];
extern const size_t rows_host_count;
extern const struct row rows_login[];
extern const size_t rows_login_count;

#define ROWS_MAX 128

/** rows_all() - every row there is, in the order of the report. Return: how many */
size_t rows_all(const struct row *ret_rows[ROWS_MAX]);

/** row_verdict() - sets verdict and reason */
void row_verdict(struct trial *trial, enum verdict verdict, const char *fmt, ...) printf_like(3, 4);

/** row_control() - notes in words what the control came to; every report carries them */
void row_control(struct trial *trial, const char *fmt, ...) printf_like(2, 3);

/** row_control_fact() - the same in the words that follow from the control's fact */
void row_control_fact(const struct scene *scene, struct trial *trial);

/** row_arg() / row_control_arg() / row_both() - adds one argument of the attack, the control, both
 */
void row_arg(struct trial *trial, const char *fmt, ...) printf_like(2, 3);
void row_control_arg(struct trial *trial, const char *fmt, ...) printf_like(2, 3);
void row_both(struct trial *trial, const char *fmt, ...) printf_like(2, 3);

/** row_reaches() - the control of most rows: at least one try got through */
bool row_reaches(const struct scene *scene, const struct trial *trial);

/** row_judge_reach() - LEAKED when a try got through, else BLOCKED with what the kernel said */
void row_judge_reach(struct scene *scene, struct trial *trial);

/** row_reads_secret() / row_judge_secret() - by whether the bytes that came back are a secret */
bool row_reads_secret(const struct scene *scene, const struct trial *trial);
void row_judge_secret(struct scene *scene, struct trial *trial);

/** row_run() - control, attack, judgement, the scene's own demands, cleanup */
void row_run(struct scene *scene, const struct row *row, struct trial *trial);

/** verdict_name() - Return: "BLOCKED" and so on; never NULL */
const char *verdict_name(enum verdict verdict);

#endif
