/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootfs - the file systems of an instance, by descriptor
 *
 * What lies in the image is hostile: /dev may be a symbolic link to anywhere. So each mount point
 * is opened beneath the new root without following a link, and mounts go onto the descriptor.
 */
#ifndef CROFT_RUNTIME_ROOTFS_H
#define CROFT_RUNTIME_ROOTFS_H

#include "runtime/run.h"

/** rootfs_make_dev() - Runs as: root, CAP_MKNOD of the host: the device nodes, in a detached mount
 */
nodiscard int rootfs_make_dev(struct run *run);

/* The rest runs as root of the instance's user namespace, in its mount namespace, in this order. */

/** rootfs_mount_overlay() - her volume's layers and upper directory at STAGING_ROOT */
nodiscard int rootfs_mount_overlay(struct run *run);
/** rootfs_mount_names() - /etc/hosts and /etc/resolv.conf, which the monitor keeps, read-only; an
 * image without a place for them goes without */
nodiscard int rootfs_mount_names(struct run *run);
/** rootfs_mount_dev() - /dev, /dev/pts, /dev/shm */
nodiscard int rootfs_mount_dev(struct run *run);
/** rootfs_mount_proc() - /proc */
nodiscard int rootfs_mount_proc(struct run *run);
/** rootfs_mount_sys() - what needs the other namespaces first: /sys, /dev/mqueue */
nodiscard int rootfs_mount_sys(struct run *run);
/** rootfs_cover() - hides and write-protects what of /proc and /sys is the host's */
nodiscard int rootfs_cover(struct run *run);
/** rootfs_enter() - makes it the root; nothing of the host's tree is reachable any more */
nodiscard int rootfs_enter(struct run *run);
/** rootfs_enter_tree() - makes the directory JOB_FD_VOLUME the root, alone */
nodiscard int rootfs_enter_tree(struct run *run);

#endif
