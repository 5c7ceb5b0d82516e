/* SPDX-License-Identifier: Apache-2.0 */
/* door - the client's side of the door: orders spoken to the monitor in person */
#ifndef CROFT_CLI_DOOR_H
#define CROFT_CLI_DOOR_H

#include "base/err.h"
#include "wire/frame.h"
#include "wire/order.h"
#include <stdbool.h>

/* One message of the monitor. fds: closed by frame_fds_cleanup() where nobody took them. */
struct door_reply {
    struct reply head;
    struct frame_fds fds;
    union {
        struct reply_user user;
        struct reply_grant grant;
        struct grant_view ended;
        struct reply_why why;
        uint8_t bytes[4096];
    } body;
};

/**
 * door_open() - connects to the door
 * Return: 0 with @ret_sock (caller owns); OUTCOME_HOST_CANNOT Croft does not run; other outcomes
 */
nodiscard int door_open(int *ret_sock, struct err *err);

/**
 * door_order() - fills an order for @name (NULL: none) that door_send() can take
 * Return: 0; OUTCOME_USAGE the name is none; the sentence says of what kind (@what: "machine")
 */
nodiscard int door_order(struct order *order, uint32_t type, const char *what, const char *name,
                         struct err *err);

/** door_send() - sends @order with a body and descriptors (all borrowed). Return: 0; outcome */
nodiscard int door_send(int sock, struct order *order, const void *body, size_t body_size,
                        const int *fds, size_t fd_count, struct err *err);

/**
 * door_receive() - waits for one message
 * @ret_reply: its descriptors are the caller's to clean up
 * Return: 0; OUTCOME_FAILED the monitor hung up or speaks another version
 */
nodiscard int door_receive(int sock, struct door_reply *ret_reply, struct err *err);

/**
 * door_wait() - shows notes until the order is done
 * Return: 0; the outcome that the monitor gave, with its sentence
 */
nodiscard int door_wait(int sock, struct door_reply *ret_reply, struct err *err);

/** door_call() - door_send() without descriptors and door_wait(). Return: 0; outcome */
nodiscard int door_call(int sock, struct order *order, const void *body, size_t body_size,
                        struct door_reply *ret_reply, struct err *err);

/**
 * door_list() - every entry of a list that comes message by message (ORDER_GRANTS, ORDER_ASKS)
 * @entry_size:  of one; its first 8 bytes are its id, and ids rise
 * @ret_entries: heap (caller frees); NULL when there is none
 * Return: 0; outcome
 */
nodiscard int door_list(int sock, uint32_t type, size_t entry_size, void **ret_entries,
                        size_t *ret_count, struct err *err);

/**
 * door_login() - says over @sock that this process and its parent, sshd's, serve a login: they are
 * charged to her, beside her machines
 * Return: 0; outcome: then nothing may be done for her
 */
nodiscard int door_login(int sock, struct err *err);

/**
 * door_refused() - whether the door took no order, because the caller has too many connections
 * Asked after OUTCOME_OVER_LIMIT: who is refused at the door is hung up on, who is refused an order
 * is not.
 */
bool door_refused(int sock);

/** door_outcome() - the outcome of a REPLY_DONE, its sentence put into @err. Return: 0; outcome */
nodiscard int door_outcome(const struct reply *reply, struct err *err);

/** door_note() - shows a REPLY_NOTE on standard error */
void door_note(const struct reply *reply);

#endif
