/* SPDX-License-Identifier: Apache-2.0 */
/* usage - memory and processes in use, read from the kernel's world-readable cgroup files */
#include "daemon/usage.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "wire/limits.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

int usage_open(struct usage *usage, struct err *err)
{
    struct statfs found;
    auto_close root = path_root(CGROUP_ROOT, O_PATH | O_DIRECTORY);
    *usage = (struct usage){.memory = -1, .pids = -1};
    if (root < 0 || fstatfs(root, &found) < 0)
        return err_set(err, OUTCOME_HOST_CANNOT, "no cgroups at " CGROUP_ROOT);
    usage->is_v2 = found.f_type == CGROUP2_SUPER_MAGIC;
    usage->memory = path_open_xdev(root, usage->is_v2 ? "." : "memory", O_PATH | O_DIRECTORY);
    usage->pids = path_open_xdev(root, usage->is_v2 ? "." : "pids", O_PATH | O_DIRECTORY);
    if (usage->memory < 0 || usage->pids < 0)
        return err_set(err, OUTCOME_HOST_CANNOT,
                       "no memory and pids controllers below " CGROUP_ROOT);
    return 0;
}

/* The path is made of a number, a checked name and what is compiled in. */
static bool read_one(int dir, uint32_t uid, const char *name, const char *file, uint64_t *ret_value)
{
    char path[sizeof(CROFT_CGROUP) + NAME_SIZE + 64];
    const char *slash = name != NULL ? "/" : "";
    if (str_format(path, sizeof(path), CROFT_CGROUP "/%u/all%s%s/%s", uid, slash,
                   name != NULL ? name : "", file) < 0)
        return false;
    return path_read_u64(dir, path, ret_value) == 0;
}

struct usage_now usage_read(const struct usage *usage, uint32_t uid, const char *name)
{
    struct usage_now now = {0};
    const char *memory = usage->is_v2 ? "memory.current" : "memory.usage_in_bytes";
    now.known = read_one(usage->memory, uid, name, memory, &now.memory_bytes) &&
                read_one(usage->pids, uid, name, "pids.current", &now.pids);
    return now;
}
