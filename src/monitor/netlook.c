/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlook - whether the kernel has what croft-net says it has: asked of a process of its own
 *
 * Theory of operation
 * A look is a fresh croft-net that was told nothing but NET_LOOK. It begins when croft-net has
 * answered everything, and counts only when nothing was changed until it ended. The kernel may be
 * ahead of the monitor for a moment: a grant's element that runs out, a machine that has just died
 * and took its link with it. So one look that differs is looked at again, and is believed when
 * nothing was changed between the two, or when every look differs for DIFFERS_S.
 *
 * Against one croft-net that says what is not so, this is a second pair of eyes; against one that
 * changes the table back and forth it is not, and SECURITY.md says so.
 */
#include "monitor/netlook.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"
#include "wire/frame.h"

#define LOOK_AFTER_MS   300U
#define LOOK_TIMEOUT_MS 10000U
#define RECORD_EVERY_S  60U
#define DIFFERS_S       5U

static void on_due(void *data);
static int begin(struct monitor *monitor);
static void on_reply(struct loop_source *source, uint32_t events, void *data);
static void compare(struct monitor *monitor, const struct net_reply *reply);
static bool is_believed(struct netlook *look);
static struct net_counts expected(const struct monitor *monitor);
static void record(struct monitor *monitor, const char *what);
static void end(struct monitor *monitor);
static void again(struct monitor *monitor);

void netlook_init(struct monitor *monitor)
{
    struct netlook *look = &monitor->network.look;

    look->channel.fd = -1;
    look->timer = (struct loop_timer){.on_due = on_due, .data = monitor};
}

void netlook_changed(struct monitor *monitor)
{
    struct netlook *look = &monitor->network.look;

    look->changes++;
    if (!look->timer.armed)
        again(monitor);
}

void netlook_reset(struct monitor *monitor)
{
    struct netlook *look = &monitor->network.look;

    end(monitor);
    loop_disarm(monitor->loop, &look->timer);
    look->rules = 0;
    look->differed_boot_ns = 0;
}

const char *netlook_differs(const struct net_counts *want, const struct net_counts *have)
{
    if (have->links != want->links)
        return "the number of links";
    if (have->members != want->members)
        return "the number of addresses";
    if (have->grants != want->grants)
        return "the number of grants";
    if (have->users != want->users)
        return "the number of users";
    if (want->rules != 0 && have->rules != want->rules)
        return "the number of rules";
    return NULL;
}

/* A look is due, or the one that runs takes too long. */
static void on_due(void *data)
{
    struct monitor *monitor = data;
    struct network *network = &monitor->network;

    if (network->look.channel.fd >= 0) {
        log_line(LOG_LEVEL_WARNING, "nobody could look at the network's table in time");
        end(monitor);
        return;
    }
    if (!network->synced)
        return; /* its answer will be a change */
    if (network->asked != NULL) {
        again(monitor);
        return;
    }
    int rc = begin(monitor);
    if (rc < 0)
        log_line(LOG_LEVEL_WARNING, "cannot look at the network's table: %s", strerror(-rc));
}

static int begin(struct monitor *monitor)
{
    struct netlook *look = &monitor->network.look;
    const struct net_request request = {.version = NET_VERSION, .type = NET_LOOK};
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    auto_close ours = pair[0];
    auto_close theirs = pair[1];
    int rc = fd_set_nonblock(ours);
    if (rc == 0)
        rc = frame_send(ours, &request, sizeof(request), NULL, 0, NULL, 0);
    if (rc == 0)
        rc = jobs_ask_super(monitor, SPAWN_LOOK, theirs, NULL);
    if (rc < 0)
        return rc;
    look->channel = (struct loop_source){.fd = take_fd(&ours), .on_io = on_reply, .data = monitor};
    look->seen = look->changes;
    rc = loop_add(monitor->loop, &look->channel, EPOLLIN);
    if (rc < 0) {
        fd_close(&look->channel.fd);
        return rc;
    }
    loop_arm(monitor->loop, &look->timer, clock_boot_ns() + LOOK_TIMEOUT_MS * NS_PER_MS);
    return 0;
}

static void on_reply(struct loop_source *source, uint32_t events, void *data)
{
    struct monitor *monitor = data;
    struct netlook *look = &monitor->network.look;
    struct net_reply reply;
    (void)events;

    ssize_t got = frame_recv(source->fd, &reply, sizeof(reply), NULL);
    if (got == -EAGAIN)
        return;
    end(monitor);
    bool whole =
        got == (ssize_t)sizeof(reply) && reply.version == NET_VERSION && reply.type == NET_LOOK;
    if (!whole || reply.error != 0)
        log_line(LOG_LEVEL_WARNING, "nobody could look at the network's table: %s",
                 whole ? strerror(reply.error) : "croft-net ended");
    else if (look->seen != look->changes || monitor->network.asked != NULL)
        again(monitor); /* it was changed meanwhile */
    else
        compare(monitor, &reply);
}

static void compare(struct monitor *monitor, const struct net_reply *reply)
{
    struct network *network = &monitor->network;
    struct netlook *look = &network->look;
    const struct net_counts want = expected(monitor);
    const char *what = netlook_differs(&want, &reply->counts);

    /* It only grows: what croft-net says it changed has been changed. */
    if (what == NULL && (int32_t)(reply->generation - network->generation) < 0)
        what = "the generation";
    if (what == NULL) {
        look->differed_boot_ns = 0;
        look->rules = reply->counts.rules;
    } else if (is_believed(look)) {
        record(monitor, what);
        network_resync(monitor, "the kernel's table is not as the records say");
    } else {
        again(monitor);
    }
}

static bool is_believed(struct netlook *look)
{
    uint64_t now = clock_boot_ns();
    bool again_the_same = look->differed_boot_ns != 0 && look->differed == look->changes;

    look->differed = look->changes;
    if (look->differed_boot_ns == 0)
        look->differed_boot_ns = now;
    return again_the_same || now - look->differed_boot_ns > DIFFERS_S * NS_PER_S;
}

static struct net_counts expected(const struct monitor *monitor)
{
    struct net_counts want = {
        .grants = grants_open(monitor),
        .rules = monitor->network.look.rules,
    };

    for (const struct user *user = monitor->users.first; user != NULL; user = user->next) {
        want.users += user->state != USER_ADDING ? 1 : 0;
        for (const struct instance *instance = user->instances; instance != NULL;
             instance = instance->next)
            want.links += instance->link.linked ? 1 : 0;
    }
    want.members = want.links;
    return want;
}

/* Not each time: who can change the table again and again must not fill the host's file. */
static void record(struct monitor *monitor, const char *what)
{
    struct netlook *look = &monitor->network.look;
    uint64_t now = clock_boot_ns();
    const struct chain_entry entry = {
        .type = RECORD_HOST_NETWORK, .outcome = OUTCOME_FAILED, .text = what};

    log_line(LOG_LEVEL_ERROR, "the network's table in the kernel differs from what was told: %s",
             what);
    if (look->recorded_boot_ns != 0 && now - look->recorded_boot_ns < RECORD_EVERY_S * NS_PER_S)
        return;
    look->recorded_boot_ns = now;
    records_outcome(monitor, &monitor->records.host, &entry, DURABLE_SOON);
}

static void end(struct monitor *monitor)
{
    struct netlook *look = &monitor->network.look;

    if (look->channel.fd < 0)
        return;
    loop_remove(monitor->loop, &look->channel);
    loop_disarm(monitor->loop, &look->timer);
    fd_close(&look->channel.fd);
}

static void again(struct monitor *monitor)
{
    loop_arm(monitor->loop, &monitor->network.look.timer,
             clock_boot_ns() + LOOK_AFTER_MS * NS_PER_MS);
}
