/* SPDX-License-Identifier: Apache-2.0 */
/* tree - who else than root can change what a path leads to */
#include "doctor/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "doctor/look.h"

#define LINKS_MAX 40U /* as the kernel */
#define ACL_SIZE  1024U

/* A walk: at: the directory reached, whose path is where; rest: what is still to go. */
struct walk {
    struct roads *roads;
    const char *why;
    const char *wanted;
    int at;
    char where[LOOK_PATH_MAX];
    char rest[LOOK_PATH_MAX];
    unsigned int links;
};

static int step(struct walk *walk, enum tree_use use, const char *repair);
static int follow(struct walk *walk, int link);
static void blame_owner(struct walk *walk, const struct stat *meta, const char *path);
static void blame_modes(struct walk *walk, int fd, const struct stat *meta, const char *path);
static void blame_missing(struct walk *walk, const char *name, const char *repair);
static void blame_group(struct walk *walk, uint32_t gid, const char *path, const char *close);

ssize_t tree_acl(const uint8_t *bytes, size_t size, struct tree_writer writers[TREE_WRITERS_MAX],
                 bool *ret_owning_group)
{
    const size_t head = sizeof(struct posix_acl_xattr_header);
    const size_t each = sizeof(struct posix_acl_xattr_entry);
    uint16_t mask = ACL_READ | ACL_WRITE | ACL_EXECUTE;
    size_t count = 0;
    bool owning_group = false;

    if (size < head || (size - head) % each != 0)
        return -EINVAL;
    for (int round = 0; round < 2; round++) {
        for (size_t at = head; at < size; at += each) {
            struct posix_acl_xattr_entry entry;
            memcpy(&entry, bytes + at, each);
            if (round == 0 && entry.e_tag == ACL_MASK)
                mask = entry.e_perm;
            if (round == 0 || !(entry.e_perm & mask & ACL_WRITE))
                continue;
            owning_group |= entry.e_tag == ACL_GROUP_OBJ;
            if ((entry.e_tag == ACL_USER || entry.e_tag == ACL_GROUP) && count < TREE_WRITERS_MAX)
                writers[count++] = (struct tree_writer){entry.e_tag == ACL_GROUP, entry.e_id};
        }
    }
    *ret_owning_group = owning_group;
    return (ssize_t)count;
}

void tree_judge(struct roads *roads, const char *path, enum tree_use use, const char *why,
                const char *repair)
{
    struct walk walk = {.roads = roads, .why = why, .wanted = path};

    if (path[0] != '/' || str_copy(walk.rest, sizeof(walk.rest), path) < 0)
        return;
    walk.at = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (walk.at >= 0 && step(&walk, use, repair) > 0)
        continue;
    fd_close(&walk.at);
}

struct all {
    struct roads *roads;
    const char *suffix;
    const char *why;
};

static void judge_one(const char *path, const char *name, void *data)
{
    const struct all *all = data;
    size_t length = strlen(name);
    size_t wanted = all->suffix == NULL ? 0 : strlen(all->suffix);

    if (wanted == 0 || (length > wanted && strcmp(name + length - wanted, all->suffix) == 0))
        tree_judge(all->roads, path, TREE_FILE, all->why, NULL);
}

void tree_judge_all(struct roads *roads, const char *directory, const char *suffix, const char *why)
{
    struct all all = {roads, suffix, why};
    struct stat meta;

    if (look_stat(directory, &meta) < 0)
        return;
    tree_judge(roads, directory, S_ISDIR(meta.st_mode) ? TREE_DIRECTORY : TREE_FILE, why, NULL);
    look_each(directory, judge_one, &all);
}

/* Goes one name further. Return: 1 there is more; 0 the end */
static int step(struct walk *walk, enum tree_use use, const char *repair)
{
    char name[NAME_MAX + 1];
    char whole[LOOK_PATH_MAX];
    struct stat directory;
    struct stat meta;
    size_t skip = strspn(walk->rest, "/");
    size_t length = strcspn(walk->rest + skip, "/");

    if (length == 0 || length >= sizeof(name) || fstat(walk->at, &directory) < 0)
        return 0;
    memcpy(name, walk->rest + skip, length);
    name[length] = '\0';
    memmove(walk->rest, walk->rest + skip + length, strlen(walk->rest + skip + length) + 1);
    bool is_last = walk->rest[strspn(walk->rest, "/")] == '\0';
    const char *here = walk->where[0] == '\0' ? "/" : walk->where;
    auto_close entry = openat(walk->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (entry < 0 || fstat(entry, &meta) < 0) {
        if (errno == ENOENT && repair != NULL)
            blame_missing(walk, name, repair);
        return 0;
    }
    look_join(whole, walk->where, name);
    /* Who writes the directory exchanges what is named in it; in /tmp and its like its owner. */
    if (!(directory.st_mode & S_ISVTX))
        blame_modes(walk, walk->at, &directory, here);
    else
        blame_owner(walk, &meta, whole);
    if (S_ISLNK(meta.st_mode))
        return follow(walk, entry);
    if (whole[0] == '\0' || str_copy(walk->where, sizeof(walk->where), whole) < 0)
        return 0;
    blame_owner(walk, &meta, whole);
    if (is_last && (use == TREE_DIRECTORY || (use == TREE_FILE && !S_ISDIR(meta.st_mode))))
        blame_modes(walk, entry, &meta, whole);
    fd_close(&walk->at);
    walk->at = take_fd(&entry);
    return !is_last;
}

/* Puts what the link says before the rest. Return: 1; 0 it leads nowhere */
static int follow(struct walk *walk, int link)
{
    char target[LOOK_PATH_MAX];
    char rest[LOOK_PATH_MAX];
    ssize_t length = readlinkat(link, "", target, sizeof(target) - 1);

    if (length <= 0 || walk->links++ >= LINKS_MAX)
        return 0;
    target[length] = '\0';
    if (str_format(rest, sizeof(rest), "%s/%s", target, walk->rest) < 0 ||
        str_copy(walk->rest, sizeof(walk->rest), rest) < 0)
        return 0;
    if (target[0] != '/')
        return 1;
    fd_close(&walk->at);
    walk->where[0] = '\0';
    walk->at = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return walk->at >= 0;
}

/* The owner, who may always change the mode. */
static void blame_owner(struct walk *walk, const struct stat *meta, const char *path)
{
    if (meta->st_uid == 0)
        return;
    auto_free char *quoted = look_quoted(path);
    bool is_way = strcmp(path, walk->wanted) != 0;

    size_t first = accounts_by_uid(walk->roads->accounts, meta->st_uid);
    for (size_t i = first; i < walk->roads->accounts->count; i++)
        if (walk->roads->accounts->list[i].uid == meta->st_uid)
            roads_add(walk->roads, i, walk->roads->root,
                      look_format("owns %s%s%s, and %s", path, is_way ? " on the way to " : "",
                                  is_way ? walk->wanted : "", walk->why),
                      look_format("chown -h root %s", quoted));
}

/* Who may write beside the owner. */
static void blame_modes(struct walk *walk, int fd, const struct stat *meta, const char *path)
{
    struct tree_writer writers[TREE_WRITERS_MAX];
    uint8_t acl[ACL_SIZE];
    bool group_writes = meta->st_mode & S_IWGRP;
    auto_free char *quoted = look_quoted(path);
    auto_free char *close = look_format("chmod go-w %s", quoted);
    auto_free char *close_acl = look_format("setfacl -b %s && chmod go-w %s", quoted, quoted);
    ssize_t count = 0;
    bool is_way = strcmp(path, walk->wanted) != 0;

    if (meta->st_mode & S_IWOTH)
        roads_add(walk->roads, ACCOUNT_EVERYBODY, walk->roads->root,
                  look_format("may write %s%s%s, and %s", path, is_way ? " on the way to " : "",
                              is_way ? walk->wanted : "", walk->why),
                  look_format("%s", close));
    /* Without an access list the mode says it all; with one the group's bits are its mask. */
    ssize_t size =
        group_writes ? look_attribute(fd, "system.posix_acl_access", acl, sizeof(acl)) : -ENODATA;
    if (size >= 0)
        count = tree_acl(acl, (size_t)size, writers, &group_writes);
    else if (size == -ERANGE)
        roads_note(walk->roads, look_format("%s has a longer access list than is read", path));
    if (group_writes)
        blame_group(walk, meta->st_gid, path, count > 0 ? close_acl : close);
    for (ssize_t i = 0; i < count; i++) {
        if (writers[i].is_group) {
            blame_group(walk, writers[i].id, path, close_acl);
            continue;
        }
        roads_add(walk->roads, accounts_by_uid(walk->roads->accounts, writers[i].id),
                  walk->roads->root,
                  look_format("may write %s by its access list, and %s", path, walk->why),
                  look_format("%s", close_acl));
    }
}

static void blame_group(struct walk *walk, uint32_t gid, const char *path, const char *close)
{
    const struct group *group = accounts_group_id(walk->roads->accounts, gid);
    bool is_way = strcmp(path, walk->wanted) != 0;
    auto_free char *how =
        look_format("in group %s may write %s%s%s, and %s", group == NULL ? "?" : group->name, path,
                    is_way ? " on the way to " : "", is_way ? walk->wanted : "", walk->why);
    roads_add_group(walk->roads, gid, walk->roads->root, how, close);
}

/* Who may write the directory where it should be makes it. */
static void blame_missing(struct walk *walk, const char *name, const char *repair)
{
    struct stat meta;
    char path[LOOK_PATH_MAX];
    const char *here = walk->where[0] == '\0' ? "/" : walk->where;

    look_join(path, here, name);
    if (fstat(walk->at, &meta) < 0 || !S_ISDIR(meta.st_mode))
        return;
    auto_free char *how =
        look_format("may make %s, which is not there, in %s, and %s", path, here, walk->why);
    if (meta.st_mode & S_IWOTH)
        roads_add(walk->roads, ACCOUNT_EVERYBODY, walk->roads->root, look_format("%s", how),
                  look_format("%s", repair));
    if (meta.st_mode & S_IWGRP)
        roads_add_group(walk->roads, meta.st_gid, walk->roads->root, how, repair);
    if (meta.st_uid != 0)
        roads_add(walk->roads, accounts_by_uid(walk->roads->accounts, meta.st_uid),
                  walk->roads->root, look_format("%s", how), look_format("%s", repair));
}
