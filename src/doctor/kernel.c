/* SPDX-License-Identifier: Apache-2.0 */
/* kernel - what the walls need of the kernel, tried rather than believed */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "doctor/controls.h"
#include "doctor/look.h"
#include "doctor/programs.h"
#include "linux/ns.h"
#include "linux/path.h"

/* Newer than the headers of the oldest host we build on. */
#ifndef PR_GET_MDWE
#define PR_GET_MDWE 66
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#define OLDEST_MAJOR 6U
#define OLDEST_MINOR 1U
#define PROBE_ID     65534U

static void look_version(struct controls *controls);
static int try_user_namespace(void);
static int try_overlay(void);
static int map_self(void);
static int try_idmap(void);
static int try_mdwe(void);
static int try_peer_pidfd(void);
static int try_seccomp(void);
static int landlock_version(void);
static int has_loop(void);
static int has_bdi_limit(void);

/* probe: 0 it works; anything else does not. */
static const struct {
    const char *name;
    int (*probe)(void);
    enum control_state otherwise;
    const char *known;
    const char *without;
} probes[] = {
    {"user namespaces", try_user_namespace, CONTROL_MISSING, "one was made",
     "sysctl -w user.max_user_namespaces=65536, or a kernel with CONFIG_USER_NS"},
    {"overlayfs in them", try_overlay, CONTROL_MISSING, "one was mounted in a user namespace",
     "load the module overlay; a kernel from 5.11 on allows it in a user namespace"},
    {"idmapped mounts", try_idmap, CONTROL_FALLBACK, "one was made of the file system of /var",
     "layers are private to each user anyway"},
    {"seccomp filters", try_seccomp, CONTROL_MISSING, "the kernel knows SECCOMP_RET_ERRNO",
     "a kernel with CONFIG_SECCOMP_FILTER"},
    {"loop devices", has_loop, CONTROL_MISSING, "/dev/loop-control is there", "modprobe loop"},
    {"no writable code (MDWE)", try_mdwe, CONTROL_FALLBACK, "the kernel knows it",
     "Linux 6.3 has it; W^X stays a property of the build"},
    {"SO_PEERPIDFD", try_peer_pidfd, CONTROL_FALLBACK, "a socket pair answered",
     "Linux 6.5 has it; SO_PEERCRED and a pidfd checked against its start time stand in"},
    {"dirty limits of a disk", has_bdi_limit, CONTROL_FALLBACK, "/sys/class/bdi has max_bytes",
     "Linux 6.2 has it; max_ratio stands in, which is coarser"},
};

void controls_kernel(struct controls *controls)
{
    look_version(controls);
    for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
        int rc = program_child(probes[i].probe);
        if (rc == 0)
            controls_add(controls, CONTROL_PRESENT, probes[i].name,
                         look_format("%s", probes[i].known), NULL);
        else
            controls_add(controls, probes[i].otherwise, probes[i].name,
                         look_format("tried: %s", strerror(rc < 0 ? -rc : rc)),
                         look_format("%s", probes[i].without));
    }
    int version = landlock_version();
    if (version > 0)
        controls_add(controls, CONTROL_PRESENT, "Landlock",
                     look_format("the kernel says version %d", version), NULL);
    else
        controls_add(controls, CONTROL_MISSING, "Landlock", look_format("the kernel has none"),
                     look_format("boot with lsm=landlock,... and CONFIG_SECURITY_LANDLOCK"));
}

bool kernel_since(unsigned int major, unsigned int minor)
{
    struct utsname host;
    uint64_t number[2] = {0, 0};

    if (uname(&host) < 0)
        return false;
    char *rest = host.release;
    for (size_t i = 0; i < ARRAY_LEN(number); i++) {
        char *part = strsep(&rest, ".");
        if (part != NULL)
            part[strspn(part, "0123456789")] = '\0';
        if (part == NULL || str_u64(part, 0, 1000, &number[i]) < 0)
            break;
    }
    return number[0] > major || (number[0] == major && number[1] >= minor);
}

static void look_version(struct controls *controls)
{
    struct utsname host;

    if (uname(&host) < 0)
        return;
    bool is_new = kernel_since(OLDEST_MAJOR, OLDEST_MINOR);
    controls_add(controls, is_new ? CONTROL_PRESENT : CONTROL_MISSING, "Linux 6.1 or later",
                 look_format("uname says %s", host.release),
                 is_new ? NULL : look_format("boot a newer kernel"));
}

static int try_user_namespace(void)
{
    return unshare(CLONE_NEWUSER) < 0 ? errno : 0;
}

/* As the runtime does it: the tree is made in a file system of its own, in a mount namespace that
 * ends with this child. */
static int try_overlay(void)
{
    static const char *const directories[] = {"/tmp/lower", "/tmp/upper", "/tmp/work", "/tmp/all"};

    int rc = unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ? -errno : map_self();
    if (rc < 0)
        return -rc;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700") < 0)
        return errno;
    for (size_t i = 0; i < ARRAY_LEN(directories); i++)
        if (mkdir(directories[i], 0700) < 0)
            return errno;
    return mount("overlay", "/tmp/all", "overlay", 0,
                 "lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work,userxattr") < 0
               ? errno
               : 0;
}

/* Root of the host is root inside: whoever makes files in it must have an id there. */
static int map_self(void)
{
    auto_close self = path_root("/proc", O_RDONLY | O_DIRECTORY);
    char name[64];

    if (self < 0)
        return self;
    const char *const files[][2] = {
        {"setgroups", "deny"}, {"uid_map", "0 0 1"}, {"gid_map", "0 0 1"}};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        int rc = str_format(name, sizeof(name), "%d/%s", getpid(), files[i][0]);
        if (rc == 0)
            rc = path_write_text(self, name, files[i][1]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int try_idmap(void)
{
    const struct ns_id_range range = {.first_host = PROBE_ID, .count = 1};
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_IDMAP};
    char path[64];
    int pidfd = -1;

    pid_t pid = ns_clone(CLONE_NEWUSER, -1, &pidfd);
    if (pid < 0)
        return (int)-pid;
    if (pid == 0) {
        (void)pause();
        _exit(0);
    }
    int rc = ns_map_ids(pid, &range, 1);
    if (rc == 0)
        rc = str_format(path, sizeof(path), "/proc/%d/ns/user", pid);
    int space = rc < 0 ? rc : openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    auto_close tree = open_tree(AT_FDCWD, "/var", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (rc == 0 && (space < 0 || tree < 0))
        rc = -errno;
    if (rc == 0) {
        attributes.userns_fd = (__u64)space;
        if (mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
            rc = -errno;
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    return -rc;
}

static int try_mdwe(void)
{
    return prctl(PR_GET_MDWE, 0, 0, 0, 0) < 0 ? errno : 0;
}

static int try_peer_pidfd(void)
{
    int ends[2];
    int pidfd = -1;
    socklen_t size = sizeof(pidfd);

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return errno;
    return getsockopt(ends[0], SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) < 0 ? errno : 0;
}

static int try_seccomp(void)
{
    const uint32_t action = SECCOMP_RET_ERRNO;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0 ? errno : 0;
}

static int landlock_version(void)
{
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static int has_loop(void)
{
    return look_exists("/dev/loop-control") ? 0 : ENODEV;
}

static void take_bdi(const char *path, const char *name, void *data)
{
    char file[LOOK_PATH_MAX];

    (void)name;
    look_join(file, path, "max_bytes");
    *(bool *)data |= look_exists(file);
}

static int has_bdi_limit(void)
{
    bool found = false;
    look_each("/sys/class/bdi", take_bdi, &found);
    return found ? 0 : ENOENT;
}
