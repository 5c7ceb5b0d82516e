/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pidmax - kernel.pid_max, raised while Croft runs
 *
 * The old value stands in CROFT_RUN_DIR: that directory is emptied by a reboot, and so is the
 * kernel's setting.
 */
#include "cli/host.h"
#include "croft-paths.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "wire/limits.h"

#define PID_MAX_PATH "/proc/sys/kernel/pid_max"
#define SAVED_PATH   CROFT_RUN_DIR "/pid_max.before"

static int read_number(const char *path, uint64_t *ret_number)
{
    auto_close fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char text[32];
    ssize_t got;

    if (fd < 0)
        return -errno;
    got = fd_read_full(fd, text, sizeof(text) - 1);
    if (got < 0)
        return (int)got;
    text[got] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return str_u64(text, 1, INT32_MAX, ret_number);
}

static int write_number(const char *path, int flags, uint64_t number)
{
    auto_close fd = openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0644);
    char text[32];
    int r;

    if (fd < 0)
        return -errno;
    r = str_format(text, sizeof(text), "%" PRIu64 "\n", number);
    return r < 0 ? r : fd_write_full(fd, text, strlen(text));
}

int host_raise_pid_max(struct err *err)
{
    uint64_t now = 0;
    int r = read_number(PID_MAX_PATH, &now);

    if (r == 0 && now >= HOST_PID_MAX)
        return 0;
    /* What an earlier start wrote down is the value to go back to. */
    if (r == 0)
        r = write_number(SAVED_PATH, O_CREAT | O_EXCL, now);
    if (r == -EEXIST)
        r = 0;
    if (r == 0)
        r = write_number(PID_MAX_PATH, 0, HOST_PID_MAX);
    if (r < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, r,
                         "kernel.pid_max cannot be raised to %u, so users would share a small "
                         "number of processes",
                         HOST_PID_MAX);
    return 0;
}

int host_restore_pid_max(struct err *err)
{
    uint64_t before = 0;
    uint64_t now = 0;
    int r = read_number(SAVED_PATH, &before);

    if (r == -ENOENT)
        return 0;
    if (r == 0)
        r = read_number(PID_MAX_PATH, &now);
    if (r == 0 && now == HOST_PID_MAX)
        r = write_number(PID_MAX_PATH, 0, before);
    if (r == 0 && unlinkat(AT_FDCWD, SAVED_PATH, 0) < 0)
        r = -errno;
    if (r < 0)
        return err_errno(err, OUTCOME_FAILED, r, "putting kernel.pid_max back from %s", SAVED_PATH);
    return 0;
}
