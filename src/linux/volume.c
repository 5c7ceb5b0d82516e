/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume - a file with an ext4 in it, loop-mounted for the host nosuid,nodev
 *
 * Theory of operation
 * A loop device is bound to the file, a file system is made from it (fsopen) and put beneath a
 * directory (move_mount). Two loop devices over one file would each keep a cache and write over
 * each other, so all bound devices are looked at first and the one with the same inode is used
 * again; that is also how a monitor that was killed between the two steps goes on. The device is
 * AUTOCLEAR: the kernel unbinds it with the last unmount. It opens the file with direct I/O, so
 * that her pages are not kept twice, and has a dirty limit of its own, so that her unwritten pages
 * stall her alone.
 *
 * The mount is without discard: a discard would punch holes into the file and take back the space
 * that was promised to her.
 */
#include "linux/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/loop.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "linux/mounts.h"
#include "linux/path.h"
#include "wire/limits.h"

#define LOOP_NAME_SIZE 32U
#define LOOP_TRIES     16
#define NAME_TEXT_SIZE 64U

static int loop_find(int dev, const struct stat *file, char *ret_name);
static bool loop_has(int dev, const char *name, const struct stat *file);
static int loop_bind(int dev, int file, char *ret_name);
static int loop_configure(int loop, int file);
static int file_system_open(const char *loop_name);
static int limit_dirty_pages(int dev, const char *loop_name);
static int unmount(int mount_dir, const char *name, int flags);

int volume_mount(int file, int mount_dir, const char *name)
{
    char loop_name[LOOP_NAME_SIZE];
    struct stat found;

    int rc = path_is_mount_point(mount_dir, name);
    if (rc != 0)
        return rc < 0 ? rc : -EBUSY;
    if (fstat(file, &found) < 0)
        return -errno;
    auto_close dev = path_root("/dev", O_RDONLY | O_DIRECTORY);
    if (dev < 0)
        return dev;
    /* Held until the mount stands: AUTOCLEAR would unbind it when nobody has it open. */
    auto_close loop = loop_find(dev, &found, loop_name);
    if (loop == -ENOENT)
        loop = loop_bind(dev, file, loop_name);
    if (loop < 0)
        return loop;
    rc = limit_dirty_pages(dev, loop_name);
    if (rc < 0)
        return rc;
    auto_close mount = file_system_open(loop_name);
    if (mount < 0)
        return mount;
    auto_close target = path_open(mount_dir, name, O_PATH | O_DIRECTORY);
    return target < 0 ? target : mount_attach(mount, target);
}

int volume_unmount(int mount_dir, const char *name)
{
    return unmount(mount_dir, name, UMOUNT_NOFOLLOW);
}

int volume_detach(int mount_dir, const char *name)
{
    return unmount(mount_dir, name, UMOUNT_NOFOLLOW | MNT_DETACH);
}

int volume_clone(int dir)
{
    return mount_clone(dir, "");
}

int volume_dir_private(int parent, const char *name)
{
    struct mount_attr attr = {.propagation = MS_PRIVATE};
    int rc = path_is_mount_point(parent, name);

    if (rc == 0) {
        auto_close dir = path_open(parent, name, O_RDONLY | O_DIRECTORY);
        if (dir < 0)
            return dir;
        auto_close clone = mount_clone(dir, "");
        rc = clone < 0 ? clone : mount_attach(clone, dir);
        if (rc < 0)
            return rc;
    } else if (rc < 0) {
        return rc;
    }
    auto_close mounted = path_open_xdev(parent, name, O_RDONLY | O_DIRECTORY);
    if (mounted < 0)
        return mounted;
    if (mount_setattr(mounted, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return -errno;
    return take_fd(&mounted);
}

/* The loop device that is bound to @file already. Return: open device; -ENOENT; -errno */
static int loop_find(int dev, const struct stat *file, char *ret_name)
{
    struct dirent *entry;
    int result = -ENOENT;
    int block = path_root("/sys/block", O_RDONLY | O_DIRECTORY);
    if (block < 0)
        return block;
    DIR *list = fdopendir(block);
    if (list == NULL) {
        fd_close(&block);
        return -ENOMEM;
    }
    while (result == -ENOENT && (entry = readdir(list)) != NULL) {
        if (strncmp(entry->d_name, "loop", 4) != 0 || !loop_has(dev, entry->d_name, file))
            continue;
        result = str_copy(ret_name, LOOP_NAME_SIZE, entry->d_name);
        if (result == 0)
            result = path_open_xdev(dev, ret_name, O_RDWR);
    }
    closedir(list);
    return result;
}

static bool loop_has(int dev, const char *name, const struct stat *file)
{
    struct loop_info64 info;
    auto_close loop = path_open_xdev(dev, name, O_RDONLY);
    if (loop < 0 || ioctl(loop, LOOP_GET_STATUS64, &info) < 0)
        return false;
    return info.lo_device == file->st_dev && info.lo_inode == file->st_ino;
}

/* Binds a free loop device to @file. Return: open device; -errno */
static int loop_bind(int dev, int file, char *ret_name)
{
    auto_close control = path_open_xdev(dev, "loop-control", O_RDWR);
    if (control < 0)
        return control;
    /* Another program may take the free one between the two calls. */
    for (int i = 0; i < LOOP_TRIES; i++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0)
            return -errno;
        int rc = str_format(ret_name, LOOP_NAME_SIZE, "loop%d", number);
        if (rc < 0)
            return rc;
        auto_close loop = path_open_xdev(dev, ret_name, O_RDWR);
        if (loop < 0)
            return loop;
        rc = loop_configure(loop, file);
        if (rc == 0)
            return take_fd(&loop);
        if (rc != -EBUSY)
            return rc;
    }
    return -EBUSY;
}

static int loop_configure(int loop, int file)
{
    struct loop_config config = {
        .fd = (uint32_t)file,
        .info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO,
    };
    if (ioctl(loop, LOOP_CONFIGURE, &config) == 0)
        return 0;
    if (errno != EINVAL)
        return -errno;
    /* The host's file system cannot do direct I/O: her pages are then kept twice, nothing worse. */
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    return ioctl(loop, LOOP_CONFIGURE, &config) < 0 ? -errno : 0;
}

static int file_system_open(const char *loop_name)
{
    char source[NAME_TEXT_SIZE];
    int rc = str_format(source, sizeof(source), "/dev/%s", loop_name);
    if (rc < 0)
        return rc;
    const struct mount_option options[] = {
        {"source", source},       {"nodiscard", NULL},
        {"noinit_itable", NULL}, /* zeroing inode tables in the background is charged to nobody */
        {"errors", "remount-ro"}, {NULL, NULL},
    };
    return mount_new("ext4", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
}

static int limit_dirty_pages(int dev, const char *loop_name)
{
    struct stat found;
    char name[NAME_TEXT_SIZE];
    char value[NAME_TEXT_SIZE];
    int rc = path_stat(dev, loop_name, &found);
    if (rc < 0)
        return rc;
    rc = str_format(name, sizeof(name), "%u:%u", major(found.st_rdev), minor(found.st_rdev));
    if (rc == 0)
        rc = str_format(value, sizeof(value), "%" PRIu64, (uint64_t)VOLUME_DIRTY_BYTES);
    if (rc < 0)
        return rc;
    auto_close all = path_root("/sys/devices/virtual/bdi", O_RDONLY | O_DIRECTORY);
    if (all < 0)
        return all;
    auto_close bdi = path_open(all, name, O_RDONLY | O_DIRECTORY);
    if (bdi < 0)
        return bdi;
    /* Before Linux 6.2 there is only a share of all dirty memory: 1 percent is its least. */
    rc = path_write_text(bdi, "max_bytes", value);
    if (rc == -ENOENT)
        return path_write_text(bdi, "max_ratio", "1");
    return rc < 0 ? rc : path_write_text(bdi, "strict_limit", "1");
}

/* umount2(2) takes a path only; a name relative to a directory that we stand in is one component.
 */
static int unmount(int mount_dir, const char *name, int flags)
{
    if (strchr(name, '/') != NULL || name[0] == '\0' || name[0] == '.')
        return -EINVAL;
    if (fchdir(mount_dir) < 0)
        return -errno;
    int rc = umount2(name, flags) < 0 ? -errno : 0;
    if (chdir("/") < 0)
        return -errno;
    return rc;
}
