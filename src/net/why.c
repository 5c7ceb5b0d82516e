/* SPDX-License-Identifier: Apache-2.0 */
/* why - which rule decides, and what is in the kernel: read back, not remembered */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "net/elements.h"
#include "net/link.h"
#include "net/net.h"

int why_look(struct netlink *route, struct netlink *netfilter, struct net_counts *ret_counts)
{
    auto_free uint16_t *slots = mem_new(NET_SLOT_LAST + 1U, sizeof(*slots));
    struct net_counts counts = {.links = 0};

    int rc = links_list(route, slots);
    if (rc < 0)
        return rc;
    counts.links = (uint32_t)rc;
    rc = table_rules(netfilter, &counts.rules);
    if (rc == 0)
        rc = elements_count(netfilter, SET_MEMBERS4, &counts.members);
    if (rc == 0)
        rc = elements_count(netfilter, SET_GRANTS4, &counts.grants);
    if (rc == 0)
        rc = elements_count(netfilter, SET_USER_CONNECTIONS, &counts.users);
    /* No table: nothing is in it. */
    if (rc < 0 && rc != -ENOENT)
        return rc;
    *ret_counts = counts;
    return 0;
}

int why_rule(struct net *net, const struct net_request *request, struct net_reply *reply)
{
    (void)net;
    (void)request;
    (void)reply;
    return -ENOSYS;
}
