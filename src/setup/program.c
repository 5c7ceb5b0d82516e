/* SPDX-License-Identifier: Apache-2.0 */
/* program - runs useradd, mke2fs and kin: absolute path, fixed arguments, empty environment */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/path.h"
#include "setup/setup_internal.h"

#define OUTPUT_SIZE 256

static size_t collect(int fd, char *text, size_t size);

int program_run(const char *const *argv, struct err *err)
{
    char text[OUTPUT_SIZE];
    char *const empty[] = {NULL};
    int status;
    int pair[2];

    if (pipe2(pair, O_CLOEXEC) < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, -errno, "cannot run %s", argv[0]);
    auto_close output = pair[0];
    auto_close input = pair[1];
    auto_close null = path_root("/dev/null", O_RDONLY);
    pid_t pid = null < 0 ? -1 : fork();
    if (pid < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, null < 0 ? null : -errno, "cannot run %s",
                         argv[0]);
    if (pid == 0) {
        if (dup2(null, STDIN_FILENO) == STDIN_FILENO && dup2(input, STDOUT_FILENO) >= 0 &&
            dup2(input, STDERR_FILENO) >= 0)
            execve(argv[0], (char *const *)(uintptr_t)argv, empty);
        _exit(127);
    }
    fd_close(&input);
    size_t size = collect(output, text, sizeof(text));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_errno(err, OUTCOME_HOST_CANNOT, -errno, "cannot wait for %s", argv[0]);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return err_set(err, OUTCOME_HOST_CANNOT, "cannot execute %s; install its package", argv[0]);
    return err_set(err, OUTCOME_HOST_CANNOT, "%s failed: %s", argv[0],
                   size == 0 ? "it says nothing" : text);
}

/* The first line goes to @text, the rest is read so that the program is not stopped by a full pipe.
 */
static size_t collect(int fd, char *text, size_t size)
{
    char rest[OUTPUT_SIZE];
    ssize_t got = fd_read_full(fd, text, size - 1);
    size_t length = got < 0 ? 0 : (size_t)got;

    while (read(fd, rest, sizeof(rest)) > 0)
        continue;
    text[length] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return strlen(text);
}
