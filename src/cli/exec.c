/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec - exec, shell, login: a command inside a running machine
 *
 * One order to the monitor and nothing else: with croftd dead, who has a machine still gets in. The
 * gate's login asks croftd only when there is no machine to enter yet.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exec.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/account.h"
#include "cli/api.h"
#include "cli/attach.h"
#include "cli/cli.h"
#include "cli/door.h"
#include "cli/launch.h"
#include "cli/option.h"
#include "cli/say.h"

#define HOME_MACHINE "home"
#define ENV_MAX      256
#define DEFAULT_PATH "PATH=" EXEC_PATH_DEFAULT
/* Where another user is asked for, croft-init makes hers. */
#define DEFAULT_HOME "HOME=/root"
#define DEFAULT_TERM "TERM=xterm"
/* A login begins in its home directory where there is one, and is then exactly that shell. */
#define LOGIN_SHELL "cd 2>/dev/null; [ -x /bin/bash ] && exec /bin/bash -l; exec /bin/sh -l"
#define LOGIN_STRING                                                                               \
    "cd 2>/dev/null; [ -x /bin/bash ] && exec /bin/bash -c \"$1\"; exec /bin/sh -c \"$1\""

/* A command as it goes over the wire, and how it is attached. */
struct entry {
    const char *machine;
    const char *user;
    const char *workdir;
    const char *const *command;
    struct option_list env;
    struct attach attach;
};

struct packed {
    size_t size;
    union {
        struct command head;
        char bytes[sizeof(struct command) + PLAN_STRINGS_MAX];
    };
};

static int pack(const struct entry *entry, struct packed *packed, struct err *err);
static int enter(struct entry *entry, int sock, int *ret_status, struct err *err);
static int make_home(struct err *err);

int verb_exec(const struct cli *cli, int argc, char **argv, struct err *err)
{
    static const char *env[ENV_MAX];
    struct entry entry = {.env = {env, ENV_MAX, 0}};
    const struct option options[] = {
        {'i', OPTION_FLAG, "interactive", &entry.attach.input, 0, 0, NULL},
        {'t', OPTION_FLAG, "tty", &entry.attach.tty, 0, 0, NULL},
        {'u', OPTION_TEXT, "user", &entry.user, 0, 0, NULL},
        {'w', OPTION_TEXT, "workdir", &entry.workdir, 0, 0, NULL},
        {'e', OPTION_LIST, "env", &entry.env, 0, 0, NULL},
    };
    struct operands words;
    int status = EXIT_CROFT;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 1, &words, err);

    if (r != 0)
        return r;
    if (words.count != 1 || words.rest_count == 0)
        return err_set(err, OUTCOME_USAGE, "give a machine and a command");
    entry.machine = words.item[0];
    entry.command = (const char *const *)words.rest;
    entry.attach.remote = cli->gate;
    r = enter(&entry, -1, &status, err);
    return r == 0 ? status : EXIT_CROFT;
}

/* Her own account in the machine where its image has one, else root (wire/plan.h). */
static const char *own_account(char *buf, size_t size)
{
    return str_format(buf, size, "?%s", account_own()) == 0 ? buf : NULL;
}

int verb_shell(const struct cli *cli, int argc, char **argv, struct err *err)
{
    static const char *const shell[] = {"/bin/sh", "-c", LOGIN_SHELL, NULL};
    struct entry entry = {.machine = HOME_MACHINE, .command = shell};
    char own[NAME_SIZE + 1];
    bool root = false;
    const struct option options[] = {{0, OPTION_FLAG, "root", &root, 0, 0, NULL}};
    struct operands words;
    int status = EXIT_CROFT;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    if (r != 0)
        return r;
    if (!root)
        entry.user = own_account(own, sizeof(own));
    if (words.count > 1 || words.rest_count != 0)
        return err_set(err, OUTCOME_USAGE, "give one machine, or none for " HOME_MACHINE);
    if (words.count == 1)
        entry.machine = words.item[0];
    entry.attach = (struct attach){.tty = isatty(STDIN_FILENO), .input = true, .remote = cli->gate};
    r = enter(&entry, -1, &status, err);
    return r == 0 ? status : EXIT_CROFT;
}

/* What the gate asks for: her shell, or one string for it, in her home. */
int verb_login(const struct cli *cli, int argc, char **argv, struct err *err)
{
    const char *env[2];
    const char *const line[] = {"/bin/sh", "-c", LOGIN_STRING, "sh", argc == 2 ? argv[1] : NULL,
                                NULL};
    const char *const shell[] = {"/bin/sh", "-c", LOGIN_SHELL, NULL};
    struct entry entry = {.machine = HOME_MACHINE, .env = {env, ARRAY_LEN(env), 0}};
    char language[128];
    char own[NAME_SIZE + 1];
    const char *value = getenv("LANG");
    auto_close sock = -1;
    int status = EXIT_CROFT;
    int r;

    if (argc != 0 && (argc != 2 || strcmp(argv[0], "--") != 0))
        return err_set(err, OUTCOME_USAGE, "login takes no words");
    entry.command = argc == 0 ? shell : line;
    entry.user = own_account(own, sizeof(own));
    entry.attach = (struct attach){.tty = isatty(STDIN_FILENO), .input = true, .remote = cli->gate};
    if (value != NULL && str_format(language, sizeof(language), "LANG=%s", value) == 0)
        entry.env.item[entry.env.count++] = language;
    r = door_open(&sock, err);
    if (r == 0)
        r = door_login(sock, err);
    if (r != 0)
        return EXIT_CROFT;
    r = enter(&entry, sock, &status, err);
    /* What ran is never run a second time. */
    if (r == 0 || entry.attach.started)
        return r == 0 ? status : EXIT_CROFT;
    *err = (struct err){.outcome = OUTCOME_OK};
    r = make_home(err);
    if (r == 0)
        r = enter(&entry, -1, &status, err);
    return r == 0 ? status : EXIT_CROFT;
}

/* Her home is launched at the first login, and started where it was stopped. */
static int make_home(struct err *err)
{
    struct door_reply reply;
    struct order order;
    auto_close sock = -1;
    int r = door_open(&sock, err);

    if (r == 0)
        r = door_order(&order, ORDER_START, "a machine", HOME_MACHINE, err);
    if (r == 0)
        r = door_call(sock, &order, NULL, 0, &reply, err);
    if (r != OUTCOME_NOT_FOUND)
        return r;
    *err = (struct err){.outcome = OUTCOME_OK};
    return launch_default(HOME_MACHINE, err);
}

/* @sock: a connection on which the login was told; -1: a new one */
static int enter(struct entry *entry, int sock, int *ret_status, struct err *err)
{
    static struct packed packed;
    struct order order;
    int r = attach_check(&entry->attach, err);

    entry->attach.program = entry->command[0];
    if (r == 0)
        r = door_order(&order, ORDER_EXEC, "a machine", entry->machine, err);
    if (r == 0)
        r = pack(entry, &packed, err);
    if (r == 0)
        r = attach_run(&entry->attach, sock, &order, packed.bytes, packed.size, ret_status, err);
    return r;
}

static int pack_string(struct packed *packed, const char *text, struct err *err)
{
    size_t size = strlen(text) + 1;

    if (size > sizeof(packed->bytes) - packed->size)
        return err_set(err, OUTCOME_USAGE,
                       "the command and its variables take more than %u bytes: pass large input by "
                       "standard input",
                       PLAN_STRINGS_MAX);
    memcpy(packed->bytes + packed->size, text, size);
    packed->size += size;
    return 0;
}

static int pack_variable(struct packed *packed, const char *text, struct err *err)
{
    packed->head.envc++;
    return pack_string(packed, text, err);
}

static bool is_given(const struct option_list *env, const char *variable)
{
    for (size_t i = 0; i < env->count; i++)
        if (exec_same_variable(variable, env->item[i]))
            return true;
    return false;
}

/* What a shell cannot do without, where the caller gave nothing else. */
static int pack_defaults(const struct entry *entry, struct packed *packed, struct err *err)
{
    const char *terminal = getenv("TERM");
    char text[128];
    int r = 0;

    if (!is_given(&entry->env, DEFAULT_PATH))
        r = pack_variable(packed, DEFAULT_PATH, err);
    if (r == 0 && entry->user == NULL &&
        !is_given(&entry->env, DEFAULT_HOME)) /* else croft-init does */
        r = pack_variable(packed, DEFAULT_HOME, err);
    if (r != 0 || !entry->attach.tty || is_given(&entry->env, DEFAULT_TERM))
        return r;
    if (terminal == NULL || str_format(text, sizeof(text), "TERM=%s", terminal) < 0)
        return pack_variable(packed, DEFAULT_TERM, err);
    return pack_variable(packed, text, err);
}

static int pack(const struct entry *entry, struct packed *packed, struct err *err)
{
    int r;

    packed->head = (struct command){0};
    packed->size = sizeof(packed->head);
    if (entry->user != NULL &&
        str_copy(packed->head.user, sizeof(packed->head.user), entry->user) < 0)
        return err_set(err, OUTCOME_USAGE, "--user %.40s...: too long for a user's name",
                       entry->user);
    r = pack_string(packed, entry->workdir != NULL ? entry->workdir : "", err);
    for (size_t i = 0; entry->command[i] != NULL && r == 0; i++) {
        packed->head.argc++;
        r = pack_string(packed, entry->command[i], err);
    }
    for (size_t i = 0; i < entry->env.count && r == 0; i++) {
        const char *equals = strchr(entry->env.item[i], '=');

        if (equals == NULL || equals == entry->env.item[i])
            return err_set(err, OUTCOME_USAGE, "-e %.40s: give NAME=VALUE", entry->env.item[i]);
        r = pack_variable(packed, entry->env.item[i], err);
    }
    if (r == 0)
        r = pack_defaults(entry, packed, err);
    packed->head.strings_len = (uint32_t)(packed->size - sizeof(packed->head));
    return r;
}
