/* SPDX-License-Identifier: Apache-2.0 */
/* tar - a small archive in memory (POSIX ustar) */
#include "prove/tar.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define BLOCK 512U

struct header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char link[100];
    char magic[6];
    char version[2];
    char rest[247];
};
_Static_assert(sizeof(struct header) == BLOCK, "one block");

static void add(struct tar *tar, const void *bytes, size_t size)
{
    size_t padded = (size + BLOCK - 1) / BLOCK * BLOCK;

    tar->bytes = mem_grow(tar->bytes, tar->size + padded, 1);
    memset(tar->bytes + tar->size, 0, padded);
    memcpy(tar->bytes + tar->size, bytes, size);
    tar->size += padded;
}

static void add_header(struct tar *tar, const char *name, char type, const char *link, size_t size)
{
    struct header header = {.mode = "0000755",
                            .uid = "0000000",
                            .gid = "0000000",
                            .mtime = "00000000000",
                            .type = type,
                            .magic = "ustar",
                            .version = {'0', '0'}};
    unsigned sum = 0;

    (void)snprintf(header.name, sizeof(header.name), "%s", name);
    (void)snprintf(header.link, sizeof(header.link), "%s", link);
    (void)snprintf(header.size, sizeof(header.size), "%011zo", size);
    memset(header.checksum, ' ', sizeof(header.checksum));
    for (size_t i = 0; i < sizeof(header); i++)
        sum += ((const unsigned char *)&header)[i];
    (void)snprintf(header.checksum, sizeof(header.checksum), "%06o", sum);
    add(tar, &header, sizeof(header));
}

void tar_link(struct tar *tar, const char *name, const char *target)
{
    add_header(tar, name, '2', target, 0);
}

void tar_file(struct tar *tar, const char *name, const void *bytes, size_t size)
{
    add_header(tar, name, '0', "", size);
    add(tar, bytes, size);
}

void tar_end(struct tar *tar)
{
    static const char nothing[2 * BLOCK];

    add(tar, nothing, sizeof(nothing));
}
