/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ruleset - what the nftables rules of others do with a packet of ours
 *
 * Rules are walked as the kernel walks them, with one packet. A match that is not understood is
 * taken not to match, so that what is accused is certain.
 * Source: libnftables-json(5)
 */
#ifndef CROFT_DOCTOR_RULESET_H
#define CROFT_DOCTOR_RULESET_H

#include "base/attrs.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* addresses: IPv4, in host byte order; ipv6: it is one of IPv6, whose addresses match nothing */
struct ruleset_packet {
    const char *in;
    const char *out;
    uint32_t from;
    uint32_t to;
    bool ipv6;
};

/* Where it ended; table, chain: borrowed from the ruleset. handle 0: the chain's policy */
struct ruleset_end {
    const char *family;
    const char *table;
    const char *chain;
    int64_t handle;
};

/**
 * ruleset_drops() - whether a base chain of another table at @hook drops or rejects @packet
 * @objects: the array "nftables" of `nft -j list ruleset`
 * Return: whether; the first that does in @ret_end
 */
bool ruleset_drops(const json_t *objects, const char *hook, const struct ruleset_packet *packet,
                   struct ruleset_end *ret_end);

/** ruleset_load() - Return: the array (caller releases the whole, @ret_whole); NULL: it is none */
const json_t *ruleset_load(const char *text, json_t **ret_whole);

#endif
