/* SPDX-License-Identifier: Apache-2.0 */
/*
 * croft - the command line: every verb of Croft, run as the user who types it
 *
 * Theory of operation
 *
 * Nothing here has power. What a verb wants to know it asks croftd (api.c); what it wants done it
 * orders from the monitor in person (door.c), and both look at who the kernel says is speaking. So
 * every check in this folder is a courtesy to the person who typed, never a wall.
 *
 * One table names the verbs; one file per noun holds them; a failure travels up as a struct err and
 * is printed here, once, as one line: what, where, what to do.
 *
 * Runs as: the user
 */
#include "cli/attach.h"
#include "cli/cli.h"
#include "croft-paths.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/door.h"
#include "cli/near.h"
#include "cli/say.h"

/* So many slips of the finger still look like the verb. */
#define DISTANCE_MAX 2U

/*
 * words: of the verb, one or two; alias: another spelling, or NULL; passes: its exit status is that
 * of a command, so Croft's own failures are 125; help NULL: not shown
 */
struct verb {
    const char *words;
    const char *alias;
    verb_fn *run;
    bool passes;
    const char *who;
    const char *usage;
    const char *help;
};

static const struct verb verbs[] = {
    {"launch", NULL, verb_launch, false, "user",
     "[-e K=V] [-u USER] [-w DIR] [--entrypoint WORD] [--memory SIZE] [--pids N] [--cpus N] "
     "[--network none] [--json] IMAGE NAME [-- CMD...]",
     "make a machine and start it"},
    {"run", NULL, verb_run, true, "user",
     "[--rm] [-i] [-t] [--name NAME] [-e K=V] [-u USER] [-w DIR] [--entrypoint WORD] "
     "[--memory SIZE] [--pids N] [--cpus N] [--network none] IMAGE [--] CMD...",
     "run one command in a machine of its own"},
    {"ls", "list", verb_ls, false, "user", "[--all | --user USER] [--json]",
     "list your machines (an admin: everybody's)"},
    {"info", NULL, verb_info, false, "user", "[--user USER] [--json] NAME",
     "everything about one machine"},
    {"start", NULL, verb_start, false, "user", "NAME...", "start machines"},
    {"stop", NULL, verb_stop, false, "user", "[--timeout SECONDS] NAME...",
     "stop machines; what does not end in time is killed"},
    {"rm", "delete", verb_rm, false, "user", "[--force] NAME...",
     "remove machines and all that they wrote"},
    {"exec", NULL, verb_exec, true, "user",
     "[-i] [-t] [-e K=V] [-u USER] [-w DIR] NAME [--] CMD...",
     "run a command in a running machine"},
    {"shell", NULL, verb_shell, true, "user", "[--root] [NAME]",
     "a shell in a machine (default: home), as you or as root"},
    {"logs", NULL, verb_logs, false, "user", "[-f] NAME", "what a machine's main process printed"},
    {"grants", "grant ls", verb_grants, false, "user", "[--json]",
     "what you allow others, and others you"},
    {"grant", NULL, verb_grant, false, "user",
     "USER port MACHINE:PORT[/udp] --for 8h | --until '2026-12-01 18:00' | --forever "
     "[--connections N] [--rate N/s] [--json]",
     "let another user reach a port of your machine"},
    {"revoke", NULL, verb_revoke, false, "user", "[--json] ID | USER port MACHINE:PORT[/udp]",
     "take a grant back, or give one up; what is open is cut at once"},
    {"ask", NULL, verb_ask, false, "user",
     "USER port MACHINE:PORT[/udp] --for 1h | --until TIME | --forever [--connections N] "
     "[--rate N/s] [--why TEXT] [--json]",
     "ask another user for a grant"},
    {"asks", NULL, verb_asks, false, "user", "[--json]", "what you are asked for, and ask others"},
    {"approve", NULL, verb_approve, false, "user", "[--json] ID", "grant what was asked"},
    {"deny", NULL, verb_deny, false, "user", "ID", "refuse what was asked, or ask no more"},
    {"why", NULL, verb_why, false, "user",
     "[--json] [MACHINE] MACHINE:PORT[/udp] | MACHINE.OWNER:PORT | ADDRESS:PORT",
     "whether a port is open to your machines, and why"},
    {"image import", NULL, verb_image_import, false, "user", "[--json] FILE|- NAME",
     "make an image of a root file system's tar, an OCI layout or a docker save"},
    {"image ls", "image list", verb_image_ls, false, "user", "[--json]", "list your images"},
    {"image build", NULL, verb_image_build, false, "root",
     "[--suite SUITE] [--include PACKAGE,...] [--name NAME] debian",
     "make an image of Debian that every user may launch"},
    {"image rm", "image delete", verb_image_rm, false, "user", "NAME", "remove an image"},
    {"audit verify", NULL, verb_audit_verify, false, "user",
     "[--json] [--user USER | --host] [HEAD]",
     "check the chain of your records, and that HEAD is on it"},
    {"audit head", NULL, verb_audit_head, false, "user", "[--user USER | --host] [--json]",
     "number and hash of your records' last entry, to keep elsewhere"},
    {"audit", NULL, verb_audit, false, "user", "[-f] [--json] [--user USER | --host]",
     "what was done, and by whom"},
    {"user add", NULL, verb_user_add, false, "admin",
     "[--cpus N] [--memory SIZE] [--memory-min SIZE] [--pids N] [--disk SIZE] [--inodes N] "
     "[--net SIZE|none] [--packets N] [--connections N] [--lan yes|no] [--key FILE.pub] [--json] "
     "NAME",
     "add a user"},
    {"user set", NULL, verb_user_set, false, "admin",
     "[--cpus N|all] [--memory SIZE] [--memory-min SIZE] [--pids N] [--net SIZE|none] "
     "[--packets N] [--connections N] [--lan yes|no] [--key FILE.pub] [--json] NAME",
     "change a user's limits or key, at once"},
    {"user ls", "user list", verb_user_ls, false, "user", "[--json]",
     "list the users (who is no admin: herself)"},
    {"user info", NULL, verb_user_info, false, "user", "[--json] [NAME]",
     "what one user has and uses (who is no admin: herself)"},
    {"user rm", "user delete", verb_user_rm, false, "admin", "[--purge] [--yes] NAME",
     "remove a user; --purge destroys the disk as well"},
    {"host start", NULL, verb_host_start, false, "root", "", "start Croft on this host"},
    {"host stop", NULL, verb_host_stop, false, "root", "", "stop every machine and Croft"},
    {"host status", NULL, verb_host_status, false, "user", "[--json]", "whether Croft runs"},
    {"prove", NULL, verb_prove, false, "root", "[OPTION...]",
     "let one throw-away user attack another, and the host"},
    {"doctor", NULL, verb_doctor, false, "root", "[--json] [--thorough | --verify]",
     "what holds the walls here, and who has a road to root"},
    {"version", "--version", verb_version, false, "user", "", "print the version"},
    {"help", "--help", verb_help, false, "user", "[VERB]", "this list, or a verb's usage"},
    {"login", NULL, verb_login, true, "user", "[-- STRING]", NULL},
};

static const struct verb *find_verb(int argc, char **argv, int *ret_words);
static int no_verb(enum outcome outcome, int argc, char **argv, struct err *err);
static int run_verb(const struct cli *cli, const struct verb *verb, int argc, char **argv);
static void print_usage(FILE *to, const struct verb *verb);
static void print_verbs(FILE *to);
static void open_standard_streams(void);

int main(int argc, char **argv)
{
    struct cli cli = {.gate = false, .started_boot_ns = clock_boot_ns()};
    const struct verb *verb;
    int words = 0;

    open_standard_streams();
    argc -= argc > 0;
    argv++;
    if (argc > 0 && strcmp(argv[0], "--gate") == 0) {
        cli.gate = true;
        argc--;
        argv++;
    }
    if (argc == 0) {
        print_verbs(stderr);
        return OUTCOME_USAGE;
    }
    verb = find_verb(argc, argv, &words);
    if (verb == NULL) {
        struct err err;

        (void)no_verb(OUTCOME_USAGE, argc, argv, &err);
        fprintf(stderr, "croft: %s\n", err.text);
        return OUTCOME_USAGE;
    }
    return run_verb(&cli, verb, argc - words, argv + words);
}

/* How many of @words stand at the front of argv; 0: not all of them. */
static int match_words(const char *words, int argc, char **argv)
{
    size_t length = words != NULL ? strcspn(words, " ") : 0;
    const char *second;

    if (length == 0 || argc == 0 || strlen(argv[0]) != length ||
        memcmp(argv[0], words, length) != 0)
        return 0;
    if (words[length] == '\0')
        return 1;
    second = words + length + 1;
    return argc > 1 && strcmp(argv[1], second) == 0 ? 2 : 0;
}

static const struct verb *find_verb(int argc, char **argv, int *ret_words)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        int words = match_words(verbs[i].words, argc, argv);

        if (words == 0)
            words = match_words(verbs[i].alias, argc, argv);
        if (words != 0) {
            *ret_words = words;
            return &verbs[i];
        }
    }
    return NULL;
}

/* What was meant, as far as it can be guessed: a verb that looks like it, or a second word. */
static int no_verb(enum outcome outcome, int argc, char **argv, struct err *err)
{
    const char *nearest = NULL;
    size_t least = DISTANCE_MAX + 1;
    bool is_noun = false;
    char typed[64];

    if (argc < 2 || str_format(typed, sizeof(typed), "%s %s", argv[0], argv[1]) < 0)
        typed[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        const char *words = verbs[i].words;
        bool two = strchr(words, ' ') != NULL;
        size_t distance = near_distance(two && typed[0] != '\0' ? typed : argv[0], words);

        is_noun = is_noun || (two && strcspn(words, " ") == strlen(argv[0]) &&
                              memcmp(words, argv[0], strlen(argv[0])) == 0);
        if (distance < least && distance < strlen(words) && verbs[i].help != NULL) {
            least = distance;
            nearest = words;
        }
    }
    if (nearest != NULL)
        return err_set(err, outcome, "no verb '%.40s'; is it `croft %s`? See `croft help`",
                       typed[0] != '\0' && strchr(nearest, ' ') != NULL ? typed : argv[0], nearest);
    if (is_noun)
        return err_set(err, outcome, "'%.40s' needs another word behind it: `croft help %.40s`",
                       argv[0], argv[0]);
    return err_set(err, outcome, "no verb '%.40s': see `croft help`", argv[0]);
}

static bool wants_help(int argc, char **argv)
{
    return argc > 0 && strcmp(argv[0], "--help") == 0;
}

/* Over ssh this process is charged to her first; `login` says so over the connection it goes on
 * with. */
static int tell_login(const struct cli *cli, const struct verb *verb, struct err *err)
{
    auto_close sock = -1;
    int r;

    if (!cli->gate || verb->run == verb_login)
        return 0;
    r = door_open(&sock, err);
    if (r == 0)
        r = door_login(sock, err);
    return r;
}

static int run_verb(const struct cli *cli, const struct verb *verb, int argc, char **argv)
{
    struct err err = {.outcome = OUTCOME_OK};
    int status;

    if (wants_help(argc, argv)) {
        print_usage(stdout, verb);
        return OUTCOME_OK;
    }
    status = tell_login(cli, verb, &err);
    if (status == 0)
        status = verb->run(cli, argc, argv, &err);
    if (err.outcome == OUTCOME_OK && !verb->passes && say_flush(&err) == 0)
        return status;
    if (err.outcome == OUTCOME_OK)
        return status;
    (void)fflush(stdout);
    if (err.outcome == OUTCOME_USAGE && verb->help != NULL)
        fprintf(stderr, "croft: %s (usage: `croft help %s`)\n", err.text, verb->words);
    else
        fprintf(stderr, "croft: %s\n", err.text);
    if (!verb->passes)
        return (int)err.outcome;
    return status == EXIT_CANNOT_RUN || status == EXIT_NO_PROGRAM ? status : EXIT_CROFT;
}

static void print_usage(FILE *to, const struct verb *verb)
{
    fprintf(to, "usage: croft %s %s\n", verb->words, verb->usage);
    if (verb->help != NULL)
        fprintf(to, "  %s\n", verb->help);
    if (verb->alias != NULL)
        fprintf(to, "  also: croft %s\n", verb->alias);
    if (strcmp(verb->who, "user") != 0)
        fprintf(to, "  for: %s\n", verb->who);
    fprintf(to, "  see croft(1)\n");
}

static void print_verbs(FILE *to)
{
    fprintf(to, "croft: a machine of your own on a shared server\n\n");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (verbs[i].help != NULL)
            fprintf(to, "  croft %-13s %s\n", verbs[i].words, verbs[i].help);
    }
    fprintf(to, "\n`croft help VERB` shows a verb's options; the manual is croft(1).\n");
}

int verb_help(const struct cli *cli, int argc, char **argv, struct err *err)
{
    const struct verb *verb;
    bool found = false;
    int words = 0;

    (void)cli;
    if (argc == 0) {
        print_verbs(stdout);
        return OUTCOME_OK;
    }
    verb = find_verb(argc, argv, &words);
    if (verb != NULL) {
        print_usage(stdout, verb);
        return OUTCOME_OK;
    }
    /* A noun alone ("user") shows all its verbs. */
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        size_t length = strlen(argv[0]);

        if (strncmp(verbs[i].words, argv[0], length) == 0 && verbs[i].words[length] == ' ') {
            print_usage(stdout, &verbs[i]);
            found = true;
        }
    }
    return found ? OUTCOME_OK : no_verb(OUTCOME_NOT_FOUND, argc, argv, err);
}

int verb_version(const struct cli *cli, int argc, char **argv, struct err *err)
{
    (void)cli;
    (void)argv;
    if (argc != 0)
        return err_set(err, OUTCOME_USAGE, "version takes no words");
    say_line("croft %s", CROFT_VERSION);
    return OUTCOME_OK;
}

/* A descriptor of ours must never become somebody's standard stream by its number. */
static void open_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        /* The lowest free number is the one that is missing. */
        if (fcntl(fd, F_GETFD) < 0 && openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC) < 0)
            _exit(OUTCOME_FAILED);
    }
}
