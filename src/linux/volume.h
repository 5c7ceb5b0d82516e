/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume - a file with an ext4 in it, loop-mounted for the host nosuid,nodev
 * Source: loop(4) LOOP_CONFIGURE, fsopen(2), mount_setattr(2)
 */
#ifndef CROFT_LINUX_VOLUME_H
#define CROFT_LINUX_VOLUME_H

#include "base/attrs.h"
#include <stdint.h>
#include <sys/types.h>

/**
 * volume_mount() - mounts the file system in @file at @name beneath @mount_dir
 * @file: open read-write; never gets a second loop device: one that is already bound to the same
 *        inode is used again (two devices over one file would destroy it)
 * Mounted nosuid,nodev,noatime, nodiscard, noinit_itable; private; the loop device is AUTOCLEAR
 * with direct I/O where the host's file system can. Sets the device's own dirty limit.
 * Runs as: monitor, CAP_SYS_ADMIN
 * Return: 0; -EBUSY something is mounted there; -errno
 */
nodiscard int volume_mount(int file, int mount_dir, const char *name);

/** volume_unmount() - Return: 0; -EINVAL not mounted; -EBUSY in use; -errno */
nodiscard int volume_unmount(int mount_dir, const char *name);

/**
 * volume_detach() - as volume_unmount() for one that is in use: nobody finds it any more, and it
 * goes with the last descriptor. Return: 0; -EINVAL not mounted; -errno
 */
nodiscard int volume_detach(int mount_dir, const char *name);

/**
 * volume_dir_private() - makes @name beneath @parent a mount of its own that tells no other mount
 * namespace about what is mounted in it, and opens it
 *
 * Without it each service of the host with a mount namespace of its own would get a copy of every
 * volume and keep it busy. Doing it again is fine.
 * Runs as: monitor, CAP_SYS_ADMIN
 * Return: descriptor (caller owns); -errno
 */
nodiscard int volume_dir_private(int parent, const char *name);

/** volume_clone() - a detached mount of @dir (its file system, from there down). Return: fd; -errno
 */
nodiscard int volume_clone(int dir);

#endif
