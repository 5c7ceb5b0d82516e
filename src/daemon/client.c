/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client - the connections to croftd's socket: who they are, how much each may take, whose turn it
 * is
 *
 * Theory of operation
 * A connection is read until a 0 byte ends a message, or for 64 KiB. Then it is not read any
 * more: its user waits in the ring of users with something to answer, once, however many of her
 * connections have a message. Each turn of the loop answers one message of the next user in the
 * ring, so a user with 16 busy connections gets no more turns than one with a single one. Then
 * the answer is written, and only when the client has taken it is the connection read again.
 *
 * Who sends half a message or does not take an answer for CLIENT_STALL_MS is dropped, and so is
 * who says nothing at all for CLIENT_IDLE_MS: a connection costs a descriptor. A stranger (no user
 * of Croft, no admin) gets one answer, that he is one, and few connections.
 */
#include "daemon/client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "wire/limits.h"

#define ACCEPTS_PER_TURN 16
#define INPUT_FIRST      1024U

/*
 * One connection.
 * in:      what came of a message; out: the answer that is being written
 * waiting: a whole message (message_size without its 0 byte) is in the user's queue
 */
struct client {
    struct clients *clients;
    struct peer *peer;
    struct client *next;
    struct client *next_waiting;
    bool is_admin;
    bool waiting;
    bool last; /* closed once the answer is written */
    struct loop_source source;
    struct loop_timer timer;
    char *in;
    size_t in_size;
    size_t in_room;
    size_t message_size;
    char *out;
    size_t out_size;
    size_t out_done;
};

/* One uid, while it has connections. waiting: its queue; ready: it stands in the ring */
struct peer {
    uid_t uid;
    size_t count;
    struct peer *next;
    struct peer *next_ready;
    struct client *waiting;
    bool ready;
};

struct clients {
    struct clients_setup setup;
    struct loop_source listener;
    struct loop_timer turn;
    struct client *all;
    struct peer *peers;
    struct peer *ready; /* the ring, first to be served next */
    size_t count;
};

static void on_connection(struct loop_source *source, uint32_t events, void *data);
static void on_client(struct loop_source *source, uint32_t events, void *data);
static void on_stall(void *data);
static void on_turn(void *data);
static void read_more(struct client *client);
static void find_message(struct client *client);
static void write_more(struct client *client);
static void listen_again(struct client *client);
static void drop(struct client *client);

int clients_new(const struct clients_setup *setup, struct clients **ret_clients)
{
    struct clients *clients = mem_new(1, sizeof(*clients));
    clients->setup = *setup;
    clients->turn = (struct loop_timer){.on_due = on_turn, .data = clients};
    clients->listener = (struct loop_source){
        .fd = setup->listen_fd,
        .on_io = on_connection,
        .data = clients,
    };
    int rc = loop_add(setup->loop, &clients->listener, EPOLLIN);
    if (rc < 0) {
        free(clients);
        return rc;
    }
    *ret_clients = clients;
    return 0;
}

void clients_free(struct clients *clients)
{
    if (clients == NULL)
        return;
    while (clients->all != NULL)
        drop(clients->all);
    loop_disarm(clients->setup.loop, &clients->turn);
    loop_remove(clients->setup.loop, &clients->listener);
    free(clients);
}

void clients_wake(struct clients *clients)
{
    if (clients->ready != NULL && clients->setup.host->view->synced)
        loop_arm(clients->setup.loop, &clients->turn, clock_boot_ns());
}

static bool in_group(int fd, gid_t group)
{
    socklen_t size = 0;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0 || errno != ERANGE)
        return false;
    auto_free gid_t *groups = mem_new(size / sizeof(gid_t) + 1, sizeof(gid_t));
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
        return false;
    for (size_t i = 0; i < size / sizeof(gid_t); i++)
        if (groups[i] == group)
            return true;
    return false;
}

static bool is_admin(const struct clients *clients, int fd, const struct ucred *peer)
{
    gid_t group = clients->setup.admin_group;
    if (peer->uid == 0)
        return true;
    return group != (gid_t)-1 && (peer->gid == group || in_group(fd, group));
}

static struct peer *find_peer(struct clients *clients, uid_t uid)
{
    struct peer *peer = clients->peers;
    while (peer != NULL && peer->uid != uid)
        peer = peer->next;
    if (peer == NULL) {
        peer = mem_new(1, sizeof(*peer));
        peer->uid = uid;
        peer->next = clients->peers;
        clients->peers = peer;
    }
    return peer;
}

static void forget_peer(struct clients *clients, struct peer *peer)
{
    struct peer **place = &clients->peers;
    if (peer->count > 0)
        return;
    while (*place != peer)
        place = &(*place)->next;
    *place = peer->next;
    free(peer);
}

static void refuse(int fd, const char *sentence)
{
    /* What cannot be said at once is not said: nothing is kept for a connection not taken. */
    ssize_t sent = send(fd, sentence, strlen(sentence) + 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent;
}

static void take_connection(struct clients *clients, int fd, const struct ucred *credentials)
{
    struct peer *peer = find_peer(clients, credentials->uid);
    const struct view *view = clients->setup.host->view;
    struct method_caller caller = {
        .uid = credentials->uid,
        .is_admin = is_admin(clients, fd, credentials),
    };
    bool stranger = view->synced && !method_may_ask(clients->setup.host, &caller);
    if (peer->count >= (stranger ? CONNECTIONS_STRANGER_MAX : CONNECTIONS_PER_USER_MAX)) {
        refuse(fd, "{\"outcome\":5,\"text\":\"you have too many connections to croftd: close some "
                   "and try again\"}");
        close(fd);
        return;
    }
    struct client *client = mem_new(1, sizeof(*client));
    client->clients = clients;
    client->peer = peer;
    client->is_admin = caller.is_admin;
    client->source = (struct loop_source){.fd = fd, .on_io = on_client, .data = client};
    client->timer = (struct loop_timer){.on_due = on_stall, .data = client};
    client->next = clients->all;
    clients->all = client;
    clients->count++;
    peer->count++;
    if (loop_add(clients->setup.loop, &client->source, EPOLLIN) < 0) {
        drop(client);
        return;
    }
    loop_arm(clients->setup.loop, &client->timer, clock_boot_ns() + CLIENT_IDLE_MS * NS_PER_MS);
}

static void on_connection(struct loop_source *source, uint32_t events, void *data)
{
    struct clients *clients = data;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct ucred peer;
        socklen_t size = sizeof(peer);
        int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
            close(fd);
        } else if (clients->count >= clients->setup.total_max) {
            refuse(fd, "{\"outcome\":6,\"text\":\"croftd has too many connections: try again in a "
                       "moment\"}");
            close(fd);
        } else {
            take_connection(clients, fd, &peer);
        }
    }
}

static void patience(struct client *client, uint64_t ms)
{
    loop_arm(client->clients->setup.loop, &client->timer, clock_boot_ns() + ms * NS_PER_MS);
}

/* Waits for @events; no other way to fail than that memory is short in the kernel. */
static void watch(struct client *client, uint32_t events)
{
    if (loop_change(client->clients->setup.loop, &client->source, events) < 0)
        drop(client);
}

static void on_client(struct loop_source *source, uint32_t events, void *data)
{
    struct client *client = data;
    (void)source;
    if (client->waiting) {
        /* Only hang-up and errors come now: nobody is there to take the answer. */
        drop(client);
    } else if (client->out != NULL) {
        write_more(client);
    } else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        read_more(client);
    }
}

static void on_stall(void *data)
{
    drop(data);
}

static void read_more(struct client *client)
{
    if (client->in_size == client->in_room) {
        size_t room = client->in_room == 0 ? INPUT_FIRST : 2 * client->in_room;
        client->in_room = room < MESSAGE_SIZE_MAX ? room : MESSAGE_SIZE_MAX;
        client->in = mem_grow(client->in, client->in_room, 1);
    }
    ssize_t got =
        recv(client->source.fd, client->in + client->in_size, client->in_room - client->in_size, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        drop(client);
        return;
    }
    bool first = client->in_size == 0;
    client->in_size += (size_t)got;
    /* The time for a message runs from its first byte: a byte now and then does not prolong it. */
    if (first)
        patience(client, CLIENT_STALL_MS);
    find_message(client);
}

/* Behind everybody else. */
static void join_ring(struct clients *clients, struct peer *peer)
{
    struct peer **last = &clients->ready;
    if (peer->ready)
        return;
    while (*last != NULL)
        last = &(*last)->next_ready;
    *last = peer;
    peer->next_ready = NULL;
    peer->ready = true;
}

static void enqueue(struct client *client)
{
    struct peer *peer = client->peer;
    struct client **end = &peer->waiting;
    while (*end != NULL)
        end = &(*end)->next_waiting;
    *end = client;
    client->next_waiting = NULL;
    client->waiting = true;
    join_ring(client->clients, peer);
}

static void answer_with(struct client *client, char *text)
{
    client->out = text;
    client->out_size = strlen(text) + 1;
    client->out_done = 0;
    patience(client, CLIENT_STALL_MS);
    write_more(client);
}

/* What is left in the buffer is one message, a part of one, or too much. */
static void find_message(struct client *client)
{
    const char *end = client->in_size > 0 ? memchr(client->in, '\0', client->in_size) : NULL;
    if (end != NULL) {
        client->message_size = (size_t)(end - client->in);
        loop_disarm(client->clients->setup.loop, &client->timer);
        enqueue(client);
        clients_wake(client->clients);
        watch(client, 0);
    } else if (client->in_size >= MESSAGE_SIZE_MAX) {
        static const char too_long[] =
            "{\"outcome\":2,\"text\":\"the message is longer than 64 KiB\"}";
        client->last = true;
        char *text = mem_new(sizeof(too_long), 1);
        memcpy(text, too_long, sizeof(too_long));
        answer_with(client, text);
    }
}

static void write_more(struct client *client)
{
    while (client->out_done < client->out_size) {
        ssize_t sent = send(client->source.fd, client->out + client->out_done,
                            client->out_size - client->out_done, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN) {
            watch(client, EPOLLOUT);
            return;
        }
        if (sent < 0) {
            drop(client);
            return;
        }
        client->out_done += (size_t)sent;
        patience(client, CLIENT_STALL_MS);
    }
    free(take_ptr(client->out));
    if (client->last) {
        drop(client);
        return;
    }
    patience(client, client->in_size > 0 ? CLIENT_STALL_MS : CLIENT_IDLE_MS);
    listen_again(client);
}

/* The next message may have come together with the last one. */
static void listen_again(struct client *client)
{
    if (client->in_size > 0 && memchr(client->in, '\0', client->in_size) != NULL)
        find_message(client);
    else
        watch(client, EPOLLIN);
}

static struct client *take_next(struct clients *clients)
{
    struct peer *peer = clients->ready;
    struct client *client = peer->waiting;
    clients->ready = peer->next_ready;
    peer->ready = false;
    peer->waiting = client->next_waiting;
    client->next_waiting = NULL;
    client->waiting = false;
    if (peer->waiting != NULL)
        join_ring(clients, peer);
    return client;
}

static void on_turn(void *data)
{
    struct clients *clients = data;
    const struct method_host *host = clients->setup.host;
    if (clients->ready == NULL || !host->view->synced)
        return;
    clients->setup.before_call(clients->setup.data);
    struct client *client = take_next(clients);
    const struct method_caller caller = {.uid = client->peer->uid, .is_admin = client->is_admin};
    client->last = !method_may_ask(host, &caller);
    char *answer = method_call(host, &caller, client->in, client->message_size);
    size_t used = client->message_size + 1;
    memmove(client->in, client->in + used, client->in_size - used);
    client->in_size -= used;
    clients_wake(clients);
    answer_with(client, answer);
}

static void leave_queue(struct client *client)
{
    struct peer *peer = client->peer;
    struct client **place = &peer->waiting;
    while (*place != client)
        place = &(*place)->next_waiting;
    *place = client->next_waiting;
    if (peer->waiting != NULL)
        return;
    struct peer **ring = &client->clients->ready;
    while (*ring != peer)
        ring = &(*ring)->next_ready;
    *ring = peer->next_ready;
    peer->ready = false;
}

static void drop(struct client *client)
{
    struct clients *clients = client->clients;
    struct client **place = &clients->all;
    if (client->waiting)
        leave_queue(client);
    while (*place != client)
        place = &(*place)->next;
    *place = client->next;
    clients->count--;
    client->peer->count--;
    forget_peer(clients, client->peer);
    loop_disarm(clients->setup.loop, &client->timer);
    loop_remove(clients->setup.loop, &client->source);
    close(client->source.fd);
    free(client->in);
    free(client->out);
    free(client);
}
