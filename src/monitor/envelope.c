/* SPDX-License-Identifier: Apache-2.0 */
/* envelope - the arithmetic of a user's limits: defaults, bounds, and what the host keeps */
#include "monitor/envelope.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>

#include "base/str.h"
#include "linux/path.h"

#define SIZE_TEXT         32U
#define DISK_ALIGN_BYTES  4096U
#define INODE_BYTES_LEAST 4096U /* one inode per block: more of them could never be used */

static uint64_t least_of(uint64_t a, uint64_t b);
static void fill_defaults(const struct host_room *room, struct user_limits *limits);
static int check_memory(const struct host_room *room, const struct user_limits *limits,
                        struct err *err);
static int check_counts(const struct host_room *room, const struct user_limits *limits,
                        struct err *err);
static int check_connections(const struct host_room *room, const struct user_limits *limits,
                             struct err *err);
static int check_disk(const struct host_room *room, const struct user_limits *limits,
                      struct err *err);

int host_room_read(int disk, int proc, struct host_room *ret_room)
{
    struct sysinfo info;
    struct statvfs fs;
    uint64_t pid_max = 0;
    uint64_t threads_max = 0;
    uint64_t connections = 0;

    if (sysinfo(&info) < 0 || fstatvfs(disk, &fs) < 0)
        return -errno;
    int rc = path_read_u64(proc, "sys/kernel/pid_max", &pid_max);
    if (rc == 0)
        rc = path_read_u64(proc, "sys/kernel/threads-max", &threads_max);
    if (rc < 0)
        return rc;
    /* Before anything is tracked there is no table. */
    rc = path_read_u64(proc, "sys/net/netfilter/nf_conntrack_max", &connections);
    if (rc < 0 && rc != -ENOENT)
        return rc;
    *ret_room = (struct host_room){
        .memory_bytes = (uint64_t)info.totalram * info.mem_unit,
        .disk_free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize,
        .pids = (uint32_t)least_of(pid_max, threads_max),
        .cpu_milli = (uint32_t)get_nprocs() * 1000U,
        .connections = connections,
    };
    return 0;
}

uint64_t host_memory_reserve(uint64_t total_bytes)
{
    uint64_t part = total_bytes / HOST_RESERVE_MEMORY_PART;
    uint64_t reserve = part > HOST_RESERVE_MEMORY_MIN ? part : HOST_RESERVE_MEMORY_MIN;
    return least_of(reserve, total_bytes);
}

uint64_t host_disk_keep(uint64_t free_bytes)
{
    return free_bytes / DEFAULT_DISK_PART;
}

int envelope_decide(const struct host_room *room, uint32_t fields, const struct user_limits *asked,
                    const struct user_limits *now, struct user_limits *ret_limits, struct err *err)
{
    struct user_limits limits = {0};

    if (now != NULL)
        limits = *now;
    else
        fill_defaults(room, &limits);
    if (fields & USER_CPUS)
        limits.cpu_milli = asked->cpu_milli;
    if (fields & USER_MEMORY)
        limits.memory_bytes = asked->memory_bytes;
    if (fields & USER_MEMORY_MIN)
        limits.memory_min_bytes = asked->memory_min_bytes;
    if (fields & USER_PIDS)
        limits.pids = asked->pids;
    if (fields & USER_NET)
        limits.net_bytes_per_s = asked->net_bytes_per_s;
    if (fields & USER_PACKETS)
        limits.net_packets_per_s = asked->net_packets_per_s;
    if (fields & USER_CONNECTIONS)
        limits.net_connections = asked->net_connections;
    if (fields & USER_LAN)
        limits.lan = asked->lan;
    if (fields & USER_DISK)
        limits.disk_bytes = asked->disk_bytes;
    limits.disk_bytes -= limits.disk_bytes % DISK_ALIGN_BYTES;
    if (fields & USER_INODES)
        limits.inodes = asked->inodes;
    else if (now == NULL)
        limits.inodes = limits.disk_bytes / DEFAULT_BYTES_PER_INODE;

    int rc = check_memory(room, &limits, err);
    if (rc == 0)
        rc = check_counts(room, &limits, err);
    if (rc == 0 && fields & USER_CONNECTIONS)
        rc = check_connections(room, &limits, err);
    if (rc == 0 && now == NULL)
        rc = check_disk(room, &limits, err);
    if (rc == 0)
        *ret_limits = limits;
    return rc;
}

static uint64_t least_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void fill_defaults(const struct host_room *room, struct user_limits *limits)
{
    uint64_t rest = room->memory_bytes - host_memory_reserve(room->memory_bytes);

    limits->memory_bytes = least_of(DEFAULT_MEMORY_MAX, rest / DEFAULT_MEMORY_PART);
    limits->pids = DEFAULT_PIDS;
    limits->net_packets_per_s = DEFAULT_NET_PACKETS;
    limits->net_connections = DEFAULT_NET_CONNECTIONS;
    if (room->connections / DEFAULT_NET_CONNECTIONS_PART < DEFAULT_NET_CONNECTIONS &&
        room->connections != 0)
        limits->net_connections = (uint32_t)(room->connections / DEFAULT_NET_CONNECTIONS_PART);
    limits->disk_bytes = least_of(DEFAULT_DISK_MAX, room->disk_free_bytes / DEFAULT_DISK_PART);
}

static int check_memory(const struct host_room *room, const struct user_limits *limits,
                        struct err *err)
{
    char asked[SIZE_TEXT];
    char total[SIZE_TEXT];
    char kept[SIZE_TEXT];
    char promised[SIZE_TEXT];
    uint64_t reserve = host_memory_reserve(room->memory_bytes);
    uint64_t rest = room->memory_bytes - reserve;

    str_size_text(room->memory_bytes, total, sizeof(total));
    str_size_text(reserve, kept, sizeof(kept));
    str_size_text(limits->memory_bytes, asked, sizeof(asked));
    if (limits->memory_bytes < MEMORY_MIN_BYTES)
        return err_set(err, OUTCOME_USAGE, "memory %s is too little; give at least %llu MiB", asked,
                       MEMORY_MIN_BYTES / MIB);
    if (limits->memory_bytes > rest)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "memory %s does not fit: this host has %s, %s of it are kept", asked, total,
                       kept);
    str_size_text(limits->memory_min_bytes, asked, sizeof(asked));
    if (limits->memory_min_bytes > limits->memory_bytes)
        return err_set(err, OUTCOME_USAGE, "memory-min %s is more than the user's memory", asked);
    if (limits->memory_min_bytes > rest - least_of(rest, room->memory_promised_bytes)) {
        str_size_text(room->memory_promised_bytes, promised, sizeof(promised));
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "memory-min %s does not fit: this host has %s, %s of it are kept, %s are "
                       "promised to other users",
                       asked, total, kept, promised);
    }
    return 0;
}

static int check_counts(const struct host_room *room, const struct user_limits *limits,
                        struct err *err)
{
    if (limits->pids < PIDS_MIN)
        return err_set(err, OUTCOME_USAGE, "pids %" PRIu32 " is too little; give at least %u",
                       limits->pids, PIDS_MIN);
    if (room->pids <= HOST_RESERVE_PIDS || limits->pids > room->pids - HOST_RESERVE_PIDS)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "pids %" PRIu32 " does not fit: this host has %" PRIu32
                       ", %u of them are kept",
                       limits->pids, room->pids, HOST_RESERVE_PIDS);
    if (limits->cpu_milli != 0 && limits->cpu_milli < CPU_MILLI_MIN)
        return err_set(err, OUTCOME_USAGE, "cpus 0.%03" PRIu32 " is too little; give at least 0.01",
                       limits->cpu_milli);
    if (limits->cpu_milli > room->cpu_milli)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "cpus %" PRIu32 ".%03" PRIu32 " does not fit: this host has %" PRIu32,
                       limits->cpu_milli / 1000, limits->cpu_milli % 1000, room->cpu_milli / 1000);
    return 0;
}

static int check_connections(const struct host_room *room, const struct user_limits *limits,
                             struct err *err)
{
    uint64_t most = room->connections / NET_CONNECTIONS_PART;

    if (room->connections != 0 && limits->net_connections > most)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "connections %" PRIu32 " does not fit: this host keeps track of %" PRIu64
                       " (net.netfilter.nf_conntrack_max), one user gets at most half of them, "
                       "%" PRIu64,
                       limits->net_connections, room->connections, most);
    return 0;
}

static int check_disk(const struct host_room *room, const struct user_limits *limits,
                      struct err *err)
{
    char asked[SIZE_TEXT];
    char available[SIZE_TEXT];
    char kept[SIZE_TEXT];
    uint64_t keep = host_disk_keep(room->disk_free_bytes);

    str_size_text(limits->disk_bytes, asked, sizeof(asked));
    str_size_text(room->disk_free_bytes, available, sizeof(available));
    str_size_text(keep, kept, sizeof(kept));
    if (limits->disk_bytes > room->disk_free_bytes - keep)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "disk %s does not fit: %s free on %s, %s of it are kept", asked, available,
                       room->disk_name, kept);
    if (limits->disk_bytes < DISK_MIN_BYTES)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "disk %s is too little, a user needs %llu MiB: %s free on %s, %s of it are "
                       "kept",
                       asked, DISK_MIN_BYTES / MIB, available, room->disk_name, kept);
    if (limits->inodes < INODES_MIN)
        return err_set(err, OUTCOME_USAGE, "inodes %" PRIu64 " is too little; give at least %u",
                       limits->inodes, INODES_MIN);
    if (limits->inodes > limits->disk_bytes / INODE_BYTES_LEAST)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "inodes %" PRIu64 " do not fit on a disk of %s: one per %u bytes at most",
                       limits->inodes, asked, INODE_BYTES_LEAST);
    return 0;
}
