/* SPDX-License-Identifier: Apache-2.0 */
/* rows_kernel - K rows: targets, controls and verdicts of the attacks on kernel interfaces */
#include "prove/row.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "prove/hostproc.h"

#define KERNEL_LOG_READ_ALL 3
#define KERNEL_LOG_SIZE     (512 * 1024)
#define CORE_PATTERN        "/proc/sys/kernel/core_pattern"
#define CORE_MARK           "core.croft-prove"

/* How often the kernel's log says that somebody pressed the harmless key. */
static uint64_t sysrq_helps(void)
{
    auto_free char *log = mem_new(KERNEL_LOG_SIZE, 1);
    uint64_t count = 0;

    if (klogctl(KERNEL_LOG_READ_ALL, log, KERNEL_LOG_SIZE - 1) < 0)
        return 0;
    for (const char *at = log; (at = strstr(at, "sysrq: HELP")); at++)
        count++;
    return count;
}

static bool prepare_sysrq(struct scene *scene, struct trial *trial)
{
    (void)scene;
    row_both(trial, "/proc/sysrq-trigger");
    row_both(trial, "h");
    return true;
}

/* The control's own key press is in the log; one more is the attacker's. */
static void judge_sysrq(struct scene *scene, struct trial *trial)
{
    uint64_t helps = sysrq_helps();

    row_judge_reach(scene, trial);
    if (trial->verdict == VERDICT_BLOCKED && helps > 1 && trial->before[0] &&
        helps > trial->before[0] + 1)
        row_verdict(trial, VERDICT_LEAKED, "the kernel's log says that the key was pressed");
}

static ssize_t core_pattern(char *text, size_t size)
{
    auto_close fd = path_root(CORE_PATTERN, O_RDONLY);
    ssize_t length = fd < 0 ? fd : fd_read_full(fd, text, size - 1);

    text[length > 0 ? length : 0] = '\0';
    return length;
}

/* The host's value is kept in the trial's own text and put back, whatever happens. */
static bool prepare_core(struct scene *scene, struct trial *trial)
{
    (void)scene;
    if (core_pattern(trial->why, sizeof(trial->why)) <= 0) {
        row_verdict(trial, VERDICT_NA, "no " CORE_PATTERN);
        return false;
    }
    row_control_arg(trial, CORE_PATTERN);
    row_control_arg(trial, CORE_MARK);
    static const char *const keys[] = {"core_pattern", "modprobe", "hotplug", "poweroff_cmd"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        row_arg(trial, "/proc/sys/kernel/%s", keys[i]);
        row_arg(trial, CORE_MARK);
    }
    row_arg(trial, "/sys/kernel/uevent_helper");
    row_arg(trial, CORE_MARK);
    return true;
}

static void perform_core(struct scene *scene, struct trial *trial)
{
    const char *control[] = {trial->control_args.text[0], trial->control_args.text[1]};
    const char *argv[STEP_ARGS_MAX];
    char old[sizeof(trial->why)], now[sizeof(trial->why)], why[TRIAL_WHY_SIZE];
    int error = 0;

    memcpy(old, trial->why, sizeof(old));
    for (int i = 0; i < trial->args.argc; i++)
        argv[i] = trial->args.text[i];
    auto_close host = path_root(CORE_PATTERN, O_WRONLY);
    if (attack_host(scene, "K-04", 2, control, ROOM_PLAIN, AS_ROOM, &trial->live, &trial->control,
                    why, sizeof(why)) == 0)
        attack_end(&trial->live);
    bool works = core_pattern(now, sizeof(now)) > 0 && strncmp(now, CORE_MARK, 16) == 0;
    if (!scene->unwalled && write(host, old, strlen(old)) < 0)
        error = -errno;
    if (!works || error < 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the control could not write " CORE_PATTERN);
        return;
    }
    row_control(trial, "wrote " CORE_PATTERN);
    if (!scene->unwalled && attack_inside(&scene->attacker, "K-04", trial->args.argc, argv,
                                          &trial->live, &trial->attack, why, sizeof(why)) < 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "attack: %.150s", why);
        return;
    }
    bool changed = core_pattern(now, sizeof(now)) <= 0 || strcmp(now, old) != 0;
    if (write(host, old, strlen(old)) < 0)
        error = -errno;
    if (changed || error < 0)
        row_verdict(trial, VERDICT_LEAKED, "the host's core_pattern was changed");
    else
        row_judge_reach(scene, trial);
}

/* A copy of this program that leaves a mark when the host's kernel runs it. */
static bool prepare_agent(struct scene *scene, struct trial *trial)
{
    auto_close scratch = path_root(scene->scratch, O_RDONLY | O_DIRECTORY);
    auto_close from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    auto_close to = scratch < 0 ? scratch : path_create(scratch, "agent", O_WRONLY, 0755);
    char bytes[16384];
    ssize_t got;

    while (from >= 0 && to >= 0 && (got = fd_read_full(from, bytes, sizeof(bytes))) > 0)
        if (fd_write_full(to, bytes, (size_t)got) < 0)
            return false;
    row_both(trial, "%s/agent", scene->scratch);
    row_both(trial, "none,name=croft-prove");
    static const char *const options[] = {"memory",  "pids", "devices",
                                          "freezer", "rdma", "net_cls"};
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        row_arg(trial, "%s", options[i]);
    return to >= 0;
}

/* Whether the kernel ran the agent; takes the mark away. It runs a moment later. */
static bool agent_ran(const struct scene *scene)
{
    auto_close scratch = path_root(scene->scratch, O_RDONLY | O_DIRECTORY);

    for (int i = 0; scratch >= 0 && i < 50; i++) {
        if (path_unlink(scratch, "agent-ran") == 0)
            return true;
        (void)usleep(10000);
    }
    return false;
}

static bool control_agent(const struct scene *scene, const struct trial *trial)
{
    return trial->control.number[0] > 0 && agent_ran(scene);
}

static void judge_agent(struct scene *scene, struct trial *trial)
{
    row_judge_reach(scene, trial);
    if (agent_ran(scene))
        row_verdict(trial, VERDICT_LEAKED, "the host ran the attacker's release agent as root");
    else if (trial->verdict == VERDICT_BLOCKED)
        row_verdict(trial, VERDICT_BLOCKED,
                    "0 of %ju, last %s; the control's agent ran on the host",
                    (uintmax_t)trial->attack.number[1], strerrorname_np(trial->attack.error));
}

static void clean_agent(struct scene *scene, struct trial *trial)
{
    auto_close scratch = path_root(scene->scratch, O_RDONLY | O_DIRECTORY);

    if (scratch >= 0 && path_unlink(scratch, "agent") < 0)
        trial->before[0] = 0;
}

/* The control moves from the host's top group, where this program runs, to the same one. */
static bool prepare_move(struct scene *scene, struct trial *trial)
{
    static const char *const tops[] = {"/sys/fs/cgroup/pids/cgroup.procs",
                                       "/sys/fs/cgroup/cgroup.procs"};

    (void)scene;
    for (size_t i = 0; i < ARRAY_LEN(tops); i++)
        if (access(tops[i], W_OK) == 0)
            row_control_arg(trial, "%s", tops[i]);
    return trial->control_args.argc > 0;
}

/* The host's view of where the attacking process is. */
static void judge_move(struct scene *scene, struct trial *trial)
{
    char group[128], line[128];

    scene_group(&scene->attacker, group, sizeof(group));
    if (trial->live.host_pid == 0)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the process was not found on the host");
    else if (str_format(line, sizeof(line), CROFT_CGROUP "/%u", scene->attacker.uid) < 0 ||
             !hostproc_in_group(trial->live.host_pid, line, group, sizeof(group)))
        row_verdict(trial, VERDICT_LEAKED, "the process is outside her groups: %.100s", group);
    else if (trial->attack.number[0] > 0)
        row_judge_reach(scene, trial);
    else
        row_verdict(trial, VERDICT_BLOCKED, "the host sees it below /%s; %ju tries, last %s", line,
                    (uintmax_t)trial->attack.number[1],
                    trial->attack.error ? strerrorname_np(trial->attack.error) : "no error");
}

static bool prepare_sysfs(struct scene *scene, struct trial *trial)
{
    static const char *const files[] = {"/sys/power/state",
                                        "/sys/devices/system/cpu/cpu1/online",
                                        "/sys/kernel/mm/transparent_hugepage/enabled",
                                        "/sys/kernel/mm/ksm/run",
                                        "/sys/kernel/uevent_helper",
                                        "/sys/kernel/profiling",
                                        "/sys/module/kernel/parameters/panic",
                                        "/sys/class/net/lo/uevent",
                                        "/sys/bus/pci/rescan"};

    (void)scene;
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        row_both(trial, "%s", files[i]);
    return true;
}

static bool prepare_telltales(struct scene *scene, struct trial *trial)
{
    static const char *const files[] = {"/proc/kcore",       "/proc/keys",      "/proc/timer_list",
                                        "/proc/sched_debug", "/proc/slabinfo",  "/proc/kpagecount",
                                        "/proc/vmallocinfo", "/proc/kpageflags"};

    (void)scene;
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        row_both(trial, "%s", files[i]);
    return true;
}

/* What a machine may use; everything else must be refused before the kernel looks at it. */
static bool prepare_families(struct scene *scene, struct trial *trial)
{
    static const unsigned allowed[] = {1, 2, 10, 16}; /* UNIX, INET, INET6, NETLINK */

    (void)scene;
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
        row_both(trial, "%u", allowed[i]);
    return true;
}

static bool prepare_netlink(struct scene *scene, struct trial *trial)
{
    static const unsigned allowed[] = {0}; /* ROUTE */

    (void)scene;
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
        row_both(trial, "%u", allowed[i]);
    return true;
}

const struct row rows_kernel[] = {
    {
        "K-01",
        SEVERITY_CRITICAL,
        "AC",
        "open every global sysctl for writing",
        "read-only /proc/sys, user namespace",
        .control = row_reaches,
        .judge = row_judge_reach,
    },
    {
        "K-03",
        SEVERITY_CRITICAL,
        "AC",
        "press a (harmless) key at /proc/sysrq-trigger",
        "read-only, and root of the first user namespace only",
        .prepare = prepare_sysrq,
        .control = row_reaches,
        .judge = judge_sysrq,
    },
    {
        "K-04",
        SEVERITY_CRITICAL,
        "AC",
        "change core_pattern, modprobe, uevent_helper",
        "read-only /proc/sys, user namespace",
        .prepare = prepare_core,
        .perform = perform_core,
    },
    {
        "K-08",
        SEVERITY_CRITICAL,
        "AC",
        "cgroup v1 release_agent: the host runs my program",
        "user namespace, no CAP_SYS_ADMIN, seccomp",
        .room = ROOM_MOUNTS,
        .prepare = prepare_agent,
        .control = control_agent,
        .judge = judge_agent,
        .clean = clean_agent,
    },
    {
        "K-09",
        SEVERITY_HIGH,
        "AC",
        "leave one's control groups",
        "no group is delegated on v1",
        .prepare = prepare_move,
        .control = row_reaches,
        .judge = judge_move,
    },
    {
        "K-12",
        SEVERITY_CRITICAL,
        "AC",
        "bpf: make a map, load a program",
        "seccomp, capabilities",
        .control = row_reaches,
        .judge = row_judge_reach,
    },
    {
        "K-13",
        SEVERITY_HIGH,
        "AC",
        "perf_event_open on oneself and on a CPU",
        "seccomp",
        .control = row_reaches,
        .judge = row_judge_reach,
    },
    {
        "K-14",
        SEVERITY_MEDIUM,
        "AC",
        "userfaultfd",
        "seccomp",
        .control = row_reaches,
        .judge = row_judge_reach,
    },
    {
        "K-15",
        SEVERITY_HIGH,
        "AC",
        "io_uring_setup",
        "seccomp",
        .control = row_reaches,
        .judge = row_judge_reach,
    },
    {
        "K-19",
        SEVERITY_CRITICAL,
        "AC",
        "43 socket families that no machine needs",
        "seccomp: list of socket families",
        .prepare = prepare_families,
        .control = row_reaches,
        .judge = row_judge_reach,
    },
    {
        "K-20",
        SEVERITY_HIGH,
        "AC",
        "netlink families but ROUTE; change the network as CAP_NET_ADMIN",
        "seccomp: list of protocols; capabilities",
        .room = ROOM_NETWORK,
        .prepare = prepare_netlink,
        .control = row_reaches,
        .judge = row_judge_reach,
    },
    {
        "K-23",
        SEVERITY_MEDIUM,
        "AC",
        "read kcore, keys, timer_list, slabinfo and kin",
        "masked paths, user namespace",
        .prepare = prepare_telltales,
        .control = row_reaches,
        .judge = row_judge_reach,
    },
    {
        "K-24",
        SEVERITY_CRITICAL,
        "AC",
        "write to /sys: power, CPUs, memory, modules",
        "read-only sysfs, user namespace",
        .prepare = prepare_sysfs,
        .control = row_reaches,
        .judge = row_judge_reach,
    },
};
const size_t rows_kernel_count = ARRAY_LEN(rows_kernel);
