/* SPDX-License-Identifier: Apache-2.0 */
/* why - which rule decides, and what is in the kernel: read back, not remembered */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "net/elements.h"
#include "net/link.h"
#include "net/net.h"

#define COUNTED_SETS 4U

static int count_each(struct netlink *netfilter, const enum set_id sets[COUNTED_SETS],
                      uint32_t *ret_count);
static int why_machine(struct net *net, const struct net_request *request, uint32_t slot,
                       struct net_reply *reply);
static int why_world(struct net *net, const struct net_request *request, struct net_reply *reply);
static bool why_never(const uint8_t *address, bool ipv6);

int why_look(struct netlink *route, struct netlink *netfilter, struct net_counts *ret_counts)
{
    static const enum set_id members[] = {SET_OWNER4, SET_OWNER6, SET_MEMBERS4, SET_MEMBERS6};
    static const enum set_id grants[] = {SET_GRANTS4, SET_GRANTS6, SET_GRANTS_NEW4,
                                         SET_GRANTS_NEW6};
    auto_free uint16_t *slots = mem_new(NET_SLOT_LAST + 1U, sizeof(*slots));
    struct net_counts counts = {.links = 0};

    int rc = links_list(route, slots);
    if (rc < 0)
        return rc;
    counts.links = (uint32_t)rc;
    rc = table_rules(netfilter, &counts.rules);
    if (rc == 0)
        rc = count_each(netfilter, members, &counts.members);
    if (rc == 0)
        rc = count_each(netfilter, grants, &counts.grants);
    if (rc == 0)
        rc = elements_count(netfilter, SET_USER_OUT, &counts.users);
    /* No table: nothing is in it. */
    if (rc < 0 && rc != -ENOENT)
        return rc;
    *ret_counts = counts;
    return 0;
}

/* One element more in any of them opens something. */
static int count_each(struct netlink *netfilter, const enum set_id sets[COUNTED_SETS],
                      uint32_t *ret_count)
{
    uint32_t first = 0;
    uint32_t count = 0;

    int rc = elements_count(netfilter, sets[0], &first);
    *ret_count = first;
    for (size_t i = 1; rc == 0 && i < COUNTED_SETS; i++) {
        rc = elements_count(netfilter, sets[i], &count);
        if (count != first)
            *ret_count = NET_COUNT_UNEVEN;
    }
    return rc;
}

/* As croft.nft asks, in the same order. */
int why_rule(struct net *net, const struct net_request *request, struct net_reply *reply)
{
    const struct net_target *target = &request->target;
    const bool ipv6 = (target->flags & NET_IPV6) != 0;
    const uint32_t slot = state_slot_of(&net->state.prefix, target->address, ipv6);
    struct element_found found;

    int changed = table_changed(&net->netfilter, &net->table);
    if (changed != 0) {
        reply->rule = NET_RULE_NO_TABLE;
        return changed < 0 ? changed : 0;
    }
    if (slot != 0)
        return why_machine(net, request, slot, reply);
    const struct element service = key_service(target);
    int rc = element_look(&net->netfilter, ipv6 ? SET_SERVICES6 : SET_SERVICES4, &service, &found);
    if (rc == 0 && found.found)
        reply->rule = NET_RULE_SERVICE;
    if (rc < 0 || found.found)
        return rc;
    return why_world(net, request, reply);
}

static int why_machine(struct net *net, const struct net_request *request, uint32_t slot,
                       struct net_reply *reply)
{
    const struct net_prefix *prefix = &net->state.prefix;
    const bool ipv6 = (request->target.flags & NET_IPV6) != 0;
    const struct element member = key_member(prefix, request->uid, slot, ipv6);
    const struct element grant =
        key_grant(prefix, request->uid, slot, request->target.protocol, request->target.port, ipv6);
    struct element_found found;

    reply->rule = NET_RULE_OWN;
    int rc = element_look(&net->netfilter, ipv6 ? SET_MEMBERS6 : SET_MEMBERS4, &member, &found);
    if (rc < 0 || found.found)
        return rc;
    rc = element_look(&net->netfilter, ipv6 ? SET_GRANTS6 : SET_GRANTS4, &grant, &found);
    if (rc < 0)
        return rc;
    reply->rule = found.found ? NET_RULE_GRANT : NET_RULE_NO_GRANT;
    reply->expires_ms = found.expires_ms;
    return 0;
}

static int why_world(struct net *net, const struct net_request *request, struct net_reply *reply)
{
    const struct net_target *target = &request->target;
    const bool ipv6 = (target->flags & NET_IPV6) != 0;
    const struct element user = key_user(request->uid);
    struct element subnet = {.end = false};
    struct element_found found;

    if (why_never(target->address, ipv6)) {
        reply->rule = NET_RULE_NEVER;
        return 0;
    }
    int rc = routes_local(&net->route, target->address, ipv6);
    if (rc != 0) {
        reply->rule = NET_RULE_HOST;
        return rc < 0 ? rc : 0;
    }
    /* Of the /16 and the /48, but no machine's. */
    if (routes_machines(&net->state.prefix, target->address, ipv6)) {
        reply->rule = NET_RULE_NO_GRANT;
        return 0;
    }
    memcpy(subnet.key, target->address, ipv6 ? 16 : 4);
    rc = element_look(&net->netfilter, ipv6 ? SET_LAN6 : SET_LAN4, &subnet, &found);
    if (rc < 0)
        return rc;
    reply->rule = NET_RULE_INTERNET;
    if (!found.found)
        return 0;
    rc = element_look(&net->netfilter, SET_USER_LAN, &user, &found);
    reply->rule = rc == 0 && found.found ? NET_RULE_LAN : NET_RULE_NO_LAN;
    return rc;
}

/* What chain `outward_owned` closes whoever asks: not a host's address, metadata, link-local. */
static bool why_never(const uint8_t *address, bool ipv6)
{
    static const uint8_t metadata4[][4] = {
        {100, 100, 100, 200}, {168, 63, 129, 16}, {192, 0, 0, 192}};
    static const uint8_t metadata6[][16] = {
        {0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54},
        {0xfd, 0x20, 0x00, 0xce, [14] = 0x02, [15] = 0x54},
    };
    static const uint8_t low6[12] = {0};
    static const uint8_t mapped6[12] = {[10] = 0xff, [11] = 0xff};

    if (!ipv6) {
        for (size_t i = 0; i < ARRAY_LEN(metadata4); i++)
            if (memcmp(address, metadata4[i], sizeof(metadata4[i])) == 0)
                return true;
        return address[0] == 0 || address[0] == 127 || address[0] >= 224 ||
               (address[0] == 169 && address[1] == 254);
    }
    for (size_t i = 0; i < ARRAY_LEN(metadata6); i++)
        if (memcmp(address, metadata6[i], sizeof(metadata6[i])) == 0)
            return true;
    if (memcmp(address, NAT64, sizeof(NAT64)) == 0)
        return why_never(address + sizeof(NAT64), false);
    return address[0] == 0xff || (address[0] == 0xfe && (address[1] & 0xc0U) == 0x80) ||
           memcmp(address, mapped6, sizeof(mapped6)) == 0 ||
           (memcmp(address, low6, sizeof(low6)) == 0 && address[12] == 0 && address[13] == 0 &&
            address[14] == 0 && address[15] <= 1);
}
