/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_hostnet - a resolv.conf, and what apt-config prints: what comes out is an order */
#include "fuzz.h"

#include <string.h>

#include "cli/hostnet.h"
#include "wire/order.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *text = (const char *)bytes;
    struct hostnet_proxy proxy[HOSTNET_PROXIES_MAX];
    struct hostnet net = {.left_out = 0};
    struct {
        struct order head;
        struct order_network body;
    } message = {.head = {.version = ORDER_VERSION,
                          .type = ORDER_HOST_NETWORK,
                          .body_size = sizeof(message.body)}};
    size_t count;
    struct err err;

    hostnet_resolvers(&net, text, size);
    PROMISE(net.network.resolver_count == net.network.count &&
            net.network.count <= 2 * HOSTNET_RESOLVERS_MAX);
    count = hostnet_proxies(text, size, proxy);
    PROMISE(count <= HOSTNET_PROXIES_MAX);
    for (size_t i = 0; i < count; i++) {
        PROMISE(proxy[i].port != 0 && proxy[i].host[0] != '\0' &&
                memchr(proxy[i].host, '\0', sizeof(proxy[i].host)));
        hostnet_add_proxy(&net, (const uint8_t *)proxy[i].host, i % 2 != 0, proxy[i].port);
    }
    memcpy(&message.body, &net.network, sizeof(message.body));
    PROMISE(order_check(&message.head, sizeof(message), 0, &err) == 0);
    return 0;
}
