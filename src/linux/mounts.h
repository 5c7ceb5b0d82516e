/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts - mounts by descriptor: made detached, attached to an open directory
 *
 * Nothing here walks a path through a tree that a user made.
 * Source: fsopen(2), fsmount(2), open_tree(2), move_mount(2), mount_setattr(2) (Linux 5.2, 5.12)
 */
#ifndef CROFT_LINUX_MOUNTS_H
#define CROFT_LINUX_MOUNTS_H

#include "base/attrs.h"
#include <stddef.h>
#include <stdint.h>

/* One option of a file system; value NULL: a flag. */
struct mount_option {
    const char *key;
    const char *value;
};

/**
 * mount_new() - a new, detached mount of file system @type
 * @options:    ends with an entry whose key is NULL; may be NULL
 * @attributes: MOUNT_ATTR_*
 * Runs as: CAP_SYS_ADMIN of the own mount namespace
 * Return: descriptor of its root (caller owns), may be used to open what is in it; -errno
 */
nodiscard int mount_new(const char *type, const struct mount_option *options, uint64_t attributes);

/** mount_clone() - a detached copy of the mount at @name beneath @dir ("": @dir itself). Return:
 * fd; -errno */
nodiscard int mount_clone(int dir, const char *name);

/** mount_restrict() - sets @attributes on the mount @mount and those below it. Return: 0; -errno */
nodiscard int mount_restrict(int mount, uint64_t attributes);

/** mount_attach() - attaches the detached @mount at the open @target (O_PATH is fine). Return: 0;
 * -errno */
nodiscard int mount_attach(int mount, int target);

/** mount_overlay() - attaches an overlayfs at @target, an absolute path in the caller's own tree
 * @data: options as mount(2) takes them; relative names in it start at the working directory
 * Return: 0; -errno
 */
nodiscard int mount_overlay(const char *target, const char *data);

/**
 * mount_pivot() - makes the mount @root the root of the namespace and lets go of the old one
 * The working directory is the new root afterwards.
 * Return: 0; -errno
 */
nodiscard int mount_pivot(int root);

/** mount_private() - nothing mounted here is seen elsewhere, nor the reverse. Return: 0; -errno */
nodiscard int mount_private(void);

#endif
