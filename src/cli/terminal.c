/* SPDX-License-Identifier: Apache-2.0 */
/* terminal - the caller's own terminal: raw mode and back, and its size */
#include "cli/terminal.h"

#include <errno.h>
#include <sys/ioctl.h>

int terminal_raw(struct terminal *terminal, int fd)
{
    struct termios raw;

    terminal->fd = -1;
    if (tcgetattr(fd, &terminal->saved) < 0)
        return -errno;
    raw = terminal->saved;
    cfmakeraw(&raw);
    if (tcsetattr(fd, TCSADRAIN, &raw) < 0)
        return -errno;
    terminal->fd = fd;
    return 0;
}

void terminal_raw_again(const struct terminal *terminal)
{
    struct termios raw = terminal->saved;

    if (terminal->fd < 0)
        return;
    cfmakeraw(&raw);
    (void)tcsetattr(terminal->fd, TCSADRAIN, &raw);
}

void terminal_restore(struct terminal *terminal)
{
    if (terminal->fd < 0)
        return;
    (void)tcsetattr(terminal->fd, TCSADRAIN, &terminal->saved);
    terminal->fd = -1;
}

void terminal_size(int fd, uint16_t *ret_rows, uint16_t *ret_columns)
{
    struct winsize size = {0};

    if (ioctl(fd, TIOCGWINSZ, &size) < 0)
        size = (struct winsize){0};
    *ret_rows = size.ws_row;
    *ret_columns = size.ws_col;
}

void terminal_resize(int master, int from)
{
    struct winsize size;

    if (ioctl(from, TIOCGWINSZ, &size) == 0)
        (void)ioctl(master, TIOCSWINSZ, &size);
}
