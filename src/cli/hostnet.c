/* SPDX-License-Identifier: Apache-2.0 */
/* hostnet - what the host itself uses of the network, from the texts that say so */
#include "cli/hostnet.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

#define LINE_SIZE 1024U
#define DNS_PORT  53U
#define BLANK     " \t\r"

struct lines {
    const char *at;
    size_t left;
};

/* Copies the next line. What is longer, or holds a 0 byte, is nobody's: it comes as "". */
static bool next_line(struct lines *lines, char line[LINE_SIZE])
{
    const char *end;
    size_t length;

    if (lines->left == 0)
        return false;
    end = memchr(lines->at, '\n', lines->left);
    length = end != NULL ? (size_t)(end - lines->at) : lines->left;
    line[0] = '\0';
    if (length < LINE_SIZE && memchr(lines->at, '\0', length) == NULL) {
        memcpy(line, lines->at, length);
        line[length] = '\0';
    }
    length += end != NULL;
    lines->at += length;
    lines->left -= length;
    return true;
}

/* Addresses of the host's own loopback, of which each machine has another one. */
static bool is_loopback(const uint8_t *address, bool ipv6)
{
    if (!ipv6)
        return address[0] == 127 || address[0] == 0;
    for (size_t i = 0; i < 15; i++)
        if (address[i] != 0)
            return false;
    return address[15] <= 1;
}

/* An IPv4 address in an IPv6 one is reached by IPv4. */
static bool unwrap(uint8_t address[16], bool ipv6)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (!ipv6 || memcmp(address, mapped, sizeof(mapped)) != 0)
        return ipv6;
    memmove(address, address + sizeof(mapped), 4);
    memset(address + 4, 0, 12);
    return false;
}

static struct net_target make_target(const uint8_t address[16], bool ipv6, uint16_t protocol,
                                     uint16_t port)
{
    struct net_target target = {
        .flags = ipv6 ? NET_IPV6 : 0,
        .protocol = protocol,
        .port = port,
    };

    memcpy(target.address, address, ipv6 ? 16 : 4);
    return target;
}

static void add(struct order_network *network, const struct net_target *target)
{
    for (uint32_t i = 0; i < network->count; i++)
        if (memcmp(&network->service[i], target, sizeof(*target)) == 0)
            return;
    if (network->count < NETWORK_SERVICES_MAX)
        network->service[network->count++] = *target;
}

static void add_resolver(struct hostnet *net, const char *text)
{
    struct order_network *network = &net->network;
    uint8_t address[16] = {0};
    bool ipv6 = strchr(text, ':') != NULL;
    struct net_target udp;
    struct net_target tcp;

    if (strchr(text, '%') != NULL) {
        net->left_out |= HOSTNET_SCOPED_RESOLVER;
        return;
    }
    if (inet_pton(ipv6 ? AF_INET6 : AF_INET, text, address) != 1)
        return;
    ipv6 = unwrap(address, ipv6);
    if (is_loopback(address, ipv6)) {
        net->left_out |= HOSTNET_LOOPBACK_RESOLVER;
        return;
    }
    if (network->resolver_count == 2 * HOSTNET_RESOLVERS_MAX)
        return;
    udp = make_target(address, ipv6, IPPROTO_UDP, DNS_PORT);
    tcp = make_target(address, ipv6, IPPROTO_TCP, DNS_PORT);
    add(network, &udp);
    add(network, &tcp);
    network->resolver_count = network->count;
}

void hostnet_resolvers(struct hostnet *net, const char *text, size_t size)
{
    static const char key[] = "nameserver";
    struct lines lines = {text, size};
    char line[LINE_SIZE] = "";

    while (next_line(&lines, line)) {
        char *value = line + sizeof(key) - 1;

        if (strncmp(line, key, sizeof(key) - 1) != 0 || strchr(BLANK, *value) == NULL)
            continue;
        value += strspn(value, BLANK);
        value[strcspn(value, BLANK)] = '\0';
        add_resolver(net, value);
    }
}

/* "http://user:word@proxy.example:3128/": the host and the port of it */
static bool read_url(const char *url, size_t size, struct hostnet_proxy *proxy)
{
    static const struct {
        const char *scheme;
        uint16_t port;
    } schemes[] = {{"http://", 80}, {"https://", 443}, {"socks5h://", 1080}};
    char text[LINE_SIZE];
    char *host = text;
    char *at;
    uint64_t port = 0;

    if (size >= sizeof(text))
        return false;
    memcpy(text, url, size);
    text[size] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(schemes) && host == text; i++) {
        if (strncasecmp(text, schemes[i].scheme, strlen(schemes[i].scheme)) != 0)
            continue;
        host += strlen(schemes[i].scheme);
        port = schemes[i].port;
    }
    if (host == text)
        return false;
    host[strcspn(host, "/?#")] = '\0';
    at = strrchr(host, '@');
    host = at != NULL ? at + 1 : host;
    at = host[0] == '[' ? strchr(host, ']') : host + strcspn(host, ":");
    if (at == NULL)
        return false;
    if (*at == ']') {
        host++;
        *at++ = '\0';
    }
    if (*at == ':' && str_u64(at + 1, 1, UINT16_MAX, &port) < 0)
        return false;
    if (*at != '\0' && *at != ':')
        return false;
    *at = '\0';
    proxy->port = (uint16_t)port;
    return host[0] != '\0' && str_copy(proxy->host, sizeof(proxy->host), host) == 0;
}

/* Acquire::http::Proxy "URL"; or Acquire::http::Proxy::HOST "URL"; for one host only */
static bool read_proxy(const char *line, struct hostnet_proxy *proxy)
{
    static const char *const keys[] = {"Acquire::http::Proxy", "Acquire::https::Proxy"};
    const char *open = strchr(line, '"');
    const char *close = open != NULL ? strchr(open + 1, '"') : NULL;

    if (close == NULL)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *after = line + strlen(keys[i]);

        if (strncasecmp(line, keys[i], strlen(keys[i])) == 0 &&
            (*after == ' ' || (after[0] == ':' && after[1] == ':')))
            return read_url(open + 1, (size_t)(close - open - 1), proxy);
    }
    return false;
}

size_t hostnet_proxies(const char *text, size_t size, struct hostnet_proxy *ret_proxy)
{
    struct lines lines = {text, size};
    char line[LINE_SIZE] = "";
    size_t count = 0;

    while (count < HOSTNET_PROXIES_MAX && next_line(&lines, line)) {
        struct hostnet_proxy proxy = {.port = 0};

        if (read_proxy(line, &proxy))
            ret_proxy[count++] = proxy;
    }
    return count;
}

void hostnet_add_proxy(struct hostnet *net, const uint8_t *address, bool ipv6, uint16_t port)
{
    uint8_t bytes[16] = {0};
    struct net_target target;

    memcpy(bytes, address, ipv6 ? 16 : 4);
    ipv6 = unwrap(bytes, ipv6);
    if (is_loopback(bytes, ipv6)) {
        net->left_out |= HOSTNET_LOOPBACK_PROXY;
        return;
    }
    target = make_target(bytes, ipv6, IPPROTO_TCP, port);
    add(&net->network, &target);
}
