/* SPDX-License-Identifier: Apache-2.0 */
/*
 * croft-monitor - the door and the records: who may do what, and who did
 *
 * Theory of operation
 * One process, one loop, no thread: what it knows, it knows alone, and no two orders are carried
 * out at the same time. It parses no text but kernel files, links libc only, and starts nothing
 * itself. It may be killed at any moment: its successor builds the same world from the records and
 * the kernel.
 *
 * Starting, in stages; one that fails ends the monitor, and croft-super tries again:
 *
 *   1 directories  whatever is touched later lies beneath one of a few open directories
 *   2 accounts     croft-setup says which gid croft-admin has
 *   3 groups       the top control group, with what the host keeps for itself
 *   4 records      replayed: users, images, instances, grants
 *   5 network      the nets of this host, who has which address in this boot
 *   6 adoption     what runs is taken over, what was cut in two is ended
 *   7 sandbox      nothing but what serving needs
 *   8 service      the door, croft-super's channel, the machines that should be up
 *
 * Runs as: root; capabilities in sandbox.c
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "linux/volume.h"
#include "monitor/changes.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"
#include "monitor/names.h"
#include "monitor/sandbox.h"
#include "monitor/setups.h"
#include "wire/spawn.h"

#define DOOR_FD           (SPAWN_CHANNEL_FD + 1)
#define BOOT_ID_TEXT_SIZE 64U

static int stage_directories(struct monitor *monitor, struct err *err);
static int stage_accounts(struct monitor *monitor, struct err *err);
static int stage_groups(struct monitor *monitor, struct err *err);
static int stage_records(struct monitor *monitor, struct err *err);
static int stage_network(struct monitor *monitor, struct err *err);
static int stage_adoption(struct monitor *monitor, struct err *err);
static int stage_sandbox(struct monitor *monitor, struct err *err);
static int stage_service(struct monitor *monitor, struct err *err);
static void on_start_due(void *data);
static int read_boot_id(struct monitor *monitor);
static uint32_t left_out(int argc, char **argv);

int main(int argc, char **argv)
{
    static struct monitor monitor;
    static int (*const stages[])(struct monitor *, struct err *) = {
        stage_directories, stage_accounts, stage_groups,  stage_records,
        stage_network,     stage_adoption, stage_sandbox, stage_service,
    };
    struct err err;

    monitor.started_boot_ns = clock_boot_ns();
    monitor.without = left_out(argc, argv);
    /* Modes are given with each file; control groups must be readable, for croftd counts in them.
     */
    umask(022);
    /* A client that hangs up is an error of a send, and no reason to die. */
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || loop_new(&monitor.loop) < 0) {
        log_line(LOG_LEVEL_ERROR, "croft-monitor cannot start");
        return OUTCOME_HOST_CANNOT;
    }
    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        int rc = stages[i](&monitor, &err);
        if (rc == 0)
            continue;
        log_line(LOG_LEVEL_ERROR, "croft-monitor cannot start: %s", err.text);
        return rc;
    }
    int rc = loop_run(monitor.loop);
    records_sync_all(&monitor);
    return rc < 0 ? OUTCOME_FAILED : OUTCOME_OK;
}

/* Stage 1. Runs as: root */
static int stage_directories(struct monitor *monitor, struct err *err)
{
    struct monitor_dirs *dirs = &monitor->dirs;
    const int flags = O_RDONLY | O_DIRECTORY;
    int rc;

    /* Both were passed on by croft-super, and would otherwise be inherited by nobody but look so.
     */
    if (fcntl(SPAWN_CHANNEL_FD, F_SETFD, FD_CLOEXEC) < 0 || fcntl(DOOR_FD, F_SETFD, FD_CLOEXEC) < 0)
        return err_set(err, OUTCOME_USAGE, "croft-super starts it, nobody else");
    rc = dirs->state = path_root(CROFT_STATE_DIR, flags);
    if (rc >= 0)
        rc = dirs->run = path_root(CROFT_RUN_DIR, flags);
    if (rc >= 0)
        rc = dirs->lib = path_root(CROFT_LIB_DIR, flags);
    if (rc >= 0)
        rc = dirs->proc = path_root("/proc", flags);
    if (rc >= 0)
        rc = dirs->records = path_mkdir_open(dirs->state, "records", 0711);
    if (rc >= 0)
        rc = fchmod(dirs->records, 0711) < 0 ? -errno : 0;
    if (rc >= 0)
        rc = dirs->volumes = path_mkdir_open(dirs->state, "volumes", 0700);
    if (rc >= 0)
        rc = path_mkdir(dirs->run, "volumes", 0700);
    if (rc == -EEXIST)
        rc = 0;
    if (rc >= 0)
        rc = dirs->mounts = volume_dir_private(dirs->run, "volumes");
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot open %s, %s or %s", CROFT_STATE_DIR,
                         CROFT_RUN_DIR, CROFT_LIB_DIR);
    rc = read_boot_id(monitor);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot read which boot this is");
    return 0;
}

/* Stage 2. */
static int stage_accounts(struct monitor *monitor, struct err *err)
{
    struct setup_reply reply;
    int rc = jobs_open(monitor, SPAWN_CHANNEL_FD);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "croft-super's channel");
    rc = setup_identify(monitor, &reply, err);
    if (rc == 0)
        monitor->admin_gid = reply.admin_gid;
    return rc;
}

/* Stage 3. */
static int stage_groups(struct monitor *monitor, struct err *err)
{
    struct host_room room;
    int rc = cgroup_host_open(CROFT_CGROUP, &monitor->cgroups, err);
    if (rc != 0)
        return rc;
    rc = host_room_read(monitor->dirs.volumes, monitor->dirs.proc, &room);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot see how much this host has");
    const struct cgroup_limits rest = {
        .memory_bytes = room.memory_bytes - host_memory_reserve(room.memory_bytes),
        .pids = room.pids > HOST_RESERVE_PIDS ? room.pids - HOST_RESERVE_PIDS : 1,
        .cpu_milli = room.cpu_milli / 100 * (100 - HOST_RESERVE_CPU_PERCENT),
    };
    monitor->cpu_rest_milli = rest.cpu_milli;
    rc = cgroup_limit(monitor->cgroups, "", &rest);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot keep the host's reserve");
    rc = cgroup_limit_devices(monitor->cgroups);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc,
                         "cannot hold control groups to the devices of a machine");
    return 0;
}

/* Stage 4. */
static int stage_records(struct monitor *monitor, struct err *err)
{
    const struct chain_entry start = {.type = RECORD_HOST_START};

    events_init(monitor);
    network_init(monitor);
    int rc = grants_init(monitor);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "no clock for the ends of grants");
    rc = records_open(monitor, err);
    if (rc == 0)
        records_outcome(monitor, &monitor->records.host, &start, DURABLE_NOW);
    return rc;
}

/* Stage 5. */
static int stage_network(struct monitor *monitor, struct err *err)
{
    int rc = network_open(monitor, err);
    if (rc != 0)
        return rc;
    rc = addresses_open(monitor);
    if (rc == 0)
        rc = names_open(monitor);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot keep addresses and names in %s",
                         CROFT_RUN_DIR);
    return 0;
}

/* Stage 6. */
static int stage_adoption(struct monitor *monitor, struct err *err)
{
    (void)err; /* what cannot be taken over is one user's trouble, not everybody's */
    instances_adopt(monitor);
    grants_replayed(monitor);
    for (struct user *user = monitor->users.first; user != NULL; user = user->next)
        names_changed(user);
    changes_resume(monitor);
    return 0;
}

/* Stage 7. */
static int stage_sandbox(struct monitor *monitor, struct err *err)
{
    return sandbox_enter(monitor->dirs.lib, err);
}

/* Stage 8. */
static int stage_service(struct monitor *monitor, struct err *err)
{
    int rc = jobs_listen(monitor);
    if (rc == 0)
        rc = door_open(monitor, DOOR_FD);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot serve");
    monitor->starting_wanted = true;
    monitor->start_timer = (struct loop_timer){.on_due = on_start_due, .data = monitor};
    loop_arm(monitor->loop, &monitor->start_timer, clock_boot_ns());
    diskuse_start(monitor);
    return 0;
}

static void on_start_due(void *data)
{
    instances_start_wanted(data);
}

/* "01234567-89ab-cdef-0123-456789abcdef": the same as long as the kernel runs, and never again. */
static int read_boot_id(struct monitor *monitor)
{
    char text[BOOT_ID_TEXT_SIZE];
    char digits[2 * BOOT_ID_SIZE + 1];
    size_t count = 0;

    ssize_t got =
        path_read_text(monitor->dirs.proc, "sys/kernel/random/boot_id", text, sizeof(text));
    for (ssize_t i = 0; i < got && count < sizeof(digits); i++)
        if (text[i] != '-' && text[i] != '\n')
            digits[count++] = text[i];
    if (got < 0 || count != sizeof(digits) - 1)
        return got < 0 ? (int)got : -EINVAL;
    digits[count] = '\0';
    return str_unhex(digits, monitor->boot_id, BOOT_ID_SIZE);
}

/* A test build leaves controls out on purpose; croft-super passes on which: enum ablate bits. */
static uint32_t left_out(int argc, char **argv)
{
    uint64_t bits = 0;

    if (!CROFT_ABLATE || argc != 2 || str_u64(argv[1], 0, UINT32_MAX, &bits) < 0)
        return 0;
    return (uint32_t)bits;
}
