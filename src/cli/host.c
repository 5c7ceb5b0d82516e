/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host - host start, stop, status: Croft itself, with or without systemd
 *
 * start makes the directories, raises kernel.pid_max (users share the numbers: 32768 would let one
 * of them use up what all need) and leaves croft-super running in a session of its own; it returns
 * when the door and croftd answer, and the monitor was told the host's resolvers (network.c). stop
 * orders the end through the door and puts pid_max back.
 *
 * Runs as: root (start, stop); the user (status)
 */
#include "cli/host.h"
#include "croft-paths.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/door.h"
#include "cli/network.h"
#include "cli/option.h"
#include "cli/say.h"

#define LOG_FILE       "croft.log"
#define LOG_PATH       CROFT_LOG_DIR "/" LOG_FILE
#define SUPER_PATH     CROFT_LIB_DIR "/croft-super"
#define START_WAIT_MS  60000U /* a super that ends is seen at once: this is for slow hosts */
#define STOP_WAIT_MS   60000
#define STATUS_WAIT_MS 2000
#define LOOK_EVERY_MS  20
#define LOG_TAIL       4096

/* Every directory of Croft, parents first; who may pass through and who may list it. */
static const struct {
    const char *path;
    mode_t mode;
} directories[] = {
    {CROFT_RUN_DIR, 0755},
    {CROFT_STATE_DIR, 0755},
    {CROFT_STATE_DIR "/records", 0711},
    {CROFT_STATE_DIR "/volumes", 0700},
    {CROFT_STATE_DIR "/empty", 0755},
    {CROFT_STATE_DIR "/images", 0755},
    {CROFT_STATE_DIR "/build", 0755},
    {CROFT_CONF_DIR, 0755},
    {CROFT_CONF_DIR "/keys", 0755},
    {CROFT_LOG_DIR, 0755},
};

struct status {
    pid_t super_pid;
    pid_t monitor_pid;
    pid_t croftd_pid;
    uint64_t since_boot_ns;
};

static int bring_up(char *without, struct status *ret_status, struct err *err);
static int make_directory(const char *path, mode_t mode, struct err *err);
static int start_super(char *without, pid_t *ret_pid, struct err *err);
static int wait_until_it_answers(pid_t super, struct err *err);
static int ask_status(struct status *ret_status, struct err *err);
static void last_log_line(char *line, size_t size);

static int no_words(int argc, struct err *err)
{
    return argc == 0 ? 0 : err_set(err, OUTCOME_USAGE, "this verb takes no words");
}

static int need_root(struct err *err)
{
    if (geteuid() == 0)
        return 0;
    return err_set(err, OUTCOME_NOT_PERMITTED, "only root starts and stops Croft");
}

/* Machines without a resolver are still machines: Croft runs all the same. */
static void tell_network(void)
{
    struct err err;

    if (network_tell(&err) != 0)
        fprintf(stderr, "warning: %s\n", err.text);
}

int verb_host_start(const struct cli *cli, int argc, char **argv, struct err *err)
{
    struct status status = {0};
    char *without = NULL;
    int r;

    (void)cli;
    if (CROFT_ABLATE && argc == 2 && strcmp(argv[0], "--without") == 0) {
        without = argv[1];
        argc = 0;
    }
    r = no_words(argc, err);
    if (r == 0)
        r = need_root(err);
    if (r != 0)
        return r;
    if (ask_status(&status, err) == 0) {
        tell_network();
        say_line("Croft runs already: super is %d", (int)status.super_pid);
        return OUTCOME_OK;
    }
    *err = (struct err){.outcome = OUTCOME_OK};
    r = bring_up(without, &status, err);
    if (r != 0) {
        struct err second;

        /* Nothing of a start that failed stays. */
        if (host_restore_pid_max(&second) != 0)
            fprintf(stderr, "croft: %s\n", second.text);
        return r;
    }
    tell_network();
    say_line("Croft runs: super %d, monitor %d, croftd %d; log %s", (int)status.super_pid,
             (int)status.monitor_pid, (int)status.croftd_pid, LOG_PATH);
    return OUTCOME_OK;
}

static int bring_up(char *without, struct status *ret_status, struct err *err)
{
    pid_t super = 0;
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(directories) && r == 0; i++)
        r = make_directory(directories[i].path, directories[i].mode, err);
    if (r == 0)
        r = host_raise_pid_max(err);
    if (r == 0)
        r = start_super(without, &super, err);
    if (r == 0)
        r = wait_until_it_answers(super, err);
    if (r == 0)
        r = ask_status(ret_status, err);
    return r;
}

/* Parents are made too; what is there must be root's own directory. */
static int make_directory(const char *path, mode_t mode, struct err *err)
{
    char part[256];
    struct stat st;
    auto_close dir = -1;

    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        if (str_format(part, sizeof(part), "%.*s", (int)(slash - path), path) < 0)
            return err_set(err, OUTCOME_FAILED, "%s is too long", path);
        if (mkdirat(AT_FDCWD, part, 0755) < 0 && errno != EEXIST)
            return err_errno(err, OUTCOME_FAILED, -errno, "making %s", part);
    }
    if (mkdirat(AT_FDCWD, path, mode) < 0 && errno != EEXIST)
        return err_errno(err, OUTCOME_FAILED, -errno, "making %s", path);
    dir = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || fstat(dir, &st) < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "%s", path);
    if (st.st_uid != 0)
        return err_set(err, OUTCOME_FAILED, "%s belongs to uid %u: it must be root's", path,
                       st.st_uid);
    if (fchmod(dir, mode) < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "the mode of %s", path);
    return 0;
}

/*
 * In the child: nothing of the caller's but the log. Never returns.
 * @without: which controls a test build leaves out; NULL in every other build
 */
static noreturn_fn void become_super(int log, char *without)
{
    static char name[] = "croft-super";
    char *const argv[] = {name, without, NULL};
    static char *const envp[] = {NULL};
    static const char failed[] = "<3>croft-super cannot be executed\n";
    int null = openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);

    (void)setsid();
    (void)umask(022);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0 || chdir("/") < 0 ||
        close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        _exit(OUTCOME_FAILED);
    execve(SUPER_PATH, argv, envp);
    (void)!write(STDERR_FILENO, failed, sizeof(failed) - 1);
    _exit(OUTCOME_FAILED);
}

static int start_super(char *without, pid_t *ret_pid, struct err *err)
{
    auto_close log =
        openat(AT_FDCWD, LOG_PATH, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    pid_t pid;

    if (log < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "the log %s", LOG_PATH);
    pid = fork();
    if (pid < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "no process");
    if (pid == 0)
        become_super(log, without);
    *ret_pid = pid;
    return 0;
}

static int say_not_started(const char *what, struct err *err)
{
    char line[200];

    last_log_line(line, sizeof(line));
    return err_set(err, OUTCOME_HOST_CANNOT, "Croft did not start, %s: %s (the log: %s)", what,
                   line, LOG_PATH);
}

static void pause_ms(long ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};

    (void)nanosleep(&time, NULL);
}

/* Super binds both sockets first, so whoever listens on them may still be on its way up. */
static int wait_until_it_answers(pid_t super, struct err *err)
{
    const uint64_t last = clock_boot_ns() + START_WAIT_MS * NS_PER_MS;
    auto_json *answer = NULL;
    struct status status = {0};
    struct err ignored;
    int end = 0;

    for (;;) {
        if (waitpid(super, &end, WNOHANG) == super)
            return say_not_started("croft-super ended", err);
        if (ask_status(&status, &ignored) == 0)
            break;
        if (clock_boot_ns() > last) {
            (void)kill(super, SIGTERM);
            return say_not_started("the monitor does not answer", err);
        }
        pause_ms(LOOK_EVERY_MS);
    }
    api_timeout(START_WAIT_MS);
    if (api_call("Status", NULL, &answer, &ignored) != 0)
        return say_not_started("croftd does not answer", err);
    return 0;
}

/* As door_call(), but a monitor that is not up yet is not waited for without end. */
static int ask_status(struct status *ret_status, struct err *err)
{
    struct door_reply reply;
    struct order order;
    struct pollfd answer;
    auto_close sock = -1;
    int r = door_open(&sock, err);

    if (r == 0)
        r = door_order(&order, ORDER_HOST_STATUS, NULL, NULL, err);
    if (r == 0)
        r = door_send(sock, &order, NULL, 0, NULL, 0, err);
    if (r != 0)
        return r;
    answer = (struct pollfd){sock, POLLIN, 0};
    if (poll(&answer, 1, STATUS_WAIT_MS) <= 0)
        return err_set(err, OUTCOME_HOST_CANNOT, "the monitor does not answer: see %s", LOG_PATH);
    r = door_wait(sock, &reply, err);
    if (r != 0)
        return r;
    *ret_status = (struct status){
        .super_pid = (pid_t)reply.head.number[0],
        .monitor_pid = (pid_t)reply.head.number[1],
        .croftd_pid = (pid_t)reply.head.number[2],
        .since_boot_ns = reply.head.number[3],
    };
    return 0;
}

static void last_log_line(char *line, size_t size)
{
    auto_close log = openat(AT_FDCWD, LOG_PATH, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char tail[LOG_TAIL + 1];
    const char *start;
    ssize_t got;
    off_t end;

    (void)snprintf(line, size, "the log is empty");
    if (log < 0)
        return;
    end = lseek(log, 0, SEEK_END);
    got = pread(log, tail, LOG_TAIL, end > LOG_TAIL ? end - LOG_TAIL : 0);
    while (got > 0 && tail[got - 1] == '\n')
        got--;
    if (got <= 0)
        return;
    tail[got] = '\0';
    start = strrchr(tail, '\n');
    start = start != NULL ? start + 1 : tail;
    /* The priority is for journals. */
    if (start[0] == '<' && strchr(start, '>') != NULL)
        start = strchr(start, '>') + 1;
    (void)snprintf(line, size, "%.180s", start);
}

/* Waits for the end of super, which ends last. */
static int wait_for_end(int pidfd, struct err *err)
{
    struct pollfd end = {pidfd, POLLIN, 0};

    if (pidfd < 0 || poll(&end, 1, STOP_WAIT_MS) > 0)
        return 0;
    return err_set(err, OUTCOME_FAILED, "Croft still ends after %d s: see %s", STOP_WAIT_MS / 1000,
                   LOG_PATH);
}

int verb_host_stop(const struct cli *cli, int argc, char **argv, struct err *err)
{
    struct door_reply reply;
    struct status status = {0};
    struct order order;
    auto_close pidfd = -1;
    auto_close sock = -1;
    int r = no_words(argc, err);

    (void)cli;
    (void)argv;
    if (r == 0)
        r = need_root(err);
    if (r == 0)
        r = door_open(&sock, err);
    if (r == OUTCOME_HOST_CANNOT) {
        *err = (struct err){.outcome = OUTCOME_OK};
        say_line("Croft does not run");
        return host_restore_pid_max(err);
    }
    if (r == 0)
        r = ask_status(&status, err);
    if (r != 0)
        return r;
    pidfd = pidfd_open(status.super_pid, 0);
    r = door_order(&order, ORDER_HOST_STOP, NULL, NULL, err);
    if (r == 0)
        r = door_call(sock, &order, NULL, 0, &reply, err);
    if (r == 0)
        r = wait_for_end(pidfd, err);
    if (r == 0)
        r = host_restore_pid_max(err);
    if (r == 0)
        say_line("Croft has stopped");
    return r;
}

int verb_host_status(const struct cli *cli, int argc, char **argv, struct err *err)
{
    bool json = false;
    const struct option options[] = {{0, OPTION_FLAG, "json", &json, 0, 0, NULL}};
    auto_json *counts = NULL;
    struct operands words;
    struct status status = {0};
    uint64_t seconds;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    (void)cli;
    if (r == 0)
        r = no_words((int)(words.count + words.rest_count), err);
    if (r == 0)
        r = ask_status(&status, err);
    if (r == 0)
        r = api_call("Status", NULL, &counts, err);
    if (r != 0)
        return r;
    seconds = (clock_boot_ns() - status.since_boot_ns) / NS_PER_S;
    if (json) {
        (void)json_object_set_new(counts, "super_pid", json_integer(status.super_pid));
        (void)json_object_set_new(counts, "monitor_pid", json_integer(status.monitor_pid));
        (void)json_object_set_new(counts, "croftd_pid", json_integer(status.croftd_pid));
        (void)json_object_set_new(counts, "up_seconds", json_integer((json_int_t)seconds));
        say_json(counts);
        return OUTCOME_OK;
    }
    say_line("Croft %s runs for %" PRIu64 " s: super %d, monitor %d, croftd %d", CROFT_VERSION,
             seconds, (int)status.super_pid, (int)status.monitor_pid, (int)status.croftd_pid);
    say_line("%" PRIu64 " users, %" PRIu64 " machines, %" PRIu64 " of them running",
             api_number(counts, "users"), api_number(counts, "machines"),
             api_number(counts, "running"));
    return OUTCOME_OK;
}
