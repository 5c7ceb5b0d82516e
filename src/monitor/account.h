/* SPDX-License-Identifier: Apache-2.0 */
/* account - one uid at the door: its connections, its order in work, and those that wait */
#ifndef CROFT_MONITOR_ACCOUNT_H
#define CROFT_MONITOR_ACCOUNT_H

#include <stddef.h>
#include <sys/types.h>

struct door;
struct request;

/*
 * uses:        clients and requests that point to it; it goes with the last
 * connections: without those that run something
 */
struct account {
    struct account *next;
    uid_t uid;
    size_t uses;
    size_t connections;
    struct request *in_work;
    struct request *line;
};

/** account_get() - the account of @uid, made if it is not there, with one use more. Never NULL */
struct account *account_get(struct door *door, uid_t uid);

/** account_put() - one use less */
void account_put(struct door *door, struct account *account);

/** account_line_up() - @request is the last of those that wait */
void account_line_up(struct account *account, struct request *request);

/** account_line_leave() - @request waits no more; fine when it never did */
void account_line_leave(struct account *account, struct request *request);

#endif
