/* SPDX-License-Identifier: Apache-2.0 */
/* link - the link of one machine */
#include "net/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>

#include "base/mem.h"
#include "wire/limits.h"

#define MAC_SIZE 6U

/* fe80::1, which every machine knows as its gateway. */
static const uint8_t gateway6[16] = {[0] = 0xfe, [1] = 0x80, [15] = 0x01};

struct found_links {
    uint16_t *slots;
    int count;
};

static void put_end(struct nlmsghdr *message, uint32_t slot, int inside);
static void put_no_address_generation(struct netlink_batch *batch, const char *name);
static void put_flags(struct netlink_batch *batch, const char *name, unsigned int flags);
static void put_address(struct netlink_batch *batch, unsigned int index, uint8_t family,
                        const void *local, const void *peer, size_t size);
static void put_neighbour(struct netlink_batch *batch, unsigned int index, uint8_t family,
                          const void *address, size_t size, uint32_t slot);
static int on_index(const struct nlmsghdr *message, void *data);
static int on_link(const struct nlmsghdr *message, void *data);

int link_make(struct netlink *route, uint32_t slot, int netns)
{
    auto_batch batch = {.bytes = NULL};

    int rc = link_remove(route, slot);
    if (rc < 0)
        return rc;
    netlink_batch_start(&batch, route, false);
    struct nlmsghdr *message =
        netlink_message(&batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
    struct ifinfomsg *head = mnl_nlmsg_get_payload(message);
    head->ifi_flags = IFF_NOARP;
    head->ifi_change = IFF_NOARP;
    put_end(message, slot, 0);
    struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
    mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
    struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
    struct nlattr *peer = mnl_attr_nest_start(message, VETH_INFO_PEER);
    struct ifinfomsg *peer_head = mnl_nlmsg_get_payload_tail(message);
    *peer_head = (struct ifinfomsg){.ifi_flags = IFF_NOARP, .ifi_change = IFF_NOARP};
    message->nlmsg_len += (uint32_t)netlink_align(sizeof(*peer_head));
    put_end(message, slot, 1);
    mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)netns);
    mnl_attr_nest_end(message, peer);
    mnl_attr_nest_end(message, data);
    mnl_attr_nest_end(message, info);
    netlink_message_end(&batch, message);
    return netlink_commit(&batch);
}

int link_up(struct netlink *route, const struct net_prefix *prefix, uint32_t slot, bool ipv6)
{
    const uint32_t gateway4 = htonl(net_address4(prefix, NET_SLOT_GATEWAY));
    const uint32_t address4 = htonl(net_address4(prefix, slot));
    uint8_t address6[16];
    char name[NET_LINK_NAME_SIZE];
    unsigned int index = 0;
    auto_batch batch = {.bytes = NULL};
    int rc;

    net_link_name(slot, name);
    net_address6(prefix, slot, address6);
    rc = link_index(route, slot, &index);
    if (rc < 0)
        return rc;
    netlink_batch_start(&batch, route, false);
    if (ipv6)
        put_no_address_generation(&batch, name);
    put_flags(&batch, name, IFF_UP);
    put_address(&batch, index, AF_INET, &gateway4, &address4, sizeof(address4));
    put_neighbour(&batch, index, AF_INET, &address4, sizeof(address4), slot);
    if (ipv6) {
        put_address(&batch, index, AF_INET6, gateway6, address6, sizeof(address6));
        put_neighbour(&batch, index, AF_INET6, address6, sizeof(address6), slot);
    }
    return netlink_commit(&batch);
}

int link_index(struct netlink *route, uint32_t slot, unsigned int *ret_index)
{
    char buffer[256];
    char name[NET_LINK_NAME_SIZE];
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    struct ifinfomsg *head = mnl_nlmsg_put_extra_header(message, sizeof(*head));

    net_link_name(slot, name);
    message->nlmsg_type = RTM_GETLINK;
    *head = (struct ifinfomsg){.ifi_family = AF_UNSPEC};
    mnl_attr_put_strz(message, IFLA_IFNAME, name);
    mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    return netlink_ask(route, message, on_index, ret_index);
}

int link_remove(struct netlink *route, uint32_t slot)
{
    char name[NET_LINK_NAME_SIZE];
    auto_batch batch;

    net_link_name(slot, name);
    netlink_batch_start(&batch, route, false);
    batch.ignore = -ENODEV;
    struct nlmsghdr *message = netlink_message(&batch, RTM_DELLINK, 0, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(message, IFLA_IFNAME, name);
    netlink_message_end(&batch, message);
    return netlink_commit(&batch);
}

int links_list(struct netlink *route, uint16_t *ret_slots)
{
    char buffer[256];
    int rc;
    struct found_links found;

    do {
        found = (struct found_links){.slots = ret_slots};
        struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
        message->nlmsg_type = RTM_GETLINK;
        message->nlmsg_flags = NLM_F_DUMP;
        struct ifinfomsg *head = mnl_nlmsg_put_extra_header(message, sizeof(*head));
        *head = (struct ifinfomsg){.ifi_family = AF_UNSPEC};
        /* Only what a name needs. */
        mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        rc = netlink_ask(route, message, on_link, &found);
    } while (rc == -EINTR);
    return rc < 0 ? rc : found.count;
}

int links_down(struct netlink *route)
{
    auto_free uint16_t *slots = mem_new(NET_SLOT_LAST + 1U, sizeof(*slots));
    int rc = 0;

    int count = links_list(route, slots);
    if (count < 0)
        return count;
    for (int i = 0; i < count;) {
        auto_batch batch;
        netlink_batch_start(&batch, route, false);
        /* One that went meanwhile is down. */
        batch.ignore = -ENODEV;
        for (; i < count && batch.count < NETLINK_FAILING_MAX; i++) {
            char name[NET_LINK_NAME_SIZE];
            net_link_name(slots[i], name);
            put_flags(&batch, name, 0);
        }
        int failed = netlink_commit(&batch);
        rc = rc < 0 ? rc : failed;
    }
    return rc;
}

static void put_end(struct nlmsghdr *message, uint32_t slot, int inside)
{
    uint8_t mac[MAC_SIZE];
    char name[NET_LINK_NAME_SIZE];

    net_mac(slot, inside, mac);
    net_link_name(slot, name);
    mnl_attr_put_strz(message, IFLA_IFNAME, inside ? NET_INSIDE : name);
    mnl_attr_put(message, IFLA_ADDRESS, sizeof(mac), mac);
    mnl_attr_put_u32(message, IFLA_MTU, NETWORK_MTU);
    /* The kernel would give it a queue for each CPU of the host. */
    mnl_attr_put_u32(message, IFLA_NUM_TX_QUEUES, 1);
    mnl_attr_put_u32(message, IFLA_NUM_RX_QUEUES, 1);
}

static struct nlmsghdr *put_change(struct netlink_batch *batch, const char *name,
                                   unsigned int flags, unsigned int change)
{
    struct nlmsghdr *message = netlink_message(batch, RTM_SETLINK, 0, sizeof(struct ifinfomsg));
    struct ifinfomsg *head = mnl_nlmsg_get_payload(message);

    head->ifi_flags = flags;
    head->ifi_change = change;
    mnl_attr_put_strz(message, IFLA_IFNAME, name);
    return message;
}

static void put_flags(struct netlink_batch *batch, const char *name, unsigned int flags)
{
    netlink_message_end(batch, put_change(batch, name, flags, IFF_UP));
}

/* No address of the kernel's own making, so none that DAD or a router would have to know. */
static void put_no_address_generation(struct netlink_batch *batch, const char *name)
{
    struct nlmsghdr *message = put_change(batch, name, 0, 0);
    struct nlattr *families = mnl_attr_nest_start(message, IFLA_AF_SPEC);
    struct nlattr *ipv6 = mnl_attr_nest_start(message, AF_INET6);

    mnl_attr_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end(message, ipv6);
    mnl_attr_nest_end(message, families);
    netlink_message_end(batch, message);
}

/* The kernel adds the route to @peer with it. */
static void put_address(struct netlink_batch *batch, unsigned int index, uint8_t family,
                        const void *local, const void *peer, size_t size)
{
    struct nlmsghdr *message =
        netlink_message(batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, sizeof(struct ifaddrmsg));
    struct ifaddrmsg *head = mnl_nlmsg_get_payload(message);

    head->ifa_family = family;
    head->ifa_prefixlen = (uint8_t)(size * 8U);
    head->ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0;
    /* The host shall not speak as the gateway anywhere else. */
    head->ifa_scope = RT_SCOPE_LINK;
    head->ifa_index = index;
    mnl_attr_put(message, IFA_LOCAL, size, local);
    mnl_attr_put(message, IFA_ADDRESS, size, peer);
    netlink_message_end(batch, message);
}

static void put_neighbour(struct netlink_batch *batch, unsigned int index, uint8_t family,
                          const void *address, size_t size, uint32_t slot)
{
    struct nlmsghdr *message =
        netlink_message(batch, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, sizeof(struct ndmsg));
    struct ndmsg *head = mnl_nlmsg_get_payload(message);
    uint8_t mac[MAC_SIZE];

    net_mac(slot, 1, mac);
    head->ndm_family = family;
    head->ndm_ifindex = (int)index;
    head->ndm_state = NUD_PERMANENT;
    mnl_attr_put(message, NDA_DST, size, address);
    mnl_attr_put(message, NDA_LLADDR, sizeof(mac), mac);
    netlink_message_end(batch, message);
}

static int on_index(const struct nlmsghdr *message, void *data)
{
    const struct ifinfomsg *head = mnl_nlmsg_get_payload(message);
    *(unsigned int *)data = (unsigned int)head->ifi_index;
    return MNL_CB_OK;
}

static int on_link(const struct nlmsghdr *message, void *data)
{
    struct found_links *found = data;
    const struct nlattr *attribute;

    each_attribute (attribute, message, sizeof(struct ifinfomsg)) {
        if (mnl_attr_get_type(attribute) != IFLA_IFNAME ||
            mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) < 0)
            continue;
        uint32_t slot = net_link_slot(mnl_attr_get_str(attribute));
        if (slot != 0 && found->count <= (int)NET_SLOT_LAST)
            found->slots[found->count++] = (uint16_t)slot;
    }
    return MNL_CB_OK;
}
