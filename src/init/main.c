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
#define LOG_FD 4

/*
 * child:   the command; 0 once it has ended, with its status
 * idle:    there is no command, and nobody asked for the end yet
 * output:  reading end of what it prints, -1 without a log
 */
struct init {
    struct options options;
    struct keep keep;
    pid_t child;
    int status;
    bool idle;
    int signals;
    int output;
};

static void start_command(struct init *init, const char *const *envp);
static void be_expendable(void);
noreturn_fn static void become_command(const struct options *options, const char *const *envp);
noreturn_fn static void give_up(int status, const char *what, const char *name, int rc);
static void forget_pages(void);
static void serve(struct init *init);
static void handle_signals(struct init *init);
static bool asks_for_end(uint32_t signal);
static void reap(struct init *init);
static bool keep_output(struct init *init);

int main(int argc, char **argv)
{
    static struct init init = {.output = -1};
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
    init.idle = strcmp(init.options.command[0], "-") == 0 && !init.options.command[1];
    if (!init.idle)
        start_command(&init, envp);
    /* The command alone holds its terminal and pipes, so that who reads them sees its end. */
    close_range(STDIN_FILENO, STDERR_FILENO, 0);
    forget_pages();
    serve(&init);
    while (keep_output(&init))
        ;
    return init.status;
}

static void start_command(struct init *init, const char *const *envp)
{
    int output[2] = {-1, -1};
    if (init->options.log) {
        for (int i = 0; i < 2; i++)
            if (fcntl(LOG_FD + i, F_SETFD, FD_CLOEXEC) < 0)
                give_up(STATUS_CANNOT_EXECUTE, "no log files", NULL, -errno);
        keep_open(&init->keep, LOG_FD, LOG_FD + 1);
        /* Only our end may not wait: the command's must, as any pipe does. */
        if (pipe2(output, O_CLOEXEC) < 0 || fd_set_nonblock(output[0]) < 0)
            give_up(STATUS_CANNOT_EXECUTE, "cannot make a pipe for the log", NULL, -errno);
    }
    init->child = fork();
    if (init->child < 0)
        give_up(STATUS_CANNOT_EXECUTE, "cannot start a process", NULL, -errno);
    if (init->child == 0) {
        sigset_t none;
        sigemptyset(&none);
        setsid();
        if (init->options.terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
            give_up(STATUS_CANNOT_EXECUTE, "cannot take the terminal", NULL, -errno);
        if (init->options.log &&
            (dup2(output[1], STDOUT_FILENO) < 0 || dup2(output[1], STDERR_FILENO) < 0))
            give_up(STATUS_CANNOT_EXECUTE, "cannot use the pipe for the log", NULL, -errno);
        sigprocmask(SIG_SETMASK, &none, NULL);
        be_expendable();
        become_command(&init->options, envp);
    }
    fd_close(&output[1]);
    init->output = output[0];
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
        rc = user_find(options->user, &user);
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

static void serve(struct init *init)
{
    while (init->child != 0 || init->idle) {
        struct pollfd watched[] = {{.fd = init->signals, .events = POLLIN},
                                   {.fd = init->output, .events = POLLIN}};
        if (poll(watched, ARRAY_LEN(watched), -1) < 0)
            continue;
        if (watched[1].revents)
            (void)keep_output(init);
        if (watched[0].revents)
            handle_signals(init);
    }
}

static void handle_signals(struct init *init)
{
    struct signalfd_siginfo came;
    while (read(init->signals, &came, sizeof(came)) == (ssize_t)sizeof(came)) {
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
    if (init->output < 0)
        return false;
    ssize_t got = read(init->output, buf, sizeof(buf));
    if (got > 0) {
        keep_write(&init->keep, buf, (size_t)got);
        return true;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    fd_close(&init->output); /* everybody closed it: poll() would report that for ever */
    return false;
}
