/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addresses - the file CROFT_RUN_DIR/addresses: which slot was given to which instance in this boot
 *
 * Written by the monitor alone; croft-doctor holds the kernel's links and elements against it. An
 * entry per slot, at slot * sizeof(struct addresses_entry); slots 0 and 1 are nobody's, and the
 * head stands in the place of slot 0.
 */
#ifndef CROFT_WIRE_ADDRESSES_H
#define CROFT_WIRE_ADDRESSES_H

#include "wire/limits.h"
#include <stdint.h>

#define ADDRESSES_FILE    "addresses"
#define ADDRESSES_VERSION 1U

struct addresses_head {
    uint32_t version;
    uint32_t last;
    uint8_t boot_id[16];
    uint8_t reserved[24];
};

/* uid 0: nobody's */
struct addresses_entry {
    uint32_t uid;
    char name[NAME_SIZE];
    uint32_t reserved;
};
_Static_assert(sizeof(struct addresses_head) == sizeof(struct addresses_entry), "file layout");

#endif
