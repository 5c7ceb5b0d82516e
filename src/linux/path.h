/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path - the one module that turns names into files: openat2 beneath a directory descriptor
 *
 * Everything else in Croft that is privileged holds descriptors. A name given here is relative,
 * walked with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV
 * unless it says otherwise. path_root() is the only place where an absolute host path is opened,
 * and takes compiled-in paths only.
 */
#ifndef CROFT_LINUX_PATH_H
#define CROFT_LINUX_PATH_H

#include "base/attrs.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/**
 * path_root() - opens an absolute host path that the program was compiled with
 * @flags: as open(2); O_CLOEXEC and O_NOFOLLOW are added
 * Mount points on the way are crossed; symbolic links are not followed in the last component.
 * Return: descriptor (caller owns); -errno
 */
nodiscard int path_root(const char *absolute, int flags);

/** path_open() - opens an existing @name beneath @dir. Return: descriptor (caller owns); -errno */
nodiscard int path_open(int dir, const char *name, int flags);

/** path_open_xdev() - as path_open(), but mount points may be crossed (cgroup, proc, sys trees) */
nodiscard int path_open_xdev(int dir, const char *name, int flags);

/** path_create() - creates @name (O_CREAT | O_EXCL unless @flags has O_TRUNC). Return: descriptor;
 * -errno */
nodiscard int path_create(int dir, const char *name, int flags, mode_t mode);

/** path_open_or_create() - as path_open(); when it is not there it is made, with @mode. Return:
 * descriptor; -errno */
nodiscard int path_open_or_create(int dir, const char *name, int flags, mode_t mode);

/** path_temporary() - an empty file without a name in @dir, for reading and writing; it is gone
 * with its last descriptor. Return: descriptor (caller owns); -errno */
nodiscard int path_temporary(int dir);

/** path_mkdir() - makes one directory; @name is one component. -EEXIST is a failure. Return: 0;
 * -errno */
nodiscard int path_mkdir(int dir, const char *name, mode_t mode);

/** path_mkdir_open() - makes @name if it is not there, and opens it. Return: descriptor; -errno */
nodiscard int path_mkdir_open(int dir, const char *name, mode_t mode);

/** path_unlink() / path_rmdir() - one component; path_rmdir refuses what is not empty */
nodiscard int path_unlink(int dir, const char *name);
nodiscard int path_rmdir(int dir, const char *name);

/** path_rename() - one component each; never replaces (RENAME_NOREPLACE) unless @replace */
nodiscard int path_rename(int from_dir, const char *from, int to_dir, const char *to, bool replace);

/** path_symlink() - makes @name, one component, a symbolic link with the content @target. Return:
 * 0; -errno */
nodiscard int path_symlink(int dir, const char *name, const char *target);

/** path_mknod() - makes a node; @mode is taken whole, whatever the umask. Return: 0; -errno */
nodiscard int path_mknod(int dir, const char *name, mode_t mode, dev_t device);

/** path_own_ns() - the caller's own namespace @name ("mnt", "net"...). Return: descriptor; -errno
 */
nodiscard int path_own_ns(const char *name);

/** path_chown() - of an open file or directory (may be O_PATH). Return: 0; -errno */
nodiscard int path_chown(int fd, uid_t uid, gid_t gid);

/** path_stat() - of one component beneath @dir, symbolic links not followed. Return: 0; -errno */
nodiscard int path_stat(int dir, const char *name, struct stat *ret_stat);

/** path_write_text() - opens an existing kernel file beneath @dir and writes @text in one write */
nodiscard int path_write_text(int dir, const char *name, const char *text);

/** path_read_text() - reads a kernel file, terminated; -EMSGSIZE when it does not fit. Return:
 * length; -errno */
nodiscard ssize_t path_read_text(int dir, const char *name, char *buf, size_t size);

/** path_read_u64() - a kernel file that holds one number; "max" is UINT64_MAX. Return: 0; -errno */
nodiscard int path_read_u64(int dir, const char *name, uint64_t *ret_value);

/** path_is_mount_point() - statx(2) STATX_ATTR_MOUNT_ROOT. Return: 1; 0; -errno */
nodiscard int path_is_mount_point(int dir, const char *name);

#endif
