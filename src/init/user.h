/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user - an account of the instance, from its own /etc/passwd and /etc/group
 *
 * Those files are whatever the image and its root make of them: a FIFO, a device, gigabytes,
 * numbers with a sign. Nothing outside the instance depends on what they say.
 */
#ifndef CROFT_INIT_USER_H
#define CROFT_INIT_USER_H

#include "base/attrs.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define USER_NAME_SIZE  64U
#define USER_HOME_SIZE  256U
#define USER_GROUPS_MAX 64U
#define USER_LINE_MAX   4096U
#define USER_FILE_MAX   (1024U * 1024U)
#define USER_ID_MAX     65534U /* the last id of an instance is nobody's */

struct user {
    uid_t uid;
    gid_t gid;
    gid_t groups[USER_GROUPS_MAX];
    size_t group_count;
    char name[USER_NAME_SIZE];
    char home[USER_HOME_SIZE];
};

/**
 * user_from_passwd() - whether @line of a passwd file is the account @wanted; fills @user if so
 * @line:   without its line break; changed in place
 * @wanted: a name, or NULL to look for user->uid
 * A line with a field missing, an id that is not a plain number up to USER_ID_MAX, or a name or
 * home that does not fit, is no account.
 */
bool user_from_passwd(char *line, const char *wanted, struct user *user);

/** user_from_group() - adds the group in @line of a group file when user->name is a member */
void user_from_group(char *line, struct user *user);

/** user_group_id() - whether @line of a group file is the group @wanted; *ret_gid if so */
bool user_group_id(char *line, const char *wanted, gid_t *ret_gid);

/**
 * user_find() - the account that @spec names: USER or USER:GROUP, by name or by plain number
 * @pending: a path; while it is there, accounts are still being made
 * "?NAME" is NAME where there is such an account, else root; what @pending stands for is waited
 * for, FIRST_START_WAIT_MS at most. An id without an account gets group 0, home "/" and no
 * name; with a GROUP there are no further groups; both as elsewhere.
 * Return: 0; -ENOENT no such name; -ERANGE an id too large; -errno of /etc/passwd or /etc/group
 */
nodiscard int user_find(const char *spec, const char *pending, struct user *ret_user);

/** user_become() - groups, gid and uid, for good. Return: 0; -errno */
nodiscard int user_become(const struct user *user);

#endif
