/* SPDX-License-Identifier: Apache-2.0 */
/* test_cgroup - what is written where, in trees of plain files that look like v1 and v2 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attrs.h"
#include "base/fd.h"
#include "linux/cgroup_internal.h"
#include "linux/path.h"

static char top[] = "/tmp/croft-unit-XXXXXX";
static int root = -1;

static const char *const v1_hierarchies[] = {"memory",  "pids",  "cpu",    "freezer",
                                             "cpuacct", "blkio", "devices"};
static const char *const v1_files[] = {"cgroup.procs",
                                       "memory.limit_in_bytes",
                                       "memory.memsw.limit_in_bytes",
                                       "memory.soft_limit_in_bytes",
                                       "pids.max",
                                       "cpu.shares",
                                       "cpu.cfs_period_us",
                                       "cpu.cfs_quota_us",
                                       "devices.deny",
                                       "devices.allow",
                                       "memory.usage_in_bytes",
                                       "memory.max_usage_in_bytes",
                                       "memory.oom_control",
                                       "pids.current",
                                       "pids.events",
                                       "freezer.state"};
static const char *const v2_files[] = {"cgroup.procs",   "cgroup.subtree_control",
                                       "cgroup.kill",    "memory.max",
                                       "memory.min",     "memory.swap.max",
                                       "memory.current", "memory.peak",
                                       "memory.events",  "pids.max",
                                       "pids.current",   "pids.events",
                                       "cpu.max",        "cpu.weight"};

static int remove_one(const char *path, const struct stat *found, int type, struct FTW *where)
{
    (void)found;
    (void)type;
    (void)where;
    return remove(path);
}

static int make_root(void **state)
{
    (void)state;
    memcpy(top, "/tmp/croft-unit-XXXXXX", sizeof(top)); /* mkdtemp() wrote over it before */
    if (!mkdtemp(top))
        return -1;
    root = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return root < 0 ? -1 : 0;
}

static int drop_root(void **state)
{
    (void)state;
    fd_close(&root);
    return nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A directory with every file that a kernel would put there. */
static void fill(const char *name, const char *const *files, size_t count)
{
    assert_true(mkdirat(root, name, 0755) == 0 || errno == EEXIST);
    for (size_t i = 0; i < count; i++) {
        char path[256];
        snprintf(path, sizeof(path), "%s/%s", name, files[i]);
        int fd = openat(root, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        close(fd);
    }
}

static void put(const char *name, const char *text)
{
    int fd = openat(root, name, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void expect(const char *name, const char *text)
{
    char got[64];
    assert_true(path_read_text(root, name, got, sizeof(got)) >= 0);
    if (strcmp(got, text) != 0)
        fail_msg("%s is '%s', not '%s'", name, got, text);
}

static struct cgroup_host *open_v1(void)
{
    struct cgroup_host *host = NULL;
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(v1_hierarchies); i++)
        assert_int_equal(mkdirat(root, v1_hierarchies[i], 0755), 0);
    assert_int_equal(cgroup_host_open_at(root, false, "croft", &host, &err), 0);
    assert_false(cgroup_host_is_v2(host));
    return host;
}

static void fill_v1(const char *group)
{
    char name[128];
    for (size_t i = 0; i < ARRAY_LEN(v1_hierarchies); i++) {
        snprintf(name, sizeof(name), "%s/croft/%s", v1_hierarchies[i], group);
        if (faccessat(root, name, F_OK, 0) == 0)
            fill(name, v1_files, ARRAY_LEN(v1_files));
    }
}

static void v1_instance_has_no_level_where_it_needs_none(void **state)
{
    struct cgroup_host *host = open_v1();
    int fds[CGROUP_ATTACH_MAX];

    (void)state;
    assert_int_equal(cgroup_make(host, "1001", false), 0);
    assert_int_equal(cgroup_make(host, "1001/all", false), 0);
    assert_int_equal(cgroup_make(host, "1001/all/db", true), 0);
    assert_int_equal(cgroup_make(host, "1001/all/db", true), 0);
    assert_int_equal(faccessat(root, "memory/croft/1001/all/db", F_OK, 0), 0);
    assert_int_equal(faccessat(root, "freezer/croft/1001/all/db", F_OK, 0), 0);
    assert_int_equal(faccessat(root, "devices/croft/1001/all", F_OK, 0), 0);
    assert_int_not_equal(faccessat(root, "devices/croft/1001/all/db", F_OK, 0), 0);

    fill_v1("1001/all");
    fill_v1("1001/all/db");
    assert_int_equal(cgroup_attach_fds(host, "1001/all/db", fds), ARRAY_LEN(v1_hierarchies));
    for (size_t i = 0; i < ARRAY_LEN(v1_hierarchies); i++) {
        assert_int_equal(write(fds[i], "7", 1), 1);
        fd_close(&fds[i]);
    }
    expect("memory/croft/1001/all/db/cgroup.procs", "7");
    expect("devices/croft/1001/all/cgroup.procs", "7");
    cgroup_host_close(host);
}

static void v1_limits_reach_their_files(void **state)
{
    struct cgroup_host *host = open_v1();
    const struct cgroup_limits limits = {.memory_bytes = 64 * MIB,
                                         .memory_min_bytes = MIB,
                                         .pids = 20,
                                         .cpu_milli = 1500,
                                         .cpu_weight = 512,
                                         .devices = true};
    const struct cgroup_limits all = {.cpu_milli = CGROUP_CPU_ALL};

    (void)state;
    assert_int_equal(cgroup_make(host, "1001", false), 0);
    fill_v1("1001");
    assert_int_equal(cgroup_limit(host, "1001", &limits), 0);
    expect("memory/croft/1001/memory.limit_in_bytes", "67108864");
    expect("memory/croft/1001/memory.memsw.limit_in_bytes", "67108864");
    expect("memory/croft/1001/memory.soft_limit_in_bytes", "1048576");
    expect("pids/croft/1001/pids.max", "20");
    expect("cpu/croft/1001/cpu.cfs_quota_us", "150000");
    expect("cpu/croft/1001/cpu.shares", "512");
    expect("devices/croft/1001/devices.deny", "a");
    put("cpu/croft/1001/cpu.cfs_quota_us", "");
    assert_int_equal(cgroup_limit(host, "1001", &all), 0);
    expect("cpu/croft/1001/cpu.cfs_quota_us", "-1");
    expect("pids/croft/1001/pids.max", "20");
    cgroup_host_close(host);
}

static void v1_usage_is_read_from_keyed_files(void **state)
{
    struct cgroup_host *host = open_v1();
    struct cgroup_usage usage;

    (void)state;
    assert_int_equal(cgroup_make(host, "1001", false), 0);
    fill_v1("1001");
    put("memory/croft/1001/memory.usage_in_bytes", "4096\n");
    put("memory/croft/1001/memory.max_usage_in_bytes", "8192\n");
    put("memory/croft/1001/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
    put("pids/croft/1001/pids.current", "5\n");
    put("pids/croft/1001/pids.events", "max 9\n");
    assert_int_equal(cgroup_usage(host, "1001", &usage), 0);
    assert_int_equal(usage.memory_bytes, 4096);
    assert_int_equal(usage.memory_peak_bytes, 8192);
    assert_int_equal(usage.oom_kills, 3);
    assert_int_equal(usage.pids, 5);
    assert_int_equal(usage.pids_refused, 9);
    cgroup_host_close(host);
}

static void v1_without_a_needed_hierarchy_is_refused(void **state)
{
    struct cgroup_host *host = NULL;
    struct err err;

    (void)state;
    assert_int_equal(mkdirat(root, "memory", 0755), 0);
    assert_int_equal(cgroup_host_open_at(root, false, "croft", &host, &err), OUTCOME_HOST_CANNOT);
    assert_non_null(strstr(err.text, "pids"));
    assert_null(host);
}

static void v1_takes_what_systemd_mounts_as_one(void **state)
{
    struct cgroup_host *host = NULL;
    struct err err;
    static const char *const mounted[] = {"memory", "pids", "cpu,cpuacct", "freezer"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(mounted); i++)
        assert_int_equal(mkdirat(root, mounted[i], 0755), 0);
    assert_int_equal(symlinkat("cpu,cpuacct", root, "cpu"), 0);
    assert_int_equal(symlinkat("cpu,cpuacct", root, "cpuacct"), 0);
    assert_int_equal(cgroup_host_open_at(root, false, "croft", &host, &err), 0);
    assert_int_equal(cgroup_make(host, "1001", false), 0);
    assert_int_equal(faccessat(root, "cpu,cpuacct/croft/1001", F_OK, 0), 0);
    cgroup_host_close(host);
}

static void v2_passes_controllers_on_and_limits(void **state)
{
    struct cgroup_host *host = NULL;
    struct err err;
    const struct cgroup_limits limits = {
        .memory_bytes = 64 * MIB, .memory_min_bytes = MIB, .pids = 20, .cpu_milli = 1500};
    const struct cgroup_limits all = {.cpu_milli = CGROUP_CPU_ALL};

    (void)state;
    fill(".", v2_files, ARRAY_LEN(v2_files));
    fill("croft", v2_files, ARRAY_LEN(v2_files));
    assert_int_equal(cgroup_host_open_at(root, true, "croft", &host, &err), 0);
    assert_true(cgroup_host_is_v2(host));
    assert_int_equal(cgroup_make(host, "1001", false), 0);
    expect("croft/cgroup.subtree_control", "+memory +pids +cpu");
    fill("croft/1001", v2_files, ARRAY_LEN(v2_files));
    put("croft/1001/memory.current", "4096\n");
    assert_int_equal(cgroup_limit(host, "1001", &limits), 0);
    expect("croft/1001/memory.max", "67108864");
    expect("croft/1001/memory.min", "1048576");
    expect("croft/1001/memory.swap.max", "0");
    expect("croft/1001/pids.max", "20");
    expect("croft/1001/cpu.max", "150000 100000");
    put("croft/1001/cpu.max", "");
    assert_int_equal(cgroup_limit(host, "1001", &all), 0);
    expect("croft/1001/cpu.max", "max");
    put("croft/1001/memory.current", "67108865\n");
    assert_int_equal(cgroup_limit(host, "1001", &limits), -EBUSY);
    assert_int_equal(cgroup_kill(host, "1001"), 0);
    expect("croft/1001/cgroup.kill", "1");
    cgroup_host_close(host);
}

static void pids_of_every_length_are_read(void **state)
{
    struct cgroup_host *host = open_v1();
    static char many[40000];
    pid_t pids[4];
    size_t length = 0;

    (void)state;
    assert_int_equal(cgroup_make(host, "1001", false), 0);
    fill_v1("1001");
    put("freezer/croft/1001/cgroup.procs", "1\n22\n4194304\n0\n");
    assert_int_equal(cgroup_pids(host, "1001", pids, ARRAY_LEN(pids)), 3);
    assert_int_equal(pids[2], 4194304);
    for (int pid = 1; pid <= 5000; pid++)
        length += (size_t)snprintf(many + length, sizeof(many) - length, "%d\n", pid);
    put("freezer/croft/1001/cgroup.procs", many);
    assert_int_equal(cgroup_pids(host, "1001", pids, ARRAY_LEN(pids)), 5000);
    assert_int_equal(cgroup_pids(host, "1002", pids, ARRAY_LEN(pids)), -ENOENT);
    assert_int_equal(cgroup_remove(host, "1002"), 0);
    cgroup_host_close(host);
}

#define in_a_tree(test) cmocka_unit_test_setup_teardown(test, make_root, drop_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_a_tree(v1_instance_has_no_level_where_it_needs_none),
        in_a_tree(v1_limits_reach_their_files),
        in_a_tree(v1_usage_is_read_from_keyed_files),
        in_a_tree(v1_without_a_needed_hierarchy_is_refused),
        in_a_tree(v1_takes_what_systemd_mounts_as_one),
        in_a_tree(v2_passes_controllers_on_and_limits),
        in_a_tree(pids_of_every_length_are_read),
    };

    return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
