/* SPDX-License-Identifier: Apache-2.0 */
/* volumes - a user's disk: mounted when it is needed, her directories in it, spares, trash */
#ifndef CROFT_MONITOR_VOLUMES_H
#define CROFT_MONITOR_VOLUMES_H

#include "base/attrs.h"
#include "base/err.h"
#include "base/loop.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct monitor;
struct user;
struct runner;

/*
 * root:    the root of the mounted volume; -1: not mounted
 * spares_freed: some are missing
 * remover: empties the trash; NULL: it rests
 */
struct volume {
    int root;
    uint64_t next_name; /* for names in stage/ and trash/ */
    size_t trash_count;
    bool spares_freed;
    struct loop_timer trash_timer;
    struct runner *remover;
};

void volume_init(struct user *user);

/**
 * volume_need() - makes sure that her volume is mounted and has its directories
 * Runs as: monitor, CAP_SYS_ADMIN, CAP_CHOWN
 * Return: 0; OUTCOME_HOST_CANNOT
 */
nodiscard int volume_need(struct user *user, struct err *err);

/** volume_release() - unmounts it; one that is still in use goes away with its last user.
 * Return: 0; -errno */
nodiscard int volume_release(struct user *user);

/** volume_make_room() - frees as many spares as one start needs when her disk is full */
void volume_make_room(struct user *user);

/** volume_keep_spares() - makes the spares again when there is room */
void volume_keep_spares(struct user *user);

/**
 * volume_take_back() - makes again what volume_make_room() freed and the start did not keep
 *
 * Mounting an overlay takes inodes only for a moment. Called before the first instruction of hers,
 * which would fill them: so a full disk can be started on again and again.
 */
void volume_take_back(struct user *user);

/** volume_dir() - opens a directory of the volume: "layers", "instances/NAME"... Return: fd; -errno
 */
nodiscard int volume_dir(const struct user *user, const char *name);

/** volume_instance_make() - makes instances/@name with upper, work and, if it @has_log, the two
 * logs Return: 0; -errno */
nodiscard int volume_instance_make(struct user *user, const char *name, bool has_log);

/** volume_trash() - moves @name beneath the volume's directory @dir_name to the trash. Return: 0;
 * -errno */
nodiscard int volume_trash(struct user *user, const char *dir_name, const char *name);

/** volume_stage() - makes a directory to unpack into. @ret_name: its name in stage/.
 * Return: 0; -errno */
#define STAGE_NAME_SIZE 24U
nodiscard int volume_stage(struct user *user, char ret_name[STAGE_NAME_SIZE]);

/** volume_init_open() - her copy of croft-init, O_PATH. Return: fd; -errno */
nodiscard int volume_init_open(const struct user *user);

#endif
