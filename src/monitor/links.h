/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links - an instance and its link to the host: asked for when it has its network namespace, told
 * again to each new croft-net, gone with its end
 */
#ifndef CROFT_MONITOR_LINKS_H
#define CROFT_MONITOR_LINKS_H

#include "base/attrs.h"
#include "base/err.h"
#include "base/loop.h"
#include <stdbool.h>
#include <stdint.h>

struct instance;
struct job_order;

/*
 * Embedded in an instance.
 * netns:  from READY_NETNS until the link is there; -1: none
 * asked:  croft-net was asked for it, so there may be one
 * linked: it is there
 * timer:  of the wait for it; due_boot_ns: when that is over
 */
struct link {
    int netns;
    bool asked;
    bool linked;
    struct loop_timer timer;
    uint64_t due_boot_ns;
};

/** link_init() - no link yet */
void link_init(struct instance *instance);

/** link_prepare() - gives the job its address and its names; one that is offline gets none.
 * Return: 0; -errno; descriptors are @order's either way */
nodiscard int link_prepare(struct instance *instance, struct job_order *order);

/**
 * link_make() - @instance has its network namespace @netns (taken): makes its link, and lets the
 * runtime go on
 *
 * Without a croft-net, or with one that does not answer, it waits a while for the next, then
 * the start fails.
 */
void link_make(struct instance *instance, int *netns);

/** link_tell() - tells a new croft-net of the link that is there, or is waited for */
void link_tell(struct instance *instance);

/** link_end() - the instance has ended, or never ran; fine when it has no link */
void link_end(struct instance *instance);

#endif
