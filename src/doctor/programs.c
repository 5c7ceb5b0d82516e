/* SPDX-License-Identifier: Apache-2.0 */
/* programs - what a few programs of the host print */
#include "doctor/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "linux/path.h"

#define OUTPUT_MAX (64U * 1024U * 1024U)
#define CHUNK      65536U
#define CANNOT     127
#define WAIT_S     10U

static const char *const nft_list[] = {"/usr/sbin/nft", "-j", "list", "ruleset", NULL};
static const char *const nft_load[] = {"/usr/sbin/nft", "-f", "-", NULL};

static pid_t start(const char *const *argv, int input, int output);
static bool is_success(pid_t pid);
static char *read_all(int from);

char *program_ruleset(void)
{
    int ends[2];

    auto_close null = path_root("/dev/null", O_RDWR);
    if (null < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return NULL;
    auto_close from = ends[0];
    auto_close to = ends[1];
    pid_t pid = start(nft_list, null, to);
    fd_close(&to);
    auto_free char *text = pid < 0 ? NULL : read_all(from);
    return pid >= 0 && is_success(pid) ? take_ptr(text) : NULL;
}

bool program_nft(const char *rules)
{
    int ends[2];

    auto_close null = path_root("/dev/null", O_RDWR);
    if (null < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return false;
    auto_close from = ends[0];
    auto_close to = ends[1];
    pid_t pid = start(nft_load, from, null);
    fd_close(&from);
    /* Shorter than a pipe holds, so nobody waits for a reader that ended. */
    bool is_written = pid >= 0 && fd_write_full(to, rules, strlen(rules)) == 0;
    fd_close(&to);
    return pid >= 0 && is_success(pid) && is_written;
}

int program_child(int (*probe)(void))
{
    int status;
    pid_t pid = fork();

    if (pid < 0)
        return -errno;
    if (pid == 0) {
        (void)alarm(WAIT_S);
        _exit(probe());
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

static pid_t start(const char *const *argv, int input, int output)
{
    static char *const envp[] = {NULL};
    pid_t pid = fork();

    if (pid != 0)
        return pid < 0 ? -errno : pid;
    auto_close null = path_root("/dev/null", O_RDWR);
    (void)alarm(WAIT_S); /* survives the exec */
    if (dup2(input, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 || null < 0 ||
        dup2(null, STDERR_FILENO) < 0 || signal(SIGPIPE, SIG_DFL) == SIG_ERR || chdir("/") < 0)
        _exit(CANNOT);
    execve(argv[0], (char *const *)(uintptr_t)argv, envp);
    _exit(CANNOT);
}

static bool is_success(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static char *read_all(int from)
{
    auto_free char *text = NULL;
    size_t size = 0;
    ssize_t got = 1;

    while (got > 0 && size <= OUTPUT_MAX) {
        text = mem_grow(text, size + CHUNK + 1, 1);
        got = fd_read_full(from, text + size, CHUNK);
        if (got < 0)
            return NULL;
        size += (size_t)got;
    }
    text[size] = '\0';
    return take_ptr(text);
}
