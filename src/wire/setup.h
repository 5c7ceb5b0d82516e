/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setup - what the monitor asks the one-shot croft-setup over its channel, and its one answer
 *
 * croft-setup is the only root program that reads passwd, group and subuid, and the only one that
 * runs other programs: useradd, groupadd, usermod, userdel, groupdel, mke2fs, with fixed arguments.
 */
#ifndef CROFT_WIRE_SETUP_H
#define CROFT_WIRE_SETUP_H

#include "wire/order.h"

#define SETUP_VERSION 1U

enum setup_type {
    SETUP_IDENTIFY = 1, /* answer: uid and gid of croft and croft-net, gid of croft-admin */
    SETUP_USER_ADD,     /* account, groups, key file, volume file with its file system */
    SETUP_USER_REMOVE,  /* account, groups, key file; SETUP_PURGE: the volume file too */
    SETUP_USER_KEY,     /* replace the key file */
};

#define SETUP_PURGE (1U << 0)

/* followed by key_size bytes */
struct setup {
    uint32_t version;
    uint32_t type;
    uint32_t flags;
    uint32_t uid; /* SETUP_USER_REMOVE, SETUP_USER_KEY */
    uint32_t block_first;
    uint32_t block_count;
    uint32_t keeper_id;
    uint32_t key_size;
    uint64_t disk_bytes;
    uint64_t inodes;
    char name[NAME_SIZE];
    char key[];
};
_Static_assert(sizeof(struct setup) == 88, "wire layout");

struct setup_reply {
    uint32_t version;
    uint32_t outcome;
    uint32_t uid;
    uint32_t gid;
    uint32_t audit_gid; /* croft-u-UID */
    uint32_t croft_uid;
    uint32_t croft_gid;
    uint32_t admin_gid;
    uint32_t net_uid;
    uint32_t net_gid;
    char text[ERR_TEXT_SIZE];
};
_Static_assert(sizeof(struct setup_reply) == 40 + ERR_TEXT_SIZE, "wire layout");

#endif
