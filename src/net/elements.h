/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elements - what is in the sets of croft.nft: made, changed and looked up by netlink
 *
 * Source: linux/netfilter/nf_tables.h; nft(8) --debug=netlink shows the same messages
 */
#ifndef CROFT_NET_ELEMENTS_H
#define CROFT_NET_ELEMENTS_H

#include "base/attrs.h"
#include "net/netlink.h"
#include "wire/net.h"
#include <stdint.h>

#define TABLE_NAME "croft"

enum set_id {
    SET_OWNER4 = 0,
    SET_OWNER6,
    SET_MEMBERS4,
    SET_MEMBERS6,
    SET_GRANTS4,
    SET_GRANTS6,
    SET_GRANTS_NEW4,
    SET_GRANTS_NEW6,
    SET_GRANT_CONNECTIONS4,
    SET_GRANT_CONNECTIONS6,
    SET_USER_OUT,
    SET_USER_IN,
    SET_USER_CONNECTIONS,
    SET_USER_LAN,
    SET_SERVICES4,
    SET_SERVICES6,
    SET_LAN4,
    SET_LAN6,
    SET_ONLY_MACHINES,
    SET_COUNT
};

#define ELEMENT_KEY_MAX 32U

/* 64:ff9b::/96: behind it stands an IPv4 address, to which somebody translates (RFC 6052). */
static const uint8_t NAT64[12] = {0x00, 0x64, 0xff, 0x9b};

/*
 * key:        fields one after the other, each filled up to 4 bytes
 * owner:      what a map has for the key
 * end:        of an interval: the first key that is no longer in it
 * timeout_ms: 0: for ever; of one that was read: what is left
 * packets_per_s, bytes_per_s, connections: of the limit that the set has, if it has one
 */
struct element {
    uint8_t key[ELEMENT_KEY_MAX];
    uint32_t owner;
    bool end;
    uint64_t timeout_ms;
    uint64_t packets_per_s;
    uint64_t bytes_per_s;
    uint32_t connections;
};

/* What the kernel says about one. */
struct element_found {
    bool found;
    uint64_t expires_ms;
};

/** elements_add() / elements_delete() - @count of them, with as few messages as they take */
void elements_add(struct netlink_batch *batch, enum set_id set, const struct element *elements,
                  size_t count);
void elements_delete(struct netlink_batch *batch, enum set_id set, const struct element *elements,
                     size_t count);

/** elements_flush() - empties @set */
void elements_flush(struct netlink_batch *batch, enum set_id set);

/** element_look() - whether @set has the key. Return: 0; -errno */
nodiscard int element_look(struct netlink *netlink, enum set_id set, const struct element *element,
                           struct element_found *ret_found);

/**
 * elements_list() - all of a set: key, what is left of its time, connections
 * @ret_elements: free()
 * Return: 0; -errno
 */
nodiscard int elements_list(struct netlink *netlink, enum set_id set, struct element **ret_elements,
                            size_t *ret_count);

/** elements_count() - Return: 0; -errno */
nodiscard int elements_count(struct netlink *netlink, enum set_id set, uint32_t *ret_count);

/* Keys. IPv4 and IPv6 of a slot follow from the prefix. */
struct element key_owner(const struct net_prefix *prefix, uint32_t slot, bool ipv6);
struct element key_member(const struct net_prefix *prefix, uint32_t uid, uint32_t slot, bool ipv6);
struct element key_grant(const struct net_prefix *prefix, uint32_t uid, uint32_t slot,
                         uint16_t protocol, uint16_t port, bool ipv6);
struct element key_service(const struct net_target *target);
struct element key_user(uint32_t uid);

#endif
