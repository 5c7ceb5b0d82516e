/* SPDX-License-Identifier: Apache-2.0 */
/* intervals - ranges of addresses, put together so that none touches another */
#include "net/intervals.h"

#include <stdlib.h>
#include <string.h>

static int by_first(const void *one, const void *other)
{
    const struct interval *left = one;
    const struct interval *right = other;
    /* Bytes of IPv4 beyond the fourth are 0 in all. */
    return memcmp(left->first, right->first, ADDRESS_BYTES_MAX);
}

struct interval interval_subnet(const uint8_t *address, size_t size, unsigned int prefix_bits)
{
    struct interval interval = {.first = {0}};

    for (size_t i = 0; i < size; i++) {
        const unsigned int bits = prefix_bits > 8 * i ? prefix_bits - 8 * (unsigned int)i : 0;
        const uint8_t mask = bits >= 8 ? 0xff : (uint8_t)(0xff00U >> bits);
        interval.first[i] = address[i] & mask;
        interval.last[i] = address[i] | (uint8_t)~mask;
    }
    return interval;
}

size_t intervals_merge(struct interval *intervals, size_t count, size_t size)
{
    size_t kept = 0;

    if (count == 0)
        return 0;
    qsort(intervals, count, sizeof(*intervals), by_first);
    for (size_t i = 1; i < count; i++) {
        uint8_t after[ADDRESS_BYTES_MAX];
        struct interval *last = &intervals[kept];
        const bool apart =
            interval_after(last, size, after) && memcmp(intervals[i].first, after, size) > 0;
        if (apart)
            intervals[++kept] = intervals[i];
        else if (memcmp(intervals[i].last, last->last, size) > 0)
            memcpy(last->last, intervals[i].last, size);
    }
    return kept + 1;
}

bool interval_overlaps(const struct interval *one, const struct interval *other, size_t size)
{
    return memcmp(one->first, other->last, size) <= 0 && memcmp(other->first, one->last, size) <= 0;
}

bool interval_after(const struct interval *interval, size_t size, uint8_t *ret_address)
{
    memcpy(ret_address, interval->last, size);
    for (size_t i = size; i-- > 0;)
        if (++ret_address[i] != 0)
            return true;
    return false;
}
