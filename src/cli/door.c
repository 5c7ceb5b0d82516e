/* SPDX-License-Identifier: Apache-2.0 */
/* door - the client's side of the door: orders spoken to the monitor in person */
#include "cli/door.h"
#include "croft-paths.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/say.h"

/* The monitor hangs up right behind its word. */
#define REFUSED_WAIT_MS 50

/* What came last; lists are longer than what fits a struct door_reply, and are taken from here. */
static union {
    struct reply head;
    uint8_t bytes[MESSAGE_SIZE_MAX];
} message;

int door_open(int *ret_sock, struct err *err)
{
    auto_close sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    const struct sockaddr_un address = {AF_UNIX, CROFT_RUN_DIR "/door"};

    if (sock < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "no socket");
    if (connect(sock, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR)
            return err_set(err, OUTCOME_HOST_CANNOT, SAY_NOT_RUNNING);
        return err_errno(err, OUTCOME_FAILED, -errno, "the door %s", address.sun_path);
    }
    *ret_sock = take_fd(&sock);
    return 0;
}

int door_order(struct order *order, uint32_t type, const char *what, const char *name,
               struct err *err)
{
    bool about_user = type == ORDER_USER_ADD || type == ORDER_USER_SET || type == ORDER_USER_REMOVE;

    *order = (struct order){.version = ORDER_VERSION, .type = type};
    if (name == NULL)
        return 0;
    if (!(about_user ? order_is_user(name) : str_is_name(name)))
        return say_no_name(what, name, err);
    if (str_copy(order->name, sizeof(order->name), name) < 0)
        croft_bug("a valid name does not fit its field");
    return 0;
}

int door_send(int sock, struct order *order, const void *body, size_t body_size, const int *fds,
              size_t fd_count, struct err *err)
{
    int r;

    if (body_size > MESSAGE_SIZE_MAX - sizeof(*order))
        return err_set(err, OUTCOME_USAGE, "the order has %zu bytes and at most %u fit", body_size,
                       MESSAGE_SIZE_MAX);
    order->body_size = (uint32_t)body_size;
    r = frame_send(sock, order, sizeof(*order), body, body_size, fds, fd_count);
    /* Who was hung up on may have been told why: that is read next. */
    if (r < 0 && r != -EPIPE && r != -ECONNRESET)
        return err_errno(err, OUTCOME_FAILED, r, "sending the order");
    return 0;
}

int door_receive(int sock, struct door_reply *ret_reply, struct err *err)
{
    ssize_t size;

    ret_reply->fds.count = 0;
    size = frame_recv(sock, &message, sizeof(message), &ret_reply->fds);
    /* The kernel reports the hangup once, and then what was said before it. */
    if (size == -ECONNRESET)
        size = frame_recv(sock, &message, sizeof(message), &ret_reply->fds);
    if (size == 0 || size == -ECONNRESET || size == -EPIPE)
        return err_set(err, OUTCOME_FAILED, SAY_HUNG_UP);
    if (size < 0 && size != -EPROTO)
        return err_errno(err, OUTCOME_FAILED, (int)size, "waiting for the monitor");
    if (size < (ssize_t)sizeof(message.head) || message.head.version != ORDER_VERSION ||
        message.head.body_size != (size_t)size - sizeof(message.head)) {
        if (size >= 0)
            frame_fds_cleanup(&ret_reply->fds);
        return err_set(err, OUTCOME_FAILED,
                       "the monitor speaks another version of Croft: an admin restarts it with "
                       "`croft host stop` and `croft host start`");
    }
    ret_reply->head = message.head;
    ret_reply->head.text[sizeof(ret_reply->head.text) - 1] = '\0';
    memset(&ret_reply->body, 0, sizeof(ret_reply->body));
    if (message.head.body_size <= sizeof(ret_reply->body))
        memcpy(&ret_reply->body, message.bytes + sizeof(message.head), message.head.body_size);
    return 0;
}

int door_outcome(const struct reply *reply, struct err *err)
{
    enum outcome outcome = OUTCOME_FAILED;

    if (reply->outcome == OUTCOME_OK)
        return 0;
    if (reply->outcome <= OUTCOME_HOST_CANNOT)
        outcome = (enum outcome)reply->outcome;
    return err_set(err, outcome, "%s", reply->text[0] != '\0' ? reply->text : "refused");
}

/* Adds what came last. Return: whether it was well formed */
static bool add_entries(size_t entry_size, struct order *order, uint8_t **entries, size_t *count)
{
    size_t added = message.head.body_size / entry_size;
    uint64_t id = 0;

    if (message.head.body_size % entry_size != 0)
        return false;
    *entries = mem_grow(*entries, *count + added, entry_size);
    memcpy(*entries + *count * entry_size, message.bytes + sizeof(message.head),
           message.head.body_size);
    *count += added;
    memcpy(&id, *entries + (*count - 1) * entry_size, sizeof(id));
    /* What does not rise would never end. */
    if (id <= order->number)
        return false;
    order->number = id;
    return true;
}

int door_list(int sock, uint32_t type, size_t entry_size, void **ret_entries, size_t *ret_count,
              struct err *err)
{
    struct door_reply reply;
    auto_free uint8_t *entries = NULL;
    struct order order;
    size_t count = 0;
    int r = door_order(&order, type, NULL, NULL, err);

    while (r == 0) {
        r = door_call(sock, &order, NULL, 0, &reply, err);
        if (r != 0 || reply.head.body_size == 0)
            break;
        if (!add_entries(entry_size, &order, &entries, &count))
            return err_set(err, OUTCOME_FAILED, "the monitor's list is malformed");
    }
    if (r != 0)
        return r;
    *ret_entries = take_ptr(entries);
    *ret_count = count;
    return 0;
}

int door_login(int sock, struct err *err)
{
    struct door_reply reply;
    struct order order;
    int r = door_order(&order, ORDER_LOGIN, NULL, NULL, err);

    if (r == 0)
        r = door_call(sock, &order, NULL, 0, &reply, err);
    return r;
}

bool door_refused(int sock)
{
    struct pollfd end = {sock, 0, 0};

    return poll(&end, 1, REFUSED_WAIT_MS) > 0 && (end.revents & POLLHUP) != 0;
}

void door_note(const struct reply *reply)
{
    char text[ERR_TEXT_SIZE];

    if (str_copy(text, sizeof(text), reply->text) < 0)
        return;
    str_printable(text);
    fprintf(stderr, "%s\n", text);
}

int door_wait(int sock, struct door_reply *ret_reply, struct err *err)
{
    for (;;) {
        int r = door_receive(sock, ret_reply, err);

        if (r != 0)
            return r;
        if (ret_reply->head.type == REPLY_DONE)
            break;
        if (ret_reply->head.type == REPLY_NOTE)
            door_note(&ret_reply->head);
        frame_fds_cleanup(&ret_reply->fds);
    }
    return door_outcome(&ret_reply->head, err);
}

int door_call(int sock, struct order *order, const void *body, size_t body_size,
              struct door_reply *ret_reply, struct err *err)
{
    int r = door_send(sock, order, body, body_size, NULL, 0, err);

    if (r != 0)
        return r;
    return door_wait(sock, ret_reply, err);
}
