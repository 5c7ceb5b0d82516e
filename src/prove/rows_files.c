/* SPDX-License-Identifier: Apache-2.0 */
/* rows_files - F rows: targets, controls and verdicts of the attacks on files, mounts, devices */
#include "prove/row.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "linux/path.h"
#include "prove/hostproc.h"

#define SECTOR_BYTES 4096

static bool prepare_secrets(struct scene *scene, struct trial *trial)
{
    for (size_t i = 0; i < ARRAY_LEN(scene->secret_path); i++)
        row_both(trial, "%s", scene->secret_path[i]);
    return true;
}

/* The attacker is told the very handle of the host's secret: better than any guess. */
static bool prepare_handle(struct scene *scene, struct trial *trial)
{
    struct {
        struct file_handle head;
        unsigned char bytes[MAX_HANDLE_SZ];
    } handle = {.head = {.handle_bytes = MAX_HANDLE_SZ}};
    char hex[2 * MAX_HANDLE_SZ + 1];
    int mount_id = 0;

    auto_close root = path_root("/", O_RDONLY | O_DIRECTORY);
    auto_close file = root < 0 ? root : path_open_xdev(root, scene->secret_path[0], O_PATH);
    if (file < 0 || name_to_handle_at(file, "", &handle.head, &mount_id, AT_EMPTY_PATH) < 0) {
        row_verdict(trial, VERDICT_NA, "the host's file system has no file handles");
        return false;
    }
    str_hex(handle.head.f_handle, handle.head.handle_bytes, hex);
    row_both(trial, "%d", handle.head.handle_type);
    row_both(trial, "%s", hex);
    row_control_arg(trial, "%s", scene->scratch);
    static const char *const inside[] = {"/", "/dev", "/dev/shm", "/proc", "/sys", "/dev/pts"};
    for (size_t i = 0; i < ARRAY_LEN(inside); i++)
        row_arg(trial, "%s", inside[i]);
    return true;
}

/* Makes a block device of our own whose first bytes are the host's secret. */
static bool prepare_device(struct scene *scene, struct trial *trial)
{
    char sector[SECTOR_BYTES] = "";
    struct stat meta;
    int number = -1;

    auto_close scratch = path_root(scene->scratch, O_RDONLY | O_DIRECTORY);
    auto_close file = scratch < 0 ? scratch : path_create(scratch, "device", O_RDWR, 0600);
    auto_close control = path_root("/dev/loop-control", O_RDWR);
    memcpy(sector, scene->secret, CANARY_SECRET_LEN);
    if (file >= 0 && fd_write_full(file, sector, sizeof(sector)) == 0 && fsync(file) == 0)
        number = ioctl(control, LOOP_CTL_GET_FREE);
    if (number >= 0) {
        char name[32];
        struct loop_config config = {.fd = (uint32_t)file,
                                     .info = {.lo_flags = LO_FLAGS_READ_ONLY}};

        if (str_format(name, sizeof(name), "/dev/loop%d", number) < 0)
            return false;
        auto_close loop = path_root(name, O_RDWR);
        if (loop >= 0 && ioctl(loop, LOOP_CONFIGURE, &config) == 0 && fstat(loop, &meta) == 0) {
            trial->before[0] = (uint64_t)number + 1;
            row_both(trial, "%u", major(meta.st_rdev));
            row_both(trial, "%u", minor(meta.st_rdev));
        }
    }
    if (!trial->before[0]) {
        row_verdict(trial, VERDICT_NA, "no loop device to make a canary of");
        return false;
    }
    row_control_arg(trial, "%s", scene->scratch);
    static const char *const inside[] = {"/", "/dev", "/dev/shm", "/tmp"};
    for (size_t i = 0; i < ARRAY_LEN(inside); i++)
        row_arg(trial, "%s", inside[i]);
    return true;
}

static void clean_device(struct scene *scene, struct trial *trial)
{
    auto_close scratch = path_root(scene->scratch, O_RDONLY | O_DIRECTORY);
    char name[32];

    if (trial->before[0] &&
        str_format(name, sizeof(name), "/dev/loop%ju", (uintmax_t)trial->before[0] - 1) == 0) {
        auto_close loop = path_root(name, O_RDONLY);
        (void)ioctl(loop, LOOP_CLR_FD);
    }
    if (scratch >= 0 && path_unlink(scratch, "device") < 0)
        trial->before[0] = 0;
}

static bool prepare_mounts(struct scene *scene, struct trial *trial)
{
    trial->before[0] = hostproc_mounts_hash(scene->attacker.init);
    return trial->before[0] != 0;
}

/* Beside what the step says: the mounts of the machine are the same as the host sees them. */
static void judge_mounts(struct scene *scene, struct trial *trial)
{
    row_judge_reach(scene, trial);
    if (trial->verdict == VERDICT_BLOCKED &&
        hostproc_mounts_hash(scene->attacker.init) != trial->before[0])
        row_verdict(trial, VERDICT_LEAKED, "the machine's mounts changed");
}

/* On the host only harmless types are mounted; inside every type that the kernel has. */
static bool prepare_types(struct scene *scene, struct trial *trial)
{
    row_control_arg(trial, "tmpfs");
    row_control_arg(trial, "proc");
    row_control_arg(trial, "mqueue");
    return prepare_mounts(scene, trial);
}

static bool prepare_flag(struct scene *scene, struct trial *trial)
{
    row_arg(trial, "/");
    row_control_arg(trial, "%s", scene->scratch);
    return true;
}

const struct row rows_files[] = {
    {
        "F-01",
        SEVERITY_CRITICAL,
        "AC",
        "climb above the root by \"..\" and /proc/1/root",
        "pivot_root in an own mount namespace",
        .prepare = prepare_secrets,
        .control = row_reads_secret,
        .judge = row_judge_secret,
    },
    {
        "F-02",
        SEVERITY_CRITICAL,
        "AC",
        "double chroot out of the root",
        "pivot_root, not chroot",
        .room = ROOM_MOUNTS | ROOM_SCRATCH,
        .prepare = prepare_secrets,
        .control = row_reads_secret,
        .judge = row_judge_secret,
    },
    {
        "F-03",
        SEVERITY_CRITICAL,
        "AC",
        "open a host file by its handle",
        "user namespace, capabilities, seccomp",
        .prepare = prepare_handle,
        .control = row_reads_secret,
        .judge = row_judge_secret,
    },
    {
        "F-04",
        SEVERITY_CRITICAL,
        "AC",
        "make a node of a host block device and read it",
        "user namespace, device cgroup, nodev",
        .prepare = prepare_device,
        .control = row_reads_secret,
        .judge = row_judge_secret,
        .clean = clean_device,
    },
    {
        "F-06",
        SEVERITY_HIGH,
        "AC",
        "remount without ro, nosuid, nodev; bind /",
        "no CAP_SYS_ADMIN, locked mount flags",
        .room = ROOM_HIDDEN,
        .prepare = prepare_mounts,
        .control = row_reaches,
        .judge = judge_mounts,
    },
    {
        "F-07",
        SEVERITY_HIGH,
        "AC",
        "unmount what hides parts of /proc and /sys",
        "no CAP_SYS_ADMIN, locked mounts",
        .room = ROOM_HIDDEN,
        .prepare = prepare_mounts,
        .control = row_reaches,
        .judge = judge_mounts,
    },
    {
        "F-25",
        SEVERITY_HIGH,
        "AC",
        "mount every file system type that the kernel has",
        "no CAP_SYS_ADMIN; pinned list of types: none",
        .room = ROOM_MOUNTS,
        .prepare = prepare_types,
        .control = row_reaches,
        .judge = judge_mounts,
    },
    {
        "F-27",
        SEVERITY_HIGH,
        "AC",
        "the same by fsopen, open_tree, mount_setattr",
        "no CAP_SYS_ADMIN, seccomp",
        .room = ROOM_MOUNTS,
        .prepare = prepare_mounts,
        .control = row_reaches,
        .judge = judge_mounts,
    },
    {
        "F-33",
        SEVERITY_CRITICAL,
        "AC",
        "page cache writes: reach AF_ALG, rxrpc, xfrm, nfnetlink",
        "seccomp: list of socket families",
        .control = row_reaches,
        .judge = row_judge_reach,
    },
    {
        "F-36",
        SEVERITY_MEDIUM,
        "AC",
        "set the immutable flag, so that cleanup fails",
        "CAP_LINUX_IMMUTABLE is the host's",
        .prepare = prepare_flag,
        .control = row_reaches,
        .judge = row_judge_reach,
    },
};
const size_t rows_files_count = ARRAY_LEN(rows_files);
