/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootfs - the file systems of an instance, by descriptor
 *
 * Theory of operation
 * The tree is built in the child's own copy of the staging namespace:
 *
 *   /volume    her volume, nosuid,nodev; only the overlay looks into it
 *   /root      the overlay: the instance's /
 *     dev      tmpfs with device nodes, pts shm mqueue
 *     proc     of its own pid namespace, covered where it shows the host
 *     sys      of its own network namespace, read-only
 *
 * then becomes the root, and everything else is let go. /dev is the one file system that root of
 * the host makes, because only it may make device nodes: nodes of one's own instead of bind mounts
 * of the host's, so that no inode is shared (a lock on a shared /dev/null would be a wall that
 * leaks). Its files belong to her block; mknod of a device needs CAP_MKNOD of the host in any case.
 */
#include "runtime/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "linux/mounts.h"
#include "linux/path.h"
#include "linux/staging.h"

#define HIDDEN (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)
/* /dev holds nodes, links and perhaps a socket, no data. */
#define DEV_SIZE   "256k"
#define DEV_INODES "512"
/* The host has one pool of terminals (kernel.pty.max, 3,072 of them for instances): what all of one
 * user's machines (MACHINES_PER_USER_MAX) can take leaves a third of it to the others. */
#define PTS_MAX "32"
/* Each inode costs kernel memory that "size" does not count. */
#define SHM_INODES        "16384"
#define SHM_DEFAULT_BYTES (64ULL * MIB)
#define OVERLAY_DATA_MAX  4096 /* one page, as mount(2) takes it */

static int overlay_data(const struct run *run, char *data, size_t size);
static int mount_names(int etc, const char *name, int file);
static int open_or_make(int dir, const char *name);
static int mount_at(int parent, const char *name, int mount);
static int mount_new_at(int parent, const char *name, const char *type,
                        const struct mount_option *options, uint64_t attributes);
static int cover_hidden(struct run *run, int tree, const char *const *names, size_t count,
                        int *empty);
static int cover_read_only(int tree, const char *name);

int rootfs_make_dev(struct run *run)
{
    static const struct {
        const char *name;
        unsigned int major;
        unsigned int minor;
    } nodes[] = {
        {"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
        {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
    };
    char owner[16];
    int rc = str_format(owner, sizeof(owner), "%u", run->job.block_first);
    if (rc < 0)
        return rc;
    const struct mount_option options[] = {{"size", DEV_SIZE}, {"nr_inodes", DEV_INODES},
                                           {"mode", "0755"},   {"uid", owner},
                                           {"gid", owner},     {NULL, NULL}};
    /* Not nodev: it holds the nodes. */
    auto_close dev = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    if (dev < 0)
        return dev;
    for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
        rc =
            path_mknod(dev, nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor));
        if (rc < 0)
            return rc;
    }
    run->dev = take_fd(&dev);
    return 0;
}

int rootfs_mount_overlay(struct run *run)
{
    static char data[OVERLAY_DATA_MAX];
    int rc = overlay_data(run, data, sizeof(data));
    if (rc < 0)
        return rc;
    auto_close at = path_root(STAGING_VOLUME, O_PATH | O_DIRECTORY);
    if (at < 0)
        return at;
    rc = mount_attach(run->fd[JOB_FD_VOLUME], at);
    if (rc < 0)
        return rc;
    /* The names in data are relative: no path of the host shows in the instance's mountinfo. */
    if (fchdir(run->fd[JOB_FD_VOLUME]) < 0)
        return -errno;
    rc = mount_overlay(STAGING_ROOT, data);
    if (rc < 0)
        return rc;
    run->root = path_root(STAGING_ROOT, O_PATH | O_DIRECTORY);
    return run->root < 0 ? run->root : 0;
}

static int overlay_data(const struct run *run, char *data, size_t size)
{
    const struct plan *plan = run->plan;
    char hex[2 * SHA256_SIZE + 1];
    /* userxattr also turns redirects and metacopy off, which could point at other files. */
    int rc =
        str_format(data, size, "userxattr,upperdir=instances/%s/upper,workdir=instances/%s/work%s",
                   plan->name, plan->name, run->job.flags & JOB_VOLATILE ? ",volatile" : "");
    for (uint32_t i = plan->layer_count; i > 0 && rc == 0; i--) {
        size_t used = strlen(data);
        str_hex(plan->layer[i - 1], SHA256_SIZE, hex);
        rc = str_format(data + used, size - used, "%slayers/%s",
                        i == plan->layer_count ? ",lowerdir=" : ":", hex);
    }
    return rc;
}

int rootfs_mount_names(struct run *run)
{
    int rc = path_mkdir(run->root, "etc", 0755);
    auto_close etc = path_open(run->root, "etc", O_PATH | O_DIRECTORY);
    /* No place for them: names are a convenience, and a machine that does not start is none. */
    if (etc < 0 || (rc < 0 && rc != -EEXIST))
        return 0;
    rc = mount_names(etc, "hosts", run->fd[JOB_FD_HOSTS]);
    return rc < 0 ? rc : mount_names(etc, "resolv.conf", run->fd[JOB_FD_RESOLV]);
}

/* A symbolic link is covered itself, not what it leads to; nothing of hers is changed. */
static int mount_names(int etc, const char *name, int file)
{
    struct stat found;
    if (file < 0)
        return 0;
    auto_close target = open_or_make(etc, name);
    if (target < 0 || fstat(target, &found) < 0 || S_ISDIR(found.st_mode))
        return 0;
    int rc = mount_restrict(file, HIDDEN | MOUNT_ATTR_RDONLY);
    return rc < 0 ? rc : mount_attach(file, target);
}

static int open_or_make(int dir, const char *name)
{
    int target = path_open(dir, name, O_PATH | O_NOFOLLOW);
    if (target != -ENOENT)
        return target;
    auto_close made = path_create(dir, name, O_WRONLY, 0644);
    return made < 0 ? made : path_open(dir, name, O_PATH | O_NOFOLLOW);
}

int rootfs_mount_dev(struct run *run)
{
    static const char *const links[][2] = {
        {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
        {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},
    };
    char shm_bytes[24];
    uint64_t bytes = run->job.shm_bytes ? run->job.shm_bytes : SHM_DEFAULT_BYTES;
    int rc = str_format(shm_bytes, sizeof(shm_bytes), "%" PRIu64, bytes);
    const struct mount_option shm[] = {
        {"size", shm_bytes}, {"nr_inodes", SHM_INODES}, {"mode", "1777"}, {NULL, NULL}};
    /* Group 5 is "tty" in Debian and its kin; a terminal's group may write to it (wall, write). */
    const struct mount_option pts[] = {
        {"ptmxmode", "0666"}, {"mode", "0620"}, {"gid", "5"}, {"max", PTS_MAX}, {NULL, NULL}};
    if (rc == 0)
        rc = mount_at(run->root, "dev", run->dev);
    for (size_t i = 0; i < ARRAY_LEN(links) && rc == 0; i++)
        rc = path_symlink(run->dev, links[i][0], links[i][1]);
    if (rc == 0)
        rc = mount_new_at(run->dev, "shm", "tmpfs", shm, HIDDEN);
    if (rc < 0)
        return rc;
    /* Not nodev: the terminals are devices. */
    run->pts = mount_new("devpts", pts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    return run->pts < 0 ? run->pts : mount_at(run->dev, "pts", run->pts);
}

int rootfs_mount_proc(struct run *run)
{
    struct statfs found;
    run->proc = mount_new("proc", NULL, HIDDEN);
    if (run->proc < 0)
        return run->proc;
    if (fstatfs(run->proc, &found) < 0)
        return -errno;
    if ((unsigned long)found.f_type != PROC_SUPER_MAGIC)
        return -EINVAL;
    return mount_at(run->root, "proc", run->proc);
}

int rootfs_mount_sys(struct run *run)
{
    run->sys = mount_new("sysfs", NULL, HIDDEN | MOUNT_ATTR_RDONLY);
    if (run->sys < 0)
        return run->sys;
    int rc = mount_at(run->root, "sys", run->sys);
    if (rc < 0)
        return rc;
    return mount_new_at(run->dev, "mqueue", "mqueue", NULL, HIDDEN);
}

int rootfs_cover(struct run *run)
{
    /*
     * Of the whole host: kernel addresses, memory, keys, timers, devices; and what shows one user
     * what the disks and interrupts of another do.
     */
    static const char *const hidden_proc[] = {
        "acpi",          "asound",      "diskstats",    "fs",         "interrupts",
        "iomem",         "ioports",     "kallsyms",     "kcore",      "key-users",
        "keys",          "kmsg",        "kpagecgroup",  "kpagecount", "kpageflags",
        "latency_stats", "modules",     "pagetypeinfo", "partitions", "sched_debug",
        "schedstat",     "scsi",        "slabinfo",     "softirqs",   "timer_list",
        "timer_stats",   "vmallocinfo",
    };
    /* Firmware tables; power meters (a side channel); everybody's volumes and kernel caches. */
    static const char *const hidden_sys[] = {
        "firmware",
        "devices/virtual/powercap",
        "devices/virtual/block",
        "devices/virtual/bdi",
        "fs",
        "kernel/slab",
    };
    /* Files through which root of the host changes the host. */
    static const char *const read_only[] = {"bus", "irq", "sys", "sysrq-trigger"};
    auto_close empty = -1;
    int rc = cover_hidden(run, run->proc, hidden_proc, ARRAY_LEN(hidden_proc), &empty);
    if (rc == 0)
        rc = cover_hidden(run, run->sys, hidden_sys, ARRAY_LEN(hidden_sys), &empty);
    for (size_t i = 0; i < ARRAY_LEN(read_only) && rc == 0; i++)
        rc = cover_read_only(run->proc, read_only[i]);
    return rc;
}

/* A directory is covered by an empty one, a file by /dev/null. *empty is made when first needed. */
static int cover_hidden(struct run *run, int tree, const char *const *names, size_t count,
                        int *empty)
{
    const struct mount_option options[] = {
        {"size", "4k"}, {"nr_inodes", "2"}, {"mode", "0555"}, {NULL, NULL}};
    for (size_t i = 0; i < count; i++) {
        auto_close target = path_open(tree, names[i], O_PATH);
        struct stat found;
        if (target == -ENOENT)
            continue;
        if (target < 0)
            return target;
        if (fstat(target, &found) < 0)
            return -errno;
        if (S_ISDIR(found.st_mode) && *empty < 0) {
            *empty = mount_new("tmpfs", options, HIDDEN | MOUNT_ATTR_RDONLY);
            int rc = *empty < 0 ? *empty : mount_attach(*empty, target);
            if (rc < 0)
                return rc;
            continue;
        }
        auto_close cover =
            S_ISDIR(found.st_mode) ? mount_clone(*empty, "") : mount_clone(run->dev, "null");
        int rc = cover < 0 ? cover : mount_attach(cover, target);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int cover_read_only(int tree, const char *name)
{
    auto_close target = path_open(tree, name, O_PATH);
    if (target == -ENOENT)
        return 0;
    if (target < 0)
        return target;
    auto_close cover = mount_clone(tree, name);
    if (cover < 0)
        return cover;
    int rc = mount_restrict(cover, HIDDEN | MOUNT_ATTR_RDONLY);
    return rc < 0 ? rc : mount_attach(cover, target);
}

int rootfs_enter(struct run *run)
{
    return mount_pivot(run->root);
}

int rootfs_enter_tree(struct run *run)
{
    auto_close at = path_root(STAGING_ROOT, O_PATH | O_DIRECTORY);
    if (at < 0)
        return at;
    int tree = run->fd[JOB_FD_VOLUME];
    int rc = mount_restrict(tree, HIDDEN);
    if (rc == 0)
        rc = mount_attach(tree, at);
    return rc < 0 ? rc : mount_pivot(tree);
}

static int mount_at(int parent, const char *name, int mount)
{
    int rc = path_mkdir(parent, name, 0755);
    if (rc < 0 && rc != -EEXIST)
        return rc;
    /* No link is followed and no other mount entered: what the image put there cannot lead out. */
    auto_close target = path_open(parent, name, O_PATH | O_DIRECTORY);
    return target < 0 ? target : mount_attach(mount, target);
}

static int mount_new_at(int parent, const char *name, const char *type,
                        const struct mount_option *options, uint64_t attributes)
{
    auto_close mount = mount_new(type, options, attributes);
    return mount < 0 ? mount : mount_at(parent, name, mount);
}
