/* SPDX-License-Identifier: Apache-2.0 */
/* accounts - passwd, group, gshadow and shadow of this host, and who of them is a Croft user */
#ifndef CROFT_DOCTOR_ACCOUNTS_H
#define CROFT_DOCTOR_ACCOUNTS_H

#include "base/attrs.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Index of nobody in particular: a road that is open to every account there is or will be. */
#define ACCOUNT_EVERYBODY SIZE_MAX

/* open: no password is asked for; croft: a Croft user, by the records; known: stands in passwd */
struct account {
    char *name;
    uint32_t uid;
    uint32_t gid;
    char *home;
    bool open;
    bool croft;
    bool known;
};

/* members: by their names, as group and gshadow (members and admins) have them */
struct group {
    char *name;
    uint32_t gid;
    char **members;
    size_t member_count;
};

struct accounts {
    struct account *list;
    size_t count;
    struct group *groups;
    size_t group_count;
};

void accounts_cleanup(struct accounts *accounts);
#define auto_accounts cleanup_with(accounts_cleanup) struct accounts

/** accounts_read() - reads /etc. Return: 0; -errno of passwd or group */
nodiscard int accounts_read(struct accounts *accounts);

/* Each parses a whole file, which it changes; a line that makes no sense is passed over. Pure;
 * fuzzed. */
void accounts_passwd(struct accounts *accounts, char *text);
void accounts_group(struct accounts *accounts, char *text);
void accounts_gshadow(struct accounts *accounts, char *text);
void accounts_shadow(struct accounts *accounts, char *text);

/** accounts_by_name() - Return: its index; -1 */
ssize_t accounts_by_name(const struct accounts *accounts, const char *name);

/** accounts_by_uid() - Return: index of the first with @uid; one is made when there is none */
size_t accounts_by_uid(struct accounts *accounts, uint32_t uid);

const struct group *accounts_group_named(const struct accounts *accounts, const char *name);
const struct group *accounts_group_id(const struct accounts *accounts, uint32_t gid);

/** accounts_in_group() - whether @account is in @group; @ret_primary: by its own gid only */
bool accounts_in_group(const struct account *account, const struct group *group, bool *ret_primary);

#endif
