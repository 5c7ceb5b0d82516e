/* SPDX-License-Identifier: Apache-2.0 */
/*
 * croft-super - starts and restarts the monitor, croft-net and croftd, and forks what the monitor
 * asks for
 *
 * Theory of operation
 * Seccomp filters, no_new_privs, rlimits and the like are worn for life by all that a process
 * starts. So the process that starts instances must wear nothing, and should therefore do nothing:
 * it binds the two sockets (clients that connect while a daemon restarts then wait instead of
 * failing), makes the staging namespace, and forks. It reads fixed structs from the monitor and no
 * text at all. As their subreaper and, by CLONE_PARENT, their parent it learns how instances end.
 *
 * When it is killed, the monitor and then the others see their channels close and end; instances
 * run on and are found again by the next `croft host start`.
 *
 * Runs as: root
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "linux/staging.h"
#include "super/super.h"

/* Few: who comes after a flood of hurried clients waits behind as many as stand here, and the rest
 * of the flood waits in connect(2) with everybody else, first come first served. */
#define LISTEN_BACKLOG 16
/* The out-of-memory killer takes nearly everybody before the daemons that hold the walls. */
#define OOM_SCORE_ADJ "-900"

static int settle(struct super *super);
static int make_net_dir(struct super *super);
static int lock_pid_file(int run_dir);
static int listen_on(int run_dir, const char *name, int type);
static int watch_signals(struct super *super, struct loop_source *source);
static void on_signal(struct loop_source *source, uint32_t events, void *data);

int main(int argc, char **argv)
{
    struct super super = {
        .monitor_argument = CROFT_ABLATE && argc == 2 ? argv[1] : NULL,
        .monitor_source = {.fd = -1},
    };
    struct loop_source signals = {.fd = -1};

    if (argc > (CROFT_ABLATE ? 2 : 1)) {
        log_line(LOG_LEVEL_ERROR, "croft-super takes no arguments; start it by `croft host start`");
        return OUTCOME_USAGE;
    }
    super.run_dir = path_root(CROFT_RUN_DIR, O_RDONLY | O_DIRECTORY);
    auto_close lock = super.run_dir < 0 ? super.run_dir : lock_pid_file(super.run_dir);
    if (lock < 0) {
        log_line(LOG_LEVEL_ERROR, "cannot lock %s/super.pid: %s", CROFT_RUN_DIR,
                 lock == -EWOULDBLOCK ? "Croft runs already" : strerror(-lock));
        return lock == -EWOULDBLOCK ? OUTCOME_FAILED : OUTCOME_HOST_CANNOT;
    }
    int rc = settle(&super);
    if (rc == 0)
        rc = watch_signals(&super, &signals);
    if (rc < 0) {
        log_line(LOG_LEVEL_ERROR, "croft-super cannot start: %s", strerror(-rc));
        return OUTCOME_HOST_CANNOT;
    }
    daemons_start(&super);
    rc = loop_run(super.loop);
    if (path_unlink(super.run_dir, "door") < 0 || path_unlink(super.run_dir, "api") < 0 ||
        path_unlink(super.run_dir, "super.pid") < 0)
        log_line(LOG_LEVEL_WARNING, "a socket in %s was gone already", CROFT_RUN_DIR);
    return rc < 0 ? OUTCOME_FAILED : OUTCOME_OK;
}

/* Everything that must be there before the first child. */
static int settle(struct super *super)
{
    const struct rlimit no_core = {0, 0};

    umask(022);
    spawn_reset_signals();
    if (setrlimit(RLIMIT_CORE, &no_core) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        return -errno;
    /* Whoever started Croft may hold keys in the session's ring; everything would inherit them. */
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
        return -errno;
    auto_close adj = path_root("/proc/self/oom_score_adj", O_WRONLY);
    if (adj < 0 || fd_write_full(adj, OOM_SCORE_ADJ, strlen(OOM_SCORE_ADJ)) < 0)
        log_line(LOG_LEVEL_WARNING, "no CAP_SYS_RESOURCE here: the out-of-memory killer may choose "
                                    "Croft's daemons as it may any other process");
    super->null = path_root("/dev/null", O_RDWR);
    if (super->null < 0)
        return super->null;
    int rc = loop_new(&super->loop);
    if (rc == 0)
        rc = staging_make(&super->staging);
    if (rc == 0)
        rc = spawn_identify(super);
    if (rc == 0)
        rc = make_net_dir(super);
    if (rc == 0)
        rc = super->door = listen_on(super->run_dir, "door", SOCK_SEQPACKET);
    if (rc >= 0)
        rc = super->api = listen_on(super->run_dir, "api", SOCK_STREAM);
    return rc < 0 ? rc : 0;
}

/* What a croft-net has to tell the next one. */
static int make_net_dir(struct super *super)
{
    const struct daemon *net = &super->daemon[DAEMON_NET];
    auto_close dir = path_mkdir_open(super->run_dir, "net", 0755);
    return dir < 0 ? dir : path_chown(dir, net->uid, net->gid);
}

/* One super per host: the lock is held for life, and the number in the file is for people. */
static int lock_pid_file(int run_dir)
{
    char text[16];
    auto_close fd = path_open_or_create(run_dir, "super.pid", O_RDWR, 0644);
    if (fd < 0)
        return fd;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -errno;
    int rc = str_format(text, sizeof(text), "%d\n", getpid());
    if (rc == 0 && ftruncate(fd, 0) < 0)
        rc = -errno;
    if (rc == 0)
        rc = fd_write_full(fd, text, strlen(text));
    return rc < 0 ? rc : take_fd(&fd);
}

/* Anyone may connect: who it is decides what she may say. */
static int listen_on(int run_dir, const char *name, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int rc = path_unlink(run_dir, name);
    if (rc < 0 && rc != -ENOENT)
        return rc;
    rc = str_format(address.sun_path, sizeof(address.sun_path), "%s/%s", CROFT_RUN_DIR, name);
    if (rc < 0)
        return rc;
    auto_close sock = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock < 0)
        return -errno;
    mode_t before = umask(0111);
    rc = bind(sock, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    umask(before);
    if (rc == 0 && listen(sock, LISTEN_BACKLOG) < 0)
        rc = -errno;
    return rc < 0 ? rc : take_fd(&sock);
}

static int watch_signals(struct super *super, struct loop_source *source)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    *source = (struct loop_source){
        .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .on_io = on_signal, .data = super};
    return source->fd < 0 ? -errno : loop_add(super->loop, source, EPOLLIN);
}

static void on_signal(struct loop_source *source, uint32_t events, void *data)
{
    struct super *super = data;
    struct signalfd_siginfo signal;
    (void)events;

    while (read(source->fd, &signal, sizeof(signal)) == (ssize_t)sizeof(signal)) {
        if (signal.ssi_signo != SIGCHLD)
            daemons_stop(super);
    }
    for (;;) {
        siginfo_t info = {.si_pid = 0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
            return;
        if (!daemons_reaped(super, info.si_pid))
            spawn_reaped(super, &info);
    }
}
