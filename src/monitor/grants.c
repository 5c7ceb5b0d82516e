/* SPDX-License-Identifier: Apache-2.0 */
/* grants - who may what of whom, from the granting to its end */
#include "monitor/grants.h"

#include "monitor/monitor.h"

int grant_order_grant(struct request *request, struct user *user, struct err *err)
{
    (void)request;
    (void)user;
    return err_set(err, OUTCOME_HOST_CANNOT, "grants are not there yet");
}

int grant_order_revoke(struct request *request, struct user *user, struct err *err)
{
    (void)request;
    (void)user;
    return err_set(err, OUTCOME_HOST_CANNOT, "grants are not there yet");
}

int grant_order_list(struct request *request, struct user *user, struct err *err)
{
    (void)request;
    (void)user;
    return err_set(err, OUTCOME_HOST_CANNOT, "grants are not there yet");
}

int ask_order_ask(struct request *request, struct user *user, struct err *err)
{
    (void)request;
    (void)user;
    return err_set(err, OUTCOME_HOST_CANNOT, "grants are not there yet");
}

int ask_order_list(struct request *request, struct user *user, struct err *err)
{
    (void)request;
    (void)user;
    return err_set(err, OUTCOME_HOST_CANNOT, "grants are not there yet");
}

int ask_order_approve(struct request *request, struct user *user, struct err *err)
{
    (void)request;
    (void)user;
    return err_set(err, OUTCOME_HOST_CANNOT, "grants are not there yet");
}

int ask_order_deny(struct request *request, struct user *user, struct err *err)
{
    (void)request;
    (void)user;
    return err_set(err, OUTCOME_HOST_CANNOT, "grants are not there yet");
}

int why_order(struct request *request, struct user *user, struct err *err)
{
    (void)request;
    (void)user;
    return err_set(err, OUTCOME_HOST_CANNOT, "grants are not there yet");
}
