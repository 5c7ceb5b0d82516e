/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree - who else than root can change what a path leads to: the file itself, and every directory
 * and symbolic link on the way to it
 */
#ifndef CROFT_DOCTOR_TREE_H
#define CROFT_DOCTOR_TREE_H

#include "doctor/roads.h"
#include <sys/stat.h>

/* One entry of a POSIX access list that may write. */
struct tree_writer {
    bool is_group;
    uint32_t id;
};
#define TREE_WRITERS_MAX 32U

/**
 * tree_acl() - the named users and groups that an access list lets write
 * @bytes: of the attribute system.posix_acl_access
 * @ret_owning_group: whether the owning group may (the mode shows the mask instead)
 * Pure; fuzzed.
 * Return: how many; -EINVAL
 */
nodiscard ssize_t tree_acl(const uint8_t *bytes, size_t size,
                           struct tree_writer writers[TREE_WRITERS_MAX], bool *ret_owning_group);

enum tree_use {
    TREE_FILE,      /* its content counts */
    TREE_DIRECTORY, /* what lies in it counts, new names included */
};

/**
 * tree_judge() - adds a road to root for everybody who can change what @path leads to
 * @why:      "cron runs it as root": how the sentence goes on
 * @repair:   closes a road that is open because @path does not exist; NULL: that is no road
 */
void tree_judge(struct roads *roads, const char *path, enum tree_use use, const char *why,
                const char *repair);

/** tree_judge_all() - the directory itself and each file in it whose name ends in @suffix (NULL:
 * any) */
void tree_judge_all(struct roads *roads, const char *directory, const char *suffix,
                    const char *why);

#endif
