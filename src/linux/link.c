/* SPDX-License-Identifier: Apache-2.0 */
/* link - the inside end of a machine's network link: one socket, one send */
#include "linux/link.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "base/str.h"
#include "linux/nlmsg.h"

#define LOOPBACK 1 /* its index, in every network namespace */
#define MAKE     (NLM_F_CREATE | NLM_F_EXCL)

static int link_index(int sock, const char *name);
static void add_up(struct nlmsg_batch *batch, int index, unsigned int flags);
static void add_no_address_of_its_own(struct nlmsg_batch *batch, int index);
static void add_address(struct nlmsg_batch *batch, int index, uint8_t family, const void *address,
                        uint8_t size);
static void add_gateway(struct nlmsg_batch *batch, int index, uint8_t family, const void *address,
                        uint8_t size, const uint8_t mac[6]);

int link_loopback_up(void)
{
    struct nlmsg_batch batch = {.used = 0};
    auto_close sock = nlmsg_open(NETLINK_ROUTE);
    if (sock < 0)
        return sock;
    add_up(&batch, LOOPBACK, IFF_UP);
    return nlmsg_exchange(sock, &batch, NULL);
}

int link_inside_up(const struct link_inside *link)
{
    struct nlmsg_batch batch = {.used = 0};
    auto_close sock = nlmsg_open(NETLINK_ROUTE);
    if (sock < 0)
        return sock;
    int index = link_index(sock, link->name);
    if (index < 0)
        return index;
    add_up(&batch, LOOPBACK, IFF_UP);
    if (link->has_ipv6)
        add_no_address_of_its_own(&batch, index);
    add_up(&batch, index, IFF_UP | IFF_NOARP);
    add_address(&batch, index, AF_INET, &link->address4, sizeof(link->address4));
    add_gateway(&batch, index, AF_INET, &link->gateway4, sizeof(link->gateway4), link->gateway_mac);
    if (link->has_ipv6) {
        add_address(&batch, index, AF_INET6, &link->address6, sizeof(link->address6));
        add_gateway(&batch, index, AF_INET6, &link->gateway6, sizeof(link->gateway6),
                    link->gateway_mac);
    }
    return nlmsg_exchange(sock, &batch, NULL);
}

static int link_index(int sock, const char *name)
{
    struct ifreq request = {.ifr_ifindex = 0};
    int rc = str_copy(request.ifr_name, sizeof(request.ifr_name), name);
    if (rc < 0)
        return rc;
    return ioctl(sock, SIOCGIFINDEX, &request) < 0 ? -errno : request.ifr_ifindex;
}

static void add_up(struct nlmsg_batch *batch, int index, unsigned int flags)
{
    const struct ifinfomsg info = {.ifi_index = index, .ifi_flags = flags, .ifi_change = flags};
    nlmsg_begin(batch, RTM_NEWLINK, 0, &info, sizeof(info));
}

/* No link-local address: the kernel would make it as soon as the link is up. */
static void add_no_address_of_its_own(struct nlmsg_batch *batch, int index)
{
    const struct {
        struct nlattr ipv6;
        struct nlattr mode;
        uint8_t none[4];
    } families = {
        .ipv6 = {.nla_len = sizeof(families), .nla_type = AF_INET6},
        .mode = {.nla_len = sizeof(struct nlattr) + 1, .nla_type = IFLA_INET6_ADDR_GEN_MODE},
        .none = {IN6_ADDR_GEN_MODE_NONE},
    };
    const struct ifinfomsg info = {.ifi_index = index};
    nlmsg_begin(batch, RTM_SETLINK, 0, &info, sizeof(info));
    nlmsg_attribute(batch, IFLA_AF_SPEC, &families, sizeof(families));
}

/* Alone on its link: nobody to ask whether the address is taken. */
static void add_address(struct nlmsg_batch *batch, int index, uint8_t family, const void *address,
                        uint8_t size)
{
    const struct ifaddrmsg info = {.ifa_family = family,
                                   .ifa_prefixlen = (uint8_t)(size * 8U),
                                   .ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0,
                                   .ifa_index = (unsigned int)index};
    nlmsg_begin(batch, RTM_NEWADDR, MAKE, &info, sizeof(info));
    nlmsg_attribute(batch, IFA_LOCAL, address, size);
    nlmsg_attribute(batch, IFA_ADDRESS, address, size);
}

static void add_gateway(struct nlmsg_batch *batch, int index, uint8_t family, const void *address,
                        uint8_t size, const uint8_t mac[6])
{
    const struct ndmsg neighbour = {
        .ndm_family = family, .ndm_ifindex = index, .ndm_state = NUD_PERMANENT};
    nlmsg_begin(batch, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &neighbour, sizeof(neighbour));
    nlmsg_attribute(batch, NDA_DST, address, size);
    nlmsg_attribute(batch, NDA_LLADDR, mac, 6);
    const struct rtmsg route = {.rtm_family = family,
                                .rtm_table = RT_TABLE_MAIN,
                                .rtm_protocol = RTPROT_BOOT,
                                .rtm_scope = RT_SCOPE_UNIVERSE,
                                .rtm_type = RTN_UNICAST,
                                .rtm_flags = RTNH_F_ONLINK};
    nlmsg_begin(batch, RTM_NEWROUTE, MAKE, &route, sizeof(route));
    nlmsg_attribute(batch, RTA_GATEWAY, address, size);
    nlmsg_attribute(batch, RTA_OIF, &index, sizeof(index));
}
