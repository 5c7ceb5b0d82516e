/* SPDX-License-Identifier: Apache-2.0 */
/* key - whether a file is a list of OpenSSH public keys, before it becomes who may log in */
#ifndef CROFT_CLI_KEY_H
#define CROFT_CLI_KEY_H

#include "base/attrs.h"
#include <stddef.h>

/**
 * key_check() - whether @text is one or more lines "TYPE BASE64 [COMMENT]", blank or '#' lines
 * between Options before the type (command=, environment=...) are none: the gate is every key's
 * command.
 * @ret_line: the first line that is not such a one, from 1 on; 0: there is no key at all
 * Return: 0; -EINVAL
 */
nodiscard int key_check(const char *text, size_t size, size_t *ret_line);

#endif
