/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remove - deletes everything beneath a directory, however deep, wide or strangely named
 *
 * Theory of operation
 * A tree made by a stranger may be 100,000 directories deep: too deep for recursion, for one
 * descriptor per level and for a path. So the walk holds at most LEVELS_MAX open directories; what
 * lies deeper is renamed to the top, where the walk comes to it later. Nothing is followed: each
 * step is one name beneath an open directory.
 *
 * Renaming needs room in the top directory, which a full disk may not have, and a directory that
 * is read while it changes may hide names. So the whole is repeated until a pass deletes nothing.
 */
#include "image/remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "image/report.h"
#include "linux/path.h"

#define LEVELS_MAX 32
#define NAME_TRIES 1000

/* reporter: NULL: nobody hears of it; moved: makes the next name at the top */
struct removal {
    int root;
    struct reporter *reporter;
    uint64_t deleted;
    uint64_t left;
    uint64_t moved;
    int first_error;
    /* levels[0] is the root; name[i] is the name of levels[i] in levels[i - 1] */
    DIR *levels[LEVELS_MAX];
    char names[LEVELS_MAX][NAME_MAX + 1];
    size_t depth;
};

static void remove_passes(struct removal *work);
static void remove_pass(struct removal *work);
static void remove_one(struct removal *work, const char *name);

int remove_all(int root, int output)
{
    struct reporter reporter;
    struct removal work = {.root = root, .reporter = &reporter};
    struct err err;
    reporter_init(&reporter, output);
    remove_passes(&work);
    reporter.report.entries = work.deleted;
    reporter.report.skipped = work.left;
    if (work.left == 0)
        return reporter_done(&reporter, NULL) < 0;
    err_errno(&err, OUTCOME_FAILED, work.first_error, "%llu things could not be deleted",
              (unsigned long long)work.left);
    int rc = reporter_done(&reporter, &err);
    (void)rc; /* failed either way */
    return 1;
}

int remove_content(int dir)
{
    struct removal work = {.root = dir};
    remove_passes(&work);
    return work.left == 0 ? 0 : work.first_error;
}

int remove_tree(int dir, const char *name)
{
    int rc = path_rmdir(dir, name);
    if (rc == -ENOTDIR)
        return path_unlink(dir, name);
    if (rc != -ENOTEMPTY && rc != -EEXIST)
        return rc;
    auto_close top = path_open(dir, name, O_RDONLY | O_DIRECTORY);
    if (top < 0)
        return top;
    rc = remove_content(top);
    return rc < 0 ? rc : path_rmdir(dir, name);
}

static void remove_passes(struct removal *work)
{
    uint64_t before = 0;
    do {
        before = work->deleted + work->moved;
        work->left = 0;
        work->first_error = 0;
        remove_pass(work);
    } while (work->deleted + work->moved != before);
}

static void fail(struct removal *work, int negative_errno)
{
    work->left++;
    if (work->first_error == 0)
        work->first_error = negative_errno;
}

static void say_progress(struct removal *work)
{
    if (work->reporter == NULL)
        return;
    work->reporter->report.entries = work->deleted;
    reporter_progress(work->reporter);
}

/* Opens @name beneath @dir as the next level. Return: 0; -errno */
static int enter(struct removal *work, int dir, const char *name)
{
    int fd = path_open(dir, name, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fd;
    DIR *level = fdopendir(fd);
    if (level == NULL) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    int rc = str_copy(work->names[work->depth], sizeof(work->names[0]), name);
    if (rc < 0) {
        closedir(level);
        return rc;
    }
    work->levels[work->depth++] = level;
    return 0;
}

/* Leaves a level whose content is gone, and deletes it in the one above. */
static void leave(struct removal *work)
{
    work->depth--;
    closedir(work->levels[work->depth]);
    if (work->depth == 0)
        return;
    int rc = path_rmdir(dirfd(work->levels[work->depth - 1]), work->names[work->depth]);
    if (rc == 0)
        work->deleted++;
    else
        fail(work, rc);
}

static void remove_pass(struct removal *work)
{
    int rc = enter(work, work->root, ".");
    if (rc < 0)
        fail(work, rc);
    while (work->depth > 0) {
        errno = 0;
        const struct dirent *found = readdir(work->levels[work->depth - 1]);
        if (found == NULL) {
            if (errno != 0)
                fail(work, -errno);
            leave(work);
        } else if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0) {
            remove_one(work, found->d_name);
            say_progress(work);
        }
    }
}

/* Brings a directory that is too deep to the top. */
static int move_to_top(struct removal *work, int dir, const char *name)
{
    char top[32];
    int rc = -EEXIST;
    for (int tries = 0; tries < NAME_TRIES && rc == -EEXIST; tries++) {
        rc = str_format(top, sizeof(top), "deep-%llu", (unsigned long long)work->moved++);
        if (rc == 0)
            rc = path_rename(dir, name, work->root, top, false);
    }
    return rc;
}

static void remove_one(struct removal *work, const char *name)
{
    int dir = dirfd(work->levels[work->depth - 1]);
    /* As a directory first: on some file systems root may unlink(2) a directory. */
    int rc = path_rmdir(dir, name);
    if (rc == -ENOTDIR)
        rc = path_unlink(dir, name);
    if (rc == 0) {
        work->deleted++;
        return;
    }
    if (rc == -ENOTEMPTY || rc == -EEXIST) {
        if (work->depth < LEVELS_MAX) {
            rc = enter(work, dir, name);
            if (rc == 0)
                return;
        } else {
            rc = move_to_top(work, dir, name);
            if (rc == 0)
                return;
        }
    }
    if (rc != -ENOENT)
        fail(work, rc);
}
