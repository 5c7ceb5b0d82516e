/* SPDX-License-Identifier: Apache-2.0 */
/* orders - the table: every order there is, who may give it, who carries it out */
#ifndef CROFT_MONITOR_ORDERS_H
#define CROFT_MONITOR_ORDERS_H

#include "monitor/door.h"
#include "wire/record.h"

struct user;

enum order_who {
    WHO_ANYONE = 1, /* any account of the host */
    WHO_USER,       /* a Croft user, about what is hers */
    WHO_ADMIN,      /* uid 0 or a member of croft-admin */
    WHO_ROOT,
};

struct order_rule {
    enum order_who who;
    enum record_type record; /* how a refusal is recorded; 0: not at all */
    int (*handle)(struct request *request, struct user *user, struct err *err);
};

/* Indexed by enum order_type; seen by the test that wants one entry for each. */
extern const struct order_rule order_rules[ORDER_TYPE_COUNT];

/** order_handle() - carries @request out if its peer may ask. Return: 0; outcome; REQUEST_PENDING
 */
nodiscard int order_handle(struct request *request, struct err *err);

/** order_stranger() - what somebody reads who is no Croft user. Return: OUTCOME_NOT_PERMITTED */
int order_stranger(const struct peer *peer, struct err *err);

#endif
