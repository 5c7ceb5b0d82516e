/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside_volume - attack steps on what lies beneath a machine's files (F and R rows): image layers,
 * the volume's blocks and quota, links and races that a walking daemon meets
 *
 * Runs as: root inside the attacker's machine; host root in a throw-away mount namespace for the
 * positive control. Every storm is bounded in bytes, count and time.
 */
#include "prove/step.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"

#define PLAY_DIR     "/croft-prove-mount"
#define MIB_BYTES    (1024UL * 1024UL)
#define GROUPS_MAX   64
#define HUNT_MIB_MAX 96
#define SECRET_BYTES 64

static bool is_own(const struct step_run *run)
{
    return strcmp(step_arg(run, 0), "own") == 0;
}

/* Makes a file in @dir after taking its read-only flag off. */
static void write_into(struct fact *fact, const char *dir)
{
    char path[512];

    (void)mount(NULL, dir, NULL, MS_REMOUNT | MS_BIND, NULL);
    (void)mount(NULL, dir, NULL, MS_REMOUNT, NULL);
    if (str_format(path, sizeof(path), "%s/croft-prove-layer", dir) < 0)
        return;
    auto_close fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fact_tried(fact, fd))
        fact_note(fact, "%.60s", dir);
    (void)unlink(path);
}

/* Tries every directory that the option @key of an overlay names, and binds it where it can. */
static void try_layers(struct fact *fact, char *options, const char *key)
{
    char *at = strstr(options, key);

    if (!at)
        return;
    at += strlen(key);
    at[strcspn(at, ", \n")] = '\0';
    for (char *dir = at, *next; dir; dir = next) {
        char rooted[512];

        next = strchr(dir, ':');
        if (next)
            *next++ = '\0';
        if (str_format(rooted, sizeof(rooted), "/%s", dir[0] == '/' ? dir + 1 : dir) < 0)
            continue;
        write_into(fact, rooted);
        if (fact_tried(fact, mount(rooted, "/mnt", NULL, MS_BIND, NULL)))
            write_into(fact, "/mnt");
    }
}

/*
 * argv: directories that are read-only mounts (control); none: what the machine's own overlay says
 * it lies on. number[0]: ways to write beneath it.
 */
static void act_layer(struct step_run *run)
{
    static const char *const keys[] = {"lowerdir=", "lowerdir+=", "upperdir="};
    char line[4096];

    for (int i = 0; i < run->argc; i++)
        write_into(&run->fact, run->argv[i]);
    if (run->argc)
        return;
    FILE *file = fopen("/proc/self/mountinfo", "re");
    while (file && fgets(line, sizeof(line), file))
        for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
            char copy[4096];

            memcpy(copy, line, sizeof(copy));
            if (strstr(copy, " overlay "))
                try_layers(&run->fact, copy, keys[i]);
        }
    if (file)
        (void)fclose(file);
    if (fact_tried(&run->fact, mount(NULL, "/", NULL, MS_REMOUNT, "redirect_dir=on,metacopy=on")))
        fact_note(&run->fact, "remounted with metacopy");
}

/* argv: "own": mount a tmpfs first. An overlay of one's own, through which files are copied up. */
static void act_overlay(struct step_run *run)
{
    static const char *const bases[] = {PLAY_DIR, "/dev/shm", "/tmp"};
    char options[512], dir[128];

    (void)mkdir(PLAY_DIR, 0700);
    if (is_own(run) && mount("croft-prove", PLAY_DIR, "tmpfs", 0, "size=1m") < 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(bases) && (i == 0 || !is_own(run)); i++) {
        static const char *const parts[] = {"up", "work", "on"};

        for (size_t j = 0; j < ARRAY_LEN(parts); j++)
            if (str_format(dir, sizeof(dir), "%s/%s", bases[i], parts[j]) == 0)
                (void)mkdir(dir, 0700);
        if (str_format(options, sizeof(options), "lowerdir=/bin,upperdir=%s/up,workdir=%s/work",
                       bases[i], bases[i]) < 0)
            continue;
        if (fact_tried(&run->fact, mount("overlay", dir, "overlay", 0, options)))
            fact_note(&run->fact, "overlay on %s", bases[i]);
        (void)umount2(dir, MNT_DETACH);
        for (size_t j = 0; j < ARRAY_LEN(parts); j++)
            if (str_format(dir, sizeof(dir), "%s/%s", bases[i], parts[j]) == 0)
                (void)rmdir(dir);
    }
    (void)umount2(PLAY_DIR, MNT_DETACH);
    (void)rmdir(PLAY_DIR);
}

static void swap_for(const char *one, const char *other, uint64_t ms, pid_t parent)
{
    uint64_t end = clock_boot_ns() + ms * NS_PER_MS;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == parent && clock_boot_ns() < end)
        for (int i = 0; i < 100; i++)
            (void)renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE);
    _exit(0);
}

/* Walks by names, as a careless daemon would, until the race is won: on a busy machine, or on one
 * CPU, that takes its time. */
static void walk_carelessly(struct fact *fact, const char *dir, uint64_t ms)
{
    const uint64_t end = clock_boot_ns() + ms * NS_PER_MS;
    char path[512];

    while (clock_boot_ns() < end && fact->number[0] == 0) {
        char bytes[SECRET_BYTES + 1] = "";
        struct stat meta;

        if (lstat(dir, &meta) < 0 || !S_ISDIR(meta.st_mode) ||
            str_format(path, sizeof(path), "%s/secret", dir) < 0)
            continue;
        auto_close fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fact_tried(fact, fd) && read(fd, bytes, SECRET_BYTES) > 0)
            fact_note(fact, "%s", bytes);
    }
}

static pid_t swapper; /* ends with the step */

/*
 * argv: "own" to walk as well (control), a directory to play in, where a link leads, milliseconds.
 * A directory and a link change places for so long. number[0]: walks that were led astray.
 */
static void act_swap(struct step_run *run)
{
    char dir[256], link[256];
    pid_t parent = getpid();

    if (str_format(dir, sizeof(dir), "%s/dir", step_arg(run, 1)) < 0 ||
        str_format(link, sizeof(link), "%s/link", step_arg(run, 1)) < 0)
        return;
    (void)mkdir(step_arg(run, 1), 0755);
    (void)mkdir(dir, 0755);
    (void)unlink(link);
    if (symlink(step_arg(run, 2), link) < 0) {
        run->fact.error = errno;
        return;
    }
    swapper = fork();
    if (swapper == 0)
        swap_for(dir, link, step_number(run, 3), parent);
    run->fact.number[2] = swapper > 0;
    if (is_own(run))
        walk_carelessly(&run->fact, dir, step_number(run, 3));
}

static void undo_swap(struct step_run *run)
{
    static const char *const names[] = {"dir", "link"};
    char path[256];

    if (swapper > 0 && kill(swapper, SIGKILL) == 0)
        (void)waitpid(swapper, NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_format(path, sizeof(path), "%s/%s", step_arg(run, 1), names[i]) == 0 &&
            unlink(path) < 0)
            (void)rmdir(path);
    (void)rmdir(step_arg(run, 1));
}

/* Looks for @mark in what @fd holds; a hit is told with what follows it. */
static void hunt(struct fact *fact, int fd, const char *mark)
{
    static char bytes[MIB_BYTES + 1];
    ssize_t got;

    while ((got = read(fd, bytes, MIB_BYTES)) > 0) {
        char *hit = memmem(bytes, (size_t)got, mark, strlen(mark));

        fact->number[2]++;
        if (!hit)
            continue;
        (void)fact_tried(fact, 0);
        fact_note(fact, "%s", mark);
        return;
    }
}

/*
 * argv: what deleted files of others would hold, then files to look through (control); none: space
 * that is set aside but was never written, as much as there is. number[0]: found.
 */
static void act_hunt(struct step_run *run)
{
    static const char room[] = "/croft-prove-room";
    off_t mib = HUNT_MIB_MAX;

    for (int i = 1; i < run->argc; i++) {
        auto_close fd = open(run->argv[i], O_RDONLY | O_CLOEXEC);
        run->fact.number[1]++;
        if (fd >= 0)
            hunt(&run->fact, fd, step_arg(run, 0));
    }
    if (run->argc > 1)
        return;
    auto_close fd = open(room, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    while (fd >= 0 && mib > 0 && fallocate(fd, 0, 0, mib * (off_t)MIB_BYTES) < 0)
        mib -= 8;
    run->fact.number[1]++;
    if (mib > 0)
        hunt(&run->fact, fd, step_arg(run, 0));
    (void)unlink(room);
}

/* argv: major, minor of a device that the host has mounted, then directories for its node.
 * number[0]: opened for writing; nothing is written. */
static void act_raw_volume(struct step_run *run)
{
    dev_t device = makedev((unsigned)step_number(run, 0), (unsigned)step_number(run, 1));

    for (int i = 2; i < run->argc; i++) {
        char path[256];

        if (str_format(path, sizeof(path), "%s/croft-prove-node", run->argv[i]) < 0)
            continue;
        (void)unlink(path);
        if (mknod(path, S_IFBLK | 0600, device) < 0) {
            (void)fact_tried(&run->fact, -1);
            continue;
        }
        auto_close fd = open(path, O_RDWR | O_CLOEXEC);
        if (fact_tried(&run->fact, fd))
            fact_note(&run->fact, "%s", path);
        (void)unlink(path);
    }
}

/* Writes over a mapping of @fd's first bytes through /proc/self/mem, which overrides protection. */
static void force(struct fact *fact, const char *path, bool own, int map_flags)
{
    int protection = own ? PROT_READ | PROT_WRITE : PROT_READ;
    char before[16] = "", after[16] = "";

    auto_close fd = open(path, (own ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (fd < 0 || pread(fd, before, sizeof(before), 0) <= 0) {
        (void)fact_tried(fact, -1);
        return;
    }
    void *map = mmap(NULL, 4096, protection, map_flags, fd, 0);
    if (map == MAP_FAILED) {
        (void)fact_tried(fact, -1);
        return;
    }
    auto_close mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    if (mem < 0 || pwrite(mem, "croft-prove", 11, (off_t)(uintptr_t)map) < 0)
        fact->error = errno;
    auto_close again = open(path, O_RDONLY | O_CLOEXEC);
    bool changed = pread(again, after, sizeof(after), 0) > 0 && memcmp(before, after, 16) != 0;
    (void)munmap(map, 4096);
    fact->number[1]++;
    fact->number[0] += changed;
    if (changed)
        fact_note(fact, "%s", path);
}

/* argv: "own" when the files may be opened for writing (control); files. number[0]: changed. */
static void act_force(struct step_run *run)
{
    for (int i = 1; i < run->argc; i++) {
        if (is_own(run)) {
            force(&run->fact, run->argv[i], true, MAP_SHARED);
            continue;
        }
        force(&run->fact, run->argv[i], false, MAP_PRIVATE);
        force(&run->fact, run->argv[i], false, MAP_SHARED);
    }
}

/*
 * argv: "own" to open one of them oneself (control); files that a program of the host must not look
 * for here. They are made, and watched until the end. number[0]: how often one was opened.
 */
static int watch_fd = -1;

static void count_opens(struct fact *fact, unsigned wait_ms)
{
    char events[4096];

    (void)usleep(wait_ms * 1000);
    ssize_t got = read(watch_fd, events, sizeof(events));
    for (ssize_t at = 0; got > 0 && at < got;) {
        const struct inotify_event *event = (const void *)&events[at];

        (void)fact_tried(fact, 0);
        at += (ssize_t)(sizeof(*event) + event->len);
    }
    fact->number[1]++;
}

static void act_plant(struct step_run *run)
{
    watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    for (int i = 2; i < run->argc; i++) {
        auto_close fd = open(run->argv[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0755);

        if (fd >= 0 && write(fd, "croft-prove\n", 12) == 12 &&
            inotify_add_watch(watch_fd, run->argv[i], IN_OPEN) >= 0)
            run->fact.number[2]++;
    }
    if (is_own(run)) {
        auto_close fd = open(step_arg(run, 2), O_RDONLY | O_CLOEXEC);
        run->fact.number[3] = (uint64_t)(fd >= 0);
    }
    count_opens(&run->fact, (unsigned)step_number(run, 1));
}

static void undo_plant(struct step_run *run)
{
    for (int i = 2; i < run->argc; i++)
        (void)unlink(run->argv[i]);
    fd_close(&watch_fd);
}

/*
 * argv: most MiB, a directory. Space that belongs to no project, no name or another id; an unnamed
 * file takes it. number[0]: MiB written; number[2]: attributes that could be moved to another.
 */
static void act_quota(struct step_run *run)
{
    static char mib[MIB_BYTES];
    struct fsxattr attr = {0};

    auto_close fd = open(step_arg(run, 1), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        run->fact.error = errno;
        return;
    }
    if (ioctl(fd, FS_IOC_FSGETXATTR, &attr) == 0) {
        attr.fsx_projid = 4711;
        run->fact.number[2] += ioctl(fd, FS_IOC_FSSETXATTR, &attr) == 0;
    }
    run->fact.number[2] += fchown(fd, 65534, 65534) == 0;
    memset(mib, 'x', sizeof(mib));
    while (run->fact.number[0] < step_number(run, 0))
        if (!fact_tried(&run->fact, fd_write_full(fd, mib, sizeof(mib)) < 0 ? -1 : 0))
            break;
    (void)fdatasync(fd);
}

static struct fact *walk_fact; /* nftw(3) hands nothing through */

static int walk_groups(const char *path, const struct stat *meta, int type, struct FTW *at)
{
    char group[512];

    (void)meta;
    (void)at;
    if (type != FTW_D || walk_fact->number[0] >= GROUPS_MAX ||
        str_format(group, sizeof(group), "%s/croft-prove-group", path) < 0)
        return 0;
    if (fact_tried(walk_fact, mkdir(group, 0700)))
        (void)rmdir(group);
    return 0;
}

/* argv: where to begin. A control group in each directory. number[0]: groups made. */
static void act_groups(struct step_run *run)
{
    walk_fact = &run->fact;
    (void)nftw(step_arg(run, 0), walk_groups, 16, FTW_PHYS);
    (void)mkdir(PLAY_DIR, 0700);
    if (!is_own(run) && fact_tried(&run->fact, mount("cgroup2", PLAY_DIR, "cgroup2", 0, NULL))) {
        (void)nftw(PLAY_DIR, walk_groups, 16, FTW_PHYS);
        (void)umount2(PLAY_DIR, MNT_DETACH);
    }
    (void)rmdir(PLAY_DIR);
}

/* The host's one table of interpreters, reached by mount or where it is. Nothing is written. */
static void act_interpreters(struct step_run *run)
{
    static const char *const files[] = {"/proc/sys/fs/binfmt_misc/register", PLAY_DIR "/register"};

    (void)mkdir(PLAY_DIR, 0700);
    if (fact_tried(&run->fact, mount("binfmt_misc", PLAY_DIR, "binfmt_misc", 0, NULL)))
        fact_note(&run->fact, "mounted");
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        auto_close fd = open(files[i], O_WRONLY | O_CLOEXEC);
        if (fact_tried(&run->fact, fd))
            fact_note(&run->fact, "%s", files[i]);
    }
    (void)umount2(PLAY_DIR, MNT_DETACH);
    (void)rmdir(PLAY_DIR);
}

const struct step steps_volume[] = {
    {"F-05", act_layer, NULL},        {"F-10", act_overlay, NULL},    {"F-13", act_swap, undo_swap},
    {"F-21", act_hunt, NULL},         {"F-23", act_raw_volume, NULL}, {"F-32", act_force, NULL},
    {"P-08", act_plant, undo_plant},  {"R-19", act_quota, NULL},      {"R-26", act_groups, NULL},
    {"K-27", act_interpreters, NULL},
};
const size_t steps_volume_count = ARRAY_LEN(steps_volume);
