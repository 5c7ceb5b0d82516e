/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order - whether bytes from the door are one well-formed order
 *
 * Theory of operation: one table says for each order which fields may be set, what body follows
 * and how many descriptors come with it. What the table does not allow is refused, so that a field
 * that means nothing today cannot mean something tomorrow.
 */
#include "wire/order.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/str.h"

#define SIGNAL_LAST   64U
#define STOP_WAIT_MAX 3600000ULL /* ms: nobody waits an hour for a machine to stop */
#define STDIO_FDS     3U

enum order_body {
    BODY_NONE,
    BODY_USER,
    BODY_PLAN,
    BODY_COMMAND,
    BODY_NETWORK,
    BODY_GRANT,
    BODY_ASK,
    BODY_WHY,
};

struct order_form {
    const char *name;
    enum order_body body;
    bool has_name; /* struct order's name is needed */
    bool may_have_name;
    bool about_user;   /* its name is a user's */
    uint32_t flags;    /* that may be set */
    uint32_t fd_count; /* of an order without a terminal */
    uint64_t number_min;
    uint64_t number_max;
};

static const struct order_form order_forms[ORDER_TYPE_COUNT] = {
    [ORDER_USER_ADD] = {.name = "user add",
                        .body = BODY_USER,
                        .has_name = true,
                        .about_user = true},
    [ORDER_USER_SET] = {.name = "user set",
                        .body = BODY_USER,
                        .has_name = true,
                        .about_user = true},
    [ORDER_USER_REMOVE] = {.name = "user rm",
                           .has_name = true,
                           .about_user = true,
                           .flags = ORDER_PURGE},
    [ORDER_LAUNCH] = {.name = "launch", .body = BODY_PLAN, .flags = ORDER_SYSTEM},
    [ORDER_RUN] = {.name = "run",
                   .body = BODY_PLAN,
                   .flags = ORDER_TTY | ORDER_STDIN | ORDER_SYSTEM,
                   .fd_count = STDIO_FDS},
    [ORDER_START] = {.name = "start", .has_name = true},
    [ORDER_STOP] = {.name = "stop", .has_name = true, .number_max = STOP_WAIT_MAX},
    [ORDER_REMOVE] = {.name = "rm", .has_name = true, .flags = ORDER_FORCE | ORDER_SYSTEM},
    [ORDER_EXEC] = {.name = "exec",
                    .body = BODY_COMMAND,
                    .has_name = true,
                    .flags = ORDER_TTY | ORDER_STDIN,
                    .fd_count = STDIO_FDS},
    [ORDER_SIGNAL] = {.name = "signal", .number_min = 1, .number_max = SIGNAL_LAST},
    [ORDER_LOGS] = {.name = "logs", .has_name = true},
    [ORDER_IMAGE_IMPORT] = {.name = "image import",
                            .has_name = true,
                            .flags = ORDER_SYSTEM | ORDER_NEW,
                            .fd_count = 1},
    [ORDER_IMAGE_REMOVE] = {.name = "image rm", .has_name = true, .flags = ORDER_SYSTEM},
    [ORDER_LOGIN] = {.name = "login"},
    [ORDER_HOST_STATUS] = {.name = "host status"},
    [ORDER_HOST_STOP] = {.name = "host stop"},
    [ORDER_HOST_NETWORK] = {.name = "host network", .body = BODY_NETWORK},
    [ORDER_GRANT] = {.name = "grant", .body = BODY_GRANT, .has_name = true},
    [ORDER_REVOKE] = {.name = "revoke", .body = BODY_GRANT, .may_have_name = true},
    [ORDER_GRANTS] = {.name = "grants", .number_max = UINT64_MAX},
    [ORDER_ASK] = {.name = "ask", .body = BODY_ASK, .has_name = true},
    [ORDER_ASKS] = {.name = "asks", .number_max = UINT64_MAX},
    [ORDER_APPROVE] = {.name = "approve", .number_min = 1, .number_max = UINT64_MAX},
    [ORDER_DENY] = {.name = "deny", .number_min = 1, .number_max = UINT64_MAX},
    [ORDER_WHY] = {.name = "why", .body = BODY_WHY, .may_have_name = true},
};

static int order_head_check(const struct order *head, const struct order_form *form,
                            struct err *err);
static int order_body_check(const struct order *head, const struct order_form *form,
                            const char *body, bool *ret_tty, struct err *err);
static int order_plan_check(const struct order *head, const char *body, bool *ret_tty,
                            struct err *err);
static int order_user_check(const char *body, size_t size, struct err *err);
static int order_user_limits_check(const struct order_user *user, struct err *err);
static bool key_is_text(const char *key, size_t size);
static int order_network_check(const char *body, size_t size, struct err *err);
static int order_grant_check(const char *body, size_t size, struct err *err);
static int order_ask_check(const char *body, size_t size, struct err *err);
static int order_why_check(const char *body, size_t size, struct err *err);
static int body_size_check(const char *what, size_t size, size_t wanted, struct err *err);

int order_check(const struct order *order, size_t size, size_t fd_count, struct err *err)
{
    const struct order_form *form;
    struct order head;
    bool tty = false;
    size_t fd_wanted;
    int r;

    if (size < sizeof(head) || size > MESSAGE_SIZE_MAX)
        return err_set(err, OUTCOME_USAGE, "order: %zu bytes; an order has %zu to %u", size,
                       sizeof(head), MESSAGE_SIZE_MAX);
    memcpy(&head, order, sizeof(head));
    if (head.version != ORDER_VERSION)
        return err_set(err, OUTCOME_USAGE,
                       "order: version %" PRIu32 ", this Croft speaks %u; use one version of both",
                       head.version, ORDER_VERSION);
    if (head.type == 0 || head.type >= ORDER_TYPE_COUNT)
        return err_set(err, OUTCOME_USAGE, "order: unknown type %" PRIu32, head.type);
    if (head.body_size != size - sizeof(head))
        return err_set(err, OUTCOME_USAGE, "order: a body of %" PRIu32 " bytes announced, %zu sent",
                       head.body_size, size - sizeof(head));
    form = &order_forms[head.type];
    r = order_head_check(&head, form, err);
    if (r == 0)
        r = order_body_check(&head, form, (const char *)order + sizeof(head), &tty, err);
    if (r != 0)
        return r;
    fd_wanted = tty ? 0 : form->fd_count;
    if (fd_count != fd_wanted)
        return err_set(err, OUTCOME_USAGE, "order %s: %zu descriptors came with it; send %zu",
                       form->name, fd_count, fd_wanted);
    return 0;
}

bool order_is_user(const char *name)
{
    return str_is_name(name) || strcmp(name, SYSTEM_USER) == 0;
}

const char *order_name(uint32_t type)
{
    if (type == 0 || type >= ORDER_TYPE_COUNT)
        return "unknown";
    return order_forms[type].name;
}

static int order_head_check(const struct order *head, const struct order_form *form,
                            struct err *err)
{
    const bool named = form->has_name || form->may_have_name;

    if (head->flags & ~form->flags)
        return err_set(err, OUTCOME_USAGE, "order %s: flags %#" PRIx32 " do not belong to it",
                       form->name, head->flags & ~form->flags);
    if (head->reserved != 0)
        return err_set(err, OUTCOME_USAGE, "order %s: the reserved field must be 0", form->name);
    if (head->number < form->number_min || head->number > form->number_max)
        return err_set(err, OUTCOME_USAGE,
                       "order %s: number %" PRIu64 "; give %" PRIu64 " to %" PRIu64, form->name,
                       head->number, form->number_min, form->number_max);
    if (!str_terminated(head->name, sizeof(head->name)))
        return err_set(err, OUTCOME_USAGE, "order %s: the name has no end", form->name);
    if (form->may_have_name && head->name[0] == '\0')
        return 0;
    if (form->about_user && order_is_user(head->name))
        return 0;
    if (!named && head->name[0] != '\0')
        return err_set(err, OUTCOME_USAGE, "order %s: '%s' is a name; give none", form->name,
                       head->name);
    if (named && !str_is_name(head->name))
        return err_set(err, OUTCOME_USAGE,
                       "order %s: '%s' cannot be its name; give a-z, 0-9 and -, at most 32",
                       form->name, head->name);
    return 0;
}

static int order_body_check(const struct order *head, const struct order_form *form,
                            const char *body, bool *ret_tty, struct err *err)
{
    *ret_tty = (head->flags & ORDER_TTY) != 0;
    switch (form->body) {
    case BODY_NONE:
        if (head->body_size != 0)
            return err_set(err, OUTCOME_USAGE, "order %s: it has no body", form->name);
        return 0;
    case BODY_USER:
        return order_user_check(body, head->body_size, err);
    case BODY_PLAN:
        return order_plan_check(head, body, ret_tty, err);
    case BODY_COMMAND:
        return command_check((const struct command *)(const void *)body, head->body_size, err);
    case BODY_NETWORK:
        return order_network_check(body, head->body_size, err);
    case BODY_GRANT:
        return order_grant_check(body, head->body_size, err);
    case BODY_ASK:
        return order_ask_check(body, head->body_size, err);
    case BODY_WHY:
        return order_why_check(body, head->body_size, err);
    }
    croft_bug("an order with an unknown body");
}

/* The form only: whether the plan may start is plan_check()'s, which needs the owner. */
static int order_plan_check(const struct order *head, const char *body, bool *ret_tty,
                            struct err *err)
{
    const size_t command_offset = offsetof(struct plan, command);
    const uint32_t kind = head->type == ORDER_LAUNCH ? PLAN_MACHINE : PLAN_JOB;
    struct plan plan;

    if (head->body_size < sizeof(plan))
        return err_set(err, OUTCOME_USAGE, "order %s: %" PRIu32 " bytes are no plan, which has %zu",
                       order_name(head->type), head->body_size, sizeof(plan));
    memcpy(&plan, body, sizeof(plan));
    if (plan.kind != kind)
        return err_set(err, OUTCOME_USAGE,
                       "order %s: the plan is of kind %" PRIu32 "; send %" PRIu32,
                       order_name(head->type), plan.kind, kind);
    if (*ret_tty && !(plan.flags & PLAN_TTY))
        return err_set(err, OUTCOME_USAGE, "order %s: a terminal is asked for, the plan has none",
                       order_name(head->type));
    *ret_tty = (plan.flags & PLAN_TTY) != 0;
    return command_check((const struct command *)(const void *)(body + command_offset),
                         head->body_size - command_offset, err);
}

static int order_user_check(const char *body, size_t size, struct err *err)
{
    struct order_user user;

    if (size < sizeof(user))
        return err_set(err, OUTCOME_USAGE, "user: %zu bytes are too few; limits have %zu", size,
                       sizeof(user));
    memcpy(&user, body, sizeof(user));
    if (user.fields & ~(uint32_t)USER_FIELDS_ALL)
        return err_set(err, OUTCOME_USAGE, "user: unknown fields %#" PRIx32, user.fields);
    if (user.key_size > KEY_FILE_MAX)
        return err_set(err, OUTCOME_USAGE, "user: a key file of %" PRIu32 " bytes; at most %u",
                       user.key_size, KEY_FILE_MAX);
    if (size - sizeof(user) != user.key_size)
        return err_set(err, OUTCOME_USAGE, "user: %" PRIu32 " bytes of keys announced, %zu sent",
                       user.key_size, size - sizeof(user));
    if (user.key_size != 0 && !(user.fields & USER_KEY))
        return err_set(err, OUTCOME_USAGE, "user: keys were sent and not named as a field");
    if (!key_is_text(body + sizeof(user), user.key_size))
        return err_set(err, OUTCOME_USAGE,
                       "user: the key file holds control characters; give an OpenSSH public key");
    return order_user_limits_check(&user, err);
}

/* The least that a limit may be; the most depends on the host and is the monitor's to say. */
static int order_user_limits_check(const struct order_user *user, struct err *err)
{
    const struct user_limits *limits = &user->limits;
    const struct {
        uint32_t field;
        const char *name;
        uint64_t given;
        uint64_t least;
    } bounds[] = {
        {USER_MEMORY, "memory", limits->memory_bytes, MEMORY_MIN_BYTES},
        {USER_PIDS, "pids", limits->pids, PIDS_MIN},
        {USER_DISK, "disk", limits->disk_bytes, DISK_MIN_BYTES},
        {USER_INODES, "inodes", limits->inodes, INODES_MIN},
        {USER_PACKETS, "packets", limits->net_packets_per_s, NET_PACKETS_MIN},
        {USER_CONNECTIONS, "connections", limits->net_connections, NET_CONNECTIONS_MIN},
    };
    size_t i;

    for (i = 0; i < ARRAY_LEN(bounds); i++)
        if (user->fields & bounds[i].field && bounds[i].given < bounds[i].least)
            return err_set(err, OUTCOME_USAGE,
                           "user: %s %" PRIu64 " is too little; give at least %" PRIu64,
                           bounds[i].name, bounds[i].given, bounds[i].least);
    if (user->fields & USER_CPUS && limits->cpu_milli != 0 && limits->cpu_milli < CPU_MILLI_MIN)
        return err_set(err, OUTCOME_USAGE,
                       "user: %" PRIu32 " thousandths of a CPU are too little; give at least %u",
                       limits->cpu_milli, CPU_MILLI_MIN);
    if (user->fields & USER_NET && limits->net_bytes_per_s != 0 &&
        limits->net_bytes_per_s < NET_BYTES_MIN)
        return err_set(err, OUTCOME_USAGE,
                       "user: net %" PRIu64 " bytes a second are too little; give at least %llu",
                       limits->net_bytes_per_s, NET_BYTES_MIN);
    if (limits->lan > 1 || limits->reserved != 0)
        return err_set(err, OUTCOME_USAGE, "user: lan is 0 or 1, and the reserved field 0");
    return 0;
}

static bool key_is_text(const char *key, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)key[i];

        if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f)
            return false;
    }
    return true;
}

static int order_network_check(const char *body, size_t size, struct err *err)
{
    struct order_network network;

    int rc = body_size_check("host network", size, sizeof(network), err);
    if (rc != 0)
        return rc;
    memcpy(&network, body, sizeof(network));
    if (network.count > NETWORK_SERVICES_MAX || network.resolver_count > network.count ||
        network.reserved != 0 || network.reserved2 != 0)
        return err_set(err, OUTCOME_USAGE, "host network: %" PRIu32 " services; give at most %u",
                       network.count, NETWORK_SERVICES_MAX);
    for (uint32_t i = 0; i < network.count; i++) {
        const struct net_target *service = &network.service[i];
        if ((service->protocol != IPPROTO_TCP && service->protocol != IPPROTO_UDP) ||
            service->port == 0 || service->flags & ~(uint32_t)NET_IPV6)
            return err_set(err, OUTCOME_USAGE, "host network: service %" PRIu32 " is malformed", i);
    }
    return 0;
}

/* The end of its terms is grant_terms_check()'s, which needs the clock. */
static int order_grant_check(const char *body, size_t size, struct err *err)
{
    struct order_grant grant;

    int rc = body_size_check("grant", size, sizeof(grant), err);
    if (rc != 0)
        return rc;
    memcpy(&grant, body, sizeof(grant));
    if (!str_terminated(grant.user, sizeof(grant.user)) ||
        (grant.user[0] != '\0' && !str_is_name(grant.user)))
        return err_set(err, OUTCOME_USAGE, "grant: the other user's name is malformed");
    return 0;
}

static int order_ask_check(const char *body, size_t size, struct err *err)
{
    struct order_ask ask;

    int rc = body_size_check("ask", size, sizeof(ask), err);
    if (rc != 0)
        return rc;
    memcpy(&ask, body, sizeof(ask));
    if (!str_terminated(ask.user, sizeof(ask.user)) || !str_is_name(ask.user))
        return err_set(err, OUTCOME_USAGE, "ask: the owner's name is malformed");
    if (grant_why_check(ask.why) < 0)
        return err_set(err, OUTCOME_USAGE, "ask: --why is one line of at most %u plain characters",
                       ASK_WHY_SIZE - 1U);
    return 0;
}

static int order_why_check(const char *body, size_t size, struct err *err)
{
    struct order_why why;

    int rc = body_size_check("why", size, sizeof(why), err);
    if (rc != 0)
        return rc;
    memcpy(&why, body, sizeof(why));
    const char *const names[] = {why.user, why.machine};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!str_terminated(names[i], NAME_SIZE) || (names[i][0] != '\0' && !str_is_name(names[i])))
            return err_set(err, OUTCOME_USAGE, "why: a name is malformed");
    if ((why.protocol != IPPROTO_TCP && why.protocol != IPPROTO_UDP) || why.ipv6 > 1)
        return err_set(err, OUTCOME_USAGE, "why: give a port of tcp or udp");
    return 0;
}

static int body_size_check(const char *what, size_t size, size_t wanted, struct err *err)
{
    if (size == wanted)
        return 0;
    return err_set(err, OUTCOME_USAGE, "%s: a body of %zu bytes; it has %zu", what, size, wanted);
}
