/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volumes - a user's disk: mounted when it is needed, her directories in it, spares, trash
 *
 * Theory of operation
 * The directories of ARCHITECTURE.md, "The volume", are root's or hers by this rule: what only root
 * puts things into is root's and may be searched (layers, instances, stage: 0711), because the
 * overlay is mounted by root of her user namespace; what her ids write is theirs (instances/NAME
 * and below, stage/ID, trash); the rest is root's alone (spare). No instance can reach any of them:
 * it sees its overlay. So root may walk these directories, and walks nothing below them.
 *
 * Nothing is deleted by root: a directory is renamed to trash/, and a croft-image with her ids and
 * charged to her empties that, LAYER_TRASH_BATCH at once or after TRASH_WAIT_MS.
 *
 * ext4 keeps blocks for root, but no inodes. A start needs a few of both, so spare/ holds empty
 * files and a megabyte that are deleted when she is at her limit, and made again when there is room
 * (invariant 8).
 *
 * Runs as: monitor, CAP_SYS_ADMIN (mount), CAP_CHOWN, CAP_DAC_OVERRIDE (directories of her ids)
 */
#include "monitor/volumes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "linux/path.h"
#include "linux/volume.h"
#include "monitor/images.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"

#define VOLUME_NAME_SIZE   32U
#define TRASH_WAIT_MS      1000U
#define TRASH_RETRY_MS     60000U
#define SPARE_BYTES_FILE   "bytes"
#define START_NEEDS_INODES 16U
#define START_NEEDS_BYTES  (512ULL * KIB)
#define COPY_CHUNK         65536U

static int mount_volume(struct user *user);
static int make_directories(struct user *user);
static int make_directory(int root, const char *name, mode_t mode, uid_t owner);
static int copy_init(struct user *user);
static bool same_content(int a, int b);
static int copy_content(int from, int to);
static void clear_stage(struct user *user);
static void count_trash(struct user *user);
static uint64_t random_name(void);
static bool is_at_limit(const struct user *user, uint64_t inodes, uint64_t bytes);
static void spare_name(unsigned int number, char name[VOLUME_NAME_SIZE]);
static void make_spares(struct user *user);
static void trash_later(struct user *user, uint64_t wait_ms);
static void on_trash_due(void *data);
static int remover_start(struct user *user);
static void remover_waiting(void *data, int *master);
static void remover_failed(void *data, uint32_t stage, int error);
static void remover_ended(void *data, struct exit_status status);

static const struct runner_calls REMOVER_CALLS = {
    .waiting = remover_waiting,
    .failed = remover_failed,
    .ended = remover_ended,
};

void volume_init(struct user *user)
{
    user->volume = (struct volume){
        .root = -1,
        .next_name = random_name(),
        .trash_timer = {.on_due = on_trash_due, .data = user},
    };
}

/* Where names begin. Not at a clock's time: it may be set back to names that are there. */
static uint64_t random_name(void)
{
    uint64_t name = 0;

    if (getrandom(&name, sizeof(name), 0) != (ssize_t)sizeof(name))
        croft_bug("no random number");
    return name;
}

int volume_need(struct user *user, struct err *err)
{
    if (user->volume.root >= 0)
        return 0;
    int rc = mount_volume(user);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot mount the disk of %s", user->name);
    rc = make_directories(user);
    if (rc == 0)
        rc = copy_init(user);
    if (rc < 0) {
        if (volume_release(user) < 0)
            log_line(LOG_LEVEL_WARNING, "the disk of %s stays mounted", user->name);
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot make the disk of %s ready",
                         user->name);
    }
    clear_stage(user);
    sweep_volume(user);
    images_sweep(user);
    count_trash(user);
    if (user->volume.trash_count > 0)
        trash_later(user, TRASH_WAIT_MS);
    volume_keep_spares(user);
    return 0;
}

int volume_release(struct user *user)
{
    int mounts = user->monitor->dirs.mounts;
    char name[VOLUME_NAME_SIZE];

    loop_disarm(user->monitor->loop, &user->volume.trash_timer);
    runner_free(user->volume.remover);
    user->volume.remover = NULL;
    fd_close(&user->volume.root);
    int rc = str_format(name, sizeof(name), "%u", user->uid);
    if (rc == 0)
        rc = path_is_mount_point(mounts, name);
    if (rc == -ENOENT || rc == 0)
        return 0;
    if (rc < 0)
        return rc;
    rc = volume_unmount(mounts, name);
    if (rc == -EBUSY)
        rc = volume_detach(mounts, name);
    if (rc == 0)
        rc = path_rmdir(mounts, name);
    return rc;
}

void volume_make_room(struct user *user)
{
    char name[VOLUME_NAME_SIZE];

    if (!is_at_limit(user, START_NEEDS_INODES, START_NEEDS_BYTES))
        return;
    auto_close spare = volume_dir(user, "spare");
    if (spare < 0)
        return;
    user->volume.spares_freed = true;
    /* No more than one start needs: what is freed is hers, and she may fill that as well. */
    int rc = 0;
    for (unsigned int i = 0; i < SPARE_INODES && is_at_limit(user, START_NEEDS_INODES, 0); i++) {
        spare_name(i, name);
        rc = path_unlink(spare, name); /* one that was freed before is not there */
    }
    if ((rc == 0 || rc == -ENOENT) && is_at_limit(user, 0, START_NEEDS_BYTES))
        rc = path_unlink(spare, SPARE_BYTES_FILE);
    if (rc < 0 && rc != -ENOENT)
        log_line(LOG_LEVEL_WARNING, "cannot free the spares of %s: %s", user->name, strerror(-rc));
}

void volume_keep_spares(struct user *user)
{
    /* Twice what they take, so that a user at her limit does not see them come and go. */
    if (user->volume.root >= 0 &&
        !is_at_limit(user, 2 * SPARE_INODES + START_NEEDS_INODES, 2 * SPARE_BYTES))
        make_spares(user);
}

void volume_take_back(struct user *user)
{
    if (user->volume.spares_freed)
        make_spares(user);
}

static void make_spares(struct user *user)
{
    char name[VOLUME_NAME_SIZE];

    auto_close spare = volume_dir(user, "spare");
    if (spare < 0)
        return;
    for (unsigned int i = 0; i < SPARE_INODES; i++) {
        spare_name(i, name);
        auto_close file = path_create(spare, name, O_WRONLY, 0600);
        if (file < 0 && file != -EEXIST)
            return;
    }
    auto_close bytes = path_create(spare, SPARE_BYTES_FILE, O_WRONLY, 0600);
    if (bytes < 0 && bytes != -EEXIST)
        return;
    if (bytes >= 0 && fallocate(bytes, 0, 0, (off_t)SPARE_BYTES) < 0 &&
        path_unlink(spare, SPARE_BYTES_FILE) <= 0)
        return; /* not now: an empty one would look as if it were made */
    user->volume.spares_freed = false;
}

int volume_dir(const struct user *user, const char *name)
{
    return path_open(user->volume.root, name, O_RDONLY | O_DIRECTORY);
}

int volume_instance_make(struct user *user, const char *name, bool has_log)
{
    static const char *const directories[] = {"upper", "work"};
    static const char *const logs[] = {"log.0", "log.1"};
    uid_t owner = user_block(user);

    auto_close instances = volume_dir(user, "instances");
    if (instances < 0)
        return instances;
    int rc = make_directory(instances, name, 0755, owner);
    auto_close dir = rc < 0 ? rc : path_open(instances, name, O_RDONLY | O_DIRECTORY);
    if (dir < 0)
        return dir;
    for (size_t i = 0; i < ARRAY_LEN(directories); i++) {
        rc = make_directory(dir, directories[i], 0755, owner);
        if (rc < 0)
            return rc;
    }
    for (size_t i = 0; i < ARRAY_LEN(logs) && has_log; i++) {
        auto_close log = path_create(dir, logs[i], O_WRONLY, 0600);
        rc = log < 0 ? log : path_chown(log, owner, owner);
        if (rc < 0 && rc != -EEXIST)
            return rc;
    }
    return 0;
}

int volume_trash(struct user *user, const char *dir_name, const char *name)
{
    char to[VOLUME_NAME_SIZE];

    auto_close dir = volume_dir(user, dir_name);
    if (dir < 0)
        return dir;
    auto_close trash = volume_dir(user, "trash");
    if (trash < 0)
        return trash;
    int rc = str_format(to, sizeof(to), "%" PRIx64, user->volume.next_name++);
    if (rc == 0)
        rc = path_rename(dir, name, trash, to, false);
    if (rc < 0)
        return rc;
    user->volume.trash_count++;
    trash_later(user, user->volume.trash_count >= LAYER_TRASH_BATCH ? 0 : TRASH_WAIT_MS);
    return 0;
}

int volume_stage(struct user *user, char ret_name[STAGE_NAME_SIZE])
{
    auto_close stage = volume_dir(user, "stage");
    if (stage < 0)
        return stage;
    int rc = str_format(ret_name, STAGE_NAME_SIZE, "%" PRIx64, user->volume.next_name++);
    if (rc == 0)
        rc = make_directory(stage, ret_name, 0755, user_block(user));
    return rc;
}

int volume_init_open(const struct user *user)
{
    return path_open(user->volume.root, "init", O_PATH);
}

static int mount_volume(struct user *user)
{
    const struct monitor_dirs *dirs = &user->monitor->dirs;
    char name[VOLUME_NAME_SIZE];
    char file_name[VOLUME_NAME_SIZE];

    int rc = str_format(name, sizeof(name), "%u", user->uid);
    if (rc == 0)
        rc = str_format(file_name, sizeof(file_name), "%u.ext4", user->uid);
    if (rc == 0)
        rc = path_mkdir(dirs->mounts, name, 0700);
    if (rc < 0 && rc != -EEXIST)
        return rc;
    rc = path_is_mount_point(dirs->mounts, name);
    if (rc == 0) {
        auto_close file = path_open(dirs->volumes, file_name, O_RDWR);
        rc = file < 0 ? file : volume_mount(file, dirs->mounts, name);
    }
    if (rc < 0)
        return rc;
    user->volume.root = path_open_xdev(dirs->mounts, name, O_RDONLY | O_DIRECTORY);
    return user->volume.root < 0 ? user->volume.root : 0;
}

static int make_directories(struct user *user)
{
    const uid_t owner = user_block(user);
    const struct {
        const char *name;
        mode_t mode;
        uid_t owner;
    } directories[] = {
        {"layers", 0711, 0},    {"instances", 0711, 0}, {"stage", 0711, 0},
        {"trash", 0700, owner}, {"spare", 0700, 0},
    };
    int rc = fchmod(user->volume.root, 0711) < 0 ? -errno : 0;

    for (size_t i = 0; i < ARRAY_LEN(directories) && rc == 0; i++)
        rc = make_directory(user->volume.root, directories[i].name, directories[i].mode,
                            directories[i].owner);
    return rc;
}

static int make_directory(int root, const char *name, mode_t mode, uid_t owner)
{
    struct stat found;
    auto_close dir = path_mkdir_open(root, name, 0700);
    if (dir < 0)
        return dir;
    if (fstat(dir, &found) < 0)
        return -errno;
    /* While it is root's: afterwards only CAP_FOWNER could. */
    if ((found.st_mode & 07777) != mode && fchmod(dir, mode) < 0)
        return -errno;
    if (found.st_uid == owner && found.st_gid == owner)
        return 0;
    return path_chown(dir, owner, owner);
}

/* Her own copy, made new when Croft's own has changed; a running instance keeps the old inode. */
static int copy_init(struct user *user)
{
    auto_close source = path_open(user->monitor->dirs.lib, "croft-init", O_RDONLY);
    if (source < 0)
        return source;
    auto_close present = path_open(user->volume.root, "init", O_RDONLY);
    if (present >= 0 && same_content(source, present))
        return 0;
    int rc = path_unlink(user->volume.root, "init.new");
    if (rc < 0 && rc != -ENOENT)
        return rc;
    auto_close copy = path_create(user->volume.root, "init.new", O_WRONLY, 0555);
    if (copy < 0)
        return copy;
    rc = copy_content(source, copy);
    if (rc == 0 && fchmod(copy, 0555) < 0)
        rc = -errno;
    if (rc == 0)
        rc = path_rename(user->volume.root, "init.new", user->volume.root, "init", true);
    return rc;
}

static bool same_content(int a, int b)
{
    static uint8_t left[COPY_CHUNK];
    static uint8_t right[COPY_CHUNK];
    off_t at = 0;

    for (;;) {
        ssize_t got = pread(a, left, sizeof(left), at);
        if (got < 0 || pread(b, right, sizeof(right), at) != got)
            return false;
        if (got == 0)
            return true;
        if (memcmp(left, right, (size_t)got) != 0)
            return false;
        at += got;
    }
}

static int copy_content(int from, int to)
{
    off_t at = 0;
    ssize_t sent;

    while ((sent = sendfile(to, from, &at, COPY_CHUNK)) > 0)
        continue;
    return sent < 0 ? -errno : 0;
}

/* What an unpack left behind that nobody waits for any more. */
static void clear_stage(struct user *user)
{
    struct dirent *entry;
    int stage = volume_dir(user, "stage");
    if (stage < 0)
        return;
    DIR *list = fdopendir(stage);
    if (list == NULL) {
        fd_close(&stage);
        return;
    }
    while ((entry = readdir(list)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        int rc = volume_trash(user, "stage", entry->d_name);
        if (rc < 0)
            log_line(LOG_LEVEL_WARNING, "cannot clear the stage of %s: %s", user->name,
                     strerror(-rc));
    }
    closedir(list);
}

static void count_trash(struct user *user)
{
    struct dirent *entry;
    int trash = volume_dir(user, "trash");
    if (trash < 0)
        return;
    DIR *list = fdopendir(trash);
    if (list == NULL) {
        fd_close(&trash);
        return;
    }
    user->volume.trash_count = 0;
    while ((entry = readdir(list)) != NULL)
        if (entry->d_name[0] != '.')
            user->volume.trash_count++;
    closedir(list);
}

static bool is_at_limit(const struct user *user, uint64_t inodes, uint64_t bytes)
{
    struct statvfs fs;

    if (user->volume.root < 0 || fstatvfs(user->volume.root, &fs) < 0)
        return false;
    return fs.f_favail < inodes || (uint64_t)fs.f_bavail * fs.f_frsize < bytes;
}

static void spare_name(unsigned int number, char name[VOLUME_NAME_SIZE])
{
    if (str_format(name, VOLUME_NAME_SIZE, "%u", number) < 0)
        croft_bug("the name of a spare file is too long");
}

static void trash_later(struct user *user, uint64_t wait_ms)
{
    struct volume *volume = &user->volume;
    uint64_t due = clock_boot_ns() + wait_ms * NS_PER_MS;

    if (volume->remover != NULL)
        return; /* its end looks again */
    if (!volume->trash_timer.armed || volume->trash_timer.due_boot_ns > due)
        loop_arm(user->monitor->loop, &volume->trash_timer, due);
}

static void on_trash_due(void *data)
{
    struct user *user = data;

    if (user->volume.root < 0 || user->volume.remover != NULL)
        return;
    int rc = remover_start(user);
    if (rc == 0)
        return;
    log_line(LOG_LEVEL_WARNING, "cannot empty the trash of %s: %s", user->name, strerror(-rc));
    trash_later(user, TRASH_RETRY_MS);
}

static int remover_start(struct user *user)
{
    auto_job order;
    job_init(&order, JOB_REMOVE);
    auto_close trash = volume_dir(user, "trash");
    if (trash < 0)
        return trash;
    order.fd[JOB_FD_VOLUME] = volume_clone(trash);
    if (order.fd[JOB_FD_VOLUME] < 0)
        return order.fd[JOB_FD_VOLUME];
    int rc = user_job(user, &order, user_jobs_group(user), PLAN_FILTER_UNPACK);
    if (rc == 0)
        rc = order.fd[JOB_FD_EXEC] = path_open(user->monitor->dirs.lib, "croft-image", O_PATH);
    if (rc >= 0)
        rc = runner_new(user->monitor, &REMOVER_CALLS, user, &user->volume.remover);
    if (rc < 0)
        return rc;
    rc = runner_send(user->volume.remover, &order, NULL, 0);
    if (rc == 0)
        return 0;
    runner_free(user->volume.remover);
    user->volume.remover = NULL;
    return rc;
}

static void remover_waiting(void *data, int *master)
{
    struct user *user = data;
    (void)master;
    runner_go(user->volume.remover);
}

static void remover_failed(void *data, uint32_t stage, int error)
{
    struct user *user = data;

    log_line(LOG_LEVEL_WARNING, "cannot empty the trash of %s: %s: %s", user->name,
             ready_stage_text(stage), strerror(-error));
    runner_free(user->volume.remover);
    user->volume.remover = NULL;
    trash_later(user, TRASH_RETRY_MS);
}

static void remover_ended(void *data, struct exit_status status)
{
    struct user *user = data;
    size_t before = user->volume.trash_count;
    (void)status; /* what it left in the trash says more */

    runner_free(user->volume.remover);
    user->volume.remover = NULL;
    count_trash(user);
    volume_keep_spares(user);
    if (user->volume.trash_count > 0)
        trash_later(user, user->volume.trash_count < before ? TRASH_WAIT_MS : TRASH_RETRY_MS);
}
