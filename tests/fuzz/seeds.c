/* SPDX-License-Identifier: Apache-2.0 */
/* seeds - writes the binary seeds of corpus/ again after a message changed: seeds CORPUS */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "sample.h"

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

static int seed_order(const char *corpus, uint32_t type, uint8_t fd_count)
{
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
    sample_record(&sample, 1, zero, hash[0]);
    sample_record(&sample, 2, hash[0], hash[1]);
    failed |= seed_write(argv[1], "record", "two", 0, &sample);
    failed |= seed_write(argv[1], "record", "two-fitted", 1, &sample);
    sample.size -= 10;
    failed |= seed_write(argv[1], "record", "torn", 0, &sample);
    return failed;
}
