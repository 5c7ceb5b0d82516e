/* SPDX-License-Identifier: Apache-2.0 */
/* seeds - writes the binary seeds of corpus/ again after a message changed: seeds CORPUS */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "sample.h"
#include "wire/net.h"

static int seed_write(const char *corpus, const char *target, const char *name, uint8_t first,
                      const struct sample *sample)
{
    char path[512];
    auto_close fd = -1;

    if (str_format(path, sizeof(path), "%s/%s/%s", corpus, target, name) < 0)
        return 1;
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || fd_write_full(fd, &first, 1) < 0 ||
        fd_write_full(fd, sample->bytes, sample->size) < 0)
        return 1;
    return 0;
}

static void append(struct sample *sample, const void *body, size_t size)
{
    memcpy(sample->bytes + sample->size, body, size);
    sample->size += size;
}

static int seed_order(const char *corpus, uint32_t type, uint8_t fd_count)
{
    static const struct grant_terms terms = {
        .kind = GRANT_PORT, .protocol = 6, .port = 5432, .end = GRANT_FOREVER};
    static const struct order_grant grant = {.user = "bob", .terms = terms};
    static const struct order_ask ask = {.user = "bob", .terms = terms, .why = "report"};
    static const struct order_why why = {
        .user = "bob", .machine = "db", .protocol = 6, .port = 5432};
    static const struct order_network network = {
        .count = 1, .service = {{.address = {10, 0, 0, 1}, .protocol = 17, .port = 53}}};
    static struct sample sample;
    char name[64];
    char *blank;

    sample_order(&sample, type);
    switch (type) {
    case ORDER_USER_ADD:
    case ORDER_USER_SET:
        memset(sample.bytes + sample.size, 0, sizeof(struct order_user));
        sample.size += sizeof(struct order_user);
        break;
    case ORDER_LAUNCH:
        sample_plan(&sample, PLAN_MACHINE);
        break;
    case ORDER_RUN:
        sample_plan(&sample, PLAN_JOB);
        break;
    case ORDER_EXEC:
        sample_command(&sample);
        break;
    case ORDER_GRANT:
    case ORDER_REVOKE:
        append(&sample, &grant, sizeof(grant));
        break;
    case ORDER_ASK:
        append(&sample, &ask, sizeof(ask));
        break;
    case ORDER_WHY:
        append(&sample, &why, sizeof(why));
        break;
    case ORDER_HOST_NETWORK:
        append(&sample, &network, sizeof(network));
        break;
    default:
        break;
    }
    sample_order_end(&sample);
    if (str_copy(name, sizeof(name), order_name(type)) < 0)
        return 1;
    blank = strchr(name, ' ');
    if (blank)
        *blank = '-';
    return seed_write(corpus, "order", name, fd_count, &sample);
}

/* One of each kind that fuzz_grant.c names. */
static int seed_grants(const char *corpus)
{
    static const struct grant_terms terms = {
        .kind = GRANT_PORT, .protocol = 6, .port = 5432, .end = GRANT_FOR, .for_ns = 1U << 30};
    static const struct {
        struct grant grant;
        struct grant_clocks now;
        uint64_t written;
    } left = {.grant = {.terms = {.end = GRANT_UNTIL, .until_wall_ns = 100}, .left_ns = 50},
              .now = {.wall_ns = 60, .boot_ns = 20}};
    static const struct {
        uint8_t type, phase, whose, slot;
        uint32_t ask_id;
        struct grant grant;
        uint8_t rest[sizeof(struct ask) - sizeof(struct grant)];
    } record = {.phase = RECORD_OUTCOME,
                .slot = 1,
                .grant = {.id = 7,
                          .owner_uid = 1001,
                          .grantee_uid = 1002,
                          .terms = {.kind = GRANT_PORT, .port = 80, .end = GRANT_FOREVER},
                          .left_ns = UINT64_MAX,
                          .machine = "db"}};
    static const struct {
        const char *name;
        uint8_t first;
        const void *bytes;
        size_t size;
    } seeds[] = {
        {"terms", 'T', &terms, sizeof(terms)},
        {"why", 'W', "report", 7},
        {"left", 'L', &left, sizeof(left)},
        {"record", 'R', &record, sizeof(record)},
    };
    static struct sample sample;
    int failed = 0;

    for (size_t i = 0; i < ARRAY_LEN(seeds); i++) {
        memcpy(sample.bytes, seeds[i].bytes, seeds[i].size);
        sample.size = seeds[i].size;
        failed |= seed_write(corpus, "grant", seeds[i].name, seeds[i].first, &sample);
    }
    return failed;
}

static int seed_net(const char *corpus)
{
    static struct sample sample;
    struct net_request request = {.version = NET_VERSION,
                                  .uid = 1001,
                                  .slot = NET_SLOT_FIRST,
                                  .protocol = 6,
                                  .port = 80,
                                  .prefix = {.ipv4 = NETWORK_IPV4, .ipv6 = {0xfd}}};
    char name[16];
    int failed = 0;

    request.target.protocol = 17;
    sample.size = sizeof(request);
    for (request.type = 1; request.type < NET_REQUEST_TYPE_COUNT; request.type++) {
        memcpy(sample.bytes, &request, sizeof(request));
        if (str_format(name, sizeof(name), "request-%u", request.type) < 0)
            return 1;
        failed |= seed_write(corpus, "net", name, request.type == NET_LINK ? 2 : 0, &sample);
    }
    return failed;
}

int main(int argc, char **argv)
{
    static const uint8_t zero[SHA256_SIZE];
    static struct sample sample;
    uint8_t hash[2][SHA256_SIZE];
    uint32_t type;
    int failed = 0;

    if (argc != 2)
        return 2;
    for (type = 1; type < ORDER_TYPE_COUNT; type++)
        failed |=
            seed_order(argv[1], type,
                       type == ORDER_RUN || type == ORDER_EXEC ? 3 : type == ORDER_IMAGE_IMPORT);
    failed |= seed_grants(argv[1]);
    failed |= seed_net(argv[1]);
    sample.size = 0;
    sample_record(&sample, 1, zero, hash[0]);
    sample_record(&sample, 2, hash[0], hash[1]);
    failed |= seed_write(argv[1], "record", "two", 0, &sample);
    failed |= seed_write(argv[1], "record", "two-fitted", 1, &sample);
    sample.size -= 10;
    failed |= seed_write(argv[1], "record", "torn", 0, &sample);
    return failed;
}
