/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup - control groups behind one interface: hybrid v1 and v2
 *
 * Theory of operation
 * On v2 a group is one directory. On v1 it is a directory of the same name in each hierarchy, and a
 * process must be written into each; every directory costs about 100 us to make, so the level of an
 * instance exists only where a limit or a count of its own is wanted (memory, pids, cpu, freezer)
 * and its processes stand in the envelope's directory elsewhere. The envelope's hierarchies are all
 * of them, since cpuacct, blkio and devices speak about the user, not about one machine of hers.
 *
 * Kernel facts this relies on:
 *  - a process frozen by the v1 freezer takes a SIGKILL only when it is thawed, and does nothing in
 *    between: freeze, kill, thaw leaves nobody who could fork away (kill_v1);
 *  - a v2 group with processes cannot pass controllers to children, so controllers are enabled in
 *    the parent when a child is made, and processes live in leaves only.
 */
#include "linux/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <signal.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "linux/cgroup_internal.h"
#include "linux/path.h"

#define VALUE_SIZE        64U
#define KEYED_FILE_SIZE   8192U
#define PIDS_CHUNK        512U
#define KILL_ROUNDS       10
#define FREEZE_WAIT_NS    500000L
#define FREEZE_WAIT_TIMES 40
#define CONTROLLERS_V2    "+memory +pids +cpu"

/*
 * name, other_name: where the hierarchy is mounted below /sys/fs/cgroup; systemd mounts cpu and
 *           cpuacct as one, and "cpuacct" is then a symbolic link, which path_open() refuses
 * needed:   Croft does not start without it
 * instance: an instance has a level of its own here
 */
static const struct {
    const char *name;
    const char *other_name;
    bool needed;
    bool instance;
} HIERARCHIES[HIERARCHY_COUNT] = {
    [HIERARCHY_MEMORY] = {"memory", NULL, true, true},
    [HIERARCHY_PIDS] = {"pids", NULL, true, true},
    [HIERARCHY_CPU] = {"cpu,cpuacct", "cpu", true, true},
    [HIERARCHY_FREEZER] = {"freezer", NULL, true, true},
    [HIERARCHY_CPUACCT] = {"cpuacct", NULL, false, false},
    [HIERARCHY_BLKIO] = {"blkio", NULL, false, false},
    [HIERARCHY_DEVICES] = {"devices", NULL, false, false},
};

static int open_hierarchy(int cgroup_root, enum hierarchy hierarchy);
static int open_top(struct cgroup_host *host, int root, enum hierarchy hierarchy);
static int open_parent(const struct cgroup_host *host, enum hierarchy hierarchy, const char *group,
                       const char **ret_last);
static int make_in(const struct cgroup_host *host, enum hierarchy hierarchy, const char *group);
static int attach_fd(const struct cgroup_host *host, enum hierarchy hierarchy, const char *group);
static int kill_v1(struct cgroup_host *host, const char *group);
static int kill_tree(struct cgroup_host *host, const char *group, size_t *ret_killed);
static int keyed_u64(int dir, const char *name, const char *key, uint64_t *ret_value);

int cgroup_host_open(const char *name, struct cgroup_host **ret_host, struct err *err)
{
    struct statfs fs;
    auto_close root = path_root("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY);
    if (root < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, root, "cannot open /sys/fs/cgroup");
    if (fstatfs(root, &fs) < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, -errno, "cannot look at /sys/fs/cgroup");
    return cgroup_host_open_at(root, fs.f_type == CGROUP2_SUPER_MAGIC, name, ret_host, err);
}

int cgroup_host_open_at(int root, bool v2, const char *name, struct cgroup_host **ret_host,
                        struct err *err)
{
    struct cgroup_host *host = mem_new(1, sizeof(*host));
    size_t count = v2 ? 1 : HIERARCHY_COUNT;

    host->v2 = v2;
    for (size_t i = 0; i < HIERARCHY_COUNT; i++)
        host->mount[i] = host->top[i] = -1;
    int rc = str_copy(host->name, sizeof(host->name), name);
    for (size_t i = 0; i < count; i++) {
        if (rc >= 0)
            rc = open_top(host, root, (enum hierarchy)i);
        if (rc >= 0)
            continue;
        /* Not mounted, or a link to one that is used under its other name; all else is a failure.
         */
        if (!HIERARCHIES[i].needed && (rc == -ENOENT || rc == -ELOOP)) {
            rc = 0;
            continue;
        }
        cgroup_host_close(host);
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot use the %s of control groups%s",
                         v2 ? "tree" : HIERARCHIES[i].name,
                         v2 ? "" : " (memory, pids, cpu and freezer must be mounted)");
    }
    *ret_host = host;
    return 0;
}

void cgroup_host_close(struct cgroup_host *host)
{
    if (host == NULL)
        return;
    for (size_t i = 0; i < HIERARCHY_COUNT; i++) {
        fd_close(&host->mount[i]);
        fd_close(&host->top[i]);
    }
    mem_cleanup(&host);
}

int cgroup_host_remove(struct cgroup_host *host)
{
    int result = 0;

    for (size_t i = 0; i < HIERARCHY_COUNT; i++) {
        if (host->top[i] < 0)
            continue;
        int rc = path_rmdir(host->mount[i], host->name);
        if (rc < 0 && rc != -ENOENT)
            result = rc;
    }
    cgroup_host_close(host);
    return result;
}

bool cgroup_host_is_v2(const struct cgroup_host *host)
{
    return host->v2;
}

int cgroup_make(struct cgroup_host *host, const char *group, bool instance)
{
    for (size_t i = 0; i < HIERARCHY_COUNT; i++) {
        if (host->top[i] < 0 || (instance && !HIERARCHIES[i].instance))
            continue;
        int rc = make_in(host, (enum hierarchy)i, group);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int cgroup_remove(struct cgroup_host *host, const char *group)
{
    int result = 0;

    for (size_t i = 0; i < HIERARCHY_COUNT; i++) {
        const char *last;
        if (host->top[i] < 0)
            continue;
        auto_close parent = open_parent(host, (enum hierarchy)i, group, &last);
        int rc = parent < 0 ? parent : path_rmdir(parent, last);
        if (rc < 0 && rc != -ENOENT)
            result = rc;
    }
    return result;
}

int cgroup_attach_fds(struct cgroup_host *host, const char *group, int *ret_fds)
{
    int fds[CGROUP_ATTACH_MAX];
    int count = 0;

    _Static_assert(HIERARCHY_COUNT <= CGROUP_ATTACH_MAX, "one descriptor per hierarchy");
    for (size_t i = 0; i < HIERARCHY_COUNT; i++) {
        if (host->top[i] < 0)
            continue;
        int fd = host->v2 ? cgroup_open(host, (enum hierarchy)i, group)
                          : attach_fd(host, (enum hierarchy)i, group);
        if (fd < 0) {
            while (count > 0)
                fd_close(&fds[--count]);
            return fd;
        }
        fds[count++] = fd;
    }
    memcpy(ret_fds, fds, (size_t)count * sizeof(fds[0]));
    return count;
}

ssize_t cgroup_pids(struct cgroup_host *host, const char *group, pid_t *pids, size_t max)
{
    char chunk[4096];
    ssize_t count = 0;
    ssize_t got;
    int64_t pid = 0;

    auto_close dir = cgroup_open(host, host->v2 ? HIERARCHY_MEMORY : HIERARCHY_FREEZER, group);
    if (dir < 0)
        return dir;
    auto_close procs = path_open(dir, "cgroup.procs", O_RDONLY);
    if (procs < 0)
        return procs;
    while ((got = read(procs, chunk, sizeof(chunk))) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            if (chunk[i] >= '0' && chunk[i] <= '9') {
                pid = pid * 10 + (chunk[i] - '0');
                continue;
            }
            /* 0: a process of another pid namespace, which cannot be signalled by number. */
            if (pid > 0 && (size_t)count++ < max)
                pids[count - 1] = (pid_t)pid;
            pid = 0;
        }
    }
    return got < 0 ? -errno : count;
}

int cgroup_kill(struct cgroup_host *host, const char *group)
{
    if (!host->v2)
        return kill_v1(host, group);
    auto_close dir = cgroup_open(host, HIERARCHY_MEMORY, group);
    if (dir < 0)
        return dir == -ENOENT ? 0 : dir;
    return path_write_text(dir, "cgroup.kill", "1");
}

int cgroup_usage(struct cgroup_host *host, const char *group, struct cgroup_usage *ret_usage)
{
    struct cgroup_usage usage = {0};
    bool v2 = host->v2;

    auto_close memory = cgroup_open(host, HIERARCHY_MEMORY, group);
    if (memory < 0)
        return memory;
    auto_close pids = cgroup_open(host, v2 ? HIERARCHY_MEMORY : HIERARCHY_PIDS, group);
    if (pids < 0)
        return pids;
    int rc =
        path_read_u64(memory, v2 ? "memory.current" : "memory.usage_in_bytes", &usage.memory_bytes);
    if (rc == 0)
        rc = path_read_u64(memory, v2 ? "memory.peak" : "memory.max_usage_in_bytes",
                           &usage.memory_peak_bytes);
    if (rc == -ENOENT && v2) /* memory.peak came with Linux 5.19; its absence is no failure */
        rc = 0;
    if (rc == 0)
        rc = keyed_u64(memory, v2 ? "memory.events" : "memory.oom_control", "oom_kill",
                       &usage.oom_kills);
    if (rc == 0)
        rc = path_read_u64(pids, "pids.current", &usage.pids);
    if (rc == 0)
        rc = keyed_u64(pids, "pids.events", "max", &usage.pids_refused);
    if (rc == 0)
        *ret_usage = usage;
    return rc;
}

int cgroup_reclaimable(struct cgroup_host *host, const char *group, uint64_t *ret_bytes)
{
    uint64_t cached;
    uint64_t shared;
    auto_close memory = cgroup_open(host, HIERARCHY_MEMORY, group);
    if (memory < 0)
        return memory;
    /* Shared memory is counted as cache, and goes nowhere. */
    int rc = keyed_u64(memory, "memory.stat", host->v2 ? "file" : "total_cache", &cached);
    if (rc == 0)
        rc = keyed_u64(memory, "memory.stat", host->v2 ? "shmem" : "total_shmem", &shared);
    if (rc == 0)
        *ret_bytes = cached > shared ? cached - shared : 0;
    return rc;
}

int cgroup_list(struct cgroup_host *host, const char *group,
                void (*each)(const char *name, void *data), void *data)
{
    struct dirent *entry;
    int dir = cgroup_open(host, host->v2 ? HIERARCHY_MEMORY : HIERARCHY_FREEZER, group);
    if (dir < 0)
        return dir;
    DIR *list = fdopendir(dir);
    if (list == NULL) {
        int rc = -errno;
        fd_close(&dir);
        return rc;
    }
    while ((entry = readdir(list)) != NULL)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            each(entry->d_name, data);
    closedir(list);
    return 0;
}

static int open_hierarchy(int cgroup_root, enum hierarchy hierarchy)
{
    int flags = O_RDONLY | O_DIRECTORY;
    int fd = path_open_xdev(cgroup_root, HIERARCHIES[hierarchy].name, flags);
    if (fd < 0 && HIERARCHIES[hierarchy].other_name != NULL)
        fd = path_open_xdev(cgroup_root, HIERARCHIES[hierarchy].other_name, flags);
    return fd;
}

static int open_top(struct cgroup_host *host, int root, enum hierarchy hierarchy)
{
    auto_close mount = host->v2 ? path_open_xdev(root, ".", O_RDONLY | O_DIRECTORY)
                                : open_hierarchy(root, hierarchy);
    int rc = mount < 0 ? mount : 0;
    if (rc == 0 && host->v2)
        rc = path_write_text(mount, "cgroup.subtree_control", CONTROLLERS_V2);
    if (rc == 0)
        rc = host->top[hierarchy] = path_mkdir_open(mount, host->name, 0755);
    if (rc < 0)
        return rc;
    host->mount[hierarchy] = take_fd(&mount);
    return 0;
}

int cgroup_open(const struct cgroup_host *host, enum hierarchy hierarchy, const char *group)
{
    return path_open(host->top[hierarchy], group[0] == '\0' ? "." : group, O_RDONLY | O_DIRECTORY);
}

/* The directory above @group's, and the last component of its name, which stays inside @group. */
static int open_parent(const struct cgroup_host *host, enum hierarchy hierarchy, const char *group,
                       const char **ret_last)
{
    char parent[GROUP_SIZE];
    int rc = str_copy(parent, sizeof(parent), group);
    if (rc < 0)
        return rc;
    char *slash = strrchr(parent, '/');
    if (slash == NULL) {
        *ret_last = group;
        return cgroup_open(host, hierarchy, "");
    }
    *slash = '\0';
    *ret_last = group + (slash - parent) + 1;
    return cgroup_open(host, hierarchy, parent);
}

static int make_in(const struct cgroup_host *host, enum hierarchy hierarchy, const char *group)
{
    const char *last;
    auto_close parent = open_parent(host, hierarchy, group, &last);
    if (parent < 0)
        return parent;
    if (host->v2) {
        int rc = path_write_text(parent, "cgroup.subtree_control", CONTROLLERS_V2);
        if (rc < 0)
            return rc;
    }
    int rc = path_mkdir(parent, last, 0755);
    return rc == -EEXIST ? 0 : rc;
}

static int attach_fd(const struct cgroup_host *host, enum hierarchy hierarchy, const char *group)
{
    auto_close dir = cgroup_open(host, hierarchy, group);
    if (dir == -ENOENT && !HIERARCHIES[hierarchy].instance) {
        const char *last;
        dir = open_parent(host, hierarchy, group, &last);
    }
    return dir < 0 ? dir : path_open(dir, "cgroup.procs", O_WRONLY);
}

static int kill_v1(struct cgroup_host *host, const char *group)
{
    const struct timespec wait = {.tv_nsec = FREEZE_WAIT_NS};
    char state[VALUE_SIZE] = "";
    size_t killed = 0;
    int rc = 0;

    auto_close freezer = cgroup_open(host, HIERARCHY_FREEZER, group);
    if (freezer < 0)
        return freezer == -ENOENT ? 0 : freezer;
    for (int round = 0; round < KILL_ROUNDS; round++) {
        rc = path_write_text(freezer, "freezer.state", "FROZEN");
        /* A process in an uninterruptible wait freezes late; killing goes on without it. */
        for (int i = 0; rc == 0 && i < FREEZE_WAIT_TIMES; i++) {
            if (path_read_text(freezer, "freezer.state", state, sizeof(state)) < 0 ||
                strncmp(state, "FROZEN", 6) == 0)
                break;
            nanosleep(&wait, NULL);
        }
        killed = 0;
        rc = kill_tree(host, group, &killed);
        int thawed = path_write_text(freezer, "freezer.state", "THAWED");
        if (rc < 0 || thawed < 0)
            return rc < 0 ? rc : thawed;
        if (killed == 0 || strncmp(state, "FROZEN", 6) == 0)
            return 0;
    }
    return 0;
}

struct child_kill {
    struct cgroup_host *host;
    const char *parent;
    size_t killed;
    int rc;
};

static void kill_child(const char *name, void *data)
{
    struct child_kill *kill_of = data;
    char group[GROUP_SIZE];
    int rc = str_format(group, sizeof(group), "%s/%s", kill_of->parent, name);
    if (rc == 0)
        rc = kill_tree(kill_of->host, group, &kill_of->killed);
    if (rc < 0)
        kill_of->rc = rc;
}

/* SIGKILL to every process of the group and of the groups below it; adds to @ret_killed. */
static int kill_tree(struct cgroup_host *host, const char *group, size_t *ret_killed)
{
    struct child_kill below = {.host = host, .parent = group};
    size_t room = PIDS_CHUNK;
    auto_free pid_t *pids = mem_new(room, sizeof(*pids));
    ssize_t count = cgroup_pids(host, group, pids, room);

    while (count > 0 && (size_t)count > room) {
        room = (size_t)count * 2;
        pids = mem_grow(pids, room, sizeof(*pids));
        count = cgroup_pids(host, group, pids, room);
    }
    if (count < 0)
        return count == -ENOENT || count == -ENODEV ? 0 : (int)count;
    for (ssize_t i = 0; i < count; i++)
        if (kill(pids[i], SIGKILL) == 0)
            below.killed++;
    int rc = cgroup_list(host, group, kill_child, &below);
    *ret_killed += below.killed;
    return rc < 0 ? rc : below.rc;
}

/* One number of a file of "key value" lines. */
static int keyed_u64(int dir, const char *name, const char *key, uint64_t *ret_value)
{
    char text[KEYED_FILE_SIZE];
    size_t key_size = strlen(key);
    ssize_t got = path_read_text(dir, name, text, sizeof(text));
    if (got < 0)
        return (int)got;
    for (char *line = text; line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = '\0';
        if (strncmp(line, key, key_size) == 0 && line[key_size] == ' ')
            return str_u64(line + key_size + 1, 0, UINT64_MAX, ret_value);
        line = end == NULL ? NULL : end + 1;
    }
    return -ENODATA;
}
