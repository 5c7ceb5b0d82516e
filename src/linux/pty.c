/* SPDX-License-Identifier: Apache-2.0 */
/* pty - a terminal of a given devpts */
#include "linux/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/path.h"

int pty_open(int dir, const char *name, uint16_t rows, uint16_t columns, int *ret_master,
             int *ret_slave)
{
    const struct winsize size = {.ws_row = rows, .ws_col = columns};
    struct statfs found;
    int locked = 0;
    /* O_NONBLOCK: a FIFO put in its place must not hold us. */
    auto_close master = path_open_xdev(dir, name, O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (master < 0)
        return master;
    if (fstatfs(master, &found) < 0)
        return -errno;
    if ((unsigned long)found.f_type != DEVPTS_SUPER_MAGIC)
        return -ENOTTY;
    if (ioctl(master, TIOCSPTLCK, &locked) < 0)
        return -errno;
    /* By descriptor: /dev/pts/N by name could be another file by now. */
    auto_close slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return -errno;
    if ((rows != 0 || columns != 0) && ioctl(slave, TIOCSWINSZ, &size) < 0)
        return -errno;
    if (fcntl(master, F_SETFL, O_RDWR) < 0)
        return -errno;
    *ret_master = take_fd(&master);
    *ret_slave = take_fd(&slave);
    return 0;
}

int pty_control(int slave)
{
    if (setsid() < 0 && errno != EPERM)
        return -errno;
    return ioctl(slave, TIOCSCTTY, 0) < 0 ? -errno : 0;
}
