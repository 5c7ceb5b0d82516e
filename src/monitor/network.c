/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network - the monitor's end of croft-net: what it is told, and what it answers
 *
 * Theory of operation
 * croft-net holds no truth, so there is one way to mend anything: its channel is closed, it ends,
 * croft-super starts another, and that one is told everything:
 *
 *   NET_HELLO, users, services, links, grants, NET_SYNCED
 *
 * Whatever changes meanwhile is told after it, on the same channel, so the order of telling is the
 * order of happening. What cannot be told because nobody is there needs no queue: it is part of
 * everything by then.
 *
 * The monitor never waits: what the socket has no room for stands in the list, and who has not
 * answered the first request for CLIENT_STALL_MS, or answers something else, loses the channel.
 */
#include "monitor/network.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"
#include "monitor/names.h"
#include "wire/frame.h"

#define REPLIES_BATCH 64U
#define ULA_FIRST     0xfdU
#define ULA_BYTES     6U /* a /48; the rest of the 16 bytes is the slot's */

/*
 * Sent, or waiting for room in the channel.
 * fd: sent with it, then closed; done NULL: nobody wants the answer
 */
struct network_asked {
    struct network_asked *next;
    struct net_request request;
    int fd;
    network_done_fn done;
    void *data;
};

static int prefix_make(struct monitor *monitor);
static int look_for_ipv6(struct monitor *monitor);
static bool prefix_is_sound(const struct net_prefix *prefix);
static void tell_all(struct monitor *monitor);
static void tell_services(struct monitor *monitor, const struct order_network *before);
static bool has_service(const struct order_network *services, const struct net_target *service);
static void on_channel(struct loop_source *source, uint32_t events, void *data);
static void read_replies(struct monitor *monitor);
static bool take_reply(struct monitor *monitor, const struct net_reply *reply);
static void pump(struct monitor *monitor);
static void on_synced(void *data, const struct net_reply *reply);
static void on_orphans_due(void *data);
static void on_stalled(void *data);
static void on_broken(void *data);
static void detach(struct monitor *monitor, const char *why);

void network_init(struct monitor *monitor)
{
    struct network *network = &monitor->network;

    network->source.fd = -1;
    network->deadline = (struct loop_timer){.on_due = on_stalled, .data = monitor};
    network->broken = (struct loop_timer){.on_due = on_broken, .data = monitor};
    network->orphans_timer = (struct loop_timer){.on_due = on_orphans_due, .data = monitor};
    netlook_init(monitor);
}

int network_open(struct monitor *monitor, struct err *err)
{
    struct net_prefix *prefix = &monitor->network.prefix;
    auto_close file = path_open(monitor->dirs.state, NET_PREFIX_FILE, O_RDONLY);
    int rc = file;

    if (file == -ENOENT) {
        rc = prefix_make(monitor);
    } else if (file >= 0) {
        ssize_t got = fd_read_full(file, prefix, sizeof(*prefix));
        rc = got < 0 ? (int)got : 0;
        if (rc == 0 && (got != (ssize_t)sizeof(*prefix) || !prefix_is_sound(prefix)))
            return err_set(err, OUTCOME_HOST_CANNOT,
                           "%s/" NET_PREFIX_FILE
                           " is damaged: remove it while Croft is stopped, and "
                           "machines get new IPv6 addresses",
                           CROFT_STATE_DIR);
    }
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot read %s/" NET_PREFIX_FILE,
                         CROFT_STATE_DIR);
    rc = look_for_ipv6(monitor);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot read whether the host has IPv6");
    return 0;
}

struct net_prefix network_inside(const struct monitor *monitor)
{
    struct net_prefix prefix = monitor->network.prefix;

    if (!monitor->network.ipv6)
        memset(prefix.ipv6, 0, sizeof(prefix.ipv6));
    return prefix;
}

void network_attach(struct monitor *monitor, int channel)
{
    struct network *network = &monitor->network;

    detach(monitor, "another croft-net was started");
    network->source = (struct loop_source){.fd = channel, .on_io = on_channel, .data = monitor};
    if (fd_set_nonblock(channel) < 0 || loop_add(monitor->loop, &network->source, EPOLLIN) < 0) {
        fd_close(&network->source.fd);
        return;
    }
    tell_all(monitor);
}

void network_resync(struct monitor *monitor, const char *why)
{
    struct network *network = &monitor->network;

    if (network->source.fd < 0 || network->broken.armed)
        return;
    log_line(LOG_LEVEL_WARNING, "croft-net is started again: %s", why);
    loop_arm(monitor->loop, &network->broken, clock_boot_ns());
}

/* Whoever loads the table for the first time may have to wait for the kernel's modules. */
static void arm_deadline(struct monitor *monitor)
{
    struct network *network = &monitor->network;
    uint64_t wait_ms = network->synced ? CLIENT_STALL_MS : NET_SYNC_STALL_MS;

    loop_arm(monitor->loop, &network->deadline, clock_boot_ns() + wait_ms * NS_PER_MS);
}

int network_ask(struct monitor *monitor, const struct net_request *request, int fd,
                network_done_fn done, void *data)
{
    struct network *network = &monitor->network;

    if (network->source.fd < 0)
        return -ENOTCONN;
    int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (fd >= 0 && copy < 0)
        return -errno;
    struct network_asked *asked = mem_new(1, sizeof(*asked));
    *asked = (struct network_asked){.request = *request, .fd = copy, .done = done, .data = data};
    asked->request.version = NET_VERSION;
    asked->request.token = ++network->next_token;
    if (network->asked == NULL) {
        network->asked = asked;
        arm_deadline(monitor);
    } else {
        network->asked_last->next = asked;
    }
    network->asked_last = asked;
    if (network->unsent == NULL)
        network->unsent = asked;
    pump(monitor);
    return 0;
}

void network_tell(struct monitor *monitor, const struct net_request *request, int fd,
                  network_done_fn done, void *data)
{
    int rc = network_ask(monitor, request, fd, done, data);
    if (rc < 0 && rc != -ENOTCONN)
        network_resync(monitor, strerror(-rc));
}

void network_forget(struct monitor *monitor, const void *data)
{
    struct network_asked *const lists[] = {monitor->network.asked, monitor->network.orphans};

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (struct network_asked *asked = lists[i]; asked != NULL; asked = asked->next)
            if (asked->data == data)
                asked->done = NULL;
}

void network_user(struct user *user)
{
    const struct net_request request = {
        .type = NET_USER,
        .uid = user->uid,
        .limits = {.bytes_per_s = user->limits.net_bytes_per_s,
                   .packets_per_s = user->limits.net_packets_per_s,
                   .connections = user->limits.net_connections,
                   .flags = user->limits.lan != 0 ? NET_LAN : 0},
    };
    network_tell(user->monitor, &request, -1, NULL, NULL);
}

void network_user_gone(struct user *user)
{
    const struct net_request request = {.type = NET_USER_GONE, .uid = user->uid};
    network_tell(user->monitor, &request, -1, NULL, NULL);
}

void network_recorded(struct monitor *monitor, const void *payload, size_t payload_size)
{
    struct order_network services;

    if (payload_size != sizeof(services))
        return;
    memcpy(&services, payload, sizeof(services));
    if (services.count <= NETWORK_SERVICES_MAX && services.resolver_count <= services.count)
        monitor->network.services = services;
}

/*
 * Safe: only uid 0 may, who could open anything to anybody anyway. What is opened are addresses
 * and ports for every machine; order_check() has looked at their form.
 */
int network_order_host(struct request *request, struct user *user, struct err *err)
{
    struct monitor *monitor = request->monitor;
    struct network *network = &monitor->network;
    const struct order_network before = network->services;
    struct order_network services;
    struct deed deed;
    (void)user;

    memcpy(&services, request_body(request), sizeof(services));
    /* What is not in use must not make two that are the same differ. */
    memset(&services.service[services.count], 0,
           (NETWORK_SERVICES_MAX - services.count) * sizeof(services.service[0]));
    if (memcmp(&services, &before, sizeof(services)) == 0)
        return 0;
    const struct chain_entry entry = {
        .type = RECORD_HOST_NETWORK,
        .actor_uid = request->peer.uid,
        .payload = &services,
        .payload_size = sizeof(services),
    };
    int rc = deed_begin(monitor, NULL, &entry, &deed, err);
    if (rc != 0)
        return rc;
    network->services = services;
    tell_services(monitor, &before);
    names_resolvers_changed(monitor);
    deed_end(monitor, &deed, DURABLE_NOW, NULL, &entry);
    return 0;
}

/* Random, as RFC 4193 wants it, so that two hosts that are joined one day do not clash. */
static int prefix_make(struct monitor *monitor)
{
    struct net_prefix prefix = {.ipv4 = NETWORK_IPV4, .ipv6 = {ULA_FIRST}};

    if (getrandom(prefix.ipv6 + 1, ULA_BYTES - 1, 0) != (ssize_t)ULA_BYTES - 1)
        return -errno;
    /* By rename, so that it is never there and half written. */
    auto_close file =
        path_create(monitor->dirs.state, NET_PREFIX_FILE ".new", O_WRONLY | O_TRUNC, 0600);
    int rc = file < 0 ? file : fd_write_full(file, &prefix, sizeof(prefix));
    if (rc == 0 && fdatasync(file) < 0)
        rc = -errno;
    if (rc == 0)
        rc = path_rename(monitor->dirs.state, NET_PREFIX_FILE ".new", monitor->dirs.state,
                         NET_PREFIX_FILE, true);
    if (rc == 0)
        monitor->network.prefix = prefix;
    return rc;
}

/* croft-net reads the same at its start (net/sysctls.c): a route or a name without it leads
 * nowhere. */
static int look_for_ipv6(struct monitor *monitor)
{
    uint64_t disabled = 1;
    int rc = path_read_u64(monitor->dirs.proc, "sys/net/ipv6/conf/all/disable_ipv6", &disabled);

    if (rc < 0 && rc != -ENOENT)
        return rc;
    monitor->network.ipv6 = disabled == 0;
    return 0;
}

static bool prefix_is_sound(const struct net_prefix *prefix)
{
    static const uint8_t zeroes[16 - ULA_BYTES];

    return prefix->ipv4 == NETWORK_IPV4 && prefix->ipv6[0] == ULA_FIRST &&
           memcmp(prefix->ipv6 + ULA_BYTES, zeroes, sizeof(zeroes)) == 0;
}

static void tell_all(struct monitor *monitor)
{
    static const struct order_network none;
    const struct net_request hello = {
        .type = NET_HELLO,
        .prefix = monitor->network.prefix,
        .without = monitor->without & (uint32_t)ABLATE_NFTABLES,
    };
    const struct net_request synced = {.type = NET_SYNCED};

    network_tell(monitor, &hello, -1, NULL, NULL);
    for (struct user *user = monitor->users.first; user != NULL; user = user->next)
        if (user->state != USER_ADDING)
            network_user(user);
    tell_services(monitor, &none);
    for (struct user *user = monitor->users.first; user != NULL; user = user->next)
        for (struct instance *instance = user->instances; instance != NULL;
             instance = instance->next)
            link_tell(instance);
    grants_tell_all(monitor);
    network_tell(monitor, &synced, -1, on_synced, monitor);
}

/* A service is opened by a word and closed by telling everything without it. */
static void tell_services(struct monitor *monitor, const struct order_network *before)
{
    const struct order_network *now = &monitor->network.services;

    for (uint32_t i = 0; i < before->count; i++) {
        if (!has_service(now, &before->service[i])) {
            network_resync(monitor, "what every machine may reach has become less");
            return;
        }
    }
    for (uint32_t i = 0; i < now->count; i++) {
        const struct net_request request = {.type = NET_SERVICE, .target = now->service[i]};
        if (!has_service(before, &now->service[i]))
            network_tell(monitor, &request, -1, NULL, NULL);
    }
}

static bool has_service(const struct order_network *services, const struct net_target *service)
{
    for (uint32_t i = 0; i < services->count; i++)
        if (memcmp(&services->service[i], service, sizeof(*service)) == 0)
            return true;
    return false;
}

static void on_channel(struct loop_source *source, uint32_t events, void *data)
{
    struct monitor *monitor = data;

    if (events & EPOLLIN)
        read_replies(monitor);
    if (source->fd >= 0 && events & EPOLLOUT)
        pump(monitor);
    if (source->fd >= 0 && !(events & EPOLLIN) && events & (EPOLLHUP | EPOLLERR))
        detach(monitor, "it ended");
}

static void read_replies(struct monitor *monitor)
{
    struct network *network = &monitor->network;

    for (unsigned int i = 0; i < REPLIES_BATCH && network->source.fd >= 0; i++) {
        struct net_reply reply;
        ssize_t got = frame_recv(network->source.fd, &reply, sizeof(reply), NULL);
        if (got == -EAGAIN)
            return;
        if (got == 0 || got == -ECONNRESET)
            detach(monitor, "it ended");
        else if (got != (ssize_t)sizeof(reply) || !take_reply(monitor, &reply))
            detach(monitor, "it broke the protocol");
    }
}

/* Return: false: it is not the answer to what was asked first */
static bool take_reply(struct monitor *monitor, const struct net_reply *reply)
{
    struct network *network = &monitor->network;
    struct network_asked *asked = network->asked;

    if (asked == NULL || asked == network->unsent || reply->version != NET_VERSION ||
        reply->type != asked->request.type || reply->token != asked->request.token ||
        reply->error < 0)
        return false;
    network->asked = asked->next;
    if (network->asked != NULL)
        arm_deadline(monitor);
    else
        loop_disarm(monitor->loop, &network->deadline);
    network->generation = reply->generation;
    if (reply->error != 0 && asked->done == NULL)
        log_line(LOG_LEVEL_WARNING, "croft-net cannot carry out request %u: %s",
                 asked->request.type, strerror(reply->error));
    if (asked->request.type != NET_WHY && asked->request.type != NET_LOOK)
        netlook_changed(monitor);
    if (asked->done != NULL)
        asked->done(asked->data, reply);
    mem_cleanup(&asked);
    return true;
}

/* Sends what waits until the channel is full; goes on when croft-net has read. */
static void pump(struct monitor *monitor)
{
    struct network *network = &monitor->network;
    int rc = 0;

    while (network->unsent != NULL && rc == 0) {
        struct network_asked *asked = network->unsent;
        rc = frame_send(network->source.fd, &asked->request, sizeof(asked->request), NULL, 0,
                        &asked->fd, asked->fd < 0 ? 0 : 1);
        if (rc == 0) {
            fd_close(&asked->fd);
            network->unsent = asked->next;
        }
    }
    bool full = rc == -EAGAIN;
    bool broken = rc < 0 && !full;
    if (full != network->armed) {
        network->armed = full;
        rc = loop_change(monitor->loop, &network->source, EPOLLIN | (full ? EPOLLOUT : 0));
        broken = broken || rc < 0;
    }
    /* Not from here: whoever asks is at work with what the others' answers are about. */
    if (broken)
        loop_arm(monitor->loop, &network->broken, clock_boot_ns());
}

static void on_synced(void *data, const struct net_reply *reply)
{
    struct monitor *monitor = data;

    if (reply == NULL)
        return;
    if (reply->error != 0) {
        network_resync(monitor, strerror(reply->error));
        return;
    }
    monitor->network.synced = true;
    log_line(LOG_LEVEL_INFO, "croft-net holds the walls");
    grants_synced(monitor);
    on_orphans_due(monitor);
}

/* One by one: whoever hears of it may ask again, or forget another. */
static void on_orphans_due(void *data)
{
    struct monitor *monitor = data;
    struct network *network = &monitor->network;

    loop_disarm(monitor->loop, &network->orphans_timer);
    while (network->orphans != NULL) {
        struct network_asked *asked = network->orphans;
        network->orphans = asked->next;
        if (asked->done != NULL)
            asked->done(asked->data, NULL);
        mem_cleanup(&asked);
    }
}

static void on_stalled(void *data)
{
    detach(data, "it does not answer");
}

static void on_broken(void *data)
{
    detach(data, NULL);
}

/* croft-net sees its channel closed, and ends. Who waits for an answer waits for the next one's. */
static void detach(struct monitor *monitor, const char *why)
{
    struct network *network = &monitor->network;
    struct network_asked **end = &network->orphans;

    if (network->source.fd < 0)
        return;
    if (why != NULL)
        log_line(LOG_LEVEL_WARNING, "croft-net is gone: %s", why);
    loop_remove(monitor->loop, &network->source);
    fd_close(&network->source.fd);
    loop_disarm(monitor->loop, &network->deadline);
    loop_disarm(monitor->loop, &network->broken);
    network->synced = network->armed = false;
    netlook_reset(monitor);
    for (struct network_asked *asked = network->asked; asked != NULL; asked = asked->next)
        fd_close(&asked->fd);
    while (*end != NULL)
        end = &(*end)->next;
    *end = network->asked;
    network->asked = network->unsent = NULL;
    if (network->orphans != NULL && !network->orphans_timer.armed)
        loop_arm(monitor->loop, &network->orphans_timer,
                 clock_boot_ns() + CLIENT_STALL_MS * NS_PER_MS);
}
