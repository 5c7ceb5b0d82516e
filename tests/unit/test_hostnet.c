/* SPDX-License-Identifier: Apache-2.0 */
/* test_hostnet - resolvers and proxies out of the host's texts */
#include "unit.h"

#include <netinet/in.h>
#include <string.h>

#include "cli/hostnet.h"

static struct hostnet resolvers(const char *text)
{
    struct hostnet net = {.left_out = 0};

    hostnet_resolvers(&net, text, strlen(text));
    return net;
}

static void resolvers_are_services_of_both_protocols(void **state)
{
    struct hostnet net = resolvers("# a comment\nsearch example.org\nnameserver 192.0.2.53\n"
                                   "nameserver\t2001:db8::53  \r\nnameserver 192.0.2.53\n");

    (void)state;
    assert_int_equal(net.network.count, 4);
    assert_int_equal(net.network.resolver_count, 4);
    assert_int_equal(net.left_out, 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(net.network.service[i].port, 53);
        assert_int_equal(net.network.service[i].protocol, i % 2 == 0 ? IPPROTO_UDP : IPPROTO_TCP);
        assert_int_equal(net.network.service[i].flags, i < 2 ? 0 : NET_IPV6);
    }
    assert_memory_equal(net.network.service[0].address, "\xc0\0\x02\x35", 4);
    assert_memory_equal(net.network.service[2].address,
                        "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x53", 16);
}

static void what_machines_cannot_reach_is_left_out(void **state)
{
    static const struct {
        const char *text;
        uint32_t count;
        uint32_t left_out;
    } rows[] = {
        {"nameserver 127.0.0.53\n", 0, HOSTNET_LOOPBACK_RESOLVER},
        {"nameserver ::1\n", 0, HOSTNET_LOOPBACK_RESOLVER},
        {"nameserver 0.0.0.0\n", 0, HOSTNET_LOOPBACK_RESOLVER},
        {"nameserver ::\n", 0, HOSTNET_LOOPBACK_RESOLVER},
        {"nameserver ::ffff:127.0.0.1\n", 0, HOSTNET_LOOPBACK_RESOLVER},
        {"nameserver fe80::1%eth0\n", 0, HOSTNET_SCOPED_RESOLVER},
        {"nameserver ::ffff:192.0.2.1\n", 2, 0},
        {"nameserver 192.0.2.1", 2, 0},
        {"nameserver 192.0.2.1 192.0.2.2\n", 2, 0},
        {"nameserver192.0.2.1\n", 0, 0},
        {" nameserver 192.0.2.1\n", 0, 0},
        {"nameserver\n", 0, 0},
        {"nameserver example.org\n", 0, 0},
        {"nameserver 192.0.2.01\n", 0, 0},
        {"nameserver 1.2.3\n", 0, 0},
        {"#nameserver 192.0.2.1\n", 0, 0},
        {"", 0, 0},
        {"nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"
         "nameserver 192.0.2.4\n",
         6, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct hostnet net = resolvers(rows[i].text);

        if (net.network.count != rows[i].count || net.left_out != rows[i].left_out)
            fail_msg("%s: %u services, left out %u", rows[i].text, net.network.count, net.left_out);
    }
}

static void proxies(void **state)
{
    static const struct {
        const char *text;
        const char *host; /* NULL: none */
        uint16_t port;
    } rows[] = {
        {"Acquire::http::Proxy \"http://192.0.2.8:3142/\";", "192.0.2.8", 3142},
        {"acquire::HTTP::proxy \"HTTP://proxy.example\";\n", "proxy.example", 80},
        {"Acquire::https::Proxy \"https://u:p@w@proxy:8443/x\";", "proxy", 8443},
        {"Acquire::http::Proxy::deb.debian.org \"http://[2001:db8::8]:3142\";", "2001:db8::8",
         3142},
        {"Acquire::https::Proxy \"https://[2001:db8::8]\";", "2001:db8::8", 443},
        {"Acquire::http::Proxy \"DIRECT\";", NULL, 0},
        {"Acquire::http::Proxy \"\";", NULL, 0},
        {"Acquire::http::Proxy \"http://\";", NULL, 0},
        {"Acquire::http::Proxy \"http://:80\";", NULL, 0},
        {"Acquire::http::Proxy \"http://a:0\";", NULL, 0},
        {"Acquire::http::Proxy \"http://a:65536\";", NULL, 0},
        {"Acquire::http::Proxy \"http://[::1:80\";", NULL, 0},
        {"Acquire::http::Proxy \"http://[::1]x:80\";", NULL, 0},
        {"Acquire::http::Proxy \"ftp://a:80\";", NULL, 0},
        {"Acquire::http::Proxy \"http://a:80", NULL, 0},
        {"Acquire::http::ProxyAutoDetect \"http://a:80\";", NULL, 0},
        {"Acquire::http::Proxy-Auto-Detect \"http://a:80\";", NULL, 0},
        {"Acquire::ftp::Proxy \"http://a:80\";", NULL, 0},
        {"Acquire::http::Proxy http://a:80;", NULL, 0},
        {"", NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct hostnet_proxy proxy[HOSTNET_PROXIES_MAX];
        size_t count = hostnet_proxies(rows[i].text, strlen(rows[i].text), proxy);

        if (count != (rows[i].host != NULL))
            fail_msg("%s: %zu proxies", rows[i].text, count);
        if (count == 0)
            continue;
        assert_string_equal(proxy[0].host, rows[i].host);
        assert_int_equal(proxy[0].port, rows[i].port);
    }
}

static void services_are_few_and_once(void **state)
{
    struct hostnet net = resolvers("nameserver 192.0.2.53\n");
    uint8_t address[16] = {192, 0, 2, 8};

    (void)state;
    hostnet_add_proxy(&net, address, false, 3142);
    hostnet_add_proxy(&net, address, false, 3142);
    assert_int_equal(net.network.count, 3);
    assert_int_equal(net.network.resolver_count, 2);
    hostnet_add_proxy(&net, (const uint8_t[4]){127, 0, 0, 1}, false, 3142);
    assert_int_equal(net.network.count, 3);
    assert_int_equal(net.left_out, HOSTNET_LOOPBACK_PROXY);
    for (uint8_t i = 0; i < 40; i++) {
        address[3] = i;
        hostnet_add_proxy(&net, address, true, 3142);
    }
    assert_int_equal(net.network.count, NETWORK_SERVICES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resolvers_are_services_of_both_protocols),
        cmocka_unit_test(what_machines_cannot_reach_is_left_out),
        cmocka_unit_test(proxies),
        cmocka_unit_test(services_are_few_and_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
