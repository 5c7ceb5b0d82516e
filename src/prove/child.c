/* SPDX-License-Identifier: Apache-2.0 */
/* child - programs and forked bodies that the proof runs, each with three pipes */
#include "prove/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"

struct ends {
    int parent[3];
    int child[3];
};

static void ends_close(int ends[3])
{
    for (int i = 0; i < 3; i++)
        fd_close(&ends[i]);
}

/* Makes the three pipes: 0 is written by us, 1 and 2 are read by us. */
static int ends_open(struct ends *ends)
{
    for (int i = 0; i < 3; i++) {
        int pair[2];

        if (pipe2(pair, O_CLOEXEC) < 0) {
            int error = -errno;

            ends_close(ends->parent);
            ends_close(ends->child);
            return error;
        }
        ends->child[i] = pair[i == 0 ? 0 : 1];
        ends->parent[i] = pair[i == 0 ? 1 : 0];
    }
    return 0;
}

/* In the child: becomes @uid and executes. Only returns on failure. */
static int become(const char *const *argv, uid_t uid, gid_t gid, const int ends[3])
{
    char *const empty[] = {NULL};

    for (int i = 0; i < 3; i++)
        if (dup2(ends[i], i) < 0)
            return 127;
    if (setgroups(uid ? 1 : 0, &gid) < 0 || setresgid(gid, gid, gid) < 0 ||
        setresuid(uid, uid, uid) < 0 || chdir("/") < 0)
        return 127;
    /* When this program is killed, nothing that it started stays. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)setsid();
    (void)execve(argv[0], (char *const *)(uintptr_t)argv, empty);
    return 127;
}

static void adopt(struct child *ret_child, pid_t pid, struct ends *ends)
{
    ends_close(ends->child);
    *ret_child = (struct child){
        .pid = pid, .in = ends->parent[0], .out = ends->parent[1], .err = ends->parent[2]};
}

int child_exec(const char *const *argv, uid_t uid, gid_t gid, struct child *ret_child)
{
    struct ends ends = {{-1, -1, -1}, {-1, -1, -1}};
    int error = ends_open(&ends);

    if (error < 0)
        return error;
    pid_t pid = fork();
    if (pid == 0)
        _exit(become(argv, uid, gid, ends.child));
    if (pid < 0) {
        error = -errno;
        ends_close(ends.parent);
        ends_close(ends.child);
        return error;
    }
    adopt(ret_child, pid, &ends);
    return 0;
}

int child_fork(child_body_fn body, void *data, struct child *ret_child)
{
    struct ends ends = {{-1, -1, -1}, {-1, -1, -1}};
    int error = ends_open(&ends);

    if (error < 0)
        return error;
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        ends_close(ends.parent);
        fd_close(&ends.child[2]);
        _exit(body(data, ends.child[0], ends.child[1]));
    }
    if (pid < 0) {
        error = -errno;
        ends_close(ends.parent);
        ends_close(ends.child);
        return error;
    }
    adopt(ret_child, pid, &ends);
    return 0;
}

/* Waits until @fd can be read. Return: 0; -ETIMEDOUT; -errno */
static int wait_readable(int fd, uint64_t deadline_boot_ns)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    for (;;) {
        uint64_t now = clock_boot_ns();
        if (now >= deadline_boot_ns)
            return -ETIMEDOUT;
        int ready = poll(&poll_fd, 1, (int)((deadline_boot_ns - now) / NS_PER_MS) + 1);
        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return -errno;
    }
}

ssize_t child_line(struct child *child, char *line, size_t size, unsigned timeout_ms)
{
    uint64_t deadline = clock_boot_ns() + timeout_ms * NS_PER_MS;
    size_t length = 0;

    while (length + 1 < size) {
        int error = wait_readable(child->out, deadline);
        if (error < 0)
            return error;
        ssize_t got = read(child->out, line + length, 1);
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        if (line[length++] == '\n')
            break;
    }
    line[length] = '\0';
    return length + 1 < size ? (ssize_t)length : -EMSGSIZE;
}

int child_bytes(struct child *child, void *bytes, size_t size, unsigned timeout_ms)
{
    uint64_t deadline = clock_boot_ns() + timeout_ms * NS_PER_MS;
    size_t done = 0;

    while (done < size) {
        int error = wait_readable(child->out, deadline);
        if (error < 0)
            return error;
        ssize_t got = read(child->out, (char *)bytes + done, size - done);
        if (got < 0)
            return -errno;
        if (got == 0)
            return -EPIPE;
        done += (size_t)got;
    }
    return 0;
}

void child_error(struct child *child, char *line, size_t size)
{
    struct pollfd poll_fd = {.fd = child->err, .events = POLLIN};
    ssize_t got = 0;

    if (child->err >= 0 && poll(&poll_fd, 1, 0) > 0)
        got = read(child->err, line, size - 1);
    line[got > 0 ? got : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    str_printable(line);
}

int child_end(struct child *child, unsigned timeout_ms)
{
    uint64_t deadline = clock_boot_ns() + timeout_ms * NS_PER_MS;
    const struct timespec pause = {.tv_nsec = (long)NS_PER_MS};
    int status = 0;
    pid_t done = 0;

    fd_close(&child->in);
    if (child->pid <= 0)
        return -ECHILD;
    while ((done = waitpid(child->pid, &status, WNOHANG)) == 0 && clock_boot_ns() < deadline)
        (void)nanosleep(&pause, NULL);
    if (done == 0) {
        (void)kill(child->pid, SIGKILL);
        done = waitpid(child->pid, &status, 0);
    }
    fd_close(&child->out);
    fd_close(&child->err);
    child->pid = 0;
    if (done < 0)
        return -ECHILD;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Moves @input to the child and its outputs to @output until both outputs end. */
static int pump(struct child *child, const char *input, size_t input_size, char *output,
                size_t size, uint64_t deadline_boot_ns)
{
    size_t sent = 0, length = 0;
    char scrap[4096];

    while (child->out >= 0 || child->err >= 0) {
        struct pollfd fds[3] = {{.fd = child->in, .events = POLLOUT},
                                {.fd = child->out, .events = POLLIN},
                                {.fd = child->err, .events = POLLIN}};
        int *const ours[] = {&child->in, &child->out, &child->err};

        if (sent == input_size)
            fd_close(&child->in);
        fds[0].fd = child->in;
        if (clock_boot_ns() >= deadline_boot_ns)
            return -ETIMEDOUT;
        if (poll(fds, 3, 100) < 0 && errno != EINTR)
            return -errno;
        if (fds[0].revents) {
            ssize_t done =
                write(child->in, input + sent, input_size - sent > 4096 ? 4096 : input_size - sent);
            sent = done > 0 ? sent + (size_t)done : input_size;
        }
        for (int i = 1; i < 3; i++) {
            if (!fds[i].revents)
                continue;
            ssize_t got = read(*ours[i], scrap, sizeof(scrap));
            if (got <= 0)
                fd_close(ours[i]);
            for (ssize_t j = 0; j < got && output && length + 1 < size; j++)
                output[length++] = scrap[j];
        }
    }
    if (output && size)
        output[length] = '\0';
    return 0;
}

int child_run(const char *const *argv, uid_t uid, gid_t gid, const void *input, size_t input_size,
              char *output, size_t size, unsigned timeout_ms)
{
    struct child child = CHILD_NONE;
    int error = child_exec(argv, uid, gid, &child);

    if (output && size)
        output[0] = '\0';
    if (error < 0)
        return error;
    error = pump(&child, input, input_size, output, size, clock_boot_ns() + timeout_ms * NS_PER_MS);
    int status = child_end(&child, error < 0 ? 0 : timeout_ms);
    return error < 0 ? error : status;
}
