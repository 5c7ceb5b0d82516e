/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_limits - what a group may use, written as v1 and as v2 have it
 *
 * A v1 memory limit may not pass the memory+swap limit, so the order of the two writes depends on
 * whether the limit grows or shrinks; both are tried.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "base/fd.h"
#include "base/str.h"
#include "linux/cgroup_internal.h"
#include "linux/devices.h"
#include "linux/path.h"

#define VALUE_SIZE      64U
#define CPU_PERIOD_US   100000U
#define TCP_MEMORY_PART 4U

static int write_u64(int dir, const char *name, uint64_t value);
static int limit_v1(struct cgroup_host *host, const char *group,
                    const struct cgroup_limits *limits);
static int limit_memory_v1(struct cgroup_host *host, const char *group,
                           const struct cgroup_limits *limits);
static int limit_cpu_v1(struct cgroup_host *host, const char *group,
                        const struct cgroup_limits *limits);
static int limit_devices_v1(struct cgroup_host *host, const char *group);
static int limit_v2(struct cgroup_host *host, const char *group,
                    const struct cgroup_limits *limits);

int cgroup_limit_devices(struct cgroup_host *host)
{
    return host->v2 ? devices_attach(host->top[HIERARCHY_MEMORY]) : 0;
}

int cgroup_limit(struct cgroup_host *host, const char *group, const struct cgroup_limits *limits)
{
    return host->v2 ? limit_v2(host, group, limits) : limit_v1(host, group, limits);
}

static int write_u64(int dir, const char *name, uint64_t value)
{
    char text[VALUE_SIZE];
    int rc = str_format(text, sizeof(text), "%" PRIu64, value);
    return rc < 0 ? rc : path_write_text(dir, name, text);
}

static int limit_v1(struct cgroup_host *host, const char *group, const struct cgroup_limits *limits)
{
    int rc = limit_memory_v1(host, group, limits);
    if (rc == 0 && limits->pids != 0) {
        auto_close pids = cgroup_open(host, HIERARCHY_PIDS, group);
        rc = pids < 0 ? pids : write_u64(pids, "pids.max", limits->pids);
    }
    if (rc == 0)
        rc = limit_cpu_v1(host, group, limits);
    if (rc == 0 && limits->devices)
        rc = limit_devices_v1(host, group);
    return rc;
}

static int limit_memory_v1(struct cgroup_host *host, const char *group,
                           const struct cgroup_limits *limits)
{
    uint64_t bytes = limits->memory_bytes;

    if (bytes == 0 && limits->memory_min_bytes == 0)
        return 0;
    auto_close memory = cgroup_open(host, HIERARCHY_MEMORY, group);
    if (memory < 0)
        return memory;
    if (limits->memory_min_bytes != 0) {
        int rc = write_u64(memory, "memory.soft_limit_in_bytes", limits->memory_min_bytes);
        if (rc < 0)
            return rc;
    }
    if (bytes == 0)
        return 0;
    /* Growing: memory+swap first. Shrinking: that one is refused then, so memory first. */
    int swap = write_u64(memory, "memory.memsw.limit_in_bytes", bytes);
    int rc = write_u64(memory, "memory.limit_in_bytes", bytes);
    if (rc == 0 && swap < 0 && swap != -ENOENT)
        rc = write_u64(memory, "memory.memsw.limit_in_bytes", bytes);
    if (rc < 0)
        return rc;
    /* Socket buffers of TCP are counted apart on v1, and only where they have a limit. */
    rc = write_u64(memory, "memory.kmem.tcp.limit_in_bytes", bytes / TCP_MEMORY_PART);
    return rc == -ENOENT ? 0 : rc;
}

static int limit_cpu_v1(struct cgroup_host *host, const char *group,
                        const struct cgroup_limits *limits)
{
    int rc = 0;

    if (limits->cpu_milli == 0 && limits->cpu_weight == 0)
        return 0;
    auto_close cpu = cgroup_open(host, HIERARCHY_CPU, group);
    if (cpu < 0)
        return cpu;
    if (limits->cpu_weight != 0)
        rc = write_u64(cpu, "cpu.shares", limits->cpu_weight);
    if (rc < 0 || limits->cpu_milli == 0)
        return rc;
    if (limits->cpu_milli == CGROUP_CPU_ALL)
        return path_write_text(cpu, "cpu.cfs_quota_us", "-1");
    rc = write_u64(cpu, "cpu.cfs_period_us", CPU_PERIOD_US);
    if (rc == 0)
        rc = write_u64(cpu, "cpu.cfs_quota_us",
                       (uint64_t)limits->cpu_milli * (CPU_PERIOD_US / 1000));
    return rc;
}

static int limit_devices_v1(struct cgroup_host *host, const char *group)
{
    if (host->top[HIERARCHY_DEVICES] < 0)
        return 0; /* not mounted: the user namespace alone keeps device nodes from being made */
    auto_close devices = cgroup_open(host, HIERARCHY_DEVICES, group);
    if (devices < 0)
        return devices;
    int rc = path_write_text(devices, "devices.deny", "a");
    for (size_t i = 0; rc == 0 && i < DEVICES_ALLOWED_COUNT; i++) {
        const struct device_allowed *device = &DEVICES_ALLOWED[i];
        char text[VALUE_SIZE];
        rc = device->minor == DEVICES_ANY_MINOR
                 ? str_format(text, sizeof(text), "c %u:* rwm", device->major)
                 : str_format(text, sizeof(text), "c %u:%u rwm", device->major, device->minor);
        if (rc == 0)
            rc = path_write_text(devices, "devices.allow", text);
    }
    return rc;
}

static int limit_v2(struct cgroup_host *host, const char *group, const struct cgroup_limits *limits)
{
    int rc = 0;
    uint64_t used;
    char text[VALUE_SIZE];

    auto_close dir = cgroup_open(host, HIERARCHY_MEMORY, group);
    if (dir < 0)
        return dir;
    if (limits->memory_bytes != 0) {
        /* v2 would kill processes until the rest fits; the caller wants to be told instead. */
        rc = path_read_u64(dir, "memory.current", &used);
        if (rc == 0 && used > limits->memory_bytes)
            return -EBUSY;
        if (rc == 0)
            rc = write_u64(dir, "memory.max", limits->memory_bytes);
        if (rc == 0)
            rc = path_write_text(dir, "memory.swap.max", "0");
        if (rc == -ENOENT) /* a kernel without swap has no such file */
            rc = 0;
    }
    if (rc == 0 && limits->memory_min_bytes != 0)
        rc = write_u64(dir, "memory.min", limits->memory_min_bytes);
    if (rc == 0 && limits->pids != 0)
        rc = write_u64(dir, "pids.max", limits->pids);
    if (rc == 0 && limits->cpu_weight != 0)
        rc = write_u64(dir, "cpu.weight", limits->cpu_weight);
    if (rc < 0 || limits->cpu_milli == 0)
        return rc;
    if (limits->cpu_milli == CGROUP_CPU_ALL)
        return path_write_text(dir, "cpu.max", "max");
    rc = str_format(text, sizeof(text), "%" PRIu64 " %u",
                    (uint64_t)limits->cpu_milli * (CPU_PERIOD_US / 1000), CPU_PERIOD_US);
    return rc < 0 ? rc : path_write_text(dir, "cpu.max", text);
}
