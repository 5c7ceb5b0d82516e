/* SPDX-License-Identifier: Apache-2.0 */
/*
 * croft-gate - the login shell and forced command of Croft's users under the host's own sshd
 *
 * Theory of operation
 *
 * The gate is the one program of the host that a user's login reaches. It decides between two
 * ways and becomes `croft`; it never runs anything else, reads no file, and gives no string to a
 * shell of the host:
 *
 *   "croft WORDS"   ->  croft --gate WORDS          (client verbs; files from standard input only)
 *   nothing         ->  croft --gate login          (a shell in her machine "home")
 *   anything else   ->  croft --gate login -- STRING (for /bin/sh -c inside "home")
 *
 * sshd runs a forced command through the login shell, as `croft-gate -c .../croft-gate` with the
 * client's own command in SSH_ORIGINAL_COMMAND. `-c STRING` with any other string is a login by
 * another road (su, a console), and STRING is then the command.
 *
 * The environment of `croft` is empty but for TERM and LANG, looked at byte by byte; descriptors
 * above 2 are closed; no_new_privs is set, because nothing behind the gate needs a setuid program.
 * Where croft is missing or fails, the login is denied: there is no second way.
 *
 * Runs as: the user, under sshd
 */
#include "croft-paths.h"
#include "gate/words.h"

#include "wire/limits.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Leaves room in PLAN_STRINGS_MAX for the shell's name and the environment. */
#define COMMAND_MAX (40U * 1024U)
#define GATE_PATH   CROFT_LIB_DIR "/croft-gate"
#define CLIENT_PATH CROFT_BIN_DIR "/croft"
#define SFTP_SERVER "/usr/lib/openssh/sftp-server"
/* As `croft run` and `croft exec`: Croft itself could not do it. */
#define EXIT_REFUSED 125

_Static_assert(COMMAND_MAX + 4096 < PLAN_STRINGS_MAX, "a login's command fits into an order");

static const char *command_of(int argc, char **argv);
static int become_client(const char *const *argv);
static int run_words(const char *command);
static void close_inherited(void);

int main(int argc, char **argv)
{
    const char *command = command_of(argc, argv);
    const char *login[] = {"croft", "--gate", "login", "--", NULL, NULL};

    if (command == NULL) {
        dprintf(STDERR_FILENO, "croft: this login takes no options: use `-c COMMAND` or none\n");
        return EXIT_REFUSED;
    }
    if (strlen(command) > COMMAND_MAX) {
        dprintf(STDERR_FILENO,
                "croft: the command has %zu bytes and at most %u fit: copy a script into your "
                "machine and run that\n",
                strlen(command), COMMAND_MAX);
        return EXIT_REFUSED;
    }
    close_inherited();
    if (command[0] == '\0') {
        login[3] = NULL;
        return become_client(login);
    }
    if (words_is_croft(command))
        return run_words(command);
    /* `Subsystem sftp internal-sftp` names code inside sshd; in her machine it is a program. */
    if (strcmp(command, "internal-sftp") == 0)
        command = SFTP_SERVER;
    login[4] = command;
    return become_client(login);
}

/* "": a login without a command; NULL: not a way in which a login shell is called */
static const char *command_of(int argc, char **argv)
{
    const char *original;

    if (argc == 3 && strcmp(argv[1], "-c") == 0 && strcmp(argv[2], GATE_PATH) != 0)
        return argv[2];
    if (argc > 1 && !(argc == 3 && strcmp(argv[1], "-c") == 0))
        return NULL;
    original = getenv("SSH_ORIGINAL_COMMAND");
    return original != NULL ? original : "";
}

static int run_words(const char *command)
{
    static char line[COMMAND_MAX + 1];
    static char *words[PLAN_ARGS_MAX + 2];
    static const char *argv[PLAN_ARGS_MAX + 3];
    size_t count = 0;
    int r;

    memcpy(line, command, strlen(command) + 1);
    r = words_split(line, words, PLAN_ARGS_MAX, &count);
    if (r < 0) {
        dprintf(STDERR_FILENO, "croft: %s: quote with '...' or a backslash\n",
                r == -E2BIG ? "the command has too many words"
                            : "a quote of the command is not closed");
        return EXIT_REFUSED;
    }
    argv[0] = words[0];
    argv[1] = "--gate";
    for (size_t i = 1; i <= count; i++) /* with the NULL at the end */
        argv[i + 1] = words[i];
    return become_client(argv);
}

/* Her terminal's type and language, when they are what such a value may be. */
static char *plain_variable(const char *name, char *buf, size_t size)
{
    const char *value = getenv(name);

    if (value == NULL || !words_is_plain(value))
        return NULL;
    (void)snprintf(buf, size, "%s=%s", name, value);
    return buf;
}

static int become_client(const char *const *argv)
{
    char term[128];
    char lang[128];
    char *envp[3] = {NULL, NULL, NULL};
    size_t count = 0;

    envp[count] = plain_variable("TERM", term, sizeof(term));
    count += envp[count] != NULL;
    envp[count] = plain_variable("LANG", lang, sizeof(lang));

    (void)umask(077);
    if (chdir("/") < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        dprintf(STDERR_FILENO, "croft: the login cannot be confined: %s\n", strerror(errno));
        return EXIT_REFUSED;
    }
    execve(CLIENT_PATH, (char *const *)(uintptr_t)argv, envp);
    dprintf(STDERR_FILENO, "croft: no login: %s: %s: an admin has to install Croft again\n",
            CLIENT_PATH, strerror(errno));
    return EXIT_REFUSED;
}

static void close_inherited(void)
{
    (void)close_range(STDERR_FILENO + 1, ~0U, 0);
}
