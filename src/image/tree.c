/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree - makes files beneath one directory descriptor, following nothing
 *
 * Theory of operation
 * The parent of an entry is opened in one openat2(2) from the root (linux/path.h), so a symbolic
 * link planted by an earlier entry ends the unpacking instead of leading somewhere. Everything
 * else is done to one component beneath that parent, with calls that do not follow links, or to an
 * open descriptor. Archives list the files of a directory together, so the last parent is kept.
 *
 * Order for one file: content, owner, mode, attributes, time. A change of owner takes away setuid
 * bits and capabilities; writing takes them away too and changes the time. What a new file has
 * already (root's, its mode) is not set again: a root file system is 10,000 small files.
 */
#include "image/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "image/remove.h"
#include "linux/path.h"

#define SHOWN 160
/*
 * Times of directories that are remembered to the end. A root file system has some 10,000; an
 * archive made to have millions keeps the times at which they were unpacked for the rest.
 */
#define DIRECTORY_TIMES_MAX   100000U
#define DIRECTORY_TIMES_BYTES (16U * 1024U * 1024U)

struct directory_time {
    char *path;
    struct timespec mtime;
};

/* The group of a new file when it is not known: its directory's may be handed on. */
#define GROUP_UNKNOWN UINT32_MAX

/*
 * parent:       of parent_path; -1: none kept
 * parent_group: which group a new file in it gets
 * new_group:    likewise, of the directory that was looked up last
 */
struct tree {
    int root;
    enum entry_rules rules;
    int parent;
    uint32_t parent_group;
    uint32_t new_group;
    char parent_path[IMAGE_PATH_MAX];
    struct directory_time *times;
    size_t time_count;
    size_t time_capacity;
    size_t time_bytes;
};

static int make_directory(struct tree *tree, const struct entry_plan *plan, int parent,
                          const char *leaf, struct timespec mtime);
static int make_symlink(struct tree *tree, const struct entry_plan *plan, int parent,
                        const char *leaf, struct timespec mtime);
static int make_link(struct tree *tree, const struct entry_plan *plan, int parent,
                     const char *leaf);
static int make_fifo(struct tree *tree, const struct entry_plan *plan, int parent, const char *leaf,
                     struct timespec mtime);
static int clear_way(struct tree *tree, int parent, const char *leaf);
static int remove_leaf(struct tree *tree, int parent, const char *leaf);
static int open_parent(struct tree *tree, const char *path, int *ret_parent, const char **ret_leaf);
static int find_parent(struct tree *tree, const char *path, int *ret_parent, const char **ret_leaf);

struct tree *tree_new(int root)
{
    struct tree *tree = mem_new(1, sizeof(*tree));
    tree->root = root;
    tree->parent = -1;
    tree->rules = ENTRY_ROOT_FS;
    return tree;
}

void tree_rules(struct tree *tree, enum entry_rules rules)
{
    tree->rules = rules;
}

static void forget_times(struct tree *tree)
{
    for (size_t i = 0; i < tree->time_count; i++)
        free(tree->times[i].path);
    tree->time_count = 0;
}

void tree_free(struct tree *tree)
{
    if (tree == NULL)
        return;
    forget_times(tree);
    free(tree->times);
    fd_close(&tree->parent);
    free(tree);
}

int tree_begin(struct tree *tree, struct err *err)
{
    auto_close root = path_open(tree->root, ".", O_RDONLY | O_DIRECTORY);
    if (root < 0 || fchown(root, 0, 0) < 0 || fchmod(root, 0755) < 0)
        return tree_error(err, root < 0 ? root : -errno, "preparing", "the image");
    forget_times(tree);
    return 0;
}

int tree_error(struct err *err, int negative_errno, const char *doing, const char *path)
{
    switch (-negative_errno) {
    case ENOSPC:
    case EDQUOT:
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "your disk is full: no space or no inode for %.*s; remove images or "
                       "machines, or ask an admin for a bigger disk",
                       SHOWN, path);
    case EEXIST:
        return err_set(err, OUTCOME_FAILED,
                       "the archive has %.*s twice, once as a directory and once as something else",
                       SHOWN, path);
    case ELOOP:
    case ENOTDIR:
    case EXDEV:
        return err_set(err, OUTCOME_FAILED,
                       "the archive puts %.*s below something that is no directory", SHOWN, path);
    case EMLINK:
        return err_set(err, OUTCOME_FAILED, "the archive links one file too often: %.*s", SHOWN,
                       path);
    case EFBIG:
        return err_set(err, OUTCOME_FAILED, "%.*s in the archive is bigger than a file can be",
                       SHOWN, path);
    default:
        return err_errno(err, OUTCOME_FAILED, negative_errno, "%s %.*s", doing, SHOWN, path);
    }
}

int tree_make(struct tree *tree, const struct entry_plan *plan, struct timespec mtime,
              struct err *err)
{
    int parent = -1;
    const char *leaf = NULL;
    int rc = open_parent(tree, plan->path, &parent, &leaf);
    if (rc < 0)
        return tree_error(err, rc, "making the directory of", plan->path);

    switch (plan->kind) {
    case ENTRY_DIRECTORY:
        rc = make_directory(tree, plan, parent, leaf, mtime);
        break;
    case ENTRY_SYMLINK:
        rc = make_symlink(tree, plan, parent, leaf, mtime);
        break;
    case ENTRY_HARDLINK:
        rc = make_link(tree, plan, parent, leaf);
        if (rc == -ENOENT || rc == -EPERM)
            return err_set(err, OUTCOME_FAILED,
                           "the hard link %.*s in the archive does not lead to a file that came "
                           "before it",
                           SHOWN, plan->path);
        break;
    case ENTRY_FIFO:
        rc = make_fifo(tree, plan, parent, leaf, mtime);
        break;
    case ENTRY_FILE:
    case ENTRY_SKIPPED:
    case ENTRY_WHITEOUT:
    case ENTRY_OPAQUE:
        croft_bug("tree_make: a kind it does not make");
    }
    return rc < 0 ? tree_error(err, rc, "unpacking", plan->path) : 0;
}

int tree_create(struct tree *tree, const struct entry_plan *plan, int *ret_fd, struct err *err)
{
    int parent = -1;
    const char *leaf = NULL;
    int rc = open_parent(tree, plan->path, &parent, &leaf);
    if (rc < 0)
        return tree_error(err, rc, "making the directory of", plan->path);
    const mode_t mode = plan->mode & 0777U;
    int fd = path_create(parent, leaf, O_WRONLY, mode);
    if (fd == -EEXIST) {
        rc = clear_way(tree, parent, leaf);
        fd = rc < 0 ? rc : path_create(parent, leaf, O_WRONLY, mode);
    }
    if (fd < 0)
        return tree_error(err, fd, "unpacking", plan->path);
    *ret_fd = fd;
    return 0;
}

int tree_close(const struct tree *tree, const struct entry_plan *plan, int fd, int64_t hole_bytes,
               struct timespec mtime, struct err *err)
{
    const struct timespec times[2] = {mtime, mtime};
    bool owned = plan->uid == 0 && plan->gid == tree->new_group;

    if ((hole_bytes > 0 && ftruncate(fd, hole_bytes) < 0) ||
        (!owned && fchown(fd, plan->uid, plan->gid) < 0) ||
        ((plan->mode & 07000U) != 0 && fchmod(fd, plan->mode) < 0) || futimens(fd, times) < 0)
        return tree_error(err, -errno, "unpacking", plan->path);
    return 0;
}

int tree_whiteout(struct tree *tree, const struct entry_plan *plan, struct err *err)
{
    int parent = -1;
    const char *leaf = NULL;
    int rc = find_parent(tree, plan->path, &parent, &leaf);
    if (rc == 0)
        rc = remove_leaf(tree, parent, leaf);
    if (rc == 0 || rc == -ENOENT)
        return 0;
    return tree_error(err, rc, "taking away", plan->path);
}

int tree_empty(struct tree *tree, const struct entry_plan *plan, struct err *err)
{
    const char *path = plan->path[0] == '\0' ? "." : plan->path;
    auto_close dir = path_open(tree->root, path, O_RDONLY | O_DIRECTORY);
    /* Not there, or something else, which the layer replaces by its directory. */
    if (dir == -ENOENT || dir == -ENOTDIR || dir == -ELOOP)
        return 0;
    fd_close(&tree->parent);
    int rc = dir < 0 ? dir : remove_content(dir);
    return rc < 0 ? tree_error(err, rc, "emptying", path) : 0;
}

int tree_open(struct tree *tree, const char *path)
{
    int parent = -1;
    const char *leaf = NULL;
    int rc = open_parent(tree, path, &parent, &leaf);
    if (rc < 0)
        return rc;
    return path_open(parent, leaf, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
}

static void remember_time(struct tree *tree, const char *path, struct timespec mtime)
{
    size_t size = strlen(path) + 1;
    if (tree->time_count == DIRECTORY_TIMES_MAX || tree->time_bytes + size > DIRECTORY_TIMES_BYTES)
        return;
    if (tree->time_count == tree->time_capacity) {
        tree->time_capacity = tree->time_capacity == 0 ? 256 : 2 * tree->time_capacity;
        tree->times = mem_grow(tree->times, tree->time_capacity, sizeof(*tree->times));
    }
    struct directory_time *time = &tree->times[tree->time_count++];
    time->path = mem_new(size, 1);
    memcpy(time->path, path, size);
    time->mtime = mtime;
    tree->time_bytes += size;
}

/* The root itself has the leaf ".", which mkdir answers with EEXIST like any directory. */
static int make_directory(struct tree *tree, const struct entry_plan *plan, int parent,
                          const char *leaf, struct timespec mtime)
{
    /* It may be the kept parent, whose group would be another now. */
    if (parent == tree->root)
        fd_close(&tree->parent);
    if (mkdirat(parent, leaf, 0700) < 0 && errno != EEXIST)
        return -errno;
    auto_close fd = path_open(parent, leaf, O_RDONLY | O_DIRECTORY);
    if (fd == -ENOTDIR || fd == -ELOOP) {
        if (tree->rules != ENTRY_LAYER)
            return -EEXIST;
        int rc = path_unlink(parent, leaf);
        if (rc == 0)
            rc = path_mkdir_open(parent, leaf, 0700);
        fd = rc;
    }
    if (fd < 0)
        return fd;
    if (fchown(fd, plan->uid, plan->gid) < 0 || fchmod(fd, plan->mode) < 0)
        return -errno;
    remember_time(tree, plan->path[0] == '\0' ? "." : plan->path, mtime);
    return 0;
}

static int make_symlink(struct tree *tree, const struct entry_plan *plan, int parent,
                        const char *leaf, struct timespec mtime)
{
    const struct timespec times[2] = {mtime, mtime};
    int rc = path_symlink(parent, leaf, plan->target);
    if (rc == -EEXIST) {
        rc = clear_way(tree, parent, leaf);
        if (rc == 0)
            rc = path_symlink(parent, leaf, plan->target);
    }
    if (rc < 0)
        return rc;
    if ((plan->uid != 0 || plan->gid != tree->new_group) &&
        fchownat(parent, leaf, plan->uid, plan->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return utimensat(parent, leaf, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* It is not opened, which would wait for a reader. */
static int make_fifo(struct tree *tree, const struct entry_plan *plan, int parent, const char *leaf,
                     struct timespec mtime)
{
    const struct timespec times[2] = {mtime, mtime};
    int rc = clear_way(tree, parent, leaf);
    if (rc < 0)
        return rc;
    if (mknodat(parent, leaf, S_IFIFO | 0600, 0) < 0 ||
        fchownat(parent, leaf, plan->uid, plan->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
        fchmodat(parent, leaf, plan->mode, 0) < 0 ||
        utimensat(parent, leaf, times, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return 0;
}

static int make_link(struct tree *tree, const struct entry_plan *plan, int parent, const char *leaf)
{
    char directory[IMAGE_PATH_MAX];
    const char *target_leaf = plan->target;
    struct stat target;
    struct stat there;
    auto_close opened = -1;
    int target_parent = tree->root;

    const char *slash = strrchr(plan->target, '/');
    if (slash != NULL) {
        size_t len = (size_t)(slash - plan->target);
        memcpy(directory, plan->target, len);
        directory[len] = '\0';
        target_leaf = slash + 1;
        opened = path_open(tree->root, directory, O_PATH | O_DIRECTORY);
        if (opened < 0)
            return opened == -ENOENT ? -ENOENT : -EPERM;
        target_parent = opened;
    }
    int rc = path_stat(target_parent, target_leaf, &target);
    if (rc < 0)
        return rc;
    if (!S_ISREG(target.st_mode))
        return -EPERM;
    /* A link to itself, or said twice: clearing the way would take the last name away. */
    if (path_stat(parent, leaf, &there) == 0 && there.st_ino == target.st_ino &&
        there.st_dev == target.st_dev)
        return 0;
    rc = clear_way(tree, parent, leaf);
    if (rc < 0)
        return rc;
    return linkat(target_parent, target_leaf, parent, leaf, 0) < 0 ? -errno : 0;
}

/* Makes room for an entry that is no directory. Return: 0; -EEXIST a directory is there */
static int clear_way(struct tree *tree, int parent, const char *leaf)
{
    struct stat there;
    int rc = path_stat(parent, leaf, &there);
    if (rc == -ENOENT)
        return 0;
    if (rc < 0)
        return rc;
    if (!S_ISDIR(there.st_mode))
        return path_unlink(parent, leaf);
    return tree->rules == ENTRY_LAYER ? remove_leaf(tree, parent, leaf) : -EEXIST;
}

/* The kept parent lies elsewhere in the tree, or is @parent itself, unless that is the root. */
static int remove_leaf(struct tree *tree, int parent, const char *leaf)
{
    if (parent == tree->root)
        fd_close(&tree->parent);
    return remove_tree(parent, leaf);
}

/* Makes the missing components of @directory. Return: O_PATH descriptor (caller owns); -errno */
static int make_parents(struct tree *tree, const char *directory)
{
    char name[ENTRY_COMPONENT_MAX + 1];
    auto_close at = path_open(tree->root, ".", O_RDONLY | O_DIRECTORY);
    const char *rest = directory;
    while (at >= 0 && *rest != '\0') {
        size_t len = strcspn(rest, "/");
        memcpy(name, rest, len);
        name[len] = '\0';
        int made = path_mkdir(at, name, 0755);
        int next = made < 0 && made != -EEXIST ? made : path_open(at, name, O_RDONLY | O_DIRECTORY);
        fd_close(&at);
        at = next;
        rest += len;
        rest += *rest == '/';
    }
    return take_fd(&at);
}

static uint32_t handed_group(int directory)
{
    struct stat what;
    if (fstat(directory, &what) < 0)
        return GROUP_UNKNOWN;
    return what.st_mode & S_ISGID ? what.st_gid : 0;
}

static int open_parent_at(struct tree *tree, const char *path, bool make, int *ret_parent,
                          const char **ret_leaf)
{
    char directory[IMAGE_PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        tree->new_group = GROUP_UNKNOWN;
        *ret_parent = tree->root;
        *ret_leaf = path[0] == '\0' ? "." : path;
        return 0;
    }
    size_t len = (size_t)(slash - path);
    memcpy(directory, path, len);
    directory[len] = '\0';
    if (tree->parent < 0 || strcmp(directory, tree->parent_path) != 0) {
        fd_close(&tree->parent);
        int fd = path_open(tree->root, directory, O_PATH | O_DIRECTORY);
        if (fd == -ENOENT && make)
            fd = make_parents(tree, directory);
        if (fd < 0)
            return fd;
        tree->parent = fd;
        tree->parent_group = handed_group(fd);
        memcpy(tree->parent_path, directory, len + 1);
    }
    tree->new_group = tree->parent_group;
    *ret_parent = tree->parent;
    *ret_leaf = slash + 1;
    return 0;
}

/* Splits @path; the parent stays the tree's and is valid until the next call. */
static int open_parent(struct tree *tree, const char *path, int *ret_parent, const char **ret_leaf)
{
    return open_parent_at(tree, path, true, ret_parent, ret_leaf);
}

/* As open_parent(), and makes nothing. Return: 0; -ENOENT; -errno */
static int find_parent(struct tree *tree, const char *path, int *ret_parent, const char **ret_leaf)
{
    return open_parent_at(tree, path, false, ret_parent, ret_leaf);
}

/* What a later layer took away, or replaced by something else, has no time to be set. */
static bool is_gone(const struct tree *tree, int rc)
{
    return tree->rules == ENTRY_LAYER && (rc == -ENOENT || rc == -ENOTDIR || rc == -ELOOP);
}

int tree_finish(struct tree *tree, struct err *err)
{
    /* Forwards: of a directory that came twice the later time counts. */
    for (size_t i = 0; i < tree->time_count; i++) {
        const struct directory_time *time = &tree->times[i];
        const struct timespec times[2] = {time->mtime, time->mtime};
        auto_close fd = path_open(tree->root, time->path, O_RDONLY | O_DIRECTORY);
        if (is_gone(tree, fd))
            continue;
        if (fd < 0 || futimens(fd, times) < 0)
            return tree_error(err, fd < 0 ? fd : -errno, "setting the time of", time->path);
    }
    forget_times(tree);
    auto_close root = path_open(tree->root, ".", O_RDONLY | O_DIRECTORY);
    if (root < 0 || syncfs(root) < 0)
        return tree_error(err, root < 0 ? root : -errno, "writing to the disk", "the image");
    return 0;
}
