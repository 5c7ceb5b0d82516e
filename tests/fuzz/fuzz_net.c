/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_net - what croft-net reads: a request of the monitor's, and notifications of the kernel's
 *
 * Input: one byte; even: a request, with that many descriptors halved; odd: netlink messages.
 */
#include "fuzz.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "net/routes.h"
#include "net/watch.h"
#include "wire/limits.h"
#include "wire/net.h"

static void request(const uint8_t *bytes, size_t size, size_t fd_count)
{
    struct net_request request;
    char name[NET_LINK_NAME_SIZE];

    if (size < sizeof(request)) {
        memset(&request, 0, sizeof(request));
        memcpy(&request, bytes, size);
        PROMISE(net_request_check(&request, size, fd_count) < 0);
        return;
    }
    memcpy(&request, bytes, sizeof(request));
    if (net_request_check(&request, size, fd_count) < 0)
        return;
    PROMISE(request.version == NET_VERSION && request.reserved == 0);
    PROMISE(fd_count == 0 || (fd_count == 1 && request.type == NET_LINK));
    if (request.type == NET_LINK || request.type == NET_GRANT) {
        PROMISE(request.uid != 0);
        net_link_name(request.slot, name);
        PROMISE(net_link_slot(name) == request.slot);
    }
    if (request.type == NET_GRANT)
        PROMISE(request.port != 0 &&
                (request.protocol == IPPROTO_TCP || request.protocol == IPPROTO_UDP));
}

static void notifications(const uint8_t *bytes, size_t size)
{
    static const struct net_prefix prefix = {.ipv4 = NETWORK_IPV4, .ipv6 = {0xfd}};
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        return;
    memcpy(copy, bytes, size);
    const struct nlmsghdr *message;
    size_t left = size;
    each_message (message, left, copy) {
        /* Its own changes never end it. */
        PROMISE(!watch_message(message, message->nlmsg_pid));
        (void)watch_message(message, message->nlmsg_pid + 1);
        (void)routes_concerned(message, &prefix);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    if (bytes[0] & 1)
        notifications(bytes + 1, size - 1);
    else
        request(bytes + 1, size - 1, bytes[0] / 2U);
    return 0;
}
