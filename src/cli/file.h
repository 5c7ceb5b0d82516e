/* SPDX-License-Identifier: Apache-2.0 */
/* file - the files that a person names on the command line, opened as that person */
#ifndef CROFT_CLI_FILE_H
#define CROFT_CLI_FILE_H

#include "base/err.h"
#include "cli/cli.h"
#include <stddef.h>

/**
 * file_open() - opens @path for reading; "-" is standard input
 * Under the gate "-" alone is taken: the host's files are not what its user means.
 * Return: 0 with @ret_fd (caller owns); outcome
 */
nodiscard int file_open(const struct cli *cli, const char *path, int *ret_fd, struct err *err);

/** file_read() - reads all of a small file. Return: 0 with @ret_size; outcome: more than @size too
 */
nodiscard int file_read(const struct cli *cli, const char *path, char *buf, size_t size,
                        size_t *ret_size, struct err *err);

#endif
