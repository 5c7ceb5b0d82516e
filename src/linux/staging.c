/* SPDX-License-Identifier: Apache-2.0 */
/* staging - the mount namespace in which every croft-runtime starts */
#include "linux/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "linux/mounts.h"
#include "linux/path.h"

#define STAGING_HIDDEN (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

static int staging_build(void);
static int staging_fill(int root);
static int staging_mount(const char *type, int target, uint64_t attributes);

int staging_make(int *ret_ns)
{
    auto_close made = -1;
    auto_close own = path_own_ns("mnt");
    if (own < 0)
        return own;
    if (unshare(CLONE_NEWNS) < 0)
        return -errno;
    int rc = staging_build();
    if (rc == 0) {
        made = path_own_ns("mnt");
        rc = made < 0 ? made : 0;
    }
    if (setns(own, CLONE_NEWNS) < 0)
        return -errno;
    if (rc == 0)
        *ret_ns = take_fd(&made);
    return rc;
}

static int staging_build(void)
{
    const struct mount_option options[] = {
        {"size", "64k"}, {"nr_inodes", "16"}, {"mode", "0755"}, {NULL, NULL}};
    int rc = mount_private();
    if (rc < 0)
        return rc;
    /* Not nodev: the null device is in it. */
    auto_close root = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    if (root < 0)
        return root;
    rc = staging_fill(root);
    if (rc < 0)
        return rc;
    auto_close proc = path_open(root, "proc", O_PATH | O_DIRECTORY);
    if (proc < 0)
        return proc;
    auto_close sys = path_open(root, "sys", O_PATH | O_DIRECTORY);
    if (sys < 0)
        return sys;
    /* Any directory will do to hang the tree on: the pivot takes it away from there. */
    auto_close below = path_root("/proc", O_PATH | O_DIRECTORY);
    if (below < 0)
        return below;
    rc = mount_restrict(root, MOUNT_ATTR_RDONLY);
    if (rc == 0)
        rc = mount_attach(root, below);
    if (rc == 0)
        rc = staging_mount("proc", proc, STAGING_HIDDEN);
    if (rc == 0)
        rc = staging_mount("sysfs", sys, STAGING_HIDDEN | MOUNT_ATTR_RDONLY);
    return rc < 0 ? rc : mount_pivot(root);
}

static int staging_fill(int root)
{
    static const char *const directories[] = {"proc", "sys", &STAGING_VOLUME[1], &STAGING_ROOT[1]};
    for (size_t i = 0; i < ARRAY_LEN(directories); i++) {
        int rc = path_mkdir(root, directories[i], 0755);
        if (rc < 0)
            return rc;
    }
    auto_close dev = path_mkdir_open(root, "dev", 0755);
    return dev < 0 ? dev : path_mknod(dev, "null", S_IFCHR | 0666, makedev(1, 3));
}

static int staging_mount(const char *type, int target, uint64_t attributes)
{
    auto_close mount = mount_new(type, NULL, attributes);
    return mount < 0 ? mount : mount_attach(mount, target);
}
