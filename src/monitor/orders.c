/* SPDX-License-Identifier: Apache-2.0 */
/*
 * orders - the table: every order there is, who may give it, who carries it out
 *
 * Theory of operation
 * This table is what root does for whom: an order that is not in it does not exist. The form of an
 * order (size, flags, name, descriptors) was checked by order_check() before it came here; `who` is
 * about the uid that the kernel told for the connection. Why each handler is safe to run for an
 * untrusted caller stands over the handler.
 *
 * A user's handler gets the user whom the peer is, never one that the order names: so there is no
 * order by which one user could speak about what is another's. The one exception is no person: with
 * ORDER_SYSTEM an admin speaks about the machines and images of SYSTEM_USER, in which images are
 * built; he is the actor in its records.
 */
#include "monitor/orders.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "monitor/changes.h"
#include "monitor/images.h"
#include "monitor/launch.h"
#include "monitor/monitor.h"
#include "monitor/sessions.h"
#include "monitor/shutdown.h"

static int order_signal(struct request *request, struct user *user, struct err *err);
static int order_host_status(struct request *request, struct user *user, struct err *err);
/* Whose things the order is about: the peer's own, and what ORDER_SYSTEM is for. */
static int find_subject(const struct request *request, struct user *peer, struct user **ret_subject,
                        struct err *err)
{
    if (!(request->order.flags & ORDER_SYSTEM)) {
        *ret_subject = peer;
        return 0;
    }
    if (peer == NULL && !request->peer.admin)
        return order_stranger(&request->peer, err);
    if (!request->peer.admin)
        return err_set(err, OUTCOME_NOT_PERMITTED,
                       "the machines and images of the user %s are for root and the members of "
                       "croft-admin",
                       SYSTEM_USER);
    *ret_subject = users_by_name(request->monitor, SYSTEM_USER);
    if (*ret_subject == NULL || (*ret_subject)->state == USER_ADDING)
        return err_set(err, OUTCOME_NOT_FOUND,
                       "there is no user %s yet: croft image build makes it", SYSTEM_USER);
    return 0;
}

static int check_who(const struct request *request, const struct order_rule *rule,
                     const struct user *user, struct err *err);
static int check_user(const struct user *user, uint32_t type, struct err *err);
static int find_subject(const struct request *request, struct user *peer, struct user **ret_subject,
                        struct err *err);
static void record_refusal(struct request *request, const struct order_rule *rule,
                           struct user *user, const struct err *err);

const struct order_rule order_rules[ORDER_TYPE_COUNT] = {
    [ORDER_USER_ADD] = {WHO_ADMIN, RECORD_USER_ADD, change_order_add},
    [ORDER_USER_SET] = {WHO_ADMIN, RECORD_USER_SET, change_order_set},
    [ORDER_USER_REMOVE] = {WHO_ADMIN, RECORD_USER_REMOVE, change_order_remove},
    [ORDER_LAUNCH] = {WHO_USER, RECORD_LAUNCH, launch_order_launch},
    [ORDER_RUN] = {WHO_USER, RECORD_RUN, launch_order_run},
    [ORDER_START] = {WHO_USER, RECORD_START, launch_order_start},
    [ORDER_STOP] = {WHO_USER, RECORD_STOP, launch_order_stop},
    [ORDER_REMOVE] = {WHO_USER, RECORD_REMOVE, launch_order_remove},
    [ORDER_EXEC] = {WHO_USER, RECORD_EXEC, session_order_exec},
    [ORDER_SIGNAL] = {WHO_USER, 0, order_signal},
    [ORDER_LOGS] = {WHO_USER, 0, launch_order_logs},
    [ORDER_IMAGE_IMPORT] = {WHO_USER, RECORD_IMAGE_IMPORT, image_order_import},
    [ORDER_IMAGE_REMOVE] = {WHO_USER, RECORD_IMAGE_REMOVE, image_order_remove},
    [ORDER_LOGIN] = {WHO_USER, RECORD_LOGIN, session_order_login},
    [ORDER_HOST_STATUS] = {WHO_ANYONE, 0, order_host_status},
    [ORDER_HOST_STOP] = {WHO_ROOT, RECORD_HOST_STOP, shutdown_order},
    [ORDER_HOST_NETWORK] = {WHO_ROOT, RECORD_HOST_NETWORK, network_order_host},
    [ORDER_GRANT] = {WHO_USER, RECORD_GRANT, grant_order_grant},
    [ORDER_REVOKE] = {WHO_USER, RECORD_GRANT_END, grant_order_revoke},
    [ORDER_GRANTS] = {WHO_USER, 0, grant_order_list},
    [ORDER_ASK] = {WHO_USER, RECORD_ASK, ask_order_ask},
    [ORDER_ASKS] = {WHO_USER, 0, ask_order_list},
    [ORDER_APPROVE] = {WHO_USER, RECORD_GRANT, ask_order_approve},
    [ORDER_DENY] = {WHO_USER, RECORD_DENY, ask_order_deny},
    [ORDER_WHY] = {WHO_USER, 0, why_order},
};

int order_handle(struct request *request, struct err *err)
{
    struct monitor *monitor = request->monitor;
    uint32_t type = request->order.type;
    const struct order_rule *rule = &order_rules[type];
    struct user *user = users_by_uid(monitor, request->peer.uid);
    struct user *subject = user;

    int rc = find_subject(request, user, &subject, err);
    if (rc == 0)
        rc = check_who(request, rule, subject, err);
    if (rc == 0 && monitor->stopping && type != ORDER_HOST_STATUS)
        rc = err_set(err, OUTCOME_HOST_CANNOT, "Croft is stopping");
    if (rc == 0 && rule->who == WHO_USER)
        rc = check_user(subject, type, err);
    /* A connection runs one command at a time: a second would take the first one's place, and the
     * first would end at a client that is no more. */
    if (rc == 0 && (type == ORDER_RUN || type == ORDER_EXEC) && request->client != NULL &&
        client_session(request->client) != NULL)
        rc = err_set(err, OUTCOME_USAGE,
                     "this connection runs a command already; open another for a second one");
    if (rc == 0)
        rc = rule->handle(request, subject, err);
    if (rc == OUTCOME_NOT_PERMITTED)
        record_refusal(request, rule, user, err);
    return rc;
}

int order_stranger(const struct peer *peer, struct err *err)
{
    return err_set(err, OUTCOME_NOT_PERMITTED,
                   "uid %u is no Croft user; ask an admin: croft user add NAME", peer->uid);
}

/* Safe for a stranger: the signal goes to the process that this very connection started, by pidfd.
 */
static int order_signal(struct request *request, struct user *user, struct err *err)
{
    struct session *session = request->client != NULL ? client_session(request->client) : NULL;
    (void)user;

    if (session == NULL)
        return err_set(err, OUTCOME_USAGE, "this connection runs nothing that could be signalled");
    int rc = session_signal(session, (int)request->order.number);
    if (rc < 0)
        return err_errno(err, OUTCOME_FAILED, rc, "cannot send the signal");
    return 0;
}

/* Safe for a stranger: four numbers, which ps tells everybody too. */
static int order_host_status(struct request *request, struct user *user, struct err *err)
{
    const struct monitor *monitor = request->monitor;
    const uint64_t numbers[4] = {(uint64_t)getppid(), (uint64_t)getpid(),
                                 (uint64_t)monitor->croftd_pid, monitor->started_boot_ns};
    (void)user;
    (void)err;

    request_finish_with(request, numbers, NULL, 0, NULL, 0);
    return REQUEST_PENDING;
}

static int check_who(const struct request *request, const struct order_rule *rule,
                     const struct user *user, struct err *err)
{
    const struct peer *peer = &request->peer;
    bool allowed = false;

    switch (rule->who) {
    case WHO_ANYONE:
        allowed = true;
        break;
    case WHO_USER:
        if (user == NULL)
            return order_stranger(peer, err);
        allowed = true;
        break;
    case WHO_ADMIN:
        if (user == NULL && !peer->admin)
            return order_stranger(peer, err);
        allowed = peer->admin;
        break;
    case WHO_ROOT:
        allowed = peer->uid == 0;
        break;
    }
    if (allowed)
        return 0;
    return err_set(err, OUTCOME_NOT_PERMITTED, "%s is for %s", order_name(request->order.type),
                   rule->who == WHO_ROOT ? "root" : "root and the members of croft-admin");
}

static int check_user(const struct user *user, uint32_t type, struct err *err)
{
    if (user->state == USER_REMOVING)
        return err_set(err, OUTCOME_NOT_PERMITTED, "%s is being removed", user->name);
    if (user->chain.broken && type != ORDER_LOGIN)
        return err_set(err, OUTCOME_HOST_CANNOT,
                       "the records of %s are damaged; an admin looks at them: croft audit verify",
                       user->name);
    return 0;
}

/* What somebody tried and may not stands in her own file; a stranger has none, and fills no disk.
 */
static void record_refusal(struct request *request, const struct order_rule *rule,
                           struct user *user, const struct err *err)
{
    if (user == NULL || rule->record == 0 || user->chain.broken || records_full(&user->chain))
        return;
    const struct chain_entry refusal = {
        .type = rule->record,
        .outcome = (uint32_t)err->outcome,
        .actor_uid = request->peer.uid,
        .subject_uid = user->uid,
        .text = err->text,
    };
    records_outcome(request->monitor, &user->chain, &refusal, DURABLE_SOON);
}
