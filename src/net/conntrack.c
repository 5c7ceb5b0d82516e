/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conntrack - ends connections that the kernel knows
 *
 * Theory of operation
 * The kernel's table belongs to the whole host. A dump goes through all of it, but with a filter
 * (Linux 5.8) only what fits comes out; what comes out is looked at again here, so an older answer
 * would be slower and not wrong. Each entry is then deleted by its tuple and its id, so that one
 * that was made anew under the same tuple stays.
 */
#include "net/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define TUPLE_BYTES_MAX 128U

/* Bits of CTA_FILTER_ORIG_FLAGS: enum ctattr_ip and ctattr_l4proto in one, the kernel's own. */
#define FILTER_DESTINATION_ADDRESS (1U << 1)
#define FILTER_PROTOCOL            (1U << 3)
#define FILTER_DESTINATION_PORT    (1U << 5)

/* One side of an entry: who began it, to where. */
struct tuple {
    const uint8_t *source;
    const uint8_t *destination;
    bool ipv6;
    uint8_t protocol;
    uint16_t port;
};

struct entry {
    uint8_t family;
    uint16_t tuple_size;
    uint32_t id;
    uint8_t tuple[TUPLE_BYTES_MAX];
};

/* grant NULL: every entry of a retired slot. */
struct search {
    const struct state *state;
    const struct conntrack_grant *grant;
    struct entry *entries;
    size_t count;
    size_t room;
};

static int search_family(struct netlink *netfilter, struct search *search, uint8_t family);
static void put_filter(struct nlmsghdr *message, const struct search *search, uint8_t family);
static int on_entry(const struct nlmsghdr *message, void *data);
static bool tuple_read(const struct nlattr *nested, struct tuple *ret_tuple);
static void address_read(const struct nlattr *field, struct tuple *tuple);
static void protocol_read(const struct nlattr *field, struct tuple *tuple);
static bool wanted(const struct search *search, const struct tuple *tuple);
static int delete_found(struct netlink *netfilter, const struct search *search, uint32_t *ret_gone);

int conntrack_cut(struct netlink *netfilter, const struct state *state,
                  const struct conntrack_grant *grant, uint32_t *ret_cut)
{
    struct search search = {.state = state, .grant = grant};
    uint32_t gone = 0;

    int rc = search_family(netfilter, &search, AF_INET);
    if (rc == 0)
        rc = search_family(netfilter, &search, AF_INET6);
    if (rc == 0)
        rc = delete_found(netfilter, &search, &gone);
    free(search.entries);
    if (rc == 0)
        *ret_cut = gone;
    return rc;
}

int conntrack_retire(struct netlink *netfilter, const struct state *state)
{
    struct search search = {.state = state};
    uint32_t gone;

    int rc = search_family(netfilter, &search, AF_UNSPEC);
    if (rc == 0)
        rc = delete_found(netfilter, &search, &gone);
    free(search.entries);
    return rc;
}

static int search_family(struct netlink *netfilter, struct search *search, uint8_t family)
{
    char buffer[512];
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    struct nfgenmsg *generic = mnl_nlmsg_put_extra_header(message, sizeof(*generic));

    message->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET;
    message->nlmsg_flags = NLM_F_DUMP;
    *generic = (struct nfgenmsg){.nfgen_family = family, .version = NFNETLINK_V0};
    if (search->grant != NULL)
        put_filter(message, search, family);
    /* It does not say when the table changed meanwhile: what was there before the first element
     * was deleted comes out. */
    return netlink_ask(netfilter, message, on_entry, search);
}

static void put_filter(struct nlmsghdr *message, const struct search *search, uint8_t family)
{
    const struct net_prefix *prefix = &search->state->prefix;
    const struct conntrack_grant *grant = search->grant;
    uint8_t address6[16];

    net_address6(prefix, grant->slot, address6);
    struct nlattr *tuple = mnl_attr_nest_start(message, CTA_TUPLE_ORIG);
    struct nlattr *ip = mnl_attr_nest_start(message, CTA_TUPLE_IP);
    if (family == AF_INET6)
        mnl_attr_put(message, CTA_IP_V6_DST, sizeof(address6), address6);
    else
        mnl_attr_put_u32(message, CTA_IP_V4_DST, htonl(net_address4(prefix, grant->slot)));
    mnl_attr_nest_end(message, ip);
    struct nlattr *proto = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
    mnl_attr_put_u8(message, CTA_PROTO_NUM, (uint8_t)grant->protocol);
    mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(grant->port));
    mnl_attr_nest_end(message, proto);
    mnl_attr_nest_end(message, tuple);
    struct nlattr *filter = mnl_attr_nest_start(message, CTA_FILTER);
    /* Of IPv6 addresses the kernel (5.8 to 6.18 at least) leaves out those that are equal. */
    mnl_attr_put_u32(message, CTA_FILTER_ORIG_FLAGS,
                     (family == AF_INET ? FILTER_DESTINATION_ADDRESS : 0) | FILTER_PROTOCOL |
                         FILTER_DESTINATION_PORT);
    mnl_attr_nest_end(message, filter);
}

static int on_entry(const struct nlmsghdr *message, void *data)
{
    const struct nfgenmsg *generic = mnl_nlmsg_get_payload(message);
    struct search *search = data;
    const struct nlattr *attribute;
    const struct nlattr *nested = NULL;
    struct tuple tuple;
    uint32_t id = 0;

    each_attribute (attribute, message, sizeof(*generic)) {
        if (mnl_attr_get_type(attribute) == CTA_TUPLE_ORIG)
            nested = attribute;
        if (mnl_attr_get_type(attribute) == CTA_ID &&
            mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
            id = mnl_attr_get_u32(attribute);
    }
    if (nested == NULL || mnl_attr_get_payload_len(nested) > TUPLE_BYTES_MAX ||
        !tuple_read(nested, &tuple) || !wanted(search, &tuple))
        return MNL_CB_OK;
    if (search->count == search->room) {
        search->room = search->room * 2 + 64;
        search->entries = mem_grow(search->entries, search->room, sizeof(struct entry));
    }
    struct entry *entry = &search->entries[search->count++];
    *entry = (struct entry){.family = generic->nfgen_family, .id = id};
    entry->tuple_size = mnl_attr_get_payload_len(nested);
    memcpy(entry->tuple, mnl_attr_get_payload(nested), entry->tuple_size);
    return MNL_CB_OK;
}

static bool tuple_read(const struct nlattr *nested, struct tuple *ret_tuple)
{
    struct tuple tuple = {.source = NULL};
    const struct nlattr *part;
    const struct nlattr *field;

    each_nested (part, nested) {
        const uint16_t type = mnl_attr_get_type(part);
        if (type != CTA_TUPLE_IP && type != CTA_TUPLE_PROTO)
            continue;
        each_nested (field, part) {
            if (type == CTA_TUPLE_IP)
                address_read(field, &tuple);
            else
                protocol_read(field, &tuple);
        }
    }
    *ret_tuple = tuple;
    return tuple.source != NULL && tuple.destination != NULL;
}

static void address_read(const struct nlattr *field, struct tuple *tuple)
{
    const uint16_t type = mnl_attr_get_type(field);
    const bool ipv6 = type == CTA_IP_V6_SRC || type == CTA_IP_V6_DST;

    if (mnl_attr_get_payload_len(field) < (ipv6 ? 16 : 4))
        return;
    tuple->ipv6 = ipv6;
    if (type == CTA_IP_V4_SRC || type == CTA_IP_V6_SRC)
        tuple->source = mnl_attr_get_payload(field);
    else if (type == CTA_IP_V4_DST || type == CTA_IP_V6_DST)
        tuple->destination = mnl_attr_get_payload(field);
}

static void protocol_read(const struct nlattr *field, struct tuple *tuple)
{
    const uint16_t type = mnl_attr_get_type(field);
    const uint16_t size = mnl_attr_get_payload_len(field);

    if (type == CTA_PROTO_NUM && size >= sizeof(uint8_t))
        tuple->protocol = mnl_attr_get_u8(field);
    else if (type == CTA_PROTO_DST_PORT && size >= sizeof(uint16_t))
        tuple->port = ntohs(mnl_attr_get_u16(field));
}

static bool wanted(const struct search *search, const struct tuple *tuple)
{
    const struct state *state = search->state;
    const struct conntrack_grant *grant = search->grant;
    const uint32_t from = state_slot_of(&state->prefix, tuple->source, tuple->ipv6);
    const uint32_t to = state_slot_of(&state->prefix, tuple->destination, tuple->ipv6);

    if (grant == NULL)
        return (from != 0 && state->slots[from].retired) || (to != 0 && state->slots[to].retired);
    return to == grant->slot && from != 0 && state->slots[from].uid == grant->uid &&
           tuple->protocol == grant->protocol && tuple->port == grant->port;
}

static int delete_found(struct netlink *netfilter, const struct search *search, uint32_t *ret_gone)
{
    *ret_gone = 0;
    for (size_t i = 0; i < search->count;) {
        auto_batch batch;
        netlink_batch_start(&batch, netfilter, false);
        /* One that ended by itself meanwhile. */
        batch.ignore = -ENOENT;
        for (; i < search->count && batch.count < NETLINK_FAILING_MAX; i++) {
            const struct entry *entry = &search->entries[i];
            struct nlmsghdr *message =
                netlink_message(&batch, (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE, 0,
                                sizeof(struct nfgenmsg));
            struct nfgenmsg *generic = mnl_nlmsg_get_payload(message);
            generic->nfgen_family = entry->family;
            generic->version = NFNETLINK_V0;
            mnl_attr_put(message, CTA_TUPLE_ORIG | NLA_F_NESTED, entry->tuple_size, entry->tuple);
            mnl_attr_put_u32(message, CTA_ID, entry->id);
            netlink_message_end(&batch, message);
        }
        int rc = netlink_commit(&batch);
        if (rc < 0)
            return rc;
        *ret_gone += batch.count - batch.failed;
    }
    return 0;
}
