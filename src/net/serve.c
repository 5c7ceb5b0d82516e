/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve - the monitor's requests
 *
 * Between NET_HELLO and NET_SYNCED what is told is only kept; NET_SYNCED makes it so in one
 * transaction, and everything that was in the kernel and was not told goes. After that each request
 * is answered when the kernel has acknowledged it, and only then the state has it too.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/apply.h"
#include "net/conntrack.h"
#include "net/link.h"
#include "net/net.h"
#include "wire/frame.h"

/* How long the entries of a retired slot may stay, so that many go with one look. */
#define RETIRE_MS 200U

typedef int (*request_fn)(struct net *net, const struct net_request *request, int fd,
                          struct net_reply *reply);

static void on_request(struct loop_source *source, uint32_t events, void *data);
static void on_retire(void *data);
static int retire(struct net *net);
static int retire_now(struct net *net);
static int end_broken(struct net *net, const char *what, int error);
static struct told_grant told_grant(const struct net_request *request);

static int serve_user(struct net *net, const struct net_request *request, int fd,
                      struct net_reply *reply)
{
    const struct told_user told = {.uid = request->uid, .limits = request->limits};
    (void)fd;
    (void)reply;

    int rc = net->synced ? apply_user(&net->netfilter, &net->state, &told) : 0;
    if (rc == 0)
        state_user_set(&net->state, &told);
    return rc;
}

static int serve_user_gone(struct net *net, const struct net_request *request, int fd,
                           struct net_reply *reply)
{
    const struct told_user *user = state_user(&net->state, request->uid);
    int rc = 0;
    (void)fd;
    (void)reply;

    if (user == NULL)
        return 0;
    if (net->synced)
        rc = apply_user_gone(&net->netfilter, user);
    if (rc == 0)
        state_user_forget(&net->state, request->uid);
    return rc;
}

static int serve_service(struct net *net, const struct net_request *request, int fd,
                         struct net_reply *reply)
{
    struct state *state = &net->state;
    (void)fd;
    (void)reply;

    for (size_t i = 0; i < state->service_count; i++)
        if (memcmp(&state->services[i], &request->target, sizeof(request->target)) == 0)
            return 0;
    if (state->service_count == NETWORK_SERVICES_MAX)
        return -ENOSPC;
    int rc = net->synced ? apply_service(&net->netfilter, &request->target) : 0;
    if (rc == 0)
        state->services[state->service_count++] = request->target;
    return rc;
}

/*
 * What fails is taken back, from the state too.
 *
 * Why it is safe: the descriptor comes from the monitor, which has it from the runtime of this very
 * instance; the kernel takes nothing but a network namespace for it. The outside end is down until
 * its elements say whose it is.
 */
static int serve_link(struct net *net, const struct net_request *request, int fd,
                      struct net_reply *reply)
{
    struct told_slot *slot = &net->state.slots[request->slot];
    unsigned int index;
    (void)reply;

    if (slot->uid != 0 && (fd >= 0 || slot->uid != request->uid))
        return -EEXIST;
    int rc = slot->retired ? retire(net) : 0;
    if (rc == 0)
        rc = fd >= 0 ? link_make(&net->route, request->slot, fd)
                     : link_index(&net->route, request->slot, &index);
    if (rc < 0)
        return rc;
    slot->uid = request->uid;
    if (!net->synced)
        return 0;
    rc = apply_slot(&net->netfilter, &net->state, request->slot);
    if (rc == 0)
        rc = link_up(&net->route, &net->state.prefix, request->slot, net->sysctls.ipv6);
    if (rc == 0)
        return 0;
    int left = apply_slot_gone(&net->netfilter, &net->state, request->slot);
    if (left == 0)
        left = link_remove(&net->route, request->slot);
    slot->uid = 0;
    if (left < 0)
        (void)end_broken(net, "cannot take back a link that failed", left);
    return rc;
}

static int serve_link_gone(struct net *net, const struct net_request *request, int fd,
                           struct net_reply *reply)
{
    struct told_slot *slot = &net->state.slots[request->slot];
    (void)fd;
    (void)reply;

    if (slot->uid == 0)
        return 0;
    int rc = net->synced ? apply_slot_gone(&net->netfilter, &net->state, request->slot) : 0;
    if (rc < 0)
        return rc;
    while (slot->grants != NULL)
        state_grant_forget(&net->state, slot->grants);
    slot->uid = 0;
    slot->retired = true;
    if (!net->retire.armed)
        loop_arm(net->loop, &net->retire, clock_boot_ns() + RETIRE_MS * NS_PER_MS);
    return 0;
}

static int serve_grant(struct net *net, const struct net_request *request, int fd,
                       struct net_reply *reply)
{
    const struct told_grant told = told_grant(request);
    (void)fd;
    (void)reply;

    if (net->state.slots[request->slot].uid == 0)
        return -ENOENT;
    int rc = net->synced ? apply_grant(&net->netfilter, &net->state, &told) : 0;
    if (rc == 0)
        state_grant_set(&net->state, &told);
    return rc;
}

/* What is to be closed is closed, whatever is known of it here. */
static int serve_grant_gone(struct net *net, const struct net_request *request, int fd,
                            struct net_reply *reply)
{
    const struct told_grant told = told_grant(request);
    const struct conntrack_grant cut = {.uid = request->uid,
                                        .slot = request->slot,
                                        .protocol = request->protocol,
                                        .port = request->port};
    (void)fd;

    int rc = net->synced ? apply_grant_gone(&net->netfilter, &net->state, &told) : 0;
    if (rc < 0)
        return rc;
    state_grant_forget(&net->state, &told);
    return net->synced ? conntrack_cut(&net->netfilter, &net->state, &cut, &reply->cut) : 0;
}

/* Links that nobody told of are of instances that are no more. */
static int serve_synced(struct net *net, const struct net_request *request, int fd,
                        struct net_reply *reply)
{
    auto_free uint16_t *slots = mem_new(NET_SLOT_LAST + 1U, sizeof(*slots));
    (void)request;
    (void)fd;
    (void)reply;

    int count = links_list(&net->route, slots);
    int rc = count < 0 ? count : apply_all(&net->netfilter, &net->state);
    for (int i = 0; i < count && rc == 0; i++) {
        struct told_slot *slot = &net->state.slots[slots[i]];
        if (slot->uid == 0) {
            slot->retired = true;
            rc = link_remove(&net->route, slots[i]);
        } else {
            rc = link_up(&net->route, &net->state.prefix, slots[i], net->sysctls.ipv6);
            /* It went with its instance, of which the monitor will tell. */
            rc = rc == -ENODEV ? 0 : rc;
        }
    }
    if (rc < 0)
        return rc;
    net->synced = true;
    return retire(net);
}

static int serve_why(struct net *net, const struct net_request *request, int fd,
                     struct net_reply *reply)
{
    (void)fd;
    return why_rule(net, request, reply);
}

static int serve_look(struct net *net, const struct net_request *request, int fd,
                      struct net_reply *reply)
{
    (void)request;
    (void)fd;
    return why_look(&net->route, &net->netfilter, &reply->counts);
}

/* NET_HELLO came before there was a loop, and comes once. */
static const request_fn SERVE[NET_REQUEST_TYPE_COUNT] = {
    [NET_USER] = serve_user,
    [NET_USER_GONE] = serve_user_gone,
    [NET_SERVICE] = serve_service,
    [NET_LINK] = serve_link,
    [NET_LINK_GONE] = serve_link_gone,
    [NET_GRANT] = serve_grant,
    [NET_GRANT_GONE] = serve_grant_gone,
    [NET_SYNCED] = serve_synced,
    [NET_WHY] = serve_why,
    [NET_LOOK] = serve_look,
};

int serve_open(struct net *net)
{
    net->channel.on_io = on_request;
    net->channel.data = net;
    net->retire = (struct loop_timer){.on_due = on_retire, .data = net};
    return loop_add(net->loop, &net->channel, EPOLLIN);
}

int serve_reply(struct net *net, const struct net_request *request, struct net_reply *reply)
{
    reply->version = NET_VERSION;
    reply->type = request->type;
    reply->token = request->token;
    if (reply->error == 0) {
        int rc = table_generation(&net->netfilter, &reply->generation);
        if (rc < 0)
            reply->error = -rc;
    }
    return frame_send(net->channel.fd, reply, sizeof(*reply), NULL, 0, NULL, 0);
}

/* A monitor that is gone or speaks another protocol: what is in the kernel stays as it is. */
static void on_request(struct loop_source *source, uint32_t events, void *data)
{
    struct net *net = data;
    struct net_request request;
    struct net_reply reply = {.version = NET_VERSION};
    auto_frame_fds fds = {.count = 0};
    (void)events;

    ssize_t got = frame_recv(source->fd, &request, sizeof(request), &fds);
    if (got == -EAGAIN)
        return;
    if (got <= 0 || net_request_check(&request, (size_t)got, fds.count) < 0 ||
        SERVE[request.type] == NULL) {
        if (got != 0)
            log_line(LOG_LEVEL_ERROR, "croft-net: a request that is none; it ends");
        loop_stop(net->loop);
        return;
    }
    int rc = SERVE[request.type](net, &request, fds.count > 0 ? fds.fd[0] : -1, &reply);
    if (rc < 0)
        log_line(LOG_LEVEL_WARNING, "croft-net: request %u: %s", request.type, strerror(-rc));
    reply.error = -rc;
    if (serve_reply(net, &request, &reply) < 0)
        loop_stop(net->loop);
}

static void on_retire(void *data)
{
    (void)retire(data);
}

/* A slot that is given out again must not find what is left of its last owner. */
static int retire(struct net *net)
{
    int rc = retire_now(net);
    return rc < 0 ? end_broken(net, "cannot end old connections", rc) : 0;
}

/* What is in the kernel is no longer what the state says: the next croft-net is told everything,
 * and puts that in its place. Return: @error */
static int end_broken(struct net *net, const char *what, int error)
{
    log_line(LOG_LEVEL_ERROR, "croft-net: %s: %s; it ends", what, strerror(-error));
    net->status = OUTCOME_FAILED;
    loop_stop(net->loop);
    return error;
}

/* The link itself has gone with its network namespace, but for one that somebody still holds. */
static int retire_now(struct net *net)
{
    loop_disarm(net->loop, &net->retire);
    int rc = conntrack_retire(&net->netfilter, &net->state);
    for (uint32_t slot = NET_SLOT_FIRST; slot <= NET_SLOT_LAST && rc == 0; slot++) {
        if (!net->state.slots[slot].retired)
            continue;
        rc = link_remove(&net->route, slot);
        net->state.slots[slot].retired = false;
    }
    return rc;
}

int serve_end(struct net *net)
{
    auto_free uint16_t *slots = mem_new(NET_SLOT_LAST + 1U, sizeof(*slots));

    int count = links_list(&net->route, slots);
    for (int i = 0; i < count; i++)
        net->state.slots[slots[i]].retired = true;
    return count < 0 ? count : retire_now(net);
}

static struct told_grant told_grant(const struct net_request *request)
{
    return (struct told_grant){
        .uid = request->uid,
        .slot = request->slot,
        .protocol = request->protocol,
        .port = request->port,
        .limits = request->limits,
        .end_boot_ns =
            request->timeout_ms == 0 ? 0 : clock_boot_ns() + request->timeout_ms * NS_PER_MS,
    };
}
