/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order - what a client speaks to the monitor in person, over the door (SOCK_SEQPACKET)
 *
 * Runs between: the user's uid -> root. One message is one order: struct order, then what its
 * type says. Who speaks is what the kernel says about the connection (invariant 3). The
 * argument why each order is safe stands over its handler in monitor/orders.c.
 */
#ifndef CROFT_WIRE_ORDER_H
#define CROFT_WIRE_ORDER_H

#include "wire/grant.h"
#include "wire/net.h"
#include "wire/plan.h"
#include <stdbool.h>

#define ORDER_VERSION 1U

enum order_type {
    ORDER_USER_ADD = 1, /* admin; body: struct order_user, then key bytes */
    ORDER_USER_SET,     /* admin; body: struct order_user, then key bytes */
    ORDER_USER_REMOVE,  /* admin; name; ORDER_PURGE destroys the disk */
    ORDER_LAUNCH,       /* body: struct plan (PLAN_MACHINE) */
    ORDER_RUN,          /* body: struct plan (PLAN_JOB); fds: stdin stdout stderr unless a tty */
    ORDER_START,        /* name */
    ORDER_STOP,         /* name; number: timeout in ms (0: kill at once) */
    ORDER_REMOVE,       /* name; ORDER_FORCE stops it first */
    ORDER_EXEC,         /* name; body: struct command; fds as ORDER_RUN */
    ORDER_SIGNAL,       /* number: signal, to what this connection runs */
    ORDER_LOGS,         /* name; the reply carries the two log files, read-only */
    ORDER_IMAGE_IMPORT, /* name: the image's; fds: a pipe with the tar */
    ORDER_IMAGE_REMOVE, /* name: the image's */
    ORDER_LOGIN,        /* the gate says that peer and parent belong into the gate group */
    ORDER_HOST_STATUS,  /* anyone */
    ORDER_HOST_STOP,    /* root only; stops every instance, unmounts, ends Croft */
    ORDER_HOST_NETWORK, /* root only; body: struct order_network: what every machine may reach */
    ORDER_GRANT,        /* name: a machine of hers; body: struct order_grant */
    ORDER_REVOKE,       /* either side; name: the machine; body: struct order_grant; the reply:
                           struct grant_view of what ended, with over and cut */
    ORDER_GRANTS,       /* number: list those with an id above it, by rising id, as many as fit one
                           message; none: that was all; the reply: struct grant_view[] */
    ORDER_ASK,          /* name: a machine of somebody's; body: struct order_ask; the reply:
                           number[0]: the ask's id */
    ORDER_ASKS,         /* as ORDER_GRANTS; the reply: struct ask_view[] */
    ORDER_APPROVE,      /* number: the ask's id; she is its owner */
    ORDER_DENY,         /* number: the ask's id; its owner, or its asker who takes it back */
    ORDER_WHY,          /* body: struct order_why */
    ORDER_TYPE_COUNT
};

enum order_flag {
    ORDER_TTY = 1U << 0, /* exec with a terminal made inside; the reply carries its master */
    ORDER_STDIN = 1U << 1,
    ORDER_PURGE = 1U << 2,
    ORDER_FORCE = 1U << 3,
    ORDER_SYSTEM = 1U << 4, /* an admin, about the machines and images of the system user _build */
    ORDER_NEW = 1U << 5, /* only when there is none: what exists stays as it is, and that is well */
};

/* name: of the machine, image or user the order is about; rows, columns: of the terminal */
struct order {
    uint32_t version;
    uint32_t type;
    uint32_t flags;
    uint32_t body_size;
    uint64_t number;
    uint16_t rows;
    uint16_t columns;
    uint32_t reserved;
    char name[NAME_SIZE];
};
_Static_assert(sizeof(struct order) == 72, "wire layout");

enum user_field {
    USER_CPUS = 1U << 0,
    USER_MEMORY = 1U << 1,
    USER_MEMORY_MIN = 1U << 2,
    USER_PIDS = 1U << 3,
    USER_DISK = 1U << 4,
    USER_INODES = 1U << 5,
    USER_KEY = 1U << 6,
    USER_NET = 1U << 7,         /* net_bytes_per_s */
    USER_PACKETS = 1U << 8,     /* net_packets_per_s */
    USER_CONNECTIONS = 1U << 9, /* net_connections */
    USER_LAN = 1U << 10,        /* lan */
    USER_FIELDS_ALL = 2047U,
};

/* A user's envelope. cpu_milli 0: all CPUs at equal weight; net_bytes_per_s 0: not limited;
 * lan: 1: her machines may reach the host's own subnets. */
struct user_limits {
    uint64_t memory_bytes;
    uint64_t memory_min_bytes;
    uint64_t disk_bytes;
    uint64_t inodes;
    uint64_t net_bytes_per_s;
    uint32_t net_packets_per_s;
    uint32_t net_connections;
    uint32_t pids;
    uint32_t cpu_milli;
    uint32_t lan;
    uint32_t reserved;
};
_Static_assert(sizeof(struct user_limits) == 64, "wire layout");

/* fields: which of limits (and key) were given; the rest get their defaults or stay */
struct order_user {
    uint32_t fields;
    uint32_t key_size;
    struct user_limits limits;
    char key[];
};
_Static_assert(sizeof(struct order_user) == 72, "wire layout");

/* Body of ORDER_HOST_NETWORK, which root's `croft host start` speaks: what it read of the host. */
struct order_network {
    uint32_t count;
    uint32_t reserved;
    struct net_target service[NETWORK_SERVICES_MAX];
    uint32_t resolver_count; /* the first so many services are resolvers (port 53): one by udp,
                                the same by tcp, and so on */
    uint32_t reserved2;
};
_Static_assert(sizeof(struct order_network) == 16 + 24 * NETWORK_SERVICES_MAX, "wire layout");

enum reply_type {
    REPLY_DONE = 1, /* the end of the order: outcome, text */
    REPLY_NOTE,     /* a line to show while it works; the end follows */
    REPLY_STARTED,  /* run, exec: it runs now; with a tty: fd is the master; REPLY_EXITED follows */
    REPLY_EXITED,   /* number[0]: exit status 0..255, number[1]: signal or 0 */
};

/*
 * outcome: enum outcome; text: a sentence for a person when not OUTCOME_OK, or a note
 * number: REPLY_DONE of USER_ADD/USER_SET: see struct reply_user, which follows as the body;
 *         of IMAGE_IMPORT: entries, bytes; of HOST_STATUS: pids of super, monitor, croftd, boot
 *         time of start in ns
 */
struct reply {
    uint32_t version;
    uint32_t type;
    uint32_t outcome;
    uint32_t body_size;
    uint64_t number[4];
    char text[ERR_TEXT_SIZE];
};
_Static_assert(sizeof(struct reply) == 48 + ERR_TEXT_SIZE, "wire layout");

/* Body of the reply to USER_ADD and USER_SET: the user as the records have her now. */
struct reply_user {
    uint32_t uid;
    uint32_t gid;
    uint32_t block_first;
    uint32_t keeper_id;
    struct user_limits limits;
    uint64_t disk_free_before; /* bytes free on the host's disk before the volume was made */
};
_Static_assert(sizeof(struct reply_user) == 88, "wire layout");

/**
 * order_check() - whether @size bytes with @fd_count descriptors are one well-formed order
 *
 * Looks at version, type, flags, exact size, terminated name, number of descriptors and the form
 * of the body (command_check; not plan_check, which needs the owner). Pure; fuzzed.
 * Return: 0; OUTCOME_USAGE with a sentence
 */
nodiscard int order_check(const struct order *order, size_t size, size_t fd_count, struct err *err);

/** order_is_user() - whether @name may be a user's: a name, or SYSTEM_USER */
bool order_is_user(const char *name);

/** order_name() - "exec", "user add"...: for records and messages. Return: never NULL */
const char *order_name(uint32_t type);

#endif
