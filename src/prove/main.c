/* SPDX-License-Identifier: Apache-2.0 */
/*
 * croft-prove - lets one throw-away user attack another and the host, and says what came of it
 *
 * Theory of operation
 *
 * The program has four faces. As `croft prove` runs it, it makes two users with a machine each and
 * canaries on the victim's and the host's side (scene.c), and goes through the rows (lane.c): each
 * first runs its attack where it must succeed, then inside the attacker's machine, then judges from
 * the victim's and the host's side (frame.c). A copy of this same static program lies in both
 * machines: `--inside ROW` is the attacker, `--canary` the victim's canary. And a copy named
 * "agent" is what row K-08 wants the host's kernel to run.
 *
 * Two ways to see that rows can fail: --unwalled runs every attack as host root instead of inside,
 * and everything must leak; --without CONTROL, in the test build only, starts a Croft of its own
 * with that control left out, and something must.
 *
 * Runs as: root; inside as the attacker
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "croft-paths.h"
#include "prove/ablate.h"
#include "prove/lane.h"
#include "prove/row.h"

#define SLEEP_MS     400
#define AGENT_SUFFIX "/agent"
/* Croft's settings for the host's sshd. The test build's are not installed: --sshd names them. */
#define SSHD_SETTINGS "/etc/ssh/sshd_config.d/croft.conf"

struct options {
    enum report_form form;
    const char *only;
    const char *sshd;
    bool list;
    bool unwalled;
    unsigned without;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* The copy that the host's kernel may be made to run: leaves a mark beside itself. */
static int be_agent(const char *self)
{
    char mark[PATH_MAX];

    if (str_format(mark, sizeof(mark), "%s-ran", self) < 0)
        return 1;
    int fd = open(mark, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    return fd < 0 || close(fd) < 0;
}

static int be_inside(int argc, char **argv)
{
    const struct step *step = argc > 0 ? step_find(argv[0]) : NULL;

    if (!step) {
        (void)fprintf(stderr, "croft-prove: no such step\n");
        return OUTCOME_USAGE;
    }
    return step_serve(step, argc - 1, argv + 1, STDIN_FILENO, STDOUT_FILENO);
}

/* Whether the comma-separated list has @id. */
static bool list_has(const char *list, const char *id)
{
    size_t length = strlen(id);

    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, id, length) == 0 && (at[length] == '\0' || at[length] == ','))
            return true;
    }
    return false;
}

/* Keeps of @rows what --only names; every name must be one. Return: how many; 0 with @err set */
static size_t select_rows(const struct row **rows, size_t count, const char *only, struct err *err)
{
    size_t kept = 0, wanted = 1;

    if (!only)
        return count;
    for (const char *at = only; *at; at++)
        wanted += *at == ',';
    for (size_t i = 0; i < count; i++)
        if (list_has(only, rows[i]->id))
            rows[kept++] = rows[i];
    if (kept == wanted)
        return kept;
    (void)err_set(err, OUTCOME_USAGE, "--only %.100s: %zu of %zu ids are rows: see --list", only,
                  kept, wanted);
    return 0;
}

static int parse(int argc, char **argv, struct options *options, struct err *err)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];

        if (strcmp(word, "--json") == 0) {
            options->form = REPORT_JSON;
        } else if (strcmp(word, "--tap") == 0) {
            options->form = REPORT_TAP;
        } else if (strcmp(word, "--list") == 0) {
            options->list = true;
        } else if (strcmp(word, "--unwalled") == 0) {
            options->unwalled = true;
        } else if (strcmp(word, "--only") == 0 && i + 1 < argc) {
            options->only = argv[++i];
        } else if (strcmp(word, "--sshd") == 0 && i + 1 < argc) {
            options->sshd = argv[++i];
        } else if (strcmp(word, "--without") == 0 && i + 1 < argc) {
            int outcome = ablate_parse(argv[++i], &options->without, err);
            if (outcome)
                return outcome;
        } else {
            return err_set(err, OUTCOME_USAGE,
                           "prove takes --json, --tap, --list, --only ID,..., --unwalled, "
                           "--sshd FILE, --without CONTROL; not '%.60s'",
                           word);
        }
    }
    return 0;
}

static int prove(const struct options *options, const struct row *const *rows, size_t count,
                 struct err *err)
{
    static struct scene scene;
    struct report report = {.form = options->form,
                            .planned = count,
                            .without = options->without,
                            .unwalled = options->unwalled,
                            .start_boot_ns = clock_boot_ns()};
    int outcome = options->without ? ablate_start(options->without, err) : 0;

    if (!outcome)
        outcome = scene_open(&scene, options->unwalled, options->without, options->sshd, err);
    if (!outcome)
        lane_run(&scene, rows, count, &report, &interrupted);
    if (scene.scratch[0])
        scene_close(&scene);
    if (options->without)
        ablate_stop();
    if (outcome)
        return outcome;
    if (interrupted)
        return err_set(err, OUTCOME_FAILED, "interrupted after %zu of %zu rows", report.done,
                       count);
    return report_passes(&report) ? OUTCOME_OK : OUTCOME_FAILED;
}

int main(int argc, char **argv)
{
    const struct row *rows[ROWS_MAX];
    struct options options = {.form = REPORT_TABLE, .sshd = CROFT_ABLATE ? "" : SSHD_SETTINGS};
    struct err err = {.outcome = OUTCOME_OK};
    struct sigaction action = {.sa_handler = on_interrupt};
    size_t length = argc > 0 ? strlen(argv[0]) : 0;
    size_t count = rows_all(rows);

    if (length > sizeof(AGENT_SUFFIX) &&
        strcmp(argv[0] + length - sizeof(AGENT_SUFFIX) + 1, AGENT_SUFFIX) == 0)
        return be_agent(argv[0]);
    if (argc > 2 && strcmp(argv[1], "--inside") == 0)
        return be_inside(argc - 2, argv + 2);
    if (argc == 4 && strcmp(argv[1], "--canary") == 0)
        return canary_serve(argv[2], argv[3], STDIN_FILENO, STDOUT_FILENO);
    if (argc == 2 && strcmp(argv[1], "--sleep") == 0)
        return usleep(SLEEP_MS * 1000) != 0;

    int outcome = parse(argc, argv, &options, &err);
    if (!outcome && options.list) {
        report_list(rows, count);
        return OUTCOME_OK;
    }
    if (!outcome && geteuid() != 0)
        outcome =
            err_set(&err, OUTCOME_NOT_PERMITTED, "prove makes users of this host: run it as root");
    if (!outcome && (count = select_rows(rows, count, options.only, &err)) == 0)
        outcome = (int)err.outcome;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    if (!outcome)
        outcome = prove(&options, rows, count, &err);
    if (err.outcome != OUTCOME_OK)
        (void)fprintf(stderr, "croft-prove: %s\n", err.text);
    return outcome;
}
