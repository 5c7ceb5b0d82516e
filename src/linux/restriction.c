/* SPDX-License-Identifier: Apache-2.0 */
/* restriction - a process gives up the file system, but for reading beneath some directories */
#include "linux/restriction.h"

#include <errno.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

/* As the newest kernel has it; an older one takes it when what it does not know is 0. */
struct ruleset {
    uint64_t files;
    uint64_t tcp;
    uint64_t scopes;
};

/* All rights on files up to one bit: what each version knows (version 1 first). */
#define FILES_BITS_1 13U
#define FILES_BITS_2 14U /* moving between directories */
#define FILES_BITS_3 15U /* truncating */
#define FILES_BITS_5 16U /* ioctl on devices */
#define TCP_ALL      3U  /* version 4: bind, connect */
#define SCOPES_ALL   3U  /* version 6: abstract sockets, signals */

static uint64_t bits(unsigned int count)
{
    return (1ULL << count) - 1;
}

static struct ruleset all_rights(long version)
{
    struct ruleset rules = {.files = bits(FILES_BITS_1)};
    if (version >= 2)
        rules.files = bits(FILES_BITS_2);
    if (version >= 3)
        rules.files = bits(FILES_BITS_3);
    if (version >= 4)
        rules.tcp = TCP_ALL;
    if (version >= 5)
        rules.files = bits(FILES_BITS_5);
    if (version >= 6)
        rules.scopes = SCOPES_ALL;
    return rules;
}

/* The kernel compares the size with what it knows, and takes more only when it is 0. */
static size_t ruleset_size(long version)
{
    if (version >= 6)
        return sizeof(struct ruleset);
    return version >= 4 ? offsetof(struct ruleset, scopes) : offsetof(struct ruleset, tcp);
}

int restriction_read_only(const int *dirs, size_t count)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 0)
        return -errno;
    struct ruleset rules = all_rights(version);
    auto_close ruleset =
        (int)syscall(SYS_landlock_create_ruleset, &rules, ruleset_size(version), 0);
    if (ruleset < 0)
        return -errno;
    for (size_t i = 0; i < count; i++) {
        struct landlock_path_beneath_attr beneath = {
            .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
            .parent_fd = dirs[i],
        };
        if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
            return -errno;
    }
    return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}
