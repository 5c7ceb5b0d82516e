/* SPDX-License-Identifier: Apache-2.0 */
/* tar - a small archive in memory, as an attacker would craft it */
#ifndef CROFT_PROVE_TAR_H
#define CROFT_PROVE_TAR_H

#include <stddef.h>

/* bytes: heap, size of them (owned by who made it) */
struct tar {
    char *bytes;
    size_t size;
};

/** tar_link() - adds a symbolic link */
void tar_link(struct tar *tar, const char *name, const char *target);

/** tar_file() - adds a file that may be executed */
void tar_file(struct tar *tar, const char *name, const void *bytes, size_t size);

/** tar_end() - adds the end of the archive */
void tar_end(struct tar *tar);

#endif
