/* SPDX-License-Identifier: Apache-2.0 */
/*
 * croft-init - pid 1 of an instance: starts its command, reaps, forwards signals, keeps the log
 *
 * Theory of operation
 * croft-init [-t] [-l] [-u USER] [-w DIRECTORY] -- COMMAND...   as pid 1; README has the options
 * croft-init as USER -w DIRECTORY -- COMMAND...                 becomes USER and the command
 *
 * As pid 1 it blocks every signal and reads them from a signalfd: pid 1 of a namespace gets a
 * signal only when it handles or blocks it. What comes is passed on to the command. When the
 * command ends, so does croft-init, with its status (128 + signal), and the kernel ends all that is
 * left. The one word "-" is no command (wire/plan.h): then it only reaps, until it is asked to end.
 * Before the command of a machine's first start comes FIRST_START of its image, if it has one: it
 * makes the owner's account. What it does is inside; when it hangs it is ended, and goes again with
 * the next start.
 * Static memory only, no stdio: an idle machine costs as little as can be.
 *
 * Runs as: root of the instance, confined like everything in it; executes only what is inside
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exec.h"
#include "base/fd.h"
#include "init/environment.h"
#include "init/keep.h"
#include "init/options.h"
#include "init/user.h"
#include "wire/limits.h"

#define STATUS_CANNOT_EXECUTE 126
#define STATUS_NOT_FOUND      127
#define STATUS_SIGNAL         128
/* Where the runtime puts the log files. */
#define LOG_FD            4
#define FIRST_START       "/usr/lib/croft/first-start"
#define FIRST_START_OWNER "CROFT_OWNER"

/*
 * child:   the command, or FIRST_START; 0 once it has ended, with its status
 * idle:    there is no command, and nobody asked for the end yet
 * ended_by: the signal that asked for the end; 0: none yet
 * output:  what it prints, reading and writing end; -1 without a log
 */
struct init {
    struct options options;
    struct keep keep;
    pid_t child;
    int status;
    bool idle;
    uint32_t ended_by;
    int signals;
    int output[2];
};

static void open_log(struct init *init);
static bool wants_first_start(const char *const *envp);
static void first_start(struct init *init, const char *const *envp);
static void start(struct init *init, const struct options *options, const char *const *envp);
static void be_expendable(void);
noreturn_fn static void become_command(const struct options *options, const char *const *envp);
noreturn_fn static void give_up(int status, const char *what, const char *name, int rc);
static void forget_pages(void);
static void serve(struct init *init, uint64_t deadline_ns);
static int milliseconds_until(uint64_t deadline_ns);
static void handle_signals(struct init *init);
static bool asks_for_end(uint32_t signal);
static void reap(struct init *init);
static bool keep_output(struct init *init);

int main(int argc, char **argv)
{
    static struct init init = {.output = {-1, -1}};
    const char *const *envp = (const char *const *)environ;
    if (!options_parse(&init.options, argc, (const char *const *)argv))
        give_up(STATUS_CANNOT_EXECUTE, "wrong options", NULL, 0);
    if (init.options.as)
        become_command(&init.options, envp);
    sigset_t all;
    sigfillset(&all);
    if (sigprocmask(SIG_BLOCK, &all, NULL) < 0)
        give_up(STATUS_CANNOT_EXECUTE, "cannot block signals", NULL, -errno);
    init.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (init.signals < 0)
        give_up(STATUS_CANNOT_EXECUTE, "cannot receive signals", NULL, -errno);
    if (init.options.log) {
        open_log(&init);
        if (wants_first_start(envp))
            first_start(&init, envp);
    }
    if (init.ended_by != 0)
        return STATUS_SIGNAL + (int)init.ended_by;
    init.idle = strcmp(init.options.command[0], "-") == 0 && !init.options.command[1];
    if (!init.idle)
        start(&init, &init.options, envp);
    fd_close(&init.output[1]);
    /* The command alone holds its terminal and pipes, so that who reads them sees its end. */
    close_range(STDIN_FILENO, STDERR_FILENO, 0);
    forget_pages();
    serve(&init, 0);
    while (keep_output(&init))
        ;
    return init.status;
}

static void open_log(struct init *init)
{
    for (int i = 0; i < 2; i++)
        if (fcntl(LOG_FD + i, F_SETFD, FD_CLOEXEC) < 0)
            give_up(STATUS_CANNOT_EXECUTE, "no log files", NULL, -errno);
    keep_open(&init->keep, LOG_FD, LOG_FD + 1);
    /* Only our end may not wait: the command's must, as any pipe does. */
    if (pipe2(init->output, O_CLOEXEC) < 0 || fd_set_nonblock(init->output[0]) < 0)
        give_up(STATUS_CANNOT_EXECUTE, "cannot make a pipe for the log", NULL, -errno);
}

static bool wants_first_start(const char *const *envp)
{
    return exec_variable(envp, FIRST_START_OWNER) != NULL &&
           faccessat(AT_FDCWD, FIRST_START, X_OK, 0) == 0;
}

/* As root, in her own tree. Once: it is taken away when it has succeeded. */
static void first_start(struct init *init, const char *const *envp)
{
    static const char *const command[] = {FIRST_START, NULL};
    static const char failed[] = "croft-init: " FIRST_START " failed, or took too long\n";
    const struct options options = {.log = true, .workdir = "/", .command = command};
    start(init, &options, envp);
    serve(init, clock_boot_ns() + FIRST_START_TIMEOUT_MS * NS_PER_MS);
    if (init->child != 0) {
        kill(-init->child, SIGKILL);
        serve(init, 0);
    }
    while (keep_output(init))
        ;
    if (init->status != 0 || unlinkat(AT_FDCWD, FIRST_START, 0) < 0)
        keep_write(&init->keep, failed, sizeof(failed) - 1);
    init->status = 0;
}

static void start(struct init *init, const struct options *options, const char *const *envp)
{
    init->child = fork();
    if (init->child < 0)
        give_up(STATUS_CANNOT_EXECUTE, "cannot start a process", NULL, -errno);
    if (init->child == 0) {
        sigset_t none;
        sigemptyset(&none);
        setsid();
        if (options->terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
            give_up(STATUS_CANNOT_EXECUTE, "cannot take the terminal", NULL, -errno);
        if (options->log &&
            (dup2(init->output[1], STDOUT_FILENO) < 0 || dup2(init->output[1], STDERR_FILENO) < 0))
            give_up(STATUS_CANNOT_EXECUTE, "cannot use the pipe for the log", NULL, -errno);
        sigprocmask(SIG_SETMASK, &none, NULL);
        be_expendable();
        become_command(options, envp);
    }
}

/* Her own /proc may be missing: then the killer takes whom it likes, and only of her own. */
static void be_expendable(void)
{
    auto_close adj = openat(AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (adj >= 0 && fd_write_full(adj, COMMAND_OOM_SCORE_ADJ, strlen(COMMAND_OOM_SCORE_ADJ)) < 0)
        return;
}

static void become_command(const struct options *options, const char *const *envp)
{
    struct user user;
    bool has_user = options->user != NULL;
    int rc = 0;
    if (has_user) {
        rc = user_find(options->user, FIRST_START, &user);
        if (rc < 0)
            give_up(STATUS_CANNOT_EXECUTE, "cannot find the user", options->user, rc);
        rc = user_become(&user);
        if (rc < 0)
            give_up(STATUS_CANNOT_EXECUTE, "cannot become the user", options->user, rc);
    }
    if (options->workdir && chdir(options->workdir) < 0)
        give_up(STATUS_CANNOT_EXECUTE, "cannot enter the directory", options->workdir, -errno);
    envp = environment_make(envp, has_user ? &user : NULL);
    rc = exec_search(options->command, envp);
    give_up(rc == -ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_EXECUTE, "cannot execute",
            options->command[0], rc);
}

/* A line on standard error, put together without stdio. */
static void give_up(int status, const char *what, const char *name, int rc)
{
    const char *const reason = rc < 0 ? strerrordesc_np(-rc) : NULL;
    const char *const parts[] = {"croft-init: ",       what,
                                 name ? " '" : "",     name ? name : "",
                                 name ? "'" : "",      reason ? ": " : "",
                                 reason ? reason : "", "\n"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (fd_write_full(STDERR_FILENO, parts[i], strlen(parts[i])) < 0)
            break;
    _exit(status);
}

/*
 * What ran so far will not run again for hours, but its pages stay mapped and count as hers. They
 * are clean, from the file: what is needed comes back by itself.
 */
static void forget_pages(void)
{
    extern const char __executable_start[];
    extern const char etext[];
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t start = (uintptr_t)__executable_start & ~(page - 1);
    const uintptr_t end = ((uintptr_t)etext + page - 1) & ~(page - 1);
    if (madvise((void *)start, end - start, MADV_DONTNEED) < 0)
        return; /* it costs some memory, and that is all */
}

/* Until the command has ended, or the deadline (0: none) is over. */
static void serve(struct init *init, uint64_t deadline_ns)
{
    while (init->child != 0 || init->idle) {
        struct pollfd watched[] = {{.fd = init->signals, .events = POLLIN},
                                   {.fd = init->output[0], .events = POLLIN}};
        int ready = poll(watched, ARRAY_LEN(watched), milliseconds_until(deadline_ns));
        if (ready == 0)
            return;
        if (ready < 0)
            continue;
        if (watched[1].revents)
            (void)keep_output(init);
        if (watched[0].revents)
            handle_signals(init);
    }
}

static int milliseconds_until(uint64_t deadline_ns)
{
    const uint64_t now_ns = clock_boot_ns();
    if (deadline_ns == 0)
        return -1;
    return now_ns < deadline_ns ? (int)((deadline_ns - now_ns) / NS_PER_MS) + 1 : 0;
}

static void handle_signals(struct init *init)
{
    struct signalfd_siginfo came;
    while (read(init->signals, &came, sizeof(came)) == (ssize_t)sizeof(came)) {
        if (asks_for_end(came.ssi_signo))
            init->ended_by = came.ssi_signo;
        if (came.ssi_signo == SIGCHLD)
            reap(init);
        /* SIGTTIN and SIGTTOU are about our own use of a terminal, which there is none of. */
        else if (came.ssi_signo != SIGTTIN && came.ssi_signo != SIGTTOU && init->child != 0)
            kill(init->child, (int)came.ssi_signo);
        else if (init->idle && asks_for_end(came.ssi_signo))
            init->idle = false;
    }
}

static bool asks_for_end(uint32_t signal)
{
    return signal == SIGTERM || signal == SIGINT || signal == SIGQUIT || signal == SIGPWR;
}

static void reap(struct init *init)
{
    pid_t pid = 0;
    int status = 0;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != init->child)
            continue;
        init->child = 0;
        init->status = WIFSIGNALED(status) ? STATUS_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
    }
}

/* Return: whether there may be more to read */
static bool keep_output(struct init *init)
{
    static char buf[4096];
    if (init->output[0] < 0)
        return false;
    ssize_t got = read(init->output[0], buf, sizeof(buf));
    if (got > 0) {
        keep_write(&init->keep, buf, (size_t)got);
        return true;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    fd_close(&init->output[0]); /* everybody closed it: poll() would report that for ever */
    return false;
}
