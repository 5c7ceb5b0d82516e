/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sysctls - the host forwards packets while Croft runs, and is as it was before afterwards
 *
 * What was changed, and from what, stands in a file, for a croft-net that comes later.
 */
#ifndef CROFT_NET_SYSCTLS_H
#define CROFT_NET_SYSCTLS_H

#include "base/attrs.h"
#include "net/netlink.h"
#include "net/routes.h"
#include <net/if.h>
#include <stdbool.h>

/* One setting of the host. file: stays open, so that it can be put back from the sandbox. */
struct sysctl {
    int file;
    bool changed;
    char before;
};

/* ipv6: the host has it. keep: the file; -1: nothing was read. */
struct sysctls {
    int keep;
    bool ipv6;
    struct sysctl forward4;
    struct sysctl forward6;
    struct sysctl accept_ra[ROUTES_ADVERTISERS_MAX];
    char advertiser[ROUTES_ADVERTISERS_MAX][IF_NAMESIZE];
    size_t advertiser_count;
};

/**
 * sysctls_read() - how the host is, and was before a Croft changed it; changes nothing
 * @dir: of croft-net's own files (borrowed)
 *
 * A host that forwards no longer listens to routers unless told to (accept_ra 2), so interfaces in
 * @routes that learnt their default route from one count too.
 * Return: 0; -errno
 */
nodiscard int sysctls_read(struct sysctls *sysctls, int dir, const struct routes *routes);

/** sysctls_forward() - writes down how the host was, then makes it forward IPv4, and IPv6 where it
 * has it. Not before the table is there and sysctls_apply() is done. Return: 0; -errno */
nodiscard int sysctls_forward(struct sysctls *sysctls);

/** sysctls_apply() - puts into @only_machines what the host forwards for our sake only. Return: 0;
 * -errno */
nodiscard int sysctls_apply(struct netlink *netfilter, const struct sysctls *sysctls);

/** sysctls_restore() - everything as it was; nothing, if keep is -1. Return: 0; -errno */
nodiscard int sysctls_restore(struct sysctls *sysctls);

#endif
