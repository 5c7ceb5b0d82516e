/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lane - runs the rows
 *
 * Theory of operation: a login by ssh waits more than it works, and disturbs no other row. So these
 * rows run in a fork of this program that sends back each trial as its bytes. It is the same
 * program at the same addresses, so what a trial points to is the same too. What takes all of
 * something, or counts what is left over, waits until that process has ended.
 */
#include "prove/lane.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "prove/child.h"

#define ASIDE_MS 120000U /* for one row */

struct lane {
    struct scene *scene;
    const struct row *const *rows;
    size_t count;
    struct report *report;
    const volatile sig_atomic_t *interrupted;
    struct trial *trial;
    struct child aside;
};

static int aside_body(void *data, int in, int out)
{
    struct lane *lane = data;

    (void)in;
    lane->scene->aside = true;
    for (size_t i = 0; i < lane->count && !*lane->interrupted; i++) {
        if (lane->rows[i]->lane != LANE_ASIDE)
            continue;
        row_run(lane->scene, lane->rows[i], lane->trial);
        if (fd_write_full(out, lane->trial, sizeof(*lane->trial)) < 0)
            return 1;
    }
    return 0;
}

static size_t count_of(const struct lane *lane, enum row_lane which)
{
    size_t count = 0;

    for (size_t i = 0; i < lane->count; i++)
        count += lane->rows[i]->lane == which;
    return count;
}

static void run_here(struct lane *lane, enum row_lane which)
{
    for (size_t i = 0; i < lane->count && !*lane->interrupted; i++) {
        if (lane->rows[i]->lane != which)
            continue;
        row_run(lane->scene, lane->rows[i], lane->trial);
        report_row(lane->report, lane->trial);
    }
}

/* Reports what the other process found; a row that it owes is inconclusive. */
static void collect(struct lane *lane)
{
    bool heard = true;
    char why[TRIAL_WHY_SIZE];

    for (size_t i = 0; i < lane->count && !*lane->interrupted; i++) {
        if (lane->rows[i]->lane != LANE_ASIDE)
            continue;
        heard =
            heard && child_bytes(&lane->aside, lane->trial, sizeof(*lane->trial), ASIDE_MS) == 0;
        if (!heard) {
            *lane->trial = (struct trial){.row = lane->rows[i]};
            row_verdict(lane->trial, VERDICT_INCONCLUSIVE, "the process of these rows has ended");
        }
        if (!scene_intact(lane->scene, why, sizeof(why)))
            row_verdict(lane->trial, VERDICT_LEAKED, "%s", why);
        report_row(lane->report, lane->trial);
    }
}

void lane_run(struct scene *scene, const struct row *const *rows, size_t count,
              struct report *report, const volatile sig_atomic_t *interrupted)
{
    struct lane lane = {.scene = scene,
                        .rows = rows,
                        .count = count,
                        .report = report,
                        .interrupted = interrupted,
                        .trial = mem_new(1, sizeof(*lane.trial)),
                        .aside = CHILD_NONE};

    report_begin(report);
    if (count_of(&lane, LANE_ASIDE) && child_fork(aside_body, &lane, &lane.aside) < 0)
        lane.aside = CHILD_NONE;
    run_here(&lane, LANE_MAIN);
    collect(&lane);
    /* Interrupted or not, it takes away what its row has made. */
    if (lane.aside.pid > 0 && *interrupted)
        (void)kill(lane.aside.pid, SIGTERM);
    (void)child_end(&lane.aside, ASIDE_MS);
    run_here(&lane, LANE_ALONE);
    report_end(report);
    free(lane.trial);
}
