/* SPDX-License-Identifier: Apache-2.0 */
/* routes - the host's own subnets, and what stands in Croft's way */
#include "net/routes.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/elements.h"

/* A route to half of all there is is a default route by another name. */
#define DEFAULT_BITS_MAX 1U
#define PREFIX4_BITS     16U
#define PREFIX6_BITS     48U

/* Closed by default wherever they lead, and whether the host is connected to them or not. */
static const struct {
    uint8_t address[ADDRESS_BYTES_MAX];
    uint8_t bits;
    bool ipv6;
} PRIVATE[] = {
    {{10}, 8, false},        {{100, 64}, 10, false}, {{172, 16}, 12, false},
    {{192, 168}, 16, false}, {{0xfc}, 7, true},      {{0, 0x64, 0xff, 0x9b, 0, 1}, 48, true},
};

/* One route as far as it matters here. */
struct found_route {
    struct interval subnet;
    bool ipv6;
    unsigned int bits;
    uint8_t type;
    uint8_t protocol;
    bool gateway;
    unsigned int interface;
};

struct reading {
    struct routes *routes;
    const struct net_prefix *prefix;
    /* Interfaces of routes that cover addresses of machines: looked at afterwards. */
    unsigned int *suspect;
    size_t suspect_count;
    bool full;
};

static int read_all(struct netlink *route, struct reading *reading);
static int read_family(struct netlink *route, struct reading *reading, uint8_t family);
static int on_route(const struct nlmsghdr *message, void *data);
static void add_subnet(struct reading *reading, const struct interval *subnet, bool ipv6);
static struct found_route route_of(const struct nlmsghdr *message);
static bool is_subnet(const struct found_route *route, const struct net_prefix *prefix);
static struct interval machines(const struct net_prefix *prefix, bool ipv6);
static int interface_is_link(struct netlink *route, unsigned int interface);
static int on_name(const struct nlmsghdr *message, void *data);
static int on_type(const struct nlmsghdr *message, void *data);

static size_t size_of(bool ipv6)
{
    return ipv6 ? 16 : 4;
}

int routes_read(struct netlink *route, const struct net_prefix *prefix, struct routes *ret_routes,
                struct err *err)
{
    static struct routes routes;
    struct reading reading = {.routes = &routes, .prefix = prefix};

    int rc = read_all(route, &reading);
    free(reading.suspect);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot read the host's routes");
    if (reading.full)
        return err_set(err, OUTCOME_HOST_CANNOT,
                       "the host has more than %u subnets of its own, each of which has to be "
                       "closed to machines: ip route show table all",
                       ROUTES_SUBNETS_MAX);
    for (int ipv6 = 0; ipv6 < 2; ipv6++)
        routes.count[ipv6] =
            intervals_merge(routes.subnet[ipv6], routes.count[ipv6], size_of(ipv6));
    *ret_routes = routes;
    return 0;
}

int routes_apply(struct netlink *netfilter, const struct routes *routes)
{
    auto_batch batch;

    netlink_batch_start(&batch, netfilter, true);
    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        struct element elements[2 * ROUTES_SUBNETS_MAX];
        const size_t size = size_of(ipv6);
        size_t count = 0;
        for (size_t i = 0; i < routes->count[ipv6]; i++) {
            struct element element = {.end = false};
            memcpy(element.key, routes->subnet[ipv6][i].first, size);
            elements[count++] = element;
            element.end = true;
            if (interval_after(&routes->subnet[ipv6][i], size, element.key))
                elements[count++] = element;
        }
        elements_flush(&batch, ipv6 ? SET_LAN6 : SET_LAN4);
        elements_add(&batch, ipv6 ? SET_LAN6 : SET_LAN4, elements, count);
    }
    return netlink_commit(&batch);
}

bool routes_same(const struct routes *one, const struct routes *other)
{
    for (int ipv6 = 0; ipv6 < 2; ipv6++)
        if (one->count[ipv6] != other->count[ipv6] ||
            memcmp(one->subnet[ipv6], other->subnet[ipv6],
                   one->count[ipv6] * sizeof(struct interval)) != 0)
            return false;
    return true;
}

bool routes_concerned(const struct nlmsghdr *message, const struct net_prefix *prefix)
{
    if ((message->nlmsg_type != RTM_NEWROUTE && message->nlmsg_type != RTM_DELROUTE) ||
        mnl_nlmsg_get_payload_len(message) < sizeof(struct rtmsg))
        return false;
    const struct found_route route = route_of(message);
    return is_subnet(&route, prefix);
}

bool routes_machines(const struct net_prefix *prefix, const uint8_t *address, bool ipv6)
{
    const size_t size = size_of(ipv6);
    const struct interval ours = machines(prefix, ipv6);
    const struct interval one = interval_subnet(address, size, 8 * (unsigned int)size);
    return interval_overlaps(&one, &ours, size);
}

int routes_local(struct netlink *route, const uint8_t *address, bool ipv6)
{
    char buffer[128];
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    struct rtmsg *head = mnl_nlmsg_put_extra_header(message, sizeof(*head));
    uint8_t type = RTN_UNSPEC;

    message->nlmsg_type = RTM_GETROUTE;
    *head = (struct rtmsg){.rtm_family = ipv6 ? AF_INET6 : AF_INET,
                           .rtm_dst_len = (uint8_t)(8 * size_of(ipv6))};
    mnl_attr_put(message, RTA_DST, size_of(ipv6), address);
    int rc = netlink_ask(route, message, on_type, &type);
    /* The kernel would not know where to send it. */
    if (rc == -ENETUNREACH || rc == -EHOSTUNREACH || rc == -EINVAL || rc == -EACCES)
        return 0;
    return rc < 0 ? rc : type == RTN_LOCAL;
}

static int read_all(struct netlink *route, struct reading *reading)
{
    struct routes *routes = reading->routes;
    int rc;

    do {
        *routes = (struct routes){.overlap = false};
        reading->suspect_count = 0;
        reading->full = false;
        for (size_t i = 0; i < ARRAY_LEN(PRIVATE); i++) {
            const bool ipv6 = PRIVATE[i].ipv6;
            const struct interval subnet =
                interval_subnet(PRIVATE[i].address, size_of(ipv6), PRIVATE[i].bits);
            add_subnet(reading, &subnet, ipv6);
        }
        rc = read_family(route, reading, AF_INET);
        if (rc == 0)
            rc = read_family(route, reading, AF_INET6);
    } while (rc == -EINTR);
    for (size_t i = 0; i < reading->suspect_count && rc == 0; i++) {
        int is_link = reading->suspect[i] == 0 ? 0 : interface_is_link(route, reading->suspect[i]);
        routes->overlap = routes->overlap || is_link == 0;
        rc = is_link < 0 ? is_link : 0;
    }
    return rc;
}

static int read_family(struct netlink *route, struct reading *reading, uint8_t family)
{
    char buffer[64];
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    struct rtmsg *head = mnl_nlmsg_put_extra_header(message, sizeof(*head));

    message->nlmsg_type = RTM_GETROUTE;
    message->nlmsg_flags = NLM_F_DUMP;
    *head = (struct rtmsg){.rtm_family = family};
    return netlink_ask(route, message, on_route, reading);
}

static int on_route(const struct nlmsghdr *message, void *data)
{
    struct reading *reading = data;
    struct routes *routes = reading->routes;
    const struct found_route route = route_of(message);
    const struct interval ours = machines(reading->prefix, route.ipv6);

    if (route.bits > DEFAULT_BITS_MAX && route.type != RTN_MULTICAST &&
        interval_overlaps(&route.subnet, &ours, size_of(route.ipv6))) {
        reading->suspect =
            mem_grow(reading->suspect, reading->suspect_count + 1, sizeof(*reading->suspect));
        reading->suspect[reading->suspect_count++] = route.interface;
    }
    if (route.ipv6 && route.bits == 0 && route.protocol == RTPROT_RA &&
        routes->advertiser_count < ROUTES_ADVERTISERS_MAX)
        routes->advertiser[routes->advertiser_count++] = route.interface;
    if (!is_subnet(&route, reading->prefix))
        return MNL_CB_OK;
    add_subnet(reading, &route.subnet, route.ipv6);
    return MNL_CB_OK;
}

/* One of IPv4 is reached by its IPv6 name too, where somebody translates (NAT64). */
static void add_subnet(struct reading *reading, const struct interval *subnet, bool ipv6)
{
    struct routes *routes = reading->routes;
    size_t *count = &routes->count[ipv6];

    if (*count == ROUTES_SUBNETS_MAX)
        *count = intervals_merge(routes->subnet[ipv6], *count, size_of(ipv6));
    if (*count == ROUTES_SUBNETS_MAX) {
        reading->full = true;
        return;
    }
    routes->subnet[ipv6][(*count)++] = *subnet;
    if (ipv6)
        return;
    struct interval translated;
    memcpy(translated.first, NAT64, sizeof(NAT64));
    memcpy(translated.last, NAT64, sizeof(NAT64));
    memcpy(translated.first + sizeof(NAT64), subnet->first, size_of(false));
    memcpy(translated.last + sizeof(NAT64), subnet->last, size_of(false));
    add_subnet(reading, &translated, true);
}

static struct found_route route_of(const struct nlmsghdr *message)
{
    const struct rtmsg *head = mnl_nlmsg_get_payload(message);
    struct found_route route = {
        .ipv6 = head->rtm_family == AF_INET6,
        .bits = head->rtm_dst_len,
        .type = head->rtm_type,
        .protocol = head->rtm_protocol,
    };
    uint8_t address[ADDRESS_BYTES_MAX] = {0};
    const struct nlattr *attribute;

    each_attribute (attribute, message, sizeof(*head)) {
        const uint16_t type = mnl_attr_get_type(attribute);
        const size_t size = mnl_attr_get_payload_len(attribute);
        if (type == RTA_DST && size == size_of(route.ipv6))
            memcpy(address, mnl_attr_get_payload(attribute), size);
        if (type == RTA_OIF && size == sizeof(uint32_t))
            route.interface = mnl_attr_get_u32(attribute);
        if (type == RTA_GATEWAY || type == RTA_VIA || type == RTA_MULTIPATH)
            route.gateway = true;
    }
    route.subnet = interval_subnet(address, size_of(route.ipv6), route.bits);
    return route;
}

/* Whoever is reached without a gateway is a neighbour, or at the other end of a tunnel, whoever
 * made the route. Link-local and our own are none. */
static bool is_subnet(const struct found_route *route, const struct net_prefix *prefix)
{
    static const uint8_t link_local[ADDRESS_BYTES_MAX] = {0xfe, 0x80};
    const struct interval ours = machines(prefix, route->ipv6);
    const struct interval local = interval_subnet(link_local, sizeof(link_local), 10);

    return route->type == RTN_UNICAST && !route->gateway && route->bits > DEFAULT_BITS_MAX &&
           !interval_overlaps(&route->subnet, &ours, size_of(route->ipv6)) &&
           !(route->ipv6 && interval_overlaps(&route->subnet, &local, size_of(true)));
}

static struct interval machines(const struct net_prefix *prefix, bool ipv6)
{
    uint8_t address[ADDRESS_BYTES_MAX] = {0};

    if (ipv6)
        return interval_subnet(prefix->ipv6, size_of(true), PREFIX6_BITS);
    for (unsigned int i = 0; i < 4; i++)
        address[i] = (uint8_t)(prefix->ipv4 >> (24 - 8 * i));
    return interval_subnet(address, size_of(false), PREFIX4_BITS);
}

/* Return: 1; 0; -errno */
static int interface_is_link(struct netlink *route, unsigned int interface)
{
    char buffer[128];
    bool link = false;
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    struct ifinfomsg *head = mnl_nlmsg_put_extra_header(message, sizeof(*head));

    message->nlmsg_type = RTM_GETLINK;
    *head = (struct ifinfomsg){.ifi_family = AF_UNSPEC, .ifi_index = (int)interface};
    int rc = netlink_ask(route, message, on_name, &link);
    /* Gone meanwhile. */
    if (rc == -ENODEV)
        return 1;
    return rc < 0 ? rc : link;
}

static int on_name(const struct nlmsghdr *message, void *data)
{
    const struct nlattr *attribute;

    each_attribute (attribute, message, sizeof(struct ifinfomsg)) {
        if (mnl_attr_get_type(attribute) == IFLA_IFNAME &&
            mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
            *(bool *)data = net_link_slot(mnl_attr_get_str(attribute)) != 0;
    }
    return MNL_CB_OK;
}

static int on_type(const struct nlmsghdr *message, void *data)
{
    const struct rtmsg *head = mnl_nlmsg_get_payload(message);
    *(uint8_t *)data = head->rtm_type;
    return MNL_CB_OK;
}
