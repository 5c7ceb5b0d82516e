/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlook - whether the kernel has what croft-net says it has: asked of a process of its own
 *
 * croft-net is every wall of the network at once. After a change a second one, just started and
 * told nothing, reads the kernel's table; what differs from what the monitor told is logged,
 * recorded, and croft-net is started again.
 */
#ifndef CROFT_MONITOR_NETLOOK_H
#define CROFT_MONITOR_NETLOOK_H

#include "base/attrs.h"
#include "base/loop.h"
#include "wire/net.h"
#include <stdbool.h>

struct monitor;

/*
 * channel:  to the one that looks; fd -1: none does
 * changes:  answers of croft-net so far; seen: how many there were when the look began
 * rules:    of the table, from the first look after croft-net knew all; 0: not known yet
 * differed: how many changes there were when the last look found a difference, which may have been
 *           a change on its way; differed_boot_ns: since when all looks do; 0: the last did not
 */
struct netlook {
    struct loop_source channel;
    struct loop_timer timer;
    uint64_t changes;
    uint64_t seen;
    uint64_t recorded_boot_ns;
    uint32_t rules;
    uint64_t differed;
    uint64_t differed_boot_ns;
};

/** netlook_init() - nothing to look at yet */
void netlook_init(struct monitor *monitor);

/** netlook_changed() - croft-net changed something: it is looked at soon, once for many changes */
void netlook_changed(struct monitor *monitor);

/** netlook_reset() - there is no croft-net, or a new one */
void netlook_reset(struct monitor *monitor);

/**
 * netlook_differs() - what differs between what there should be and what is there
 * @want: rules 0: not known; links and members are the same number
 * Pure. Return: a sentence; NULL: nothing
 */
const char *netlook_differs(const struct net_counts *want, const struct net_counts *have);

#endif
