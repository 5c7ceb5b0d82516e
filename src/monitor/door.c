/* SPDX-License-Identifier: Apache-2.0 */
/*
 * door - connections, who is at the other end, whose turn it is, and what goes back
 *
 * Theory of operation
 * A client is one connection, an account one uid with connections, a request one order. A client
 * has at most one request: while it is in line or in work nothing more is read from her, so that
 * the socket's own buffer is all that she can fill. An account has one request in work at a time;
 * the others stand in its line. Turns go round the accounts, one request each, so who has sixteen
 * connections waits as long as who has one.
 *
 *   on_client -> read_order -> account line -> door_turn -> order_handle (orders.c)
 *                                                 |  an outcome at once, or later:
 *   REPLY_DONE, REPLY_STARTED <- request_finish <-+  request_finish, request_started
 *
 * Nothing here waits for a client: replies she does not read are queued up to a limit, and who has
 * not read for CLIENT_STALL_MS is dropped. A client is freed only by its timer, never under the
 * feet of who works for her: client_doom() silences the connection and sets that timer.
 */
#include "monitor/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "monitor/account.h"
#include "monitor/monitor.h"
#include "monitor/orders.h"
#include "monitor/peer.h"
#include "monitor/sessions.h"

#define ACCEPT_BATCH    64
#define ACCEPT_PAUSE_MS 100U
#define REPLIES_MAX     16U
#define REPLY_FDS_MAX   2U

/* A reply that the socket had no room for. */
struct queued_reply {
    struct queued_reply *next;
    struct reply reply;
    void *body;
    int fds[REPLY_FDS_MAX];
    size_t fd_count;
};

/*
 * request:  in line or in work; the connection is not read meanwhile
 * session:  what it runs
 * stranger: no Croft user and no admin: one answer, then closed
 * closing:  closed as soon as everything is sent
 * doomed:   its end is set; it hears and says nothing more
 */
struct client {
    struct monitor *monitor;
    struct client *next;
    struct account *account;
    struct peer peer;
    struct loop_source source;
    struct loop_timer stall;
    struct request *request;
    struct session *session;
    struct queued_reply *queue;
    size_t queue_length;
    bool stranger;
    bool closing;
    bool doomed;
};

/* One order is read at a time. */
static union {
    struct order order;
    uint8_t bytes[MESSAGE_SIZE_MAX];
} message;

static void on_listener(struct loop_source *source, uint32_t events, void *data);
static void on_accept_pause(void *data);
static void accept_client(struct monitor *monitor, int sock);
static int connection_allowed(const struct monitor *monitor, const struct account *account,
                              const struct peer *peer, struct err *err);
static void refuse(int sock, const struct err *err);
static void on_client(struct loop_source *source, uint32_t events, void *data);
static void on_client_timer(void *data);
static void read_order(struct client *client);
static void client_watch(struct client *client);
static void client_doom(struct client *client);
static void client_free(struct client *client);
static void client_send(struct client *client, const struct reply *reply, const void *body,
                        const int *fds, size_t fd_count);
static int queue_reply(struct client *client, const struct reply *reply, const void *body,
                       const int *fds, size_t fd_count);
static void flush_replies(struct client *client);
static void free_reply(struct queued_reply *queued);
static void door_turn(struct monitor *monitor);
static bool account_turn(struct account *account);
static void request_release(struct request *request);

int door_open(struct monitor *monitor, int listener)
{
    struct door *door = &monitor->door;
    int rc = fd_set_nonblock(listener);
    if (rc < 0)
        return rc;
    door->pause = (struct loop_timer){.on_due = on_accept_pause, .data = monitor};
    door->source = (struct loop_source){.fd = listener, .on_io = on_listener, .data = monitor};
    return loop_add(monitor->loop, &door->source, EPOLLIN);
}

void request_note(struct request *request, const char *fmt, ...)
{
    struct reply reply = {.version = ORDER_VERSION, .type = REPLY_NOTE};
    va_list args;

    if (request == NULL || request->client == NULL)
        return;
    va_start(args, fmt);
    int length = vsnprintf(reply.text, sizeof(reply.text), fmt, args);
    va_end(args);
    if (length < 0)
        return;
    str_printable(reply.text);
    client_send(request->client, &reply, NULL, NULL, 0);
}

void request_park(struct request *request)
{
    if (request == NULL || request->parked)
        return;
    request->parked = true;
    if (request->account->in_work == request)
        request->account->in_work = NULL;
    door_turn(request->monitor);
}

void request_finish(struct request *request, const struct err *err)
{
    struct reply reply = {.version = ORDER_VERSION, .type = REPLY_DONE};

    if (request == NULL)
        return;
    if (err != NULL) {
        reply.outcome = (uint32_t)err->outcome;
        memcpy(reply.text, err->text, sizeof(reply.text));
    }
    if (request->client != NULL)
        client_send(request->client, &reply, NULL, NULL, 0);
    request_release(request);
}

void request_finish_with(struct request *request, const uint64_t *numbers, const void *body,
                         size_t body_size, const int *fds, size_t fd_count)
{
    struct reply reply = {.version = ORDER_VERSION, .type = REPLY_DONE};

    if (request == NULL)
        return;
    if (numbers != NULL)
        memcpy(reply.number, numbers, sizeof(reply.number));
    reply.body_size = (uint32_t)body_size;
    if (request->client != NULL)
        client_send(request->client, &reply, body, fds, fd_count);
    request_release(request);
}

void request_started(struct request *request, struct session *session, int master)
{
    const struct reply reply = {.version = ORDER_VERSION, .type = REPLY_STARTED};
    struct client *client = request->client;

    if (client != NULL) {
        if (client->session != NULL)
            croft_bug("a connection runs two commands");
        client->session = session;
        client->account->connections--;
        client_send(client, &reply, NULL, &master, master < 0 ? 0 : 1);
    }
    session_set_client(session, client);
    request_release(request);
}

void client_exited(struct client *client, int exit_code, int exit_signal, const char *text)
{
    struct reply reply = {
        .version = ORDER_VERSION,
        .type = REPLY_EXITED,
        .number = {(uint64_t)(unsigned int)exit_code, (uint64_t)(unsigned int)exit_signal},
    };

    if (text != NULL)
        memcpy(reply.text, text, strnlen(text, sizeof(reply.text) - 1));
    client->session = NULL;
    client->account->connections++;
    client_send(client, &reply, NULL, NULL, 0);
}

struct session *client_session(const struct client *client)
{
    return client->session;
}

void door_end_uid(struct monitor *monitor, uid_t uid)
{
    for (struct client *client = monitor->door.clients; client != NULL; client = client->next)
        if (client->peer.uid == uid && !client->doomed)
            client_doom(client);
}

int client_socket(const struct client *client)
{
    return client->source.fd;
}

static void on_listener(struct loop_source *source, uint32_t events, void *data)
{
    struct monitor *monitor = data;
    (void)events;

    for (int i = 0; i < ACCEPT_BATCH; i++) {
        int sock = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (sock >= 0) {
            accept_client(monitor, sock);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
            /* The waiting connection stays readable; without a pause this would spin. */
            loop_remove(monitor->loop, source);
            loop_arm(monitor->loop, &monitor->door.pause,
                     clock_boot_ns() + ACCEPT_PAUSE_MS * NS_PER_MS);
        }
        return;
    }
}

static void on_accept_pause(void *data)
{
    struct monitor *monitor = data;
    if (loop_add(monitor->loop, &monitor->door.source, EPOLLIN) < 0)
        loop_arm(monitor->loop, &monitor->door.pause,
                 clock_boot_ns() + ACCEPT_PAUSE_MS * NS_PER_MS);
}

/* Consumes @sock. */
static void accept_client(struct monitor *monitor, int sock)
{
    struct door *door = &monitor->door;
    struct peer peer;
    struct err err;

    if (peer_read(sock, monitor->admin_gid, &peer) < 0) {
        fd_close(&sock);
        return;
    }
    struct account *account = account_get(door, peer.uid);
    if (connection_allowed(monitor, account, &peer, &err) != 0) {
        refuse(sock, &err);
        fd_close(&sock);
        account_put(door, account);
        return;
    }
    struct client *client = mem_new(1, sizeof(*client));
    *client = (struct client){
        .monitor = monitor,
        .next = door->clients,
        .account = account,
        .peer = peer,
        .source = {.fd = sock, .on_io = on_client, .data = client},
        .stall = {.on_due = on_client_timer, .data = client},
        .stranger = !peer.admin && users_by_uid(monitor, peer.uid) == NULL,
    };
    door->clients = client;
    door->client_count++;
    account->connections++;
    if (loop_add(monitor->loop, &client->source, EPOLLIN) < 0)
        client_doom(client);
    else if (client->stranger)
        loop_arm(monitor->loop, &client->stall, clock_boot_ns() + CLIENT_STALL_MS * NS_PER_MS);
}

static int connection_allowed(const struct monitor *monitor, const struct account *account,
                              const struct peer *peer, struct err *err)
{
    bool stranger = !peer->admin && users_by_uid(monitor, peer->uid) == NULL;
    size_t most = stranger ? CONNECTIONS_STRANGER_MAX : CONNECTIONS_PER_USER_MAX;

    if (monitor->door.client_count >= CONNECTIONS_MAX)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "all %u connections to Croft are in use; try again soon", CONNECTIONS_MAX);
    if (account->connections >= most)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "uid %u has %zu connections to Croft already, which is the limit; close one",
                       peer->uid, most);
    return 0;
}

/* One line to somebody who gets no more than that; the fresh socket's buffer has room for it. */
static void refuse(int sock, const struct err *err)
{
    struct reply reply = {
        .version = ORDER_VERSION, .type = REPLY_DONE, .outcome = (uint32_t)err->outcome};

    memcpy(reply.text, err->text, sizeof(reply.text));
    if (frame_send(sock, &reply, sizeof(reply), NULL, 0, NULL, 0) < 0)
        return; /* gone already */
}

static void on_client(struct loop_source *source, uint32_t events, void *data)
{
    struct client *client = data;
    (void)source;

    if (events & EPOLLIN && client->request == NULL)
        read_order(client);
    if (events & EPOLLOUT && !client->doomed)
        flush_replies(client);
    if (events & (EPOLLHUP | EPOLLERR) && !client->doomed)
        client_doom(client);
}

/* Either it is doomed, or it stalled: it read nothing, or as a stranger said nothing. */
static void on_client_timer(void *data)
{
    struct client *client = data;
    struct err err;

    if (client->stranger && !client->doomed && client->request == NULL) {
        order_stranger(&client->peer, &err);
        refuse(client->source.fd, &err);
    }
    client_free(client);
}

static void read_order(struct client *client)
{
    struct frame_fds fds = {.count = 0};
    struct err err;
    ssize_t got = frame_recv(client->source.fd, &message, sizeof(message), &fds);
    if (got == -EAGAIN)
        return;
    if (got == -EPROTO) {
        struct reply reply = {
            .version = ORDER_VERSION, .type = REPLY_DONE, .outcome = OUTCOME_USAGE};
        client->closing = true;
        if (str_copy(reply.text, sizeof(reply.text),
                     "that was no order: too long, or with too many descriptors") == 0)
            client_send(client, &reply, NULL, NULL, 0);
        return;
    }
    if (got <= 0) {
        client_doom(client);
        return;
    }
    size_t size = (size_t)got;
    size_t room = size > sizeof(struct order) ? size - sizeof(struct order) : 0;
    struct request *request = mem_new(1, sizeof(*request) + room);
    *request = (struct request){
        .monitor = client->monitor,
        .client = client,
        .account = client->account,
        .peer = client->peer,
        .fds = fds,
        .size = size,
    };
    memcpy(&request->order, &message, size);
    client->request = request;
    client->account->uses++;
    if (order_check(&request->order, size, fds.count, &err) != 0) {
        request_finish(request, &err);
        return;
    }
    account_line_up(client->account, request);
    client_watch(client);
    door_turn(client->monitor);
}

/* What the loop shall tell about: reading only when nothing is in line and she has read what she
 * was told, so that lists do not pile up; writing only when it waits. */
static void client_watch(struct client *client)
{
    uint32_t events =
        (client->request == NULL && client->queue == NULL && !client->closing ? (uint32_t)EPOLLIN
                                                                              : 0) |
        (client->queue != NULL ? (uint32_t)EPOLLOUT : 0);
    if (!client->doomed && loop_change(client->monitor->loop, &client->source, events) < 0)
        client_doom(client);
}

static void client_doom(struct client *client)
{
    client->doomed = true;
    loop_remove(client->monitor->loop, &client->source);
    loop_arm(client->monitor->loop, &client->stall, clock_boot_ns());
}

static void client_free(struct client *client)
{
    struct monitor *monitor = client->monitor;
    struct account *account = client->account;

    loop_disarm(monitor->loop, &client->stall);
    loop_remove(monitor->loop, &client->source);
    if (client->session != NULL)
        session_client_gone(client->session);
    else
        account->connections--;
    if (client->request != NULL) {
        client->request->client = NULL;
        if (account->in_work != client->request && !client->request->parked) {
            account_line_leave(account, client->request);
            frame_fds_cleanup(&client->request->fds);
            mem_cleanup(&client->request);
            account_put(&monitor->door, account);
        }
    }
    while (client->queue != NULL) {
        struct queued_reply *queued = client->queue;
        client->queue = queued->next;
        free_reply(queued);
    }
    struct client **place = &monitor->door.clients;
    while (*place != client)
        place = &(*place)->next;
    *place = client->next;
    monitor->door.client_count--;
    fd_close(&client->source.fd);
    mem_cleanup(&client);
    account_put(&monitor->door, account);
}

static void client_send(struct client *client, const struct reply *reply, const void *body,
                        const int *fds, size_t fd_count)
{
    int rc = -EAGAIN;

    if (client->doomed)
        return;
    if (client->queue == NULL)
        rc = frame_send(client->source.fd, reply, sizeof(*reply), body, reply->body_size, fds,
                        fd_count);
    if (rc == -EAGAIN)
        rc = queue_reply(client, reply, body, fds, fd_count);
    if (rc < 0 || (client->closing && client->queue == NULL))
        client_doom(client);
}

static int queue_reply(struct client *client, const struct reply *reply, const void *body,
                       const int *fds, size_t fd_count)
{
    struct queued_reply **end = &client->queue;

    if (client->queue_length == REPLIES_MAX || fd_count > REPLY_FDS_MAX)
        return -ENOBUFS;
    struct queued_reply *queued = mem_new(1, sizeof(*queued));
    queued->reply = *reply;
    queued->body = mem_new(1, reply->body_size + 1U);
    if (body != NULL)
        memcpy(queued->body, body, reply->body_size);
    for (size_t i = 0; i < fd_count; i++) {
        queued->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        if (queued->fds[i] < 0) {
            free_reply(queued);
            return -errno;
        }
        queued->fd_count++;
    }
    while (*end != NULL)
        end = &(*end)->next;
    *end = queued;
    if (client->queue_length++ == 0)
        loop_arm(client->monitor->loop, &client->stall,
                 clock_boot_ns() + CLIENT_STALL_MS * NS_PER_MS);
    client_watch(client);
    return 0;
}

static void flush_replies(struct client *client)
{
    while (client->queue != NULL) {
        struct queued_reply *queued = client->queue;
        int rc = frame_send(client->source.fd, &queued->reply, sizeof(queued->reply), queued->body,
                            queued->reply.body_size, queued->fds, queued->fd_count);
        if (rc == -EAGAIN)
            return;
        if (rc < 0) {
            client_doom(client);
            return;
        }
        client->queue = queued->next;
        client->queue_length--;
        free_reply(queued);
        loop_arm(client->monitor->loop, &client->stall,
                 clock_boot_ns() + CLIENT_STALL_MS * NS_PER_MS);
    }
    loop_disarm(client->monitor->loop, &client->stall);
    if (client->closing)
        client_doom(client);
    else
        client_watch(client);
}

static void free_reply(struct queued_reply *queued)
{
    for (size_t i = 0; i < queued->fd_count; i++)
        fd_close(&queued->fds[i]);
    mem_cleanup(&queued->body);
    mem_cleanup(&queued);
}

/* Gives every account that has nothing in work its next request, one each, until none can go on. */
static void door_turn(struct monitor *monitor)
{
    static bool turning;
    bool moved = true;

    if (turning)
        return; /* a handler ended a request: the loop below sees it */
    turning = true;
    while (moved) {
        moved = false;
        struct account *next;
        for (struct account *account = monitor->door.accounts; account != NULL; account = next) {
            account->uses++; /* its last client may go during its turn */
            moved = account_turn(account) || moved;
            next = account->next;
            account_put(&monitor->door, account);
        }
    }
    turning = false;
}

static bool account_turn(struct account *account)
{
    struct request *request = account->line;
    struct err err = {.outcome = OUTCOME_OK};

    if (request == NULL || account->in_work != NULL)
        return false;
    account->line = request->next;
    request->next = NULL;
    account->in_work = request;
    int outcome = order_handle(request, &err);
    if (outcome != REQUEST_PENDING)
        request_finish(request, outcome == 0 ? NULL : &err);
    return true;
}

/* Frees an answered request; its connection is read again and its account has its next turn. */
static void request_release(struct request *request)
{
    struct monitor *monitor = request->monitor;
    struct account *account = request->account;
    struct client *client = request->client;

    if (account->in_work == request)
        account->in_work = NULL;
    frame_fds_cleanup(&request->fds);
    mem_cleanup(&request);
    account_put(&monitor->door, account);
    if (client != NULL) {
        client->request = NULL;
        if (client->stranger && !client->closing) {
            client->closing = true;
            if (client->queue == NULL && !client->doomed)
                client_doom(client);
        }
        client_watch(client);
    }
    door_turn(monitor);
}
