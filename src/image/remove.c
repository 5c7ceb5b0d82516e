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

struct removal {
    int root;
    struct reporter reporter;
    uint64_t moved; /* makes the next name at the top */
    int first_error;
    /* levels[0] is the root; name[i] is the name of levels[i] in levels[i - 1] */
    DIR *levels[LEVELS_MAX];
    char names[LEVELS_MAX][NAME_MAX + 1];
    size_t depth;
};

static void remove_pass(struct removal *work);
static void remove_one(struct removal *work, const char *name);

int remove_all(int root, int output)
{
    struct removal work = {.root = root};
    struct err err;
    uint64_t before = 0;
    reporter_init(&work.reporter, output);
    struct image_report *counts = &work.reporter.report;
    do {
        before = counts->entries + work.moved;
        counts->skipped = 0;
        work.first_error = 0;
        remove_pass(&work);
    } while (counts->entries + work.moved != before);

    if (counts->skipped == 0)
        return reporter_done(&work.reporter, NULL) < 0;
    err_errno(&err, OUTCOME_FAILED, work.first_error, "%llu things could not be deleted",
              (unsigned long long)counts->skipped);
    int rc = reporter_done(&work.reporter, &err);
    (void)rc; /* failed either way */
    return 1;
}

static void fail(struct removal *work, int negative_errno)
{
    work->reporter.report.skipped++;
    if (work->first_error == 0)
        work->first_error = negative_errno;
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
        work->reporter.report.entries++;
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
            reporter_progress(&work->reporter);
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
        work->reporter.report.entries++;
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
