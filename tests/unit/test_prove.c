/* SPDX-License-Identifier: Apache-2.0 */
/* test_prove - a step's fact as a line, and what a row or a run may not be called: proven */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/attrs.h"
#include "prove/hostproc.h"
#include "prove/report.h"
#include "prove/row.h"
#include "prove/step.h"

static void act_known(struct step_run *run)
{
    errno = EPERM;
    assert_false(fact_tried(&run->fact, -1));
    assert_true(fact_tried(&run->fact, 0));
    fact_note(&run->fact, "two words %s", step_arg(run, 0));
}

static int undone;

static void undo_known(struct step_run *run)
{
    (void)run;
    undone++;
}

static void a_fact_travels_as_a_line(void **state)
{
    const struct step step = {"known", act_known, undo_known};
    char word[] = "one\n";
    char *argv[] = {word};
    char line[2048] = "";
    struct fact fact;
    int in[2], out[2];

    (void)state;
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(close(in[1]), 0);
    assert_int_equal(step_serve(&step, 1, argv, in[0], out[1]), 0);
    assert_int_equal(undone, 1);
    assert_true(read(out[0], line, sizeof(line) - 1) > 0);
    assert_int_equal(fact_parse(line, &fact), 0);
    assert_int_equal(fact.error, EPERM);
    assert_int_equal(fact.pid, getpid());
    assert_int_equal(hostproc_find(fact.pid, fact.pid_space), getpid());
    assert_int_equal(fact.number[0], 1);
    assert_int_equal(fact.number[1], 2);
    assert_string_equal(fact.text, "two words one\n");
    (void)alarm(0);
}

static void what_is_no_fact_is_refused(void **state)
{
    static const char *const lines[] = {"",
                                        "\n",
                                        "croft-fact",
                                        "croft-fact 0 1 2 3 4 5 -\n",
                                        "croft-fact -1 0 0 0 0 0 0 -\n",
                                        "croft-fact 0 0 0 0 0 0 0 zz\n",
                                        "croft-fact 0 0 0 0 0 0 0 abc\n",
                                        "fact 0 0 0 0 0 0 0 -\n",
                                        "croft-fact 99999 0 0 0 0 0 0 -\n"};
    struct fact fact;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        assert_int_equal(fact_parse(lines[i], &fact), -EPROTO);
}

static void every_row_can_be_run(void **state)
{
    const struct row *rows[ROWS_MAX];
    size_t count = rows_all(rows);

    (void)state;
    assert_in_range(count, 1, ROWS_MAX - 1);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(rows[i]->id);
        assert_true(rows[i]->title[0] && rows[i]->mechanism[0] && rows[i]->who[0]);
        if (rows[i]->perform)
            continue;
        assert_non_null(rows[i]->control);
        assert_non_null(rows[i]->judge);
        assert_non_null(step_find(rows[i]->id));
    }
}

static void come_to_nothing(struct scene *scene, struct trial *trial)
{
    (void)scene;
    (void)trial;
}

static void be_blocked(struct scene *scene, struct trial *trial)
{
    (void)scene;
    row_verdict(trial, VERDICT_BLOCKED, "refused");
}

static void a_row_that_says_nothing_is_inconclusive(void **state)
{
    static struct scene scene = {.aside = true};
    const struct row silent = {.id = "X-00", .perform = come_to_nothing};
    const struct row refused = {.id = "X-00", .perform = be_blocked};
    struct trial trial;

    (void)state;
    row_run(&scene, &silent, &trial);
    assert_int_equal(trial.verdict, VERDICT_INCONCLUSIVE);
    assert_string_equal(trial.why, "came to no end");
    row_run(&scene, &refused, &trial);
    assert_int_equal(trial.verdict, VERDICT_BLOCKED);
}

static void a_failure_without_a_try_is_inconclusive(void **state)
{
    struct trial trial = {.verdict = 0};

    (void)state;
    row_judge_reach(NULL, &trial);
    assert_int_equal(trial.verdict, VERDICT_INCONCLUSIVE);
    trial.attack.number[1] = 3;
    trial.attack.error = EPERM;
    row_judge_reach(NULL, &trial);
    assert_int_equal(trial.verdict, VERDICT_BLOCKED);
    trial.attack.number[0] = 1;
    row_judge_reach(NULL, &trial);
    assert_int_equal(trial.verdict, VERDICT_LEAKED);
}

static void a_secret_that_came_back_leaked(void **state)
{
    static struct scene scene;
    struct trial trial = {.verdict = 0};

    (void)state;
    row_judge_secret(&scene, &trial); /* no secret yet: an empty one is in every text */
    assert_int_equal(trial.verdict, VERDICT_BLOCKED);
    (void)snprintf(scene.secret, sizeof(scene.secret), "0123456789abcdef");
    (void)snprintf(trial.attack.text, sizeof(trial.attack.text), "x 0123456789abcdef y");
    row_judge_secret(&scene, &trial);
    assert_int_equal(trial.verdict, VERDICT_LEAKED);
}

static void the_control_is_said_in_words(void **state)
{
    static struct scene scene;
    struct trial trial = {.control = {.number = {2, 3}}};

    (void)state;
    row_control_fact(&scene, &trial);
    assert_string_equal(trial.control_said, "2 of 3 succeeded");
    trial.control.number[0] = 70;
    trial.control.error = EAGAIN;
    row_control_fact(&scene, &trial);
    assert_string_equal(trial.control_said, "reached 70, last EAGAIN");
    trial.control.number[0] = 0;
    row_control_fact(&scene, &trial);
    assert_string_equal(trial.control_said, "0 of 3 succeeded, last EAGAIN");
    (void)snprintf(scene.secret, sizeof(scene.secret), "0123456789abcdef");
    (void)snprintf(trial.control.text, sizeof(trial.control.text), "0123456789abcdef");
    row_control_fact(&scene, &trial);
    assert_string_equal(trial.control_said, "read the secret of the host");
}

/* What report_row() prints of @trial in this form, terminated. */
static void printed(enum report_form form, const struct trial *trial, char *text, size_t size)
{
    struct report report = {.form = form, .planned = 1};
    int file = memfd_create("report", MFD_CLOEXEC);
    int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

    assert_true(file >= 0 && out >= 0);
    (void)fflush(stdout);
    assert_int_equal(dup2(file, STDOUT_FILENO), STDOUT_FILENO);
    report_row(&report, trial);
    assert_int_equal(dup2(out, STDOUT_FILENO), STDOUT_FILENO);
    ssize_t got = pread(file, text, size - 1, 0);
    assert_true(got > 0);
    text[got] = '\0';
    assert_int_equal(close(file), 0);
    assert_int_equal(close(out), 0);
}

static void every_report_carries_the_control(void **state)
{
    struct trial trial = {.row = &rows_files[0], .verdict = VERDICT_BLOCKED, .why = "refused"};
    char text[2048];

    (void)state;
    printed(REPORT_TABLE, &trial, text, sizeof(text));
    assert_non_null(strstr(text, "refused; control: did not run\n"));
    row_control(&trial, "3 of %d succeeded", 3);
    printed(REPORT_TABLE, &trial, text, sizeof(text));
    assert_non_null(strstr(text, "refused; control: 3 of 3 succeeded\n"));
    printed(REPORT_TAP, &trial, text, sizeof(text));
    assert_non_null(strstr(text, "\n  control: \"3 of 3 succeeded\"\n"));
    printed(REPORT_JSON, &trial, text, sizeof(text));
    assert_non_null(strstr(text, "\"control\": \"3 of 3 succeeded\""));
}

static void what_a_run_must_be_to_pass(void **state)
{
    struct report report = {.done = 3};

    (void)state;
    report.counts[VERDICT_BLOCKED] = 3;
    assert_true(report_passes(&report));
    report.counts[VERDICT_INCONCLUSIVE] = 1;
    assert_false(report_passes(&report));
    report.counts[VERDICT_INCONCLUSIVE] = 0;
    report.counts[VERDICT_LEAKED] = 1;
    assert_false(report_passes(&report));
    report.without = 1;
    assert_true(report_passes(&report));
    report.counts[VERDICT_LEAKED] = 0;
    assert_false(report_passes(&report));
    report = (struct report){.done = 3, .unwalled = true};
    report.counts[VERDICT_LEAKED] = 2;
    assert_false(report_passes(&report));
    report.counts[VERDICT_NA] = 1;
    assert_true(report_passes(&report));
    assert_false(report_passes(&(struct report){.done = 0}));
}

static void the_host_sees_its_processes(void **state)
{
    uint64_t uid = 1, pid = 0;
    struct id_range ranges[ID_RANGES_MAX];

    (void)state;
    assert_int_equal(hostproc_field(getpid(), "Uid:", false, &uid), 0);
    assert_int_equal(uid, getuid());
    assert_int_equal(hostproc_field(getpid(), "Tgid:", true, &pid), 0);
    assert_int_equal(pid, getpid());
    assert_int_equal(hostproc_field(getpid(), "Nothing:", false, &uid), -ENOENT);
    assert_true(hostproc_id_map(getpid(), ranges) >= 1);
    assert_true(hostproc_count(hostproc_space(getpid())) >= 1);
    assert_true(hostproc_mounts_hash(getpid()) != 0);
}

static void the_watchdog_ends_a_storm_in_time(void **state)
{
    const struct timespec while_it_beats = {.tv_nsec = 500000000};
    struct watchdog dog = {.child = CHILD_NONE};
    struct watchdog_answer saw;
    int status = 0;
    pid_t storm = fork();

    (void)state;
    if (storm == 0)
        for (;;)
            (void)pause();
    assert_true(storm > 0);
    assert_int_equal(watchdog_start(&dog), 0);
    assert_int_equal(watchdog_arm(&dog, storm, 60), 0);
    assert_int_equal(watchdog_disarm(&dog, &saw), 0);
    assert_int_equal(saw.over, 0);
    assert_int_equal(kill(storm, 0), 0);
    assert_int_equal(watchdog_arm(&dog, storm, 0), 0);
    (void)nanosleep(&while_it_beats, NULL);
    assert_int_equal(waitpid(storm, &status, 0), storm);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(watchdog_disarm(&dog, &saw), 0);
    assert_int_equal(saw.over, 1);
    watchdog_stop(&dog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fact_travels_as_a_line),
        cmocka_unit_test(what_is_no_fact_is_refused),
        cmocka_unit_test(every_row_can_be_run),
        cmocka_unit_test(a_row_that_says_nothing_is_inconclusive),
        cmocka_unit_test(a_failure_without_a_try_is_inconclusive),
        cmocka_unit_test(a_secret_that_came_back_leaked),
        cmocka_unit_test(the_control_is_said_in_words),
        cmocka_unit_test(every_report_carries_the_control),
        cmocka_unit_test(what_a_run_must_be_to_pass),
        cmocka_unit_test(the_host_sees_its_processes),
        cmocka_unit_test(the_watchdog_ends_a_storm_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
