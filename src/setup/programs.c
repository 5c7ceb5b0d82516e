/* SPDX-License-Identifier: Apache-2.0 */
/* programs - executes programs of the host; beside croft-net, which runs nft, nothing else does */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "linux/path.h"
#include "setup/setup.h"

#define SAID_SIZE           256U
#define KILL_ROUNDS         200
#define KILL_WAIT_NS        10000000L
#define EXIT_CANNOT_EXECUTE 127

static noreturn_fn void become(const char *const *argv, int null, int output);
static void read_said(int output, char *said);
static noreturn_fn void kill_as(uid_t uid, gid_t gid);
static int has_processes(uid_t uid);

int program_run(const char *const *argv, struct err *err)
{
    char said[SAID_SIZE] = "";
    int ends[2];
    int status;

    auto_close null = path_root("/dev/null", O_RDWR);
    if (null < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, null < 0 ? null : -errno, "cannot run %s",
                         argv[0]);
    auto_close output = ends[0];
    auto_close input = ends[1];
    pid_t pid = fork();
    if (pid < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, -errno, "cannot run %s", argv[0]);
    if (pid == 0)
        become(argv, null, input);
    fd_close(&input);
    read_said(output, said);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_errno(err, OUTCOME_FAILED, -errno, "cannot wait for %s", argv[0]);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return err_set(err, OUTCOME_HOST_CANNOT, "%s failed (%s %d): %s", argv[0],
                   WIFEXITED(status) ? "exit status" : "signal",
                   WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), said);
}

int program_kill_all(uid_t uid, gid_t gid)
{
    const struct timespec wait = {.tv_nsec = KILL_WAIT_NS};

    /* A process that forks while it is killed may leave a child; the next round gets it. */
    for (int i = 0; i < KILL_ROUNDS; i++) {
        int status;
        pid_t pid = fork();
        if (pid < 0)
            return -errno;
        if (pid == 0)
            kill_as(uid, gid);
        if (waitpid(pid, &status, 0) < 0)
            return -errno;
        int rc = has_processes(uid);
        if (rc <= 0)
            return rc;
        nanosleep(&wait, NULL);
    }
    return -EBUSY;
}

/* kill(2) of -1 succeeds whether or not there was anybody, so this looks. Return: 1; 0; -errno */
static int has_processes(uid_t uid)
{
    auto_close proc = path_root("/proc", O_RDONLY | O_DIRECTORY);
    int copy = proc < 0 ? proc : fcntl(proc, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (copy < 0)
        return proc < 0 ? proc : -errno;
    DIR *list = fdopendir(copy);
    if (list == NULL) {
        fd_close(&copy);
        return -ENOMEM;
    }
    const struct dirent *entry;
    int found = 0;
    while (!found && (entry = readdir(list)) != NULL) {
        struct stat meta;
        uint64_t pid = 0;
        if (str_u64(entry->d_name, 1, INT32_MAX, &pid) == 0 &&
            path_stat(proc, entry->d_name, &meta) == 0)
            found = meta.st_uid == uid;
    }
    closedir(list);
    return found;
}

static void become(const char *const *argv, int null, int output)
{
    static char *const envp[] = {NULL};

    if (dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(output, STDERR_FILENO) < 0 || signal(SIGPIPE, SIG_DFL) == SIG_ERR || chdir("/") < 0)
        _exit(EXIT_CANNOT_EXECUTE);
    execve(argv[0], (char *const *)(uintptr_t)argv, envp);
    _exit(EXIT_CANNOT_EXECUTE);
}

/* Keeps its first line, and reads the rest away so that it never waits for us. */
static void read_said(int output, char *said)
{
    char rest[SAID_SIZE];
    ssize_t got = fd_read_full(output, said, SAID_SIZE - 1);
    said[got < 0 ? 0 : got] = '\0';
    said[strcspn(said, "\n")] = '\0';
    while (got > 0)
        got = fd_read_full(output, rest, sizeof(rest));
}

/* As that user: the kernel then lets it kill nothing that is not hers. */
static void kill_as(uid_t uid, gid_t gid)
{
    if (uid == 0 || setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
        setresuid(uid, uid, uid) < 0)
        _exit(EPERM);
    /* -1: all it may signal, but itself */
    _exit(kill(-1, SIGKILL) < 0 ? errno : 0);
}
