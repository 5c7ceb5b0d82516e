/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net - what the monitor asks croft-net, and what croft-net answers, over a SOCK_SEQPACKET pair
 *
 * croft-net holds no truth: when it starts, the monitor sends NET_HELLO, then every user, service,
 * link and grant there is, then NET_SYNCED; what was not told by then goes. Numbers only, no name
 * and no text. Requests are answered in their order, each once.
 *
 * Addresses follow from a slot: 2..65533, an instance's as long as it exists, and given again only
 * after all others were.
 * A user's packets carry her uid as their mark, from the moment they leave her machine.
 */
#ifndef CROFT_WIRE_NET_H
#define CROFT_WIRE_NET_H

#include "base/attrs.h"
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

#define NET_VERSION 1U

/* "croft0a5b": the outside end of the link of slot 0x0a5b; the inside end is NET_INSIDE. */
#define NET_LINK_PREFIX    "croft"
#define NET_LINK_NAME_SIZE 16U
#define NET_INSIDE         "eth0"
#define NET_SLOT_GATEWAY   1U
#define NET_SLOT_FIRST     2U
#define NET_SLOT_LAST      65533U
#define NET_PREFIX_FILE    "network"

/* The nets of this host: ipv4 in host byte order, a /16; ipv6 the first 16 bytes, a /48. The
 * monitor keeps them in NET_PREFIX_FILE of CROFT_STATE_DIR. */
struct net_prefix {
    uint32_t ipv4;
    uint8_t ipv6[16];
};

enum net_request_type {
    NET_HELLO = 1,  /* prefix, without: load the table, links down until NET_SYNCED. One that is
                       whole is kept: links stay up, with the elements of before */
    NET_USER,       /* uid, limits: new or changed */
    NET_USER_GONE,  /* uid */
    NET_SERVICE,    /* target: every machine may reach it: a resolver, an apt proxy */
    NET_LINK,       /* slot, uid; fd: the network namespace that gets the inside end. Without a
                       descriptor: the link is there already (after NET_HELLO) */
    NET_LINK_GONE,  /* slot */
    NET_GRANT,      /* uid: of the grantee; slot, protocol, port: of what is granted; limits */
    NET_GRANT_GONE, /* the same; answered when no packet passes any more; cut: connections ended */
    NET_SYNCED,     /* what was not told since NET_HELLO goes, links come up */
    NET_WHY,        /* uid, target: what the kernel's table says; rule, expires_ms */
    NET_LOOK,       /* counts and generation, read from the kernel */
    NET_REQUEST_TYPE_COUNT
};

enum net_flag {
    NET_LAN = 1U << 0,  /* NET_USER: she may reach the host's own subnets */
    NET_IPV6 = 1U << 1, /* target is an IPv6 address */
};

/* An address outside or inside, a protocol (IPPROTO_TCP, IPPROTO_UDP) and a port; port 0: any. */
struct net_target {
    uint8_t address[16]; /* network byte order; IPv4: the first four */
    uint32_t flags;      /* NET_IPV6 */
    uint16_t protocol;
    uint16_t port;
};

/* bytes_per_s 0: not limited. Of a user: all her machines together. Of a grant: connections at one
 * time, and new ones in a second (rate). */
struct net_limits {
    uint64_t bytes_per_s;
    uint32_t packets_per_s;
    uint32_t connections;
    uint32_t rate;
    uint32_t flags; /* NET_LAN */
};

struct net_request {
    uint32_t version;
    uint32_t type;
    uint64_t token; /* the monitor's own, comes back */
    uint32_t uid;
    uint32_t slot;
    uint16_t protocol;
    uint16_t port;
    uint32_t without;    /* test builds only: ABLATE_NFTABLES */
    uint64_t timeout_ms; /* of a grant's elements; 0: none */
    struct net_limits limits;
    struct net_target target;
    struct net_prefix prefix;
    uint32_t reserved;
};
_Static_assert(sizeof(struct net_request) == 112, "wire layout");

/* Which rule decides; `croft why` says it in words. */
enum net_rule {
    NET_RULE_NONE = 0,
    NET_RULE_GRANT,    /* open: a grant's element is there */
    NET_RULE_OWN,      /* open: both machines are hers */
    NET_RULE_SERVICE,  /* open: a service of the host's for everybody */
    NET_RULE_INTERNET, /* open: beyond the host's own subnets */
    NET_RULE_LAN,      /* open: the admin allowed her the host's own subnets */
    NET_RULE_NO_GRANT, /* closed: another user's machine, or none, without a grant */
    NET_RULE_NO_LAN,   /* closed: the host's own subnets and private ones */
    NET_RULE_HOST,     /* closed: an address of the host itself */
    NET_RULE_NEVER,    /* closed to all: metadata, multicast, loopback, reserved */
    NET_RULE_NO_TABLE, /* closed: the table is not there; links are down */
    NET_RULE_COUNT
};

/* What is in the kernel's table, read back. NET_COUNT_UNEVEN: not as many in each of these sets. */
#define NET_COUNT_UNEVEN UINT32_MAX
struct net_counts {
    uint32_t links;   /* outside ends that exist */
    uint32_t members; /* elements of @owner4, @owner6, @members4 and @members6 each */
    uint32_t grants;  /* elements of @grants4, @grants6, @grants_new4 and @grants_new6 each */
    uint32_t users;   /* elements of @user_out */
    uint32_t rules; /* rules of the table; another number than after loading: somebody changed it */
    uint32_t reserved;
};

struct net_reply {
    uint32_t version;
    uint32_t type; /* of the request */
    uint64_t token;
    int32_t error; /* 0 or errno, positive */
    uint32_t generation;
    uint32_t cut;
    uint32_t rule; /* enum net_rule */
    uint64_t expires_ms;
    struct net_counts counts;
};
_Static_assert(sizeof(struct net_reply) == 64, "wire layout");

/** net_request_check() - whether @request with @fd_count descriptors is well formed. Pure; fuzzed.
 * Return: 0; -EINVAL */
nodiscard int net_request_check(const struct net_request *request, size_t size, size_t fd_count);

/** net_link_name() - of @slot: "croft0a5b" */
void net_link_name(uint32_t slot, char ret_name[NET_LINK_NAME_SIZE]);

/** net_link_slot() - Return: the slot; 0: @name is no link of ours */
uint32_t net_link_slot(const char *name);

/** net_address4() - of @slot, in host byte order */
uint32_t net_address4(const struct net_prefix *prefix, uint32_t slot);

/** net_address6() - of @slot */
void net_address6(const struct net_prefix *prefix, uint32_t slot, uint8_t ret_address[16]);

/** net_mac() - of the end of a link: locally administered, the slot in the last two bytes */
void net_mac(uint32_t slot, int inside, uint8_t ret_mac[6]);

#endif
