/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk - the file that is a user's disk
 *
 * All of its blocks are allocated when it is made: what was promised to her is hers, whatever the
 * others write. mke2fs would give them back (discard), so it is told not to. The inode tables and
 * the journal are not zeroed: fallocate has done it already, as far as a reader can tell.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "setup/setup.h"

#define NAME_TEXT   32U
#define PATH_TEXT   128U
#define NUMBER_TEXT 24U
#define RESERVED_PARTS                                                                             \
    "1" /* percent of the blocks that only root gets: enough to start a machine */
#define KEPT_MAX 10000U

static int file_name(uid_t uid, char name[NAME_TEXT]);
static int create(const struct dirs *dirs, const char *name, struct err *err);
static int make_file_system(const char *name, uint64_t inodes, struct err *err);

int disk_make(const struct dirs *dirs, const struct setup *setup, uid_t uid, struct err *err)
{
    char name[NAME_TEXT];
    int rc = file_name(uid, name);
    if (rc < 0)
        return err_errno(err, OUTCOME_FAILED, rc, "cannot name the disk");
    auto_close file = create(dirs, name, err);
    if (file < 0)
        return OUTCOME_FAILED;
    if (fallocate(file, 0, 0, (off_t)setup->disk_bytes) < 0)
        rc = err_errno(err, OUTCOME_HOST_CANNOT, -errno,
                       "cannot allocate %" PRIu64 " MiB in %s/volumes",
                       (uint64_t)(setup->disk_bytes / MIB), CROFT_STATE_DIR);
    if (rc == 0)
        rc = make_file_system(name, setup->inodes, err);
    if (rc == 0 && fsync(file) < 0)
        rc = err_errno(err, OUTCOME_HOST_CANNOT, -errno, "cannot write the disk");
    if (rc != 0 && path_unlink(dirs->volumes, name) < 0)
        return rc; /* the first failure is the one to tell */
    return rc;
}

int disk_remove(const struct dirs *dirs, uid_t uid)
{
    char name[NAME_TEXT];
    int rc = file_name(uid, name);
    if (rc == 0)
        rc = path_unlink(dirs->volumes, name);
    return rc == -ENOENT ? 0 : rc;
}

int disk_keep(const struct dirs *dirs, uid_t uid, char ret_name[KEPT_NAME_SIZE])
{
    char name[NAME_TEXT];
    int rc = file_name(uid, name);
    if (rc < 0)
        return rc;
    rc = -EEXIST;
    for (unsigned int i = 1; i < KEPT_MAX && rc == -EEXIST; i++) {
        rc = str_format(ret_name, KEPT_NAME_SIZE, "%s.kept.%u", name, i);
        if (rc == 0)
            rc = path_rename(dirs->volumes, name, dirs->volumes, ret_name, false);
    }
    if (rc == -ENOENT) {
        ret_name[0] = '\0';
        return 0;
    }
    return rc;
}

static int file_name(uid_t uid, char name[NAME_TEXT])
{
    return str_format(name, NAME_TEXT, "%u.ext4", uid);
}

/* Return: descriptor; -1 with @err set */
static int create(const struct dirs *dirs, const char *name, struct err *err)
{
    int file = path_create(dirs->volumes, name, O_WRONLY, 0600);
    if (file == -EEXIST)
        (void)err_set(err, OUTCOME_FAILED,
                      "%s/volumes/%s is there already: a disk of somebody else; move it away",
                      CROFT_STATE_DIR, name);
    else if (file < 0)
        (void)err_errno(err, OUTCOME_FAILED, file, "cannot make %s/volumes/%s", CROFT_STATE_DIR,
                        name);
    return file < 0 ? -1 : file;
}

static int make_file_system(const char *name, uint64_t inodes, struct err *err)
{
    char path[PATH_TEXT];
    char count[NUMBER_TEXT];
    int rc = str_format(path, sizeof(path), "%s/volumes/%s", CROFT_STATE_DIR, name);
    if (rc == 0)
        rc = str_format(count, sizeof(count), "%" PRIu64, inodes);
    if (rc < 0)
        return err_errno(err, OUTCOME_FAILED, rc, "cannot name the disk");
    const char *const argv[] = {"/usr/sbin/mke2fs",
                                "-q",
                                "-F",
                                "-t",
                                "ext4",
                                "-b",
                                "4096",
                                "-E",
                                "nodiscard,lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0",
                                "-m",
                                RESERVED_PARTS,
                                "-N",
                                count,
                                path,
                                NULL};
    return program_run(argv, err);
}
