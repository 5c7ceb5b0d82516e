/* SPDX-License-Identifier: Apache-2.0 */
/*
 * croftd - answers what users ask about what is theirs, and writes plans
 *
 * Theory of operation, in stages; each needs what the next gives up:
 *   1 inherited  descriptor 3: events of the monitor's, 4: the listening socket (croft-super)
 *   2 settings   croft.conf, the group croft-admin
 *   3 outside    the limit of open files, the event loop, the cgroup directories
 *   4 sandbox    sandbox.c: no file, no program, no privilege to come
 *   5 serve      events into the view, clients' calls out of it, until the monitor is gone
 * The view is nothing but what the monitor said since the start. When the channel ends, croftd
 * ends, and croft-super starts another one, which the monitor tells everything again.
 *
 * Runs as: uid croft, no capability
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "daemon/client.h"
#include "daemon/config.h"
#include "daemon/method.h"
#include "daemon/sandbox.h"
#include "daemon/usage.h"
#include "daemon/view.h"
#include "wire/frame.h"
#include "wire/limits.h"

#define EVENTS_FD   3
#define API_FD      4
#define ADMIN_GROUP "croft-admin"
/* Descriptors that are no connection: standard, channel, loop, cgroups, one being read. */
#define OTHER_FDS 32U

struct daemon {
    struct loop *loop;
    struct loop_source events;
    struct clients *clients;
    struct view view;
    struct config config;
    struct usage usage;
    struct method_host host;
    gid_t admin_group;
    size_t connections_max;
    int status; /* of the process, once the loop ends */
};

static int take_inherited(struct err *err);
static int read_settings(struct daemon *daemon, struct err *err);
static int open_outside(struct daemon *daemon, struct err *err);
static int serve(struct daemon *daemon, struct err *err);
static void on_events(struct loop_source *source, uint32_t epoll_events, void *data);
static void drain_events(void *data);

int main(int argc, char **argv)
{
    static struct daemon daemon = {.usage = {.memory = -1, .pids = -1}};
    struct err err = {.outcome = OUTCOME_OK};
    (void)argv;

    int rc = argc == 1 ? 0 : err_set(&err, OUTCOME_USAGE, "croftd takes no words");
    if (rc == 0)
        rc = take_inherited(&err);
    if (rc == 0)
        rc = read_settings(&daemon, &err);
    if (rc == 0)
        rc = open_outside(&daemon, &err);
    if (rc == 0)
        rc = sandbox_enter(&daemon.usage, &err);
    if (rc == 0)
        rc = serve(&daemon, &err);
    if (rc != 0) {
        log_line(LOG_LEVEL_ERROR, "croftd: %s", err.text);
        return rc;
    }
    return daemon.status;
}

static int take_inherited(struct err *err)
{
    for (int fd = 0; fd <= API_FD; fd++) {
        struct stat found;
        bool wanted = fstat(fd, &found) == 0 && (fd < EVENTS_FD || S_ISSOCK(found.st_mode));
        if (!wanted)
            return err_set(err, OUTCOME_USAGE,
                           "descriptor %d is not what croft-super hands over: croftd is started by "
                           "`croft host start`",
                           fd);
        if (fd >= EVENTS_FD && (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fd_set_nonblock(fd) < 0))
            return err_errno(err, OUTCOME_FAILED, -errno, "descriptor %d", fd);
    }
    return 0;
}

static int read_settings(struct daemon *daemon, struct err *err)
{
    errno = 0;
    const struct group *admin = getgrnam(ADMIN_GROUP);
    daemon->admin_group = admin != NULL ? admin->gr_gid : (gid_t)-1;
    if (admin == NULL)
        log_line(LOG_LEVEL_WARNING, "croftd: no group " ADMIN_GROUP ": only root is an admin");
    return config_read(&daemon->config, err);
}

static int open_outside(struct daemon *daemon, struct err *err)
{
    struct rlimit files;
    const rlim_t wanted = CONNECTIONS_MAX + OTHER_FDS;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "the limit of open files");
    files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
    if (files.rlim_cur <= OTHER_FDS || setrlimit(RLIMIT_NOFILE, &files) < 0)
        return err_set(err, OUTCOME_HOST_CANNOT, "the limit of open files is too low");
    daemon->connections_max = files.rlim_cur - OTHER_FDS;
    int rc = loop_new(&daemon->loop);
    if (rc < 0)
        return err_errno(err, OUTCOME_FAILED, rc, "making the event loop");
    return usage_open(&daemon->usage, err);
}

static int serve(struct daemon *daemon, struct err *err)
{
    struct clients_setup setup = {
        .listen_fd = API_FD,
        .admin_group = daemon->admin_group,
        .total_max = daemon->connections_max,
        .host = &daemon->host,
        .before_call = drain_events,
        .data = daemon,
    };
    daemon->host = (struct method_host){
        .view = &daemon->view,
        .config = &daemon->config,
        .usage = &daemon->usage,
    };
    daemon->events = (struct loop_source){.fd = EVENTS_FD, .on_io = on_events, .data = daemon};
    int rc = loop_add(daemon->loop, &daemon->events, EPOLLIN);
    setup.loop = daemon->loop;
    if (rc == 0)
        rc = clients_new(&setup, &daemon->clients);
    if (rc == 0)
        rc = loop_run(daemon->loop);
    clients_free(daemon->clients);
    loop_free(daemon->loop);
    view_free(&daemon->view);
    return rc < 0 ? err_errno(err, OUTCOME_FAILED, rc, "serving") : 0;
}

static void on_events(struct loop_source *source, uint32_t epoll_events, void *data)
{
    struct daemon *daemon = data;
    (void)source;
    (void)epoll_events;
    drain_events(daemon);
    clients_wake(daemon->clients);
}

/* All that the monitor said so far: what it told a client is then in the view as well. */
static void drain_events(void *data)
{
    struct daemon *daemon = data;
    /* An image's settings follow their event. */
    static union {
        struct event event;
        char bytes[sizeof(struct event) + IMAGE_CONFIG_SIZE_MAX];
    } came;
    for (;;) {
        ssize_t got = frame_recv(EVENTS_FD, &came, sizeof(came), NULL);
        if (got == -EAGAIN)
            return;
        int rc = got > 0 ? view_apply(&daemon->view, &came.event, (size_t)got) : (int)got;
        if (got > 0 && rc == 0)
            continue;
        if (rc < 0) {
            log_line(LOG_LEVEL_ERROR, "croftd: the monitor's event is malformed; starting anew");
            daemon->status = 1;
        }
        loop_stop(daemon->loop);
        return;
    }
}
