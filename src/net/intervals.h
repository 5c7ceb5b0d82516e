/* SPDX-License-Identifier: Apache-2.0 */
/* intervals - ranges of addresses, put together so that none touches another */
#ifndef CROFT_NET_INTERVALS_H
#define CROFT_NET_INTERVALS_H

#include "base/attrs.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_BYTES_MAX 16U

/* first to last, both in it; network byte order, the first 4 or 16 bytes. */
struct interval {
    uint8_t first[ADDRESS_BYTES_MAX];
    uint8_t last[ADDRESS_BYTES_MAX];
};

/** interval_subnet() - all addresses whose first @prefix_bits are those of @address (@size bytes)
 */
struct interval interval_subnet(const uint8_t *address, size_t size, unsigned int prefix_bits);

/** intervals_merge() - sorts, and makes one of those that overlap or follow each other; in place
 * Pure. Return: how many are left */
nodiscard size_t intervals_merge(struct interval *intervals, size_t count, size_t size);

/** interval_overlaps() - whether an address is in both */
bool interval_overlaps(const struct interval *one, const struct interval *other, size_t size);

/** interval_after() - the first address behind @interval. Return: false: there is none */
bool interval_after(const struct interval *interval, size_t size, uint8_t *ret_address);

#endif
