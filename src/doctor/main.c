/* SPDX-License-Identifier: Apache-2.0 */
/*
 * croft-doctor - can this host hold the walls, and who is God here?
 *
 * Theory of operation
 *
 *   1 probe     what the kernel can do is tried, in children with namespaces that are thrown away
 *   2 confine   before a file is parsed that says who may what: the rest of this process reads,
 *               whatever is in those files; Landlock, and no capability but to read
 *   3 read      accounts, rules, jobs, files: each road to root, with the command that closes it
 *   4 print
 *
 * --verify does none of it, and is not confined: it holds what is in the kernel against Croft's
 * records.
 *
 * Runs as: root, one shot; changes nothing
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "doctor/expected.h"
#include "doctor/jobs.h"
#include "doctor/look.h"
#include "doctor/people.h"
#include "doctor/print.h"
#include "doctor/programs.h"
#include "doctor/sudoers.h"
#include "linux/caps.h"
#include "linux/path.h"
#include "linux/restriction.h"

/* The whole answer takes less than five seconds. */
#define SETUID_LIMIT_MS 2500U

struct options {
    bool as_json;
    bool verify;
    bool thorough;
};

static int examine(const struct options *options);
static int verify(const struct options *options);
static int confine(void);
static void look_for_roads(struct roads *roads, bool thorough);
static void mark_users(struct accounts *accounts, struct roads *roads);

int main(int argc, char **argv)
{
    struct options options = {0};
    const struct {
        const char *word;
        bool *flag;
    } known[] = {{"--json", &options.as_json},
                 {"--verify", &options.verify},
                 {"--thorough", &options.thorough}};

    for (int i = 1; i < argc; i++) {
        bool is_known = false;
        for (size_t j = 0; j < ARRAY_LEN(known); j++)
            if (strcmp(argv[i], known[j].word) == 0)
                *known[j].flag = is_known = true;
        if (!is_known) {
            fprintf(stderr, "croft: doctor knows --json, --verify and --thorough only\n");
            return OUTCOME_USAGE;
        }
    }
    if (geteuid() != 0) {
        fprintf(stderr, "croft: doctor reads what only root may read: run it as root\n");
        return OUTCOME_NOT_PERMITTED;
    }
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return OUTCOME_FAILED;
    return options.verify ? verify(&options) : examine(&options);
}

static int examine(const struct options *options)
{
    struct controls controls = {0};
    auto_accounts accounts = {0};
    struct roads roads;

    auto_free char *ruleset = program_ruleset();
    controls_kernel(&controls);
    controls_cgroups(&controls);
    controls_network(&controls);
    int rc = confine();
    if (rc < 0)
        controls_add(&controls, CONTROL_FALLBACK, "doctor reads only",
                     look_format("it cannot confine itself: %s", strerror(-rc)), NULL);
    controls_settings(&controls);
    controls_firewall(&controls, ruleset);
    controls_legacy(&controls);
    rc = accounts_read(&accounts);
    if (rc < 0) {
        fprintf(stderr, "croft: the accounts of this host cannot be read: %s\n", strerror(-rc));
        controls_free(&controls);
        return OUTCOME_FAILED;
    }
    roads_init(&roads, &accounts);
    mark_users(&accounts, &roads);
    look_for_roads(&roads, options->thorough);
    print_host(&controls, &roads, options->as_json);
    bool is_fine = roads_of_users(&roads) == 0;
    for (size_t i = 0; i < controls.count; i++)
        is_fine = is_fine && controls.list[i].state != CONTROL_MISSING;
    roads_free(&roads);
    controls_free(&controls);
    if (fflush(stdout) != 0)
        return OUTCOME_FAILED;
    return is_fine ? OUTCOME_OK : OUTCOME_FAILED;
}

static int verify(const struct options *options)
{
    struct differences differences = {0};
    struct err err;

    int rc = verify_host(&differences, &err);
    if (rc != 0) {
        fprintf(stderr, "croft: %s\n", err.text);
        return rc;
    }
    print_differences(&differences, options->as_json);
    rc = differences.count == 0 && fflush(stdout) == 0 ? OUTCOME_OK : OUTCOME_FAILED;
    differences_free(&differences);
    return rc;
}

/* What is parsed from now on was written by whoever could write it. */
static int confine(void)
{
    auto_close root = path_root("/", O_PATH | O_DIRECTORY);
    if (root < 0)
        return root;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    int rc = caps_bound(CAPS_BIT(CAP_DAC_READ_SEARCH));
    if (rc == 0)
        rc = caps_set(CAPS_BIT(CAP_DAC_READ_SEARCH));
    return rc < 0 ? rc : restriction_read_only(&root, 1);
}

static void look_for_roads(struct roads *roads, bool thorough)
{
    people_look(roads);
    sudoers_look(roads);
    doas_look(roads);
    polkit_look(roads);
    sockets_look(roads);
    cron_look(roads);
    units_look(roads);
    files_look(roads);
    setuid_look(roads, thorough ? 0 : SETUID_LIMIT_MS);
    roads_follow(roads);
}

static void mark_users(struct accounts *accounts, struct roads *roads)
{
    struct expected expected = {0};

    int rc = expected_read(&expected);
    if (rc < 0 && rc != -ENOENT)
        roads_note(roads, look_format("the records of Croft cannot be read (%s), so nobody is "
                                      "marked as its user",
                                      strerror(-rc)));
    if (expected.broken != NULL)
        roads_note(roads, look_format("%s", expected.broken));
    for (size_t i = 0; i < expected.user_count; i++)
        for (size_t j = 0; j < accounts->count; j++)
            if (accounts->list[j].uid == expected.users[i].user.uid ||
                strcmp(accounts->list[j].name, expected.users[i].name) == 0)
                accounts->list[j].croft = true;
    expected_free(&expected);
}
