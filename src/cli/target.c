/* SPDX-License-Identifier: Apache-2.0 */
/* target - a port of a machine or of an address, as a person writes it */
#include "cli/target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/str.h"

/* Return: whether @text, the part behind the colon, is PORT, PORT/tcp or PORT/udp */
static bool read_port(const char *text, struct target *target)
{
    char number[8];
    uint64_t port = 0;
    size_t length = strcspn(text, "/");

    if (length >= sizeof(number))
        return false;
    memcpy(number, text, length);
    number[length] = '\0';
    if (str_u64(number, 1, UINT16_MAX, &port) < 0)
        return false;
    target->port = (uint16_t)port;
    target->protocol = IPPROTO_TCP;
    if (strcmp(text + length, "/udp") == 0)
        target->protocol = IPPROTO_UDP;
    else if (text[length] != '\0' && strcmp(text + length, "/tcp") != 0)
        return false;
    return true;
}

/* NAME or NAME.OWNER */
static bool read_machine(const char *text, struct target *target)
{
    const char *dot = strchr(text, '.');
    size_t length = dot != NULL ? (size_t)(dot - text) : strlen(text);

    if (length >= sizeof(target->machine))
        return false;
    memcpy(target->machine, text, length);
    target->machine[length] = '\0';
    if (!str_is_name(target->machine))
        return false;
    return dot == NULL ||
           (str_is_name(dot + 1) && str_copy(target->owner, sizeof(target->owner), dot + 1) == 0);
}

static bool read_place(const char *text, struct target *target)
{
    size_t length = strlen(text);
    char inside[INET6_ADDRSTRLEN];

    if (text[0] == '[' && text[length - 1] == ']' && length - 2 < sizeof(inside)) {
        memcpy(inside, text + 1, length - 2);
        inside[length - 2] = '\0';
        target->ipv6 = true;
        return inet_pton(AF_INET6, inside, target->address) == 1;
    }
    return inet_pton(AF_INET, text, target->address) == 1 || read_machine(text, target);
}

int target_parse(const char *text, struct target *ret_target, struct err *err)
{
    struct target target = {.port = 0};
    const char *colon = strrchr(text, ':');
    char place[TARGET_TEXT_SIZE];
    size_t length = colon != NULL ? (size_t)(colon - text) : strlen(text);

    if (colon == NULL || !read_port(colon + 1, &target))
        return err_set(err, OUTCOME_USAGE,
                       "'%.60s' has no port: give 1 to 65535 behind a colon, such as db:5432 or "
                       "db:53/udp",
                       text);
    if (length > 0 && length < sizeof(place)) {
        memcpy(place, text, length);
        place[length] = '\0';
        if (read_place(place, &target)) {
            *ret_target = target;
            return 0;
        }
    }
    if (memchr(text, ':', length) != NULL)
        return err_set(err, OUTCOME_USAGE,
                       "'%.60s' is no address: write one of IPv6 as [2001:db8::1]:443", text);
    return err_set(err, OUTCOME_USAGE,
                   "'%.60s': give MACHINE:PORT, MACHINE.OWNER:PORT or ADDRESS:PORT; the address of "
                   "a name is what `getent hosts NAME` prints inside a machine",
                   text);
}

char *target_text(const struct target *target, char buf[TARGET_TEXT_SIZE])
{
    const char *protocol = target->protocol == IPPROTO_UDP ? "/udp" : "";
    char address[INET6_ADDRSTRLEN] = "";
    int r;

    if (target->machine[0] != '\0')
        r = str_format(buf, TARGET_TEXT_SIZE, "%s%s%s:%u%s", target->machine,
                       target->owner[0] != '\0' ? "." : "", target->owner, target->port, protocol);
    else if (inet_ntop(target->ipv6 ? AF_INET6 : AF_INET, target->address, address,
                       sizeof(address)) == NULL)
        r = -1;
    else
        r = str_format(buf, TARGET_TEXT_SIZE, target->ipv6 ? "[%s]:%u%s" : "%s:%u%s", address,
                       target->port, protocol);
    if (r < 0)
        buf[0] = '\0';
    return buf;
}
