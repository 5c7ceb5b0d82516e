/* SPDX-License-Identifier: Apache-2.0 */
/*
 * door - connections, who is at the other end, whose turn it is, and what goes back
 *
 * Runs as: monitor
 */
#ifndef CROFT_MONITOR_DOOR_H
#define CROFT_MONITOR_DOOR_H

#include "base/loop.h"
#include "monitor/peer.h"
#include "wire/frame.h"
#include "wire/order.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct monitor;
struct client;
struct session;
struct account;

struct door {
    struct loop_source source;
    struct loop_timer pause; /* descriptors ran out: accepting goes on after it */
    struct client *clients;
    struct account *accounts; /* one per uid that has a connection; the first has the next turn */
    size_t client_count;
};

/*
 * One order on its way. It belongs to the door until it is handed to its handler, which ends it by
 * returning an outcome or, when it returned REQUEST_PENDING, by request_finish() later.
 *
 * client: NULL once she has hung up: the order is carried out, nobody hears of it
 * fds:    closed with the request unless somebody took them
 * parked: the handler waits for something slow and the user's next order may begin
 * order:  the message, size bytes, in memory that the sender cannot change any more
 */
struct request {
    struct monitor *monitor;
    struct client *client;
    struct account *account;
    struct request *next;
    struct peer peer;
    struct frame_fds fds;
    bool parked;
    size_t size;
    struct order order;
};

#define REQUEST_PENDING (-1)

/** door_open() - starts to listen on @listener (consumed). Return: 0; -errno */
nodiscard int door_open(struct monitor *monitor, int listener);

/** request_body() - what follows the order; @request->order.body_size bytes */
static inline const void *request_body(const struct request *request)
{
    return &request->order + 1;
}

/** request_note() - shows a line at the client while the order goes on */
void request_note(struct request *request, const char *fmt, ...) printf_like(2, 3);

/** request_park() - lets the user's next order begin; this one waits for something slow */
void request_park(struct request *request);

/**
 * request_finish() - answers REPLY_DONE with @err's outcome and sentence; NULL: all went well
 * Consumes @request; NULL is fine.
 */
void request_finish(struct request *request, const struct err *err);

/**
 * request_finish_with() - as request_finish(), all went well, with numbers, a body, descriptors
 * @numbers: four, or NULL
 * @fds:     borrowed
 */
void request_finish_with(struct request *request, const uint64_t *numbers, const void *body,
                         size_t body_size, const int *fds, size_t fd_count);

/**
 * request_started() - answers REPLY_STARTED; from now on the connection is @session's
 * @master: of the terminal (borrowed); -1: none
 * Consumes @request. The session learns by session_client_gone() when the client hangs up.
 */
void request_started(struct request *request, struct session *session, int master);

/**
 * client_exited() - answers REPLY_EXITED; the connection is an ordinary one again
 * @text: a sentence when it could not be executed; may be NULL
 */
void client_exited(struct client *client, int exit_code, int exit_signal, const char *text);

/** client_session() - what the connection runs. Return: NULL: nothing */
struct session *client_session(const struct client *client);

/** door_end_uid() - ends every connection of @uid: her account is gone, its number may be given
 * again */
void door_end_uid(struct monitor *monitor, uid_t uid);

/** client_socket() - the connection itself, for SO_PEERPIDFD (borrowed) */
int client_socket(const struct client *client);

#endif
