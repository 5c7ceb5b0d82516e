/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setuid - programs that give more than their caller has: setuid, setgid, file capabilities
 *
 * What a package brought so is named by the packages' lists and by the table of those Debian ships
 * so; chmod u+s on a packaged program is a road like any other. Looked through are local file
 * systems that honour the bit.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "doctor/look.h"
#include "doctor/people.h"

#define CAPABILITY "security.capability"
#define DPKG_INFO  "/var/lib/dpkg/info"
/* Directories in each other: a descriptor and some KiB of stack for each. Who makes more of them
 * than any program does finds them named, not searched. */
#define DEPTH_MAX 128U
/* Directories that could not be searched, by name. */
#define SKIPPED_NAMED_MAX 4U

/* Shipped so by Debian and its like. */
static const char *const shipped[] = {
    "Xorg.wrap",
    "at",
    "bsd-write",
    "bwrap",
    "chage",
    "chfn",
    "chrome-sandbox",
    "chsh",
    "crontab",
    "dbus-daemon-launch-helper",
    "doas",
    "dotlockfile",
    "exim4",
    "expiry",
    "fping",
    "fusermount",
    "fusermount3",
    "gpasswd",
    "gst-ptp-helper",
    "locate",
    "mail-lock",
    "mail-touchlock",
    "mail-unlock",
    "mlocate",
    "mount",
    "mount.cifs",
    "mount.nfs",
    "mtr-packet",
    "newgidmap",
    "newgrp",
    "newuidmap",
    "ntfs-3g",
    "passwd",
    "ping",
    "pkexec",
    "plocate",
    "polkit-agent-helper-1",
    "postdrop",
    "postqueue",
    "pppd",
    "screen",
    "snap-confine",
    "spice-client-glib-usb-acl-helper",
    "ssh-agent",
    "ssh-keysign",
    "su",
    "sudo",
    "sudoedit",
    "traceroute6.iputils",
    "umount",
    "unix_chkpwd",
    "usernetctl",
    "utempter",
    "vmware-user-suid-wrapper",
    "wall",
    "write",
    "write.ul",
    "lxc-user-nic",
    "kismet_capture",
    "dumpcap",
    "arping",
    "clockdiff",
    "systemd-detect-virt",
};

struct candidate {
    char *path;
    mode_t mode;
    uint32_t uid;
    uint32_t gid;
    bool has_capability;
    bool is_packaged;
};

struct scan {
    struct roads *roads;
    uint64_t until_ns;
    bool ended;
    dev_t device;
    struct candidate *list;
    size_t count;
    size_t skipped;
};

static bool is_reachable(const struct stat *directory);
static void scan_mount(struct scan *scan, const char *where);
static void scan_directory(struct scan *scan, int fd, const char *path, unsigned int depth);
static void scan_below(struct scan *scan, int above, const char *path, const char *name,
                       unsigned int depth);
static void skip(struct scan *scan, const char *path, const char *why);
static void look_at(struct scan *scan, int dir, const char *directory, const char *name);
static bool is_capable(int file);
static void take_list(const char *path, const char *name, void *data);
static const char *plain_name(const char *path);
static bool is_shipped(const struct candidate *candidate);
static void judge(struct scan *scan, const struct candidate *candidate);

/* The fields of /proc/self/mountinfo: the place is the fifth, the kind behind the dash. */
static void each_mount(struct scan *scan, char *text)
{
    static const char *const local[] = {"ext2", "ext3",  "ext4", "xfs",     "btrfs",   "f2fs",
                                        "zfs",  "tmpfs", "jfs",  "overlay", "bcachefs"};
    char *line;

    while ((line = look_line(&text)) != NULL) {
        const char *field[10] = {NULL};
        for (size_t i = 0; i < 6; i++)
            field[i] = look_word(&line);
        const char *word = field[5];
        while (word != NULL && strcmp(word, "-") != 0)
            word = look_word(&line);
        const char *kind = look_word(&line);
        bool is_local = false;
        for (size_t i = 0; kind != NULL && i < ARRAY_LEN(local); i++)
            is_local |= strcmp(kind, local[i]) == 0;
        if (is_local && strstr(field[5], "nosuid") == NULL && strchr(field[4], '\\') == NULL)
            scan_mount(scan, field[4]);
    }
}

void setuid_look(struct roads *roads, uint64_t limit_ms)
{
    auto_free char *mounts = NULL;
    struct scan scan = {.roads = roads, .until_ns = UINT64_MAX};

    if (limit_ms > 0)
        scan.until_ns = clock_boot_ns() + limit_ms * NS_PER_MS;
    int rc = look_file("/proc/self/mountinfo", &mounts);
    if (rc == 0)
        each_mount(&scan, mounts);
    if (rc < 0 || scan.ended)
        roads_note(roads, look_format("not every directory was searched for setuid files: "
                                      "`croft doctor --thorough` takes the time it takes"));
    if (scan.count > 0)
        look_each(DPKG_INFO, take_list, &scan);
    if (scan.skipped > SKIPPED_NAMED_MAX)
        roads_note(roads, look_format("not searched for setuid files: %zu more directories",
                                      scan.skipped - SKIPPED_NAMED_MAX));
    for (size_t i = 0; i < scan.count; i++) {
        if (!is_shipped(&scan.list[i]))
            judge(&scan, &scan.list[i]);
        free(scan.list[i].path);
    }
    free(scan.list);
}

static void scan_mount(struct scan *scan, const char *where)
{
    struct stat meta;
    char above[LOOK_PATH_MAX];

    /* A container's root file system lies behind a directory of root's. */
    for (size_t i = 1; where[i] != '\0'; i++)
        if (where[i] == '/' && str_format(above, sizeof(above), "%.*s", (int)i, where) == 0 &&
            look_stat(above, &meta) == 0 && !is_reachable(&meta))
            return;
    auto_close fd = openat(AT_FDCWD, where, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &meta) < 0)
        return;
    scan->device = meta.st_dev;
    scan_directory(scan, take_fd(&fd), strcmp(where, "/") == 0 ? "" : where, 0);
}

/* Depth first, never into another file system. @fd is taken over. */
static void scan_directory(struct scan *scan, int fd, const char *path, unsigned int depth)
{
    DIR *list = fdopendir(fd);
    const struct dirent *entry;

    if (list == NULL) {
        skip(scan, path, strerror(errno));
        fd_close(&fd);
        return;
    }
    while (!scan->ended && (entry = readdir(list)) != NULL) {
        if (entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN)
            look_at(scan, fd, path, entry->d_name);
        if ((entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) &&
            strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            scan_below(scan, fd, path, entry->d_name, depth + 1);
    }
    closedir(list);
    scan->ended |= clock_boot_ns() > scan->until_ns;
}

/* A name that is no directory, or no longer there, is nothing to search. */
static void scan_below(struct scan *scan, int above, const char *path, const char *name,
                       unsigned int depth)
{
    char below[LOOK_PATH_MAX];
    struct stat meta;

    auto_close dir = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int failed = dir < 0 ? errno : 0;
    if (failed == ENOTDIR || failed == ELOOP || failed == ENOENT)
        return;
    look_join(below, path, name);
    if (failed == 0 && fstat(dir, &meta) < 0)
        failed = errno;
    if (failed != 0 || below[0] == '\0')
        skip(scan, below[0] != '\0' ? below : path,
             failed != 0 ? strerror(failed) : "too long a path");
    else if (meta.st_dev == scan->device && is_reachable(&meta) && depth >= DEPTH_MAX)
        skip(scan, below, "too deep");
    else if (meta.st_dev == scan->device && is_reachable(&meta))
        scan_directory(scan, take_fd(&dir), below, depth);
}

static void skip(struct scan *scan, const char *path, const char *why)
{
    if (++scan->skipped <= SKIPPED_NAMED_MAX)
        roads_note(scan->roads, look_format("not searched for setuid files: %s (%s)", path, why));
}

/* What lies behind a directory of root's that nobody else may search runs for nobody else. */
static bool is_reachable(const struct stat *directory)
{
    return directory->st_uid != 0 || (directory->st_mode & S_IXOTH) ||
           ((directory->st_mode & S_IXGRP) && directory->st_gid != 0);
}

static void look_at(struct scan *scan, int dir, const char *directory, const char *name)
{
    char path[LOOK_PATH_MAX];
    struct stat meta;
    bool has_capability = false;

    if (fstatat(dir, name, &meta, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(meta.st_mode) ||
        !(meta.st_mode & 0111))
        return;
    look_join(path, directory, name);
    bool is_set = meta.st_mode & (S_ISUID | S_ISGID);
    if (!is_set) {
        auto_close file = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        has_capability = file >= 0 && is_capable(file);
    }
    if ((!is_set && !has_capability) || path[0] == '\0')
        return;
    scan->list = mem_grow(scan->list, scan->count + 1, sizeof(*scan->list));
    scan->list[scan->count++] = (struct candidate){.path = look_format("%s", path),
                                                   .mode = meta.st_mode,
                                                   .uid = meta.st_uid,
                                                   .gid = meta.st_gid,
                                                   .has_capability = has_capability};
}

/* What root of a user namespace gave a file counts in that namespace alone. */
static bool is_capable(int file)
{
    struct vfs_ns_cap_data data = {0};
    ssize_t size = look_attribute(file, CAPABILITY, &data, sizeof(data));

    if (size <= 0)
        return false;
    return (le32toh(data.magic_etc) & VFS_CAP_REVISION_MASK) != VFS_CAP_REVISION_3 ||
           data.rootid == 0;
}

/* A package's list of files; /bin is /usr/bin by another name. */
static void take_list(const char *path, const char *name, void *data)
{
    struct scan *scan = data;
    auto_free char *text = NULL;
    size_t length = strlen(name);
    const char *line;

    if (length < 6 || strcmp(name + length - 5, ".list") != 0 || look_file(path, &text) < 0)
        return;
    for (size_t i = 0; i < scan->count; i++) {
        struct candidate *candidate = &scan->list[i];
        const char *wanted = plain_name(candidate->path);
        size_t size = strlen(wanted);
        for (line = text; !candidate->is_packaged && (line = strstr(line, wanted)) != NULL; line++)
            candidate->is_packaged = (line[size] == '\n' || line[size] == '\0') &&
                                     (line == text || line[-1] == '\n' ||
                                      (line - text >= 4 && strncmp(line - 4, "/usr", 4) == 0 &&
                                       (line - text == 4 || line[-5] == '\n')));
    }
}

static const char *plain_name(const char *path)
{
    return strncmp(path, "/usr/", strlen("/usr/")) == 0 ? path + strlen("/usr") : path;
}

static bool is_shipped(const struct candidate *candidate)
{
    const char *name = strrchr(candidate->path, '/') + 1;

    /* Without dpkg the table alone decides. */
    if (!candidate->is_packaged && look_exists(DPKG_INFO))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(shipped); i++)
        if (strcmp(name, shipped[i]) == 0)
            return true;
    return false;
}

static void judge(struct scan *scan, const struct candidate *candidate)
{
    struct roads *roads = scan->roads;
    auto_free char *quoted = look_quoted(candidate->path);
    const struct group *group = accounts_group_id(roads->accounts, candidate->gid);
    const char *whose = candidate->is_packaged ? "which no package ships so" : "of no package";
    bool is_setuid = candidate->mode & S_ISUID;
    size_t to = is_setuid ? accounts_by_uid(roads->accounts, candidate->uid) : roads->root;

    /* A group that opens nothing is not worth a word. */
    if (!candidate->has_capability && !is_setuid && candidate->gid != 0 &&
        (group == NULL || people_group_why(group->name) == NULL))
        return;
    auto_free char *how = look_format("may run %s, %s, %s", candidate->path,
                                      candidate->has_capability ? "with capabilities"
                                      : is_setuid               ? "setuid"
                                                                : "setgid",
                                      whose);
    auto_free char *repair = candidate->has_capability
                                 ? look_format("setcap -r %s", quoted)
                                 : look_format("chmod %s %s", is_setuid ? "u-s" : "g-s", quoted);
    if (candidate->mode & S_IXOTH)
        roads_add(roads, ACCOUNT_EVERYBODY, to, look_format("%s", how), look_format("%s", repair));
    else if (candidate->mode & S_IXGRP)
        roads_add_group(roads, candidate->gid, to, how, repair);
}
