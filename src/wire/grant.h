/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grant - an explicit permission by the owner of a thing to one other user, and the asking for one
 *
 * The bodies of the orders about them, of their records and of their lists. The monitor makes each
 * struct grant itself; what clients send is struct order_grant and struct order_ask.
 */
#ifndef CROFT_WIRE_GRANT_H
#define CROFT_WIRE_GRANT_H

#include "base/attrs.h"
#include "base/err.h"
#include "wire/limits.h"
#include <stddef.h>
#include <stdint.h>

enum grant_kind {
    GRANT_PORT = 1,
};

/*
 * FOR counts CLOCK_BOOTTIME, so that no setting of the clock prolongs it; UNTIL is a moment of
 * CLOCK_REALTIME, so that a clock set past it closes.
 */
enum grant_end {
    GRANT_FOREVER = 1,
    GRANT_FOR,
    GRANT_UNTIL,
};

/* Why a grant is no more. */
enum grant_over {
    GRANT_REVOKED = 1, /* by its owner */
    GRANT_GIVEN_BACK,  /* by its grantee */
    GRANT_EXPIRED,
    GRANT_MACHINE_GONE,
    GRANT_USER_GONE,
};

/* What is wanted. protocol: IPPROTO_TCP or IPPROTO_UDP; connections, rate 0: the default. */
struct grant_terms {
    uint32_t kind;
    uint16_t protocol;
    uint16_t port;
    uint32_t end;
    uint32_t connections;
    uint32_t rate;
    uint32_t reserved;
    uint64_t for_ns;
    uint64_t until_wall_ns;
};
_Static_assert(sizeof(struct grant_terms) == 40, "wire layout");

/*
 * Body of ORDER_GRANT, and of ORDER_REVOKE with its id or its terms (end is not looked at).
 * order.name: the machine. user: the grantee; revoking one that was given to oneself: the owner.
 * id: ORDER_REVOKE only; 0: by user, machine, protocol and port
 */
struct order_grant {
    uint64_t id;
    char user[NAME_SIZE];
    struct grant_terms terms;
};
_Static_assert(sizeof(struct order_grant) == 88, "wire layout");

/* Body of ORDER_ASK. order.name: the machine. user: its owner. why: one line for a person. */
struct order_ask {
    char user[NAME_SIZE];
    struct grant_terms terms;
    char why[ASK_WHY_SIZE];
};

/*
 * A grant as the records have it (payload of RECORD_GRANT and RECORD_GRANT_END). In each boot that
 * it sees it is written again, with the time that is left.
 * id:           unique on the host, never used again
 * made_wall_ns: when it was granted; made_boot_ns: when this was written
 * boot_id:      of the boot in which made_boot_ns was read
 * left_ns:      what was left when this was written; UINT64_MAX: for ever
 */
struct grant {
    uint64_t id;
    uint32_t owner_uid;
    uint32_t grantee_uid;
    struct grant_terms terms;
    uint64_t made_wall_ns;
    uint64_t made_boot_ns;
    uint64_t left_ns;
    uint8_t boot_id[16];
    char machine[NAME_SIZE];
    uint32_t over; /* enum grant_over in RECORD_GRANT_END, else 0 */
    uint32_t cut;  /* connections ended */
};
_Static_assert(sizeof(struct grant) == 144, "file layout");

/* In the list that ORDER_GRANTS answers. left_ns: UINT64_MAX: for ever. */
struct grant_view {
    struct grant grant;
    uint64_t left_ns;
    char owner[NAME_SIZE];
    char grantee[NAME_SIZE];
    uint32_t flags; /* enum grant_view_flag */
    uint32_t reserved;
};
_Static_assert(sizeof(struct grant_view) == 240, "wire layout");

enum grant_view_flag {
    GRANT_OPEN = 1U << 0, /* the machine runs and the kernel lets packets through */
};

/* As asked; payload of RECORD_ASK and RECORD_DENY. */
struct ask {
    uint64_t id;
    uint32_t asker_uid;
    uint32_t owner_uid;
    struct grant_terms terms;
    uint64_t made_wall_ns;
    char machine[NAME_SIZE];
    char why[ASK_WHY_SIZE];
};

/* In the list that ORDER_ASKS answers. */
struct ask_view {
    struct ask ask;
    char asker[NAME_SIZE];
    char owner[NAME_SIZE];
};

/*
 * Body of the reply to ORDER_GRANT and ORDER_APPROVE: what to tell the owner and the grantee.
 * listening: enum grant_listening, looked up inside the machine
 */
struct reply_grant {
    struct grant_view view;
    uint32_t listening;
    uint32_t reserved;
};

enum grant_listening {
    LISTENING_UNKNOWN = 0, /* the machine does not run, or looking failed */
    LISTENING_NOTHING,
    LISTENING_LOOPBACK, /* only 127.0.0.1 or ::1 */
    LISTENING_YES,
};

/*
 * Body of ORDER_WHY; order.name: the machine of hers from which, "" any.
 * user, machine: the target by name (user "": a machine of her own); both "": address is it
 */
struct order_why {
    char user[NAME_SIZE];
    char machine[NAME_SIZE];
    uint8_t address[16];
    uint32_t ipv6;
    uint16_t protocol;
    uint16_t port;
};

enum why_running {
    WHY_FROM_RUNS = 1U << 0, /* the machine of hers that order.name says; "": any */
    WHY_TO_RUNS = 1U << 1,   /* the other end, when it is her own or was granted to her */
};

/*
 * Body of its reply. rule: enum net_rule; view: zero but with NET_RULE_GRANT; running: enum
 * why_running. Of a target that does not run there is nothing in the kernel: the rule is then the
 * one that will decide when it runs.
 */
struct reply_why {
    uint32_t rule;
    uint32_t running;
    uint64_t expires_ms;
    struct grant_view view;
};

/** grant_terms_check() - whether @terms can be granted; @now_wall_ns decides about UNTIL
 * Pure; fuzzed. Return: 0; OUTCOME_USAGE with a sentence */
nodiscard int grant_terms_check(const struct grant_terms *terms, uint64_t now_wall_ns,
                                struct err *err);

/* What the clocks say. */
struct grant_clocks {
    uint64_t wall_ns;
    uint64_t boot_ns;
    uint8_t boot_id[16];
};

/**
 * grant_left() - how long @grant still lasts, @now
 * @written_wall_ns: when @grant was written, which counts when that was in another boot
 *
 * Never longer than what was left when it was written, and of UNTIL not beyond its moment: a clock
 * set back prolongs nothing, one set past the end closes. Pure.
 * Return: nanoseconds; 0: it is over; UINT64_MAX: for ever
 */
uint64_t grant_left(const struct grant *grant, const struct grant_clocks *now,
                    uint64_t written_wall_ns);

/** grant_why_check() - whether @why is terminated, printable and one line. Return: 0; -EINVAL */
nodiscard int grant_why_check(const char why[ASK_WHY_SIZE]);

#endif
