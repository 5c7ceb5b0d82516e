/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table - the table `inet croft` as a whole: loaded, recognized, held against what was loaded
 *
 * Its fingerprint is a hash over the kernel's own description of table, chains, sets and rules;
 * elements are not in it. Kept in a file, it says to the next croft-net whether the table is whole.
 */
#ifndef CROFT_NET_TABLE_H
#define CROFT_NET_TABLE_H

#include "base/attrs.h"
#include "base/err.h"
#include "base/sha256.h"
#include "net/netlink.h"
#include "wire/net.h"
#include <stdbool.h>

/* text: of what nft was given. kernel, rules: of what came of it. */
struct table {
    uint8_t text[SHA256_SIZE];
    uint8_t kernel[SHA256_SIZE];
    uint32_t rules;
};

/**
 * table_whole() - whether the kernel has the table that an earlier croft-net loaded for @prefix
 * @keep:      the file that says so (borrowed)
 * @open:      the test build's table, in which nothing is refused
 * Return: 1, and which; 0; -errno
 */
nodiscard int table_whole(struct netlink *netfilter, int keep, const struct net_prefix *prefix,
                          bool open, struct table *ret_table);

/**
 * table_load() - loads it anew, without elements; what was there goes in the same transaction
 * Runs nft, so comes before the sandbox. Return: 0; outcome
 */
nodiscard int table_load(struct netlink *netfilter, int keep, const struct net_prefix *prefix,
                         bool open, struct table *ret_table, struct err *err);

/** table_changed() - whether it is no longer @table. Return: 1; 0; -errno */
nodiscard int table_changed(struct netlink *netfilter, const struct table *table);

/** table_rules() - Return: 0 and their number, 0 when there is no table; -errno */
nodiscard int table_rules(struct netlink *netfilter, uint32_t *ret_rules);

/** table_generation() - counts every transaction of anybody. Return: 0; -errno */
nodiscard int table_generation(struct netlink *netfilter, uint32_t *ret_generation);

/** table_remove() - Return: 0; -ENOENT; -errno */
nodiscard int table_remove(struct netlink *netfilter);

#endif
