/* SPDX-License-Identifier: Apache-2.0 */
/* sessions - what a connection runs: a job (run) or a process in an instance (exec) */
#ifndef CROFT_MONITOR_SESSIONS_H
#define CROFT_MONITOR_SESSIONS_H

#include "monitor/jobs.h"

struct client;
struct instance;
struct request;
struct session;
struct user;

/** sessions_room() - whether she may have one more. Return: 0; OUTCOME_OVER_LIMIT */
nodiscard int sessions_room(const struct user *user, struct err *err);

/**
 * session_new() - a session of @user for @request; sessions_room() was asked before
 * @instance: the job whose pid 1 the session is about; NULL: an exec
 * Return: never NULL
 */
struct session *session_new(struct user *user, struct request *request, struct instance *instance);

/** session_park() - its request waits for something slow: see request_park() */
void session_park(struct session *session);

/** session_running() - answers REPLY_STARTED. @master: of the terminal (borrowed), or -1 */
void session_running(struct session *session, int master);

/** session_ended() - answers REPLY_EXITED and frees the session. @text: may be NULL */
void session_ended(struct session *session, struct exit_status status, const char *text);

/** session_failed() - it never ran: frees the session; @err goes to its request */
void session_failed(struct session *session, const struct err *err);

/** session_drop() - it never ran, and the caller answers the request */
void session_drop(struct session *session);

/** session_set_client(), session_client_gone() - called by the door */
void session_set_client(struct session *session, struct client *client);
void session_client_gone(struct session *session);

/** session_signal() - Return: 0; -ESRCH it ended meanwhile; -errno */
nodiscard int session_signal(const struct session *session, int signal);

/** sessions_cancel() - ends all of a user who is removed; what they ran was killed */
void sessions_cancel(struct user *user);

/* The orders; each returns 0, an outcome with @err set, or REQUEST_PENDING. */
nodiscard int session_order_exec(struct request *request, struct user *user, struct err *err);
nodiscard int session_order_login(struct request *request, struct user *user, struct err *err);

#endif
