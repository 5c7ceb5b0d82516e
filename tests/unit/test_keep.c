/* SPDX-License-Identifier: Apache-2.0 */
/* test_keep - the log of a machine: bounded, in turn, found again after a restart, never failing */
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "init/keep.h"
#include "wire/limits.h"
#include "wire/logfile.h"

struct pair {
    int fd[2];
};

static int make_pair(void **state)
{
    static struct pair pair;
    for (int i = 0; i < 2; i++)
        pair.fd[i] = memfd_create("log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    *state = &pair;
    return 0;
}

static int drop_pair(void **state)
{
    struct pair *pair = *state;
    close(pair->fd[0]);
    close(pair->fd[1]);
    return 0;
}

static struct logfile_header header_of(int fd)
{
    struct logfile_header header = {0};
    ssize_t got = pread(fd, &header, sizeof(header), 0);
    return got == (ssize_t)sizeof(header) ? header : (struct logfile_header){0};
}

static off_t size_of(int fd)
{
    struct stat found;
    assert_int_equal(fstat(fd, &found), 0);
    return found.st_size;
}

static void begins_when_something_comes(void **state)
{
    struct pair *pair = *state;
    struct keep keep;
    char text[6] = "";
    keep_open(&keep, pair->fd[0], pair->fd[1]);
    assert_int_equal(size_of(pair->fd[0]), 0);
    keep_write(&keep, "hello", 5);
    assert_int_equal(header_of(pair->fd[0]).seq, 1);
    assert_int_equal(pread(pair->fd[0], text, 5, sizeof(struct logfile_header)), 5);
    assert_string_equal(text, "hello");
    assert_int_equal(size_of(pair->fd[1]), 0);
}

static void turns_and_stays_bounded(void **state)
{
    static char chunk[10007];
    struct pair *pair = *state;
    struct keep keep;
    keep_open(&keep, pair->fd[0], pair->fd[1]);
    memset(chunk, 'x', sizeof(chunk));
    for (size_t sent = 0; sent < 5 * LOG_FILE_BYTES; sent += sizeof(chunk)) {
        keep_write(&keep, chunk, sizeof(chunk));
        assert_true(size_of(pair->fd[0]) <= (off_t)LOG_FILE_BYTES);
        assert_true(size_of(pair->fd[1]) <= (off_t)LOG_FILE_BYTES);
    }
    uint64_t first = header_of(pair->fd[0]).seq;
    uint64_t second = header_of(pair->fd[1]).seq;
    assert_true(first + 1 == second || second + 1 == first);
    assert_true(first >= 5 || second >= 5);
    assert_int_equal(keep.dropped, 0);
}

static void goes_on_after_a_restart(void **state)
{
    struct pair *pair = *state;
    struct keep keep;
    keep_open(&keep, pair->fd[0], pair->fd[1]);
    keep_write(&keep, "one", 3);
    keep_open(&keep, pair->fd[0], pair->fd[1]);
    keep_write(&keep, "two", 3);
    assert_int_equal(size_of(pair->fd[0]), sizeof(struct logfile_header) + 6);
    assert_int_equal(header_of(pair->fd[0]).seq, 1);
}

static void what_is_no_log_is_begun_anew(void **state)
{
    struct pair *pair = *state;
    struct keep keep;
    assert_int_equal(fd_write_full(pair->fd[0], "garbage garbage garbage", 23), 0);
    assert_int_equal(fd_write_full(pair->fd[1], "x", 1), 0);
    keep_open(&keep, pair->fd[0], pair->fd[1]);
    keep_write(&keep, "y", 1);
    assert_int_equal(header_of(pair->fd[0]).magic, LOGFILE_MAGIC);
    assert_int_equal(size_of(pair->fd[0]), sizeof(struct logfile_header) + 1);
}

static void counts_what_does_not_fit(void **state)
{
    struct pair *pair = *state;
    struct keep keep;
    keep_open(&keep, pair->fd[0], pair->fd[1]);
    keep_write(&keep, "kept", 4);
    int ours = pair->fd[0];
    keep.fd[0] = -1; /* every write fails, as on a full disk */
    keep_write(&keep, "lost", 4);
    keep_write(&keep, "more", 4);
    assert_int_equal(keep.dropped, 8);
    keep.fd[0] = ours;
    keep_write(&keep, "back", 4);
    assert_int_equal(keep.dropped, 0);
    char text[128] = "";
    assert_true(pread(ours, text, sizeof(text) - 1, sizeof(struct logfile_header)) > 0);
    assert_non_null(strstr(text, "kept\n["));
    assert_non_null(strstr(text, "bytes lost: 8]\nback"));
}

int main(void)
{
#define WITH_PAIR(test) cmocka_unit_test_setup_teardown(test, make_pair, drop_pair)
    const struct CMUnitTest tests[] = {
        WITH_PAIR(begins_when_something_comes), WITH_PAIR(turns_and_stays_bounded),
        WITH_PAIR(goes_on_after_a_restart),     WITH_PAIR(what_is_no_log_is_begun_anew),
        WITH_PAIR(counts_what_does_not_fit),
    };
    return cmocka_run_group_tests_name("keep", tests, NULL, NULL);
}
