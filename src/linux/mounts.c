/* SPDX-License-Identifier: Apache-2.0 */
/* mounts - mounts by descriptor: made detached, attached to an open directory */
#include "linux/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

int mount_new(const char *type, const struct mount_option *options, uint64_t attributes)
{
    auto_close context = fsopen(type, FSOPEN_CLOEXEC);
    if (context < 0)
        return -errno;
    for (; options != NULL && options->key != NULL; options++) {
        unsigned int command = options->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
        if (fsconfig(context, command, options->key, options->value, 0) < 0)
            return -errno;
    }
    if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -errno;
    int mount = fsmount(context, FSMOUNT_CLOEXEC, (unsigned int)attributes);
    return mount < 0 ? -errno : mount;
}

int mount_clone(int dir, const char *name)
{
    unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW;
    if (name[0] == '\0')
        flags |= AT_EMPTY_PATH;
    int mount = open_tree(dir, name, flags);
    return mount < 0 ? -errno : mount;
}

int mount_restrict(int mount, uint64_t attributes)
{
    struct mount_attr attr = {.attr_set = attributes};
    int rc = mount_setattr(mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr));
    return rc < 0 ? -errno : 0;
}

int mount_attach(int mount, int target)
{
    int rc = move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
    return rc < 0 ? -errno : 0;
}

int mount_overlay(const char *target, const char *data)
{
    return mount("overlay", target, "overlay", 0, data) < 0 ? -errno : 0;
}

int mount_pivot(int root)
{
    if (fchdir(root) < 0)
        return -errno;
    /* Stacks the old root on the new one at the same place; the next call takes it away. */
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        return -errno;
    if (umount2(".", MNT_DETACH) < 0)
        return -errno;
    return chdir("/") < 0 ? -errno : 0;
}

int mount_private(void)
{
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
}
