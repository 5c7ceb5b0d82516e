/* SPDX-License-Identifier: Apache-2.0 */
/* elements - what is in the sets of croft.nft */
#include "net/elements.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/* The longest element: 32 bytes of key, two limits with a head each. */
#define ELEMENT_BYTES_MAX 512U
/* How much of a second's packets may come at one time. */
#define BURST_PART 4U
/* Two of the largest packets: the kernel itself adds a second's worth. */
#define BURST_BYTES (128U * 1024U)

enum set_limit {
    LIMIT_NONE = 0,
    LIMIT_TRAFFIC,     /* packets and bytes */
    LIMIT_RATE,        /* packets: of new connections */
    LIMIT_CONNECTIONS, /* ct count over */
};

/* What the kernel lists. keep: the elements too, not only how many. */
struct listing {
    bool keep;
    struct element *elements;
    size_t count;
    size_t room;
};

static const struct set {
    const char *name;
    uint8_t key_size;
    bool map;
    enum set_limit limit;
} SETS[SET_COUNT] = {
    [SET_OWNER4] = {"owner4", 20, true, LIMIT_NONE},
    [SET_OWNER6] = {"owner6", 32, true, LIMIT_NONE},
    [SET_MEMBERS4] = {"members4", 8, false, LIMIT_NONE},
    [SET_MEMBERS6] = {"members6", 20, false, LIMIT_NONE},
    [SET_GRANTS4] = {"grants4", 16, false, LIMIT_NONE},
    [SET_GRANTS6] = {"grants6", 28, false, LIMIT_NONE},
    [SET_GRANTS_NEW4] = {"grants_new4", 16, false, LIMIT_RATE},
    [SET_GRANTS_NEW6] = {"grants_new6", 28, false, LIMIT_RATE},
    [SET_GRANT_CONNECTIONS4] = {"grant_connections4", 16, false, LIMIT_CONNECTIONS},
    [SET_GRANT_CONNECTIONS6] = {"grant_connections6", 28, false, LIMIT_CONNECTIONS},
    [SET_USER_OUT] = {"user_out", 4, false, LIMIT_TRAFFIC},
    [SET_USER_IN] = {"user_in", 4, false, LIMIT_TRAFFIC},
    [SET_USER_CONNECTIONS] = {"user_connections", 4, false, LIMIT_CONNECTIONS},
    [SET_USER_LAN] = {"user_lan", 4, false, LIMIT_NONE},
    [SET_SERVICES4] = {"services4", 12, false, LIMIT_NONE},
    [SET_SERVICES6] = {"services6", 24, false, LIMIT_NONE},
    [SET_LAN4] = {"lan4", 4, false, LIMIT_NONE},
    [SET_LAN6] = {"lan6", 16, false, LIMIT_NONE},
    [SET_ONLY_MACHINES] = {"only_machines", 1, false, LIMIT_NONE},
};

static struct nlmsghdr *begin(struct netlink_batch *batch, uint16_t type, uint16_t flags,
                              enum set_id set);
static void put_all(struct netlink_batch *batch, uint16_t type, enum set_id set,
                    const struct element *elements, size_t count);
static void put_element(struct nlmsghdr *message, enum set_id set, const struct element *element,
                        bool whole);
static void put_limits(struct nlmsghdr *message, enum set_limit limit,
                       const struct element *element);
static void put_rate(struct nlmsghdr *message, uint64_t rate, uint32_t type);
static int list_all(struct netlink *netlink, enum set_id set, struct listing *listing);
static int on_elements(const struct nlmsghdr *message, void *data);
static struct element read_element(const struct nlattr *one);
static size_t put_field(struct element *element, size_t used, const void *bytes, size_t size);

void elements_add(struct netlink_batch *batch, enum set_id set, const struct element *elements,
                  size_t count)
{
    put_all(batch, NFT_MSG_NEWSETELEM, set, elements, count);
}

void elements_delete(struct netlink_batch *batch, enum set_id set, const struct element *elements,
                     size_t count)
{
    put_all(batch, NFT_MSG_DELSETELEM, set, elements, count);
}

void elements_flush(struct netlink_batch *batch, enum set_id set)
{
    netlink_message_end(batch, begin(batch, NFT_MSG_DELSETELEM, 0, set));
}

int element_look(struct netlink *netlink, enum set_id set, const struct element *element,
                 struct element_found *ret_found)
{
    auto_batch batch;
    struct listing listing = {.keep = true};

    /* Built as a message of a batch, sent as a question. */
    netlink_batch_start(&batch, netlink, false);
    struct nlmsghdr *message = begin(&batch, NFT_MSG_GETSETELEM, 0, set);
    struct nlattr *list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
    put_element(message, set, element, false);
    mnl_attr_nest_end(message, list);
    int rc = netlink_ask(netlink, message, on_elements, &listing);
    rc = rc == -ENOENT ? 0 : rc;
    if (rc == 0)
        *ret_found = (struct element_found){
            .found = listing.count > 0,
            .expires_ms = listing.count > 0 ? listing.elements[0].timeout_ms : 0,
        };
    free(listing.elements);
    return rc;
}

int elements_count(struct netlink *netlink, enum set_id set, uint32_t *ret_count)
{
    struct listing listing = {.keep = false};

    int rc = list_all(netlink, set, &listing);
    if (rc == 0)
        *ret_count = (uint32_t)listing.count;
    return rc;
}

int elements_list(struct netlink *netlink, enum set_id set, struct element **ret_elements,
                  size_t *ret_count)
{
    struct listing listing = {.keep = true};

    int rc = list_all(netlink, set, &listing);
    if (rc < 0) {
        free(listing.elements);
        return rc;
    }
    *ret_elements = listing.elements;
    *ret_count = listing.count;
    return 0;
}

struct element key_owner(const struct net_prefix *prefix, uint32_t slot, bool ipv6)
{
    struct element element = {.timeout_ms = 0};
    char name[NET_LINK_NAME_SIZE] = "";
    uint8_t address6[16];
    const uint32_t address4 = htonl(net_address4(prefix, slot));

    net_link_name(slot, name);
    net_address6(prefix, slot, address6);
    size_t used = put_field(&element, 0, name, sizeof(name));
    put_field(&element, used, ipv6 ? (const void *)address6 : &address4, ipv6 ? 16 : 4);
    return element;
}

struct element key_member(const struct net_prefix *prefix, uint32_t uid, uint32_t slot, bool ipv6)
{
    struct element element = key_user(uid);
    uint8_t address6[16];
    const uint32_t address4 = htonl(net_address4(prefix, slot));

    net_address6(prefix, slot, address6);
    put_field(&element, 4, ipv6 ? (const void *)address6 : &address4, ipv6 ? 16 : 4);
    return element;
}

struct element key_grant(const struct net_prefix *prefix, uint32_t uid, uint32_t slot,
                         uint16_t protocol, uint16_t port, bool ipv6)
{
    struct element element = key_member(prefix, uid, slot, ipv6);
    const uint8_t protocol8 = (uint8_t)protocol;
    const uint16_t port_net = htons(port);

    size_t used = put_field(&element, ipv6 ? 20 : 8, &protocol8, sizeof(protocol8));
    put_field(&element, used, &port_net, sizeof(port_net));
    return element;
}

struct element key_service(const struct net_target *target)
{
    struct element element = {.timeout_ms = 0};
    const uint8_t protocol8 = (uint8_t)target->protocol;
    const uint16_t port_net = htons(target->port);

    size_t used = put_field(&element, 0, target->address, target->flags & NET_IPV6 ? 16 : 4);
    used = put_field(&element, used, &protocol8, sizeof(protocol8));
    put_field(&element, used, &port_net, sizeof(port_net));
    return element;
}

struct element key_user(uint32_t uid)
{
    struct element element = {.timeout_ms = 0};
    put_field(&element, 0, &uid, sizeof(uid));
    return element;
}

static size_t put_field(struct element *element, size_t used, const void *bytes, size_t size)
{
    memcpy(element->key + used, bytes, size);
    return used + netlink_align(size);
}

static struct nlmsghdr *begin(struct netlink_batch *batch, uint16_t type, uint16_t flags,
                              enum set_id set)
{
    struct nlmsghdr *message =
        netlink_message(batch, netlink_nft(type), flags, sizeof(struct nfgenmsg));
    struct nfgenmsg *generic = mnl_nlmsg_get_payload(message);

    generic->nfgen_family = NFPROTO_INET;
    generic->version = NFNETLINK_V0;
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, TABLE_NAME);
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, SETS[set].name);
    return message;
}

static void put_all(struct netlink_batch *batch, uint16_t type, enum set_id set,
                    const struct element *elements, size_t count)
{
    const bool new = type == NFT_MSG_NEWSETELEM;

    for (size_t i = 0; i < count;) {
        struct nlmsghdr *message = begin(batch, type, new ? NLM_F_CREATE : 0, set);
        struct nlattr *list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
        while (i < count && message->nlmsg_len + ELEMENT_BYTES_MAX < NETLINK_MESSAGE_MAX)
            put_element(message, set, &elements[i++], new);
        mnl_attr_nest_end(message, list);
        netlink_message_end(batch, message);
    }
}

/* @whole: with what it has beside its key, as for a new one. */
static void put_element(struct nlmsghdr *message, enum set_id set, const struct element *element,
                        bool whole)
{
    struct nlattr *outer = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
    struct nlattr *key = mnl_attr_nest_start(message, NFTA_SET_ELEM_KEY);

    mnl_attr_put(message, NFTA_DATA_VALUE, SETS[set].key_size, element->key);
    mnl_attr_nest_end(message, key);
    if (element->end)
        mnl_attr_put_u32(message, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
    if (whole && SETS[set].map) {
        struct nlattr *data = mnl_attr_nest_start(message, NFTA_SET_ELEM_DATA);
        mnl_attr_put_u32(message, NFTA_DATA_VALUE, element->owner);
        mnl_attr_nest_end(message, data);
    }
    if (whole && element->timeout_ms != 0)
        mnl_attr_put_u64(message, NFTA_SET_ELEM_TIMEOUT, htobe64(element->timeout_ms));
    if (whole)
        put_limits(message, SETS[set].limit, element);
    mnl_attr_nest_end(message, outer);
}

static void put_limits(struct nlmsghdr *message, enum set_limit limit,
                       const struct element *element)
{
    struct nlattr *list;

    switch (limit) {
    case LIMIT_NONE:
        break;
    case LIMIT_TRAFFIC:
        list = mnl_attr_nest_start(message, NFTA_SET_ELEM_EXPRESSIONS);
        struct nlattr *packets = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
        put_rate(message, element->packets_per_s, NFT_LIMIT_PKTS);
        mnl_attr_nest_end(message, packets);
        struct nlattr *bytes = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
        put_rate(message, element->bytes_per_s, NFT_LIMIT_PKT_BYTES);
        mnl_attr_nest_end(message, bytes);
        mnl_attr_nest_end(message, list);
        break;
    case LIMIT_RATE:
        list = mnl_attr_nest_start(message, NFTA_SET_ELEM_EXPR);
        put_rate(message, element->packets_per_s, NFT_LIMIT_PKTS);
        mnl_attr_nest_end(message, list);
        break;
    case LIMIT_CONNECTIONS:
        list = mnl_attr_nest_start(message, NFTA_SET_ELEM_EXPR);
        mnl_attr_put_strz(message, NFTA_EXPR_NAME, "connlimit");
        struct nlattr *data = mnl_attr_nest_start(message, NFTA_EXPR_DATA);
        mnl_attr_put_u32(message, NFTA_CONNLIMIT_COUNT, htonl(element->connections));
        mnl_attr_put_u32(message, NFTA_CONNLIMIT_FLAGS, htonl(NFT_CONNLIMIT_F_INV));
        mnl_attr_nest_end(message, data);
        mnl_attr_nest_end(message, list);
        break;
    }
}

/* Matches while under @rate. */
static void put_rate(struct nlmsghdr *message, uint64_t rate, uint32_t type)
{
    const uint64_t burst = type == NFT_LIMIT_PKTS ? rate / BURST_PART + 1 : BURST_BYTES;

    mnl_attr_put_strz(message, NFTA_EXPR_NAME, "limit");
    struct nlattr *data = mnl_attr_nest_start(message, NFTA_EXPR_DATA);
    mnl_attr_put_u64(message, NFTA_LIMIT_RATE, htobe64(rate));
    mnl_attr_put_u64(message, NFTA_LIMIT_UNIT, htobe64(1));
    mnl_attr_put_u32(message, NFTA_LIMIT_BURST, htonl((uint32_t)burst));
    mnl_attr_put_u32(message, NFTA_LIMIT_TYPE, htonl(type));
    mnl_attr_nest_end(message, data);
}

static int list_all(struct netlink *netlink, enum set_id set, struct listing *listing)
{
    int rc;

    do {
        auto_batch batch;
        listing->count = 0;
        netlink_batch_start(&batch, netlink, false);
        rc = netlink_ask(netlink, begin(&batch, NFT_MSG_GETSETELEM, NLM_F_DUMP, set), on_elements,
                         listing);
    } while (rc == -EINTR);
    return rc;
}

static int on_elements(const struct nlmsghdr *message, void *data)
{
    struct listing *listing = data;
    const struct nlattr *list;
    const struct nlattr *one;

    each_attribute (list, message, sizeof(struct nfgenmsg)) {
        if (mnl_attr_get_type(list) != NFTA_SET_ELEM_LIST_ELEMENTS)
            continue;
        each_nested (one, list) {
            if (listing->keep && listing->count == listing->room) {
                listing->room = listing->room * 2 + 16;
                listing->elements =
                    mem_grow(listing->elements, listing->room, sizeof(*listing->elements));
            }
            if (listing->keep)
                listing->elements[listing->count] = read_element(one);
            listing->count++;
        }
    }
    return MNL_CB_OK;
}

static struct element read_element(const struct nlattr *one)
{
    struct element element = {.end = false};
    const struct nlattr *field;
    const struct nlattr *part;
    const struct nlattr *value;

    each_nested (field, one) {
        const uint16_t type = mnl_attr_get_type(field);
        if (type == NFTA_SET_ELEM_EXPIRATION)
            element.timeout_ms = be64toh(mnl_attr_get_u64(field));
        if (type != NFTA_SET_ELEM_KEY && type != NFTA_SET_ELEM_EXPR)
            continue;
        each_nested (part, field) {
            const uint16_t size = mnl_attr_get_payload_len(part);
            if (type == NFTA_SET_ELEM_KEY && size <= sizeof(element.key))
                memcpy(element.key, mnl_attr_get_payload(part), size);
            if (type != NFTA_SET_ELEM_EXPR || mnl_attr_get_type(part) != NFTA_EXPR_DATA)
                continue;
            each_nested (value, part) {
                if (mnl_attr_get_type(value) == NFTA_CONNLIMIT_COUNT)
                    element.connections = ntohl(mnl_attr_get_u32(value));
            }
        }
    }
    return element;
}
