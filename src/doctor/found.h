/* SPDX-License-Identifier: Apache-2.0 */
/* found - what of Croft the kernel has: mounts, loops, control groups, links, elements */
#ifndef CROFT_DOCTOR_FOUND_H
#define CROFT_DOCTOR_FOUND_H

#include "wire/limits.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum found_kind {
    FOUND_MOUNT,  /* uid: whose volume; fine: nosuid and nodev */
    FOUND_LOOP,   /* uid: whose file */
    FOUND_USER,   /* uid: whose control group */
    FOUND_GROUP,  /* uid, name: of an instance; hierarchy */
    FOUND_LINK,   /* slot */
    FOUND_SLOT,   /* slot, uid, name: of the table of addresses */
    FOUND_OWNER,  /* slot (of the link), address, uid: element of owner4, owner6 */
    FOUND_MEMBER, /* address, uid: element of members4, members6 */
    FOUND_GRANT,  /* address, uid (grantee), protocol, port: element of grants4, grants6 */
};

/* Network byte order; IPv4: the first four bytes. */
struct found_address {
    uint8_t bytes[16];
    bool ipv6;
};

struct found_thing {
    enum found_kind kind;
    uint32_t uid;
    uint32_t slot;
    struct found_address address;
    uint16_t protocol;
    uint16_t port;
    bool fine;
    char name[NAME_SIZE];
};

struct found {
    struct found_thing *list;
    size_t count;
};

void found_look(struct found *found);
void found_free(struct found *found);

/** found_elements() - takes the elements of our table out of what `nft -j list ruleset` printed.
 * Pure; fuzzed. */
void found_elements(struct found *found, const char *ruleset);

/** found_same() - the first thing that is like @wanted in its kind's fields. Return: NULL: none */
const struct found_thing *found_same(const struct found *found, const struct found_thing *wanted);

#endif
