/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path - the one module that turns names into files
 *
 * Theory of operation
 * The largest class of container escapes is a privileged process that walks a path while somebody
 * else changes it. So a name is resolved by the kernel in one openat2(2) call that refuses every
 * step out of the given directory: "..", absolute names, symbolic links, magic links (/proc/PID/fd)
 * and, unless asked, other mounts. Where there is no such call (mkdir, unlink, rename, statx),
 * only one component is taken, which the kernel never follows.
 * Needs openat2 (Linux 5.6), renameat2 (3.15), statx mount root (5.8).
 */
#include "linux/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define RESOLVE_STRICT                                                                             \
    (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)
/* A rename elsewhere makes the kernel's check of ".." give up with EAGAIN; it is a rare race. */
#define OPEN_TRIES 32

static int open_beneath(int dir, const char *name, int flags, mode_t mode, uint64_t resolve)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned int)flags | O_CLOEXEC,
        .mode = mode,
        .resolve = resolve,
    };
    long fd = -1;
    for (int tries = 0; tries < OPEN_TRIES; tries++) {
        fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return fd < 0 ? -errno : (int)fd;
}

static int check_component(const char *name)
{
    if (name[0] == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0)
        return -EINVAL;
    return 0;
}

int path_root(const char *absolute, int flags)
{
    if (absolute[0] != '/')
        return -EINVAL;
    int fd = open(absolute, flags | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

int path_open(int dir, const char *name, int flags)
{
    return open_beneath(dir, name, flags, 0, RESOLVE_STRICT);
}

int path_open_xdev(int dir, const char *name, int flags)
{
    return open_beneath(dir, name, flags, 0, RESOLVE_STRICT & ~(uint64_t)RESOLVE_NO_XDEV);
}

int path_create(int dir, const char *name, int flags, mode_t mode)
{
    int make = O_CREAT | (flags & O_TRUNC ? 0 : O_EXCL);
    return open_beneath(dir, name, flags | make, mode, RESOLVE_STRICT);
}

int path_open_or_create(int dir, const char *name, int flags, mode_t mode)
{
    int fd = path_open(dir, name, flags);
    return fd == -ENOENT ? path_create(dir, name, flags, mode) : fd;
}

int path_temporary(int dir)
{
    return open_beneath(dir, ".", O_TMPFILE | O_RDWR, 0600, RESOLVE_STRICT);
}

int path_mkdir(int dir, const char *name, mode_t mode)
{
    int rc = check_component(name);
    if (rc < 0)
        return rc;
    return mkdirat(dir, name, mode) < 0 ? -errno : 0;
}

int path_mkdir_open(int dir, const char *name, mode_t mode)
{
    int rc = path_mkdir(dir, name, mode);
    if (rc < 0 && rc != -EEXIST)
        return rc;
    return path_open(dir, name, O_RDONLY | O_DIRECTORY);
}

int path_unlink(int dir, const char *name)
{
    int rc = check_component(name);
    if (rc < 0)
        return rc;
    return unlinkat(dir, name, 0) < 0 ? -errno : 0;
}

int path_rmdir(int dir, const char *name)
{
    int rc = check_component(name);
    if (rc < 0)
        return rc;
    return unlinkat(dir, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int path_rename(int from_dir, const char *from, int to_dir, const char *to, bool replace)
{
    int rc = check_component(from);
    if (rc == 0)
        rc = check_component(to);
    if (rc < 0)
        return rc;
    return renameat2(from_dir, from, to_dir, to, replace ? 0 : RENAME_NOREPLACE) < 0 ? -errno : 0;
}

int path_symlink(int dir, const char *name, const char *target)
{
    int rc = check_component(name);
    if (rc < 0)
        return rc;
    return symlinkat(target, dir, name) < 0 ? -errno : 0;
}

int path_mknod(int dir, const char *name, mode_t mode, dev_t device)
{
    int rc = check_component(name);
    if (rc < 0)
        return rc;
    mode_t mask = umask(0);
    rc = mknodat(dir, name, mode, device) < 0 ? -errno : 0;
    umask(mask);
    return rc;
}

int path_own_ns(const char *name)
{
    int rc = check_component(name);
    if (rc < 0)
        return rc;
    int dir = open("/proc/self/ns", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -errno;
    /* The kernel's own magic link, the only one in Croft that is followed. */
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    rc = fd < 0 ? -errno : fd;
    fd_close(&dir);
    return rc;
}

int path_chown(int fd, uid_t uid, gid_t gid)
{
    return fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

int path_stat(int dir, const char *name, struct stat *ret_stat)
{
    struct stat found;
    int rc = check_component(name);
    if (rc < 0)
        return rc;
    if (fstatat(dir, name, &found, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    *ret_stat = found;
    return 0;
}

int path_write_text(int dir, const char *name, const char *text)
{
    auto_close fd = path_open_xdev(dir, name, O_WRONLY);
    if (fd < 0)
        return fd;
    /* One write: the kernel takes each write to such a file as one complete value. */
    size_t size = strlen(text);
    ssize_t written = write(fd, text, size);
    if (written < 0)
        return -errno;
    return (size_t)written == size ? 0 : -EIO;
}

ssize_t path_read_text(int dir, const char *name, char *buf, size_t size)
{
    if (size == 0)
        return -EMSGSIZE;
    auto_close fd = path_open_xdev(dir, name, O_RDONLY);
    if (fd < 0)
        return fd;
    ssize_t got = fd_read_full(fd, buf, size);
    if (got < 0)
        return got;
    if ((size_t)got == size)
        return -EMSGSIZE;
    buf[got] = '\0';
    return got;
}

int path_read_u64(int dir, const char *name, uint64_t *ret_value)
{
    char text[32];
    ssize_t got = path_read_text(dir, name, text, sizeof(text));
    if (got < 0)
        return (int)got;
    text[strcspn(text, "\n")] = '\0';
    if (strcmp(text, "max") == 0) {
        *ret_value = UINT64_MAX;
        return 0;
    }
    return str_u64(text, 0, UINT64_MAX, ret_value);
}

int path_is_mount_point(int dir, const char *name)
{
    struct statx found;
    int rc = check_component(name);
    if (rc < 0)
        return rc;
    if (statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &found) < 0)
        return -errno;
    if ((found.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) == 0)
        return -EOPNOTSUPP;
    return (found.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}
