/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside_resources - attack steps on what users share (R rows): processes, memory, disk, CPU, and
 * the kernel's small budgets
 *
 * Every storm here is bounded in count and bytes by an argument and in time by step_serve()'s
 * alarm; what it holds ends with its process.
 */
#include "prove/step.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"

#define MIB_BYTES   (1024UL * 1024UL)
#define BURNERS_MAX 32

/* argv: most processes. Forks until refused; they wait. number[0]: how many live. */
static void act_forks(struct step_run *run)
{
    uint64_t max = step_number(run, 0);
    pid_t parent = getpid();

    while (run->fact.number[0] < max) {
        pid_t child = fork();

        if (child == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent)
                _exit(0);
            for (;;)
                (void)pause();
        }
        if (!fact_tried(&run->fact, child))
            break;
    }
}

/* The same, but they end at once and nobody reaps them. */
static void act_zombies(struct step_run *run)
{
    uint64_t max = step_number(run, 0);

    while (run->fact.number[0] < max) {
        pid_t child = fork();

        if (child == 0)
            _exit(0);
        if (!fact_tried(&run->fact, child))
            break;
    }
}

/* Takes @max MiB one by one, counts them in @taken, holds them. */
static void take_memory(uint64_t max, volatile uint64_t *taken)
{
    while (*taken < max) {
        char *mib =
            mmap(NULL, MIB_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (mib == MAP_FAILED)
            _exit(1);
        memset(mib, 'x', MIB_BYTES);
        (*taken)++;
    }
    _exit(0);
}

/* argv: most MiB. number[0]: MiB taken; number[2]: signal that ended the taker. */
static void act_memory_hog(struct step_run *run)
{
    volatile uint64_t *taken =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;

    if (taken == MAP_FAILED)
        return;
    pid_t child = fork();
    if (child == 0)
        take_memory(step_number(run, 0), taken);
    if (child < 0 || waitpid(child, &status, 0) < 0) {
        run->fact.error = errno;
        return;
    }
    run->fact.number[0] = *taken;
    run->fact.number[1] = step_number(run, 0);
    run->fact.number[2] = WIFSIGNALED(status) ? (uint64_t)WTERMSIG(status) : 0;
}

static bool storm_file(const struct step_run *run, int i, char *path, size_t size)
{
    return str_format(path, size, "%s/croft-prove-fill", step_arg(run, i)) == 0;
}

/* argv: most MiB, directories. Fills them in turn. number[0]: MiB written. */
static void act_fill(struct step_run *run)
{
    static char mib[MIB_BYTES];
    char path[256];

    memset(mib, 'x', sizeof(mib));
    for (int i = 1; i < run->argc; i++) {
        if (!storm_file(run, i, path, sizeof(path)))
            continue;
        auto_close fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
        while (fd >= 0 && run->fact.number[0] < step_number(run, 0))
            if (!fact_tried(&run->fact, fd_write_full(fd, mib, sizeof(mib)) < 0 ? -1 : 0))
                break;
        if (fd >= 0)
            (void)fdatasync(fd);
    }
}

static void undo_fill(struct step_run *run)
{
    char path[256];

    for (int i = 1; i < run->argc; i++)
        if (storm_file(run, i, path, sizeof(path)))
            (void)unlink(path);
}

/* argv: most files, directory. number[0]: files made. */
static void act_inodes(struct step_run *run)
{
    char path[256];

    if (str_format(path, sizeof(path), "%s/croft-prove-inodes", step_arg(run, 1)) < 0)
        return;
    (void)mkdir(path, 0700);
    auto_close dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (dir >= 0 && run->fact.number[0] < step_number(run, 0)) {
        char name[32];

        if (str_format(name, sizeof(name), "%ju", (uintmax_t)run->fact.number[0]) < 0)
            break;
        auto_close fd = openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        if (!fact_tried(&run->fact, fd))
            break;
    }
}

static void undo_inodes(struct step_run *run)
{
    char path[256], name[32];

    if (str_format(path, sizeof(path), "%s/croft-prove-inodes", step_arg(run, 1)) < 0)
        return;
    auto_close dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (uint64_t i = 0; dir >= 0 && i < run->fact.number[0]; i++)
        if (str_format(name, sizeof(name), "%ju", (uintmax_t)i) == 0)
            (void)unlinkat(dir, name, 0);
    (void)rmdir(path);
}

/* argv: most. number[0]: inotify instances held. */
static void act_inotify(struct step_run *run)
{
    while (run->fact.number[0] < step_number(run, 0))
        if (!fact_tried(&run->fact, inotify_init1(IN_CLOEXEC)))
            break;
}

/* argv: most. Pipes of 1 MiB. number[0]: pipes enlarged and held. */
static void act_pipes(struct step_run *run)
{
    int ends[2];

    while (run->fact.number[0] < step_number(run, 0)) {
        if (pipe2(ends, O_CLOEXEC) < 0) {
            run->fact.error = errno;
            break;
        }
        if (!fact_tried(&run->fact, fcntl(ends[1], F_SETPIPE_SZ, (int)MIB_BYTES)))
            break;
    }
}

/* argv: most. number[0]: descriptors held. */
static void act_files(struct step_run *run)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    while (run->fact.number[0] < step_number(run, 0))
        if (!fact_tried(&run->fact, open("/dev/null", O_RDONLY | O_CLOEXEC)))
            break;
}

/* argv: most. number[0]: keys added to this process's own ring. */
static void act_keys(struct step_run *run)
{
    static const char payload[] = "croft-prove";

    while (run->fact.number[0] < step_number(run, 0)) {
        char name[32];

        if (str_format(name, sizeof(name), "croft-prove-%ju", (uintmax_t)run->fact.number[0]) < 0)
            break;
        if (!fact_tried(&run->fact, syscall(SYS_add_key, "user", name, payload, sizeof(payload),
                                            KEY_SPEC_PROCESS_KEYRING)))
            break;
    }
}

/* argv: processes, seconds. They do nothing but compute. number[0]: how many do. */
static void act_burn(struct step_run *run)
{
    uint64_t seconds = step_number(run, 1);
    pid_t parent = getpid();

    while (run->fact.number[0] < step_number(run, 0) && run->fact.number[0] < BURNERS_MAX) {
        pid_t child = fork();

        if (child == 0) {
            uint64_t end = clock_boot_ns() + seconds * NS_PER_S;

            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            while (getppid() == parent && clock_boot_ns() < end)
                ;
            _exit(0);
        }
        if (!fact_tried(&run->fact, child))
            break;
    }
}

/*
 * Becomes the first id beyond the machine's own and stands there: whose id that is, the host sees.
 * argv: that id. number[0]: it could.
 */
static void act_foreign_id(struct step_run *run)
{
    uid_t id = (uid_t)step_number(run, 0);

    (void)fact_tried(&run->fact, setresuid(id, id, id));
}

/* Only stands there, so that the host can look at it. number[0]: always 1. */
static void act_stand(struct step_run *run)
{
    (void)fact_tried(&run->fact, 0);
}

const struct step steps_resources[] = {
    {"R-01", act_forks, NULL},         {"R-02", act_zombies, NULL},
    {"R-03", act_memory_hog, NULL},    {"R-04", act_fill, undo_fill},
    {"R-18", act_fill, undo_fill},     {"R-09", act_pipes, NULL},
    {"R-11", act_files, NULL},         {"R-15", act_keys, NULL},
    {"R-20", act_inotify, NULL},       {"R-23", act_foreign_id, NULL},
    {"stand", act_stand, NULL},        {"R-28", act_burn, NULL},
    {"R-37", act_inodes, undo_inodes},
};
const size_t steps_resources_count = ARRAY_LEN(steps_resources);
