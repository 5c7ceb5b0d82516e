/* SPDX-License-Identifier: Apache-2.0 */
/* setup - what the files of croft-setup share; one run is one request */
#ifndef CROFT_SETUP_SETUP_H
#define CROFT_SETUP_SETUP_H

#include "base/attrs.h"
#include "wire/setup.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ACCOUNT_CROFT "croft"
#define ACCOUNT_NET   "croft-net"
#define GROUP_ADMIN   "croft-admin"
#define GROUP_USERS   "croft-user"

/* Open directories. */
struct dirs {
    int etc;     /* /etc */
    int keys;    /* CROFT_CONF_DIR/keys */
    int volumes; /* CROFT_STATE_DIR/volumes */
};

/** dirs_open() - opens them, makes keys/ and volumes/. Return: 0; outcome */
nodiscard int dirs_open(struct dirs *dirs, struct err *err);

/* accounts.c: reads passwd, group, subuid and subgid; nothing else in Croft does. */

struct account {
    uid_t uid;
    gid_t gid;
    char home[64];
    char shell[64];
};

/** accounts_user() - Return: 1 found; 0 no such account; -EBADMSG a line cannot be read; -errno */
nodiscard int accounts_user(int etc, const char *name, struct account *ret_account);

/** accounts_group() - Return: 1 found; 0; -EBADMSG; -errno */
nodiscard int accounts_group(int etc, const char *name, gid_t *ret_gid);

/**
 * accounts_ids_taken() - whether any account, group or subordinate range of the host has one of
 * @count ids from @first on (invariant 2)
 * @ret_where: then: which file says so, and the line, for a sentence
 * Return: 1; 0; -EBADMSG; -errno
 */
#define WHERE_SIZE 160U
nodiscard int accounts_ids_taken(int etc, uint32_t first, uint32_t count,
                                 char ret_where[WHERE_SIZE]);

/* programs.c: executes programs of the host; beside croft-net, which runs nft, nothing else does.
 */

/** program_run() - @argv[0] is an absolute path, compiled in; runs with an empty environment, and
 * waits. Return: 0; outcome: the sentence has its exit status and the first line it said */
nodiscard int program_run(const char *const *argv, struct err *err);

/** program_kill_all() - SIGKILL to every process of @uid, until there is none. Return: 0; -EBUSY;
 * -errno */
nodiscard int program_kill_all(uid_t uid, gid_t gid);

/* disk.c */

/** disk_make() - volumes/UID.ext4, preallocated, with an empty file system. Return: 0; outcome */
nodiscard int disk_make(const struct dirs *dirs, const struct setup *setup, uid_t uid,
                        struct err *err);

/** disk_remove() - deletes it. Return: 0, also when there is none; -errno */
nodiscard int disk_remove(const struct dirs *dirs, uid_t uid);

/** disk_keep() - renames it, so that no later user of the same uid gets it.
 * @ret_name: the new name in volumes/; "" when there was none. Return: 0; -errno */
#define KEPT_NAME_SIZE 48U
nodiscard int disk_keep(const struct dirs *dirs, uid_t uid, char ret_name[KEPT_NAME_SIZE]);

/* users.c: the requests. Each fills @reply and returns 0, or returns an outcome. */

nodiscard int setup_identify(const struct dirs *dirs, struct setup_reply *reply, struct err *err);
nodiscard int setup_user_add(const struct dirs *dirs, const struct setup *setup,
                             struct setup_reply *reply, struct err *err);
nodiscard int setup_user_remove(const struct dirs *dirs, const struct setup *setup,
                                struct setup_reply *reply, struct err *err);
nodiscard int setup_user_key(const struct dirs *dirs, const struct setup *setup, struct err *err);

#endif
