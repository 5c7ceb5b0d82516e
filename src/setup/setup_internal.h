/* SPDX-License-Identifier: Apache-2.0 */
/* setup_internal - what the files of croft-setup share; all of it runs as root, one shot */
#ifndef CROFT_SETUP_SETUP_INTERNAL_H
#define CROFT_SETUP_SETUP_INTERNAL_H

#include "base/attrs.h"
#include "base/err.h"
#include "wire/setup.h"
#include <stdbool.h>
#include <stdint.h>

/* ---- idfile.c: passwd, group, subuid, subgid ---- */

#define IDFILE_FIELDS_MAX 8

/* One line of such a file, cut at its colons; the strings live during the call only. */
typedef void (*idfile_fn)(char *const *fields, size_t count, void *data);

/**
 * idfile_each() - calls @each for every line of an /etc file of colon-separated fields
 * @path: absolute; a file that is not there has no lines
 * Return: 0; -EFBIG more than 16 MiB; -errno
 */
nodiscard int idfile_each(const char *path, idfile_fn each, void *data);

/** idfile_user() - Return: 0; -ENOENT; -errno */
nodiscard int idfile_user(const char *name, uint32_t *ret_uid, uint32_t *ret_gid,
                          bool *ret_has_gate);

/** idfile_group() - Return: 0; -ENOENT; -errno */
nodiscard int idfile_group(const char *name, uint32_t *ret_gid);

/**
 * idfile_range_free() - whether no account, group, subuid or subgid line has an id of the range
 * Return: 0; OUTCOME_HOST_CANNOT with a sentence that names who has it
 */
nodiscard int idfile_range_free(uint32_t first, uint32_t count, struct err *err);

/* ---- program.c ---- */

/**
 * program_run() - runs one of the host's tools and waits
 * @argv: argv[0] is its absolute path; the environment is empty, standard input /dev/null
 * Return: 0; OUTCOME_HOST_CANNOT with the first line that it printed
 */
nodiscard int program_run(const char *const *argv, struct err *err);

/* ---- account.c ---- */

/** account_identify() - makes croft's own account and groups where missing. Return: 0; outcome */
nodiscard int account_identify(struct setup_reply *reply, struct err *err);

/** account_add() - a user's account and groups; undoes what it did on failure. Return: 0; outcome
 */
nodiscard int account_add(const struct setup *setup, struct setup_reply *reply, struct err *err);

/** account_remove() - ends her processes on the host, removes account and groups. Return: 0;
 * outcome */
nodiscard int account_remove(const struct setup *setup, struct err *err);

/* ---- files.c ---- */

/** key_write() - replaces CROFT_CONF_DIR/keys/NAME whole, 0644 root. Return: 0; outcome */
nodiscard int key_write(const struct setup *setup, struct err *err);
nodiscard int key_remove(const char *name, struct err *err);

/** disk_make() - the preallocated volume file with an ext4; no file stays on failure. Return: 0;
 * outcome */
nodiscard int disk_make(const struct setup *setup, uint32_t uid, struct err *err);

/**
 * disk_remove() - deletes the volume file, or with @keep renames it out of the way
 * @ret_kept: receives the name it has then, in CROFT_STATE_DIR/volumes
 */
nodiscard int disk_remove(uint32_t uid, bool keep, char *ret_kept, size_t size, struct err *err);

#endif
