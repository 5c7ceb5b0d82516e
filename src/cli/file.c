/* SPDX-License-Identifier: Apache-2.0 */
/* file - the files that a person names on the command line, opened as that person */
#include "cli/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

int file_open(const struct cli *cli, const char *path, int *ret_fd, struct err *err)
{
    struct stat st;
    int fd;

    if (strcmp(path, "-") == 0)
        fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    else if (cli->gate)
        return err_set(err, OUTCOME_NOT_PERMITTED,
                       "%.200s: no files of the server over ssh: give - and send it as standard "
                       "input",
                       path);
    else
        fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_errno(err, errno == ENOENT ? OUTCOME_NOT_FOUND : OUTCOME_FAILED, -errno,
                         "%.200s", path);
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        fd_close(&fd);
        return err_set(err, OUTCOME_USAGE, "%.200s is a directory: give a file or -", path);
    }
    *ret_fd = fd;
    return 0;
}

int file_read(const struct cli *cli, const char *path, char *buf, size_t size, size_t *ret_size,
              struct err *err)
{
    auto_close fd = -1;
    ssize_t got;
    char more;
    int r = file_open(cli, path, &fd, err);

    if (r != 0)
        return r;
    got = fd_read_full(fd, buf, size);
    if (got < 0)
        return err_errno(err, OUTCOME_FAILED, (int)got, "%.200s", path);
    if ((size_t)got == size && fd_read_full(fd, &more, 1) != 0)
        return err_set(err, OUTCOME_USAGE, "%.200s is longer than %zu bytes", path, size);
    *ret_size = (size_t)got;
    return 0;
}
