/* SPDX-License-Identifier: Apache-2.0 */
/* net - the form of a request to croft-net, and what follows from a slot */
#include "wire/net.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "base/str.h"

#define SLOT_DIGITS 4U

static bool needs_slot(uint32_t type);
static bool needs_uid(uint32_t type);
static bool protocol_ok(uint16_t protocol);

int net_request_check(const struct net_request *request, size_t size, size_t fd_count)
{
    if (size != sizeof(*request) || request->version != NET_VERSION || request->reserved != 0)
        return -EINVAL;
    if (request->type == 0 || request->type >= NET_REQUEST_TYPE_COUNT)
        return -EINVAL;
    if (fd_count > (request->type == NET_LINK ? 1U : 0U))
        return -EINVAL;
    if (needs_slot(request->type) &&
        (request->slot < NET_SLOT_FIRST || request->slot > NET_SLOT_LAST))
        return -EINVAL;
    /* 0 would be the mark of nobody, with which a packet is refused. */
    if (needs_uid(request->type) && request->uid == 0)
        return -EINVAL;
    if (request->type == NET_GRANT || request->type == NET_GRANT_GONE)
        return protocol_ok(request->protocol) && request->port != 0 ? 0 : -EINVAL;
    if (request->type == NET_SERVICE || request->type == NET_WHY)
        return protocol_ok(request->target.protocol) &&
                       (request->target.flags & ~(uint32_t)NET_IPV6) == 0
                   ? 0
                   : -EINVAL;
    return 0;
}

void net_link_name(uint32_t slot, char ret_name[NET_LINK_NAME_SIZE])
{
    if (str_format(ret_name, NET_LINK_NAME_SIZE, "%s%04x", NET_LINK_PREFIX, slot & 0xffffU) < 0)
        croft_bug("the name of a link is too long");
}

uint32_t net_link_slot(const char *name)
{
    const size_t prefix = strlen(NET_LINK_PREFIX);
    uint32_t slot = 0;

    if (strncmp(name, NET_LINK_PREFIX, prefix) != 0 || strlen(name) != prefix + SLOT_DIGITS)
        return 0;
    for (const char *digit = name + prefix; *digit != '\0'; digit++) {
        static const char digits[] = "0123456789abcdef";
        const char *found = strchr(digits, *digit);
        if (found == NULL)
            return 0;
        slot = slot * 16U + (uint32_t)(found - digits);
    }
    return slot >= NET_SLOT_FIRST && slot <= NET_SLOT_LAST ? slot : 0;
}

uint32_t net_address4(const struct net_prefix *prefix, uint32_t slot)
{
    return prefix->ipv4 | (slot & 0xffffU);
}

void net_address6(const struct net_prefix *prefix, uint32_t slot, uint8_t ret_address[16])
{
    memcpy(ret_address, prefix->ipv6, 16);
    ret_address[14] = (uint8_t)(slot >> 8 & 0xffU);
    ret_address[15] = (uint8_t)(slot & 0xffU);
}

void net_mac(uint32_t slot, int inside, uint8_t ret_mac[6])
{
    const uint8_t mac[6] = {0x02,
                            0x63,
                            0x72,
                            inside ? 0x01 : 0x00,
                            (uint8_t)(slot >> 8 & 0xffU),
                            (uint8_t)(slot & 0xffU)};
    memcpy(ret_mac, mac, sizeof(mac));
}

static bool needs_slot(uint32_t type)
{
    return type == NET_LINK || type == NET_LINK_GONE || type == NET_GRANT || type == NET_GRANT_GONE;
}

static bool needs_uid(uint32_t type)
{
    return type == NET_USER || type == NET_USER_GONE || type == NET_LINK || type == NET_GRANT ||
           type == NET_GRANT_GONE || type == NET_WHY;
}

static bool protocol_ok(uint16_t protocol)
{
    return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}
