/* SPDX-License-Identifier: Apache-2.0 */
/* test_base - err, log, mem, clock and the descriptor helpers */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"

static void err_replaces_control_characters(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(err_set(&err, OUTCOME_NOT_FOUND, "no machine named %s", "a\n\033[2Jb"), 3);
    assert_int_equal(err.outcome, OUTCOME_NOT_FOUND);
    assert_string_equal(err.text, "no machine named a??[2Jb");
}

static void err_cuts_what_is_too_long(void **state)
{
    char long_text[2 * ERR_TEXT_SIZE];
    struct err err;

    (void)state;
    memset(long_text, 'x', sizeof(long_text));
    long_text[sizeof(long_text) - 1] = '\0';
    err_set(&err, OUTCOME_FAILED, "%s", long_text);
    assert_int_equal(strlen(err.text), ERR_TEXT_SIZE - 1);
    err_errno(&err, OUTCOME_FAILED, -ENOENT, "%s", long_text);
    assert_int_equal(strlen(err.text), ERR_TEXT_SIZE - 1);
}

static void err_errno_adds_the_reason(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(err_errno(&err, OUTCOME_HOST_CANNOT, -ENOSPC, "writing %s", "x"), 6);
    assert_string_equal(err.text, "writing x: No space left on device");
    err_errno(&err, OUTCOME_FAILED, -9999, "reading");
    assert_string_equal(err.text, "reading: error 9999");
}

static void bug_aborts(void **state)
{
    int status;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        if (null >= 0)
            dup2(null, STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        croft_bug("on purpose");
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void log_is_one_line(void **state)
{
    char line[128] = "";
    auto_close saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    int pipes[2];

    (void)state;
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    dup2(pipes[1], STDERR_FILENO);
    log_line(LOG_LEVEL_WARNING, "user %s", "a\nb\033");
    dup2(saved, STDERR_FILENO);
    close(pipes[1]);
    assert_true(fd_read_full(pipes[0], line, sizeof(line) - 1) > 0);
    close(pipes[0]);
    assert_string_equal(line, "<4>user a?b?\n");
}

static void mem_is_zeroed_and_handed_over(void **state)
{
    auto_free char *text = mem_new(16, 1);
    char *taken;

    (void)state;
    assert_int_equal(text[15], 0);
    taken = take_ptr(text);
    assert_null(text);
    taken = mem_grow(taken, 64, 1);
    taken[63] = 'x';
    free(taken);
    taken = mem_new(0, 8);
    assert_non_null(taken);
    free(taken);
}

static void clocks_run(void **state)
{
    uint64_t first = clock_boot_ns();

    (void)state;
    assert_true(clock_boot_ns() >= first);
    assert_true(clock_wall_ns() > 1700000000ULL * NS_PER_S);
}

static void full_read_and_write(void **state)
{
    char bytes[8] = "";
    int pipes[2];

    (void)state;
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_int_equal(fd_write_full(pipes[1], "abc", 3), 0);
    assert_int_equal(fd_write_full(pipes[1], "de", 2), 0);
    fd_close(&pipes[1]);
    assert_int_equal(pipes[1], -1);
    assert_int_equal(fd_read_full(pipes[0], bytes, sizeof(bytes)), 5);
    assert_string_equal(bytes, "abcde");
    fd_close(&pipes[0]);
    assert_int_equal(fd_write_full(-1, "x", 1), -EBADF);
    assert_int_equal(fd_read_full(-1, bytes, 1), -EBADF);
}

static void nonblocking_read_does_not_wait(void **state)
{
    char byte;
    int pipes[2];

    (void)state;
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_int_equal(fd_set_nonblock(pipes[0]), 0);
    assert_int_equal(fd_read_full(pipes[0], &byte, 1), -EAGAIN);
    fd_close(&pipes[0]);
    fd_close(&pipes[1]);
}

static void expect_pipe(int fd, int expected)
{
    assert_true(fd >= 0);
    assert_int_equal(fd_is_pipe(fd), expected);
    close(fd);
}

static void only_anonymous_pipes_pass(void **state)
{
    char fifo[] = "/tmp/croft-unit-XXXXXX";
    int pair[2];

    (void)state;
    assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
    expect_pipe(pair[0], 1);
    expect_pipe(pair[1], 1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    expect_pipe(pair[0], 0);
    close(pair[1]);
    expect_pipe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 0);
    expect_pipe(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 0);
    expect_pipe(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
    expect_pipe(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0);
    expect_pipe(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), 0);
    assert_non_null(mkdtemp(fifo));
    rmdir(fifo);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    expect_pipe(open(fifo, O_RDWR | O_CLOEXEC), 0);
    expect_pipe(open(fifo, O_PATH | O_CLOEXEC), 0);
    unlink(fifo);
    assert_int_equal(fd_is_pipe(-1), -EBADF);
}

/* In a child: the places overlap the sources, one descriptor is wanted twice. */
static int place_in_child(void)
{
    static const char mark[3] = "abc";
    int pipes[3][2];
    int fds[4];
    size_t i;

    for (i = 0; i < 3; i++)
        if (pipe2(pipes[i], O_CLOEXEC) < 0 || fd_write_full(pipes[i][1], &mark[i], 1) < 0)
            return 1;
    fds[0] = pipes[2][0];
    fds[1] = pipes[0][0];
    fds[2] = pipes[1][0];
    fds[3] = pipes[0][1];
    if (fd_place(3, fds, ARRAY_LEN(fds)) != 0)
        return 2;
    for (i = 0; i < 3; i++) {
        char byte = 0;

        if (read(3 + (int)i, &byte, 1) != 1 || byte != "cab"[i])
            return 3;
        if (fcntl(3 + (int)i, F_GETFD) & FD_CLOEXEC)
            return 4;
    }
    for (i = 7; i < 64; i++)
        if (fcntl((int)i, F_GETFD) >= 0)
            return 5;
    return fcntl(2, F_GETFD) < 0 ? 6 : 0;
}

static void place_sorts_and_closes(void **state)
{
    int status;
    pid_t pid = fork();

    (void)state;
    if (pid == 0)
        _exit(place_in_child());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err_replaces_control_characters),
        cmocka_unit_test(err_cuts_what_is_too_long),
        cmocka_unit_test(err_errno_adds_the_reason),
        cmocka_unit_test(bug_aborts),
        cmocka_unit_test(log_is_one_line),
        cmocka_unit_test(mem_is_zeroed_and_handed_over),
        cmocka_unit_test(clocks_run),
        cmocka_unit_test(full_read_and_write),
        cmocka_unit_test(nonblocking_read_does_not_wait),
        cmocka_unit_test(only_anonymous_pipes_pass),
        cmocka_unit_test(place_sorts_and_closes),
    };

    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
