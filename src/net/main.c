/* SPDX-License-Identifier: Apache-2.0 */
/*
 * croft-net - the network's walls: links, the table inet croft, connection tracking
 *
 * Theory of operation, in stages; each needs what the next gives up:
 *   1 inherited  descriptor 3: the channel to the monitor (croft-super)
 *   2 first      the first request: NET_HELLO, or NET_LOOK, which is answered, and that is all
 *   3 host       no route of the host's in the way; its own subnets; how it forwarded before Croft
 *   4 table      the one that is there, when it is whole; else links down, and loaded anew by nft.
 *                Only then the host forwards; where anything fails, as it did before
 *   5 sandbox    sandbox.c: nothing but netlink and the channel from here on
 *   6 serve      requests, until the monitor is gone, somebody changed the table, or SIGTERM
 * It may end at any time. The walls are in the kernel and stay; the next croft-net finds them whole
 * and is told everything again, so that no connection notices. Whoever changes the table by hand
 * makes this one take the links down and end, and the next one load it anew.
 * `croft-net tidy`, the last that croft-super starts: takes away whatever croft-nets left.
 *
 * Runs as: uid croft-net, CAP_NET_ADMIN
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "net/link.h"
#include "net/net.h"
#include "net/sandbox.h"
#include "wire/frame.h"
#include "wire/job.h"
#include "wire/spawn.h"

static int stage_inherited(struct net *net, struct err *err);
static int stage_first(struct net *net, struct net_request *ret_hello, struct err *err);
static int stage_hello(struct net *net, const struct net_request *hello, struct err *err);
static int stage_host(struct net *net, int dir, struct err *err);
static int stage_table(struct net *net, int dir, const struct net_request *hello, struct err *err);
static int watch_signals(struct net *net, struct err *err);
static int stage_serve(struct net *net, struct err *err);
static void on_signal(struct loop_source *source, uint32_t events, void *data);
static int tidy(struct net *net, struct err *err);
static int put_back(struct net *net);

int main(int argc, char **argv)
{
    static struct net net = {.sysctls = {.keep = -1}, .keep = -1};
    struct net_request hello = {.version = 0};
    struct err err = {.outcome = OUTCOME_OK};
    const bool last = argc == 2 && strcmp(argv[1], "tidy") == 0;

    /* First of all: a SIGTERM during the start is heard when it is over. */
    int rc = watch_signals(&net, &err);
    if (rc == 0 && argc != 1 && !last)
        rc = err_set(&err, OUTCOME_USAGE, "it takes no word but \"tidy\"");
    if (rc == 0)
        rc = stage_inherited(&net, &err);
    if (rc == 0 && last)
        rc = tidy(&net, &err);
    else if (rc == 0)
        rc = stage_first(&net, &hello, &err);
    if (rc == 0 && hello.type != NET_HELLO)
        return OUTCOME_OK;
    if (rc == 0)
        rc = stage_hello(&net, &hello, &err);
    if (rc == 0)
        rc = stage_serve(&net, &err);
    if (rc != 0)
        log_line(LOG_LEVEL_ERROR, "croft-net: %s", err.text);
    else
        rc = net.status;
    /* Without its walls the host forwards for nobody. */
    if (rc != 0 && sysctls_restore(&net.sysctls) < 0)
        log_line(LOG_LEVEL_ERROR, "croft-net: the host goes on forwarding packets");
    return rc;
}

/* Stage 1. */
static int stage_inherited(struct net *net, struct err *err)
{
    struct stat found;

    if (fstat(SPAWN_CHANNEL_FD, &found) < 0 || !S_ISSOCK(found.st_mode) ||
        fcntl(SPAWN_CHANNEL_FD, F_SETFD, FD_CLOEXEC) < 0)
        return err_set(err, OUTCOME_USAGE,
                       "descriptor %d is not what croft-super hands over: croft-net is started by "
                       "`croft host start`",
                       SPAWN_CHANNEL_FD);
    net->channel.fd = SPAWN_CHANNEL_FD;
    int rc = netlink_open(&net->route, NETLINK_ROUTE, 0);
    if (rc == 0)
        rc = netlink_open(&net->netfilter, NETLINK_NETFILTER, 0);
    return rc < 0 ? err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot open netlink") : 0;
}

/* Stage 2. A channel that is closed, or one look: ret_hello->type is not NET_HELLO, and all is
 * done. */
static int stage_first(struct net *net, struct net_request *ret_hello, struct err *err)
{
    struct net_request request;
    struct net_reply reply = {.version = NET_VERSION};

    ssize_t got = frame_recv(net->channel.fd, &request, sizeof(request), NULL);
    if (got == 0)
        return 0;
    if (got < 0 || net_request_check(&request, (size_t)got, 0) < 0 ||
        (request.type != NET_HELLO && request.type != NET_LOOK))
        return err_set(err, OUTCOME_FAILED, "the first request is neither NET_HELLO nor NET_LOOK");
    *ret_hello = request;
    if (request.type == NET_HELLO)
        return 0;
    reply.error = -why_look(&net->route, &net->netfilter, &reply.counts);
    int rc = serve_reply(net, &request, &reply);
    return rc < 0 ? err_errno(err, OUTCOME_FAILED, rc, "cannot answer") : 0;
}

/* Stages 3 to 5, and the answer. */
static int stage_hello(struct net *net, const struct net_request *hello, struct err *err)
{
    struct net_reply reply = {.error = EIO};

    state_init(&net->state, &hello->prefix);
    auto_close dir = path_root(CROFT_RUN_DIR "/net", O_RDONLY | O_DIRECTORY);
    int rc = dir < 0 ? err_errno(err, OUTCOME_HOST_CANNOT, dir, "cannot use %s/net", CROFT_RUN_DIR)
                     : stage_host(net, dir, err);
    if (net->watch.routes.overlap)
        reply.error = EADDRINUSE;
    if (rc == 0)
        rc = stage_table(net, dir, hello, err);
    if (rc == 0)
        rc = sandbox_enter(err);
    if (rc == 0)
        reply.error = 0;
    int sent = serve_reply(net, hello, &reply);
    return rc == 0 && sent < 0 ? err_errno(err, OUTCOME_FAILED, sent, "cannot answer") : rc;
}

/* Stage 3. */
static int stage_host(struct net *net, int dir, struct err *err)
{
    int rc = routes_read(&net->route, &net->state.prefix, &net->watch.routes, err);
    if (rc != 0)
        return rc;
    rc = sysctls_read(&net->sysctls, dir, &net->watch.routes);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc,
                         "cannot read whether the host forwards packets (net.ipv4.ip_forward)");
    if (net->watch.routes.overlap)
        return err_set(err, OUTCOME_HOST_CANNOT,
                       "a route of the host's covers addresses of machines (100.96.0.0/16, or the "
                       "IPv6 net of this Croft): ip route show table all");
    return 0;
}

/* Stage 4. */
static int stage_table(struct net *net, int dir, const struct net_request *hello, struct err *err)
{
    const bool open = CROFT_ABLATE && (hello->without & ABLATE_NFTABLES) != 0;
    net->keep = path_open_or_create(dir, "table", O_RDWR, 0644);
    if (net->keep < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, net->keep, "cannot use %s/net/table",
                         CROFT_RUN_DIR);
    int rc = table_whole(&net->netfilter, net->keep, &hello->prefix, open, &net->table);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot look at the table inet croft");
    if (rc == 0) {
        rc = links_down(&net->route);
        if (rc == 0)
            rc = sysctls_restore(&net->sysctls);
        if (rc < 0)
            return err_errno(err, OUTCOME_HOST_CANNOT, rc,
                             "cannot take the links down and end forwarding");
        rc = table_load(&net->netfilter, net->keep, &hello->prefix, open, &net->table, err);
        if (rc != 0)
            return rc;
    }
    /* What is changed from here on is noticed; and what was changed just now, here. */
    rc = watch_listen(&net->watch);
    if (rc == 0)
        rc = table_changed(&net->netfilter, &net->table) == 0 ? 0 : -ESTALE;
    if (rc == 0)
        rc = routes_apply(&net->netfilter, &net->watch.routes);
    if (rc == 0)
        rc = sysctls_apply(&net->netfilter, &net->sysctls);
    if (rc < 0)
        return err_errno(err, OUTCOME_FAILED, rc, "cannot set up the table inet croft");
    rc = sysctls_forward(&net->sysctls);
    return rc < 0 ? err_errno(err, OUTCOME_HOST_CANNOT, rc,
                              "cannot make the host forward packets (net.ipv4.ip_forward)")
                  : 0;
}

static int watch_signals(struct net *net, struct err *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    net->signals.fd = sigprocmask(SIG_BLOCK, &set, NULL) < 0
                          ? -1
                          : signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return net->signals.fd < 0 ? err_errno(err, OUTCOME_FAILED, -errno, "cannot watch signals") : 0;
}

/* Stage 6. */
static int stage_serve(struct net *net, struct err *err)
{
    net->signals.on_io = on_signal;
    net->signals.data = net;
    int rc = loop_new(&net->loop);
    if (rc == 0)
        rc = loop_add(net->loop, &net->signals, EPOLLIN);
    if (rc == 0)
        rc = watch_start(net);
    if (rc == 0)
        rc = serve_open(net);
    if (rc == 0)
        rc = loop_run(net->loop);
    /* The monitor may have ended first. */
    if (rc == 0)
        on_signal(&net->signals, 0, net);
    return rc < 0 ? err_errno(err, OUTCOME_FAILED, rc, "cannot serve") : 0;
}

/* `croft host stop`: the host's network as if Croft had never been. */
static void on_signal(struct loop_source *source, uint32_t events, void *data)
{
    struct net *net = data;
    struct signalfd_siginfo signal;
    (void)events;

    if (read(source->fd, &signal, sizeof(signal)) != (ssize_t)sizeof(signal))
        return;
    loop_stop(net->loop);
    int rc = serve_end(net);
    if (rc == 0)
        rc = put_back(net);
    if (rc < 0)
        log_line(LOG_LEVEL_ERROR, "croft-net: the host's network is not as it was: %s",
                 strerror(-rc));
}

/* When no croft-net heard of the end, or one ended before: nothing to do if all went well. */
static int tidy(struct net *net, struct err *err)
{
    static const struct routes none = {.overlap = false};
    auto_free uint16_t *slots = mem_new(NET_SLOT_LAST + 1U, sizeof(*slots));
    auto_close dir = path_root(CROFT_RUN_DIR "/net", O_RDONLY | O_DIRECTORY);

    int rc = dir < 0 ? dir : sysctls_read(&net->sysctls, dir, &none);
    if (rc == 0)
        net->keep = path_open(dir, "table", O_RDWR);
    int count = rc == 0 ? links_list(&net->route, slots) : rc;
    for (int i = 0; i < count && rc == 0; i++)
        rc = link_remove(&net->route, slots[i]);
    if (rc == 0)
        rc = count < 0 ? count : put_back(net);
    return rc < 0 ? err_errno(err, OUTCOME_FAILED, rc, "the host's network is not as it was") : 0;
}

/* While the host forwards the table stands. */
static int put_back(struct net *net)
{
    int rc = sysctls_restore(&net->sysctls);
    if (rc == 0)
        rc = table_remove(&net->netfilter);
    rc = rc == -ENOENT ? 0 : rc;
    if (rc == 0 && net->keep >= 0 && ftruncate(net->keep, 0) < 0)
        rc = -errno;
    return rc;
}
