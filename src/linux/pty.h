/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pty - a terminal of a given devpts
 * Source: devpts(5), ioctl_tty(2) TIOCGPTPEER
 */
#ifndef CROFT_LINUX_PTY_H
#define CROFT_LINUX_PTY_H

#include "base/attrs.h"
#include <stdint.h>

/**
 * pty_open() - makes a terminal
 * @dir, @name: the ptmx node, relative (e.g. "dev/pts/ptmx"); symbolic links are refused
 * @ret_master, @ret_slave: close-on-exec (caller owns)
 *
 * Whoever made the tree under @dir may be hostile: the node counts only when it lies in a devpts.
 * Return: 0; -ENOTTY it is something else; -errno
 */
nodiscard int pty_open(int dir, const char *name, uint16_t rows, uint16_t columns, int *ret_master,
                       int *ret_slave);

/** pty_control() - new session with the terminal @slave as the controlling one. Return: 0; -errno
 */
nodiscard int pty_control(int slave);

#endif
