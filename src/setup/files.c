/* SPDX-License-Identifier: Apache-2.0 */
/* files - the key file and the volume file */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "setup/setup_internal.h"

#define MKE2FS "/sbin/mke2fs"
/* Blocks that only root may take: what Croft itself needs in a full volume (invariant 8). */
#define RESERVED_PERCENT "1"
#define FILE_NAME_SIZE   64

static int disk_format(const char *name, uint64_t inodes, struct err *err);

int key_write(const struct setup *setup, struct err *err)
{
    auto_close dir = path_root(CROFT_CONF_DIR "/keys", O_RDONLY | O_DIRECTORY);
    if (dir < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, dir, "cannot open %s/keys", CROFT_CONF_DIR);
    /* Names begin with a letter, so ".new" is nobody's. */
    int rc = path_unlink(dir, ".new");
    if (rc == -ENOENT)
        rc = 0;
    auto_close file = rc < 0 ? rc : path_create(dir, ".new", O_WRONLY, 0644);
    rc = file < 0 ? file : fd_write_full(file, setup->key, setup->key_size);
    if (rc == 0 && fsync(file) < 0)
        rc = -errno;
    if (rc == 0)
        rc = path_rename(dir, ".new", dir, setup->name, true);
    return rc < 0 ? err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot write %s/keys/%s",
                              CROFT_CONF_DIR, setup->name)
                  : 0;
}

int key_remove(const char *name, struct err *err)
{
    auto_close dir = path_root(CROFT_CONF_DIR "/keys", O_RDONLY | O_DIRECTORY);
    int rc = dir < 0 ? dir : path_unlink(dir, name);
    return rc < 0 && rc != -ENOENT ? err_errno(err, OUTCOME_HOST_CANNOT, rc,
                                               "cannot remove %s/keys/%s", CROFT_CONF_DIR, name)
                                   : 0;
}

int disk_make(const struct setup *setup, uint32_t uid, struct err *err)
{
    char name[FILE_NAME_SIZE];

    auto_close dir = path_root(CROFT_STATE_DIR "/volumes", O_RDONLY | O_DIRECTORY);
    int rc = dir < 0 ? dir : str_format(name, sizeof(name), "%u.ext4", uid);
    auto_close file = rc < 0 ? rc : path_create(dir, name, O_RDWR, 0600);
    if (file < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, file, "cannot make the disk %s/volumes/%u.ext4",
                         CROFT_STATE_DIR, uid);
    /* Preallocated: what was promised is there, and unwritten extents read as zeroes (F-21). */
    if (fallocate(file, 0, 0, (off_t)setup->disk_bytes) < 0)
        rc = err_errno(err, OUTCOME_HOST_CANNOT, -errno,
                       "cannot preallocate %llu bytes for the disk",
                       (unsigned long long)setup->disk_bytes);
    if (rc == 0)
        rc = disk_format(name, setup->inodes, err);
    if (rc == 0 && fsync(file) < 0)
        rc = err_errno(err, OUTCOME_HOST_CANNOT, -errno, "cannot sync the disk");
    if (rc != 0 && path_unlink(dir, name) < 0)
        return rc; /* the first failure is the one to tell */
    return rc;
}

int disk_remove(uint32_t uid, bool keep, char *ret_kept, size_t size, struct err *err)
{
    char name[FILE_NAME_SIZE];

    auto_close dir = path_root(CROFT_STATE_DIR "/volumes", O_RDONLY | O_DIRECTORY);
    int rc = dir < 0 ? dir : str_format(name, sizeof(name), "%u.ext4", uid);
    if (rc == 0 && keep)
        rc = str_format(ret_kept, size, "removed-%u-%llu.ext4", uid,
                        (unsigned long long)(clock_wall_ns() / NS_PER_S));
    if (rc == 0)
        rc = keep ? path_rename(dir, name, dir, ret_kept, false) : path_unlink(dir, name);
    if (rc < 0)
        ret_kept[0] = '\0';
    return rc < 0 && rc != -ENOENT
               ? err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot remove the disk of uid %u", uid)
               : 0;
}

/* nodiscard: mke2fs would otherwise give the preallocated blocks back to the host. */
static int disk_format(const char *name, uint64_t inodes, struct err *err)
{
    char path[sizeof(CROFT_STATE_DIR) + FILE_NAME_SIZE + 16];
    char count[24];
    const char *const mke2fs[] = {
        MKE2FS,
        "-q",
        "-F",
        "-t",
        "ext4",
        "-b",
        "4096",
        "-m",
        RESERVED_PERCENT,
        "-N",
        count,
        "-E",
        "nodiscard,lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0",
        path,
        NULL,
    };
    int rc = str_format(path, sizeof(path), "%s/volumes/%s", CROFT_STATE_DIR, name);
    if (rc == 0)
        rc = str_format(count, sizeof(count), "%llu", (unsigned long long)inodes);
    return rc < 0 ? err_errno(err, OUTCOME_FAILED, rc, "%s", name) : program_run(mke2fs, err);
}
