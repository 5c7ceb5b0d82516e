/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addresses - which slot, so which address, belongs to which instance in this boot
 *
 * A file in CROFT_RUN_DIR, which a reboot empties, with an entry per slot: a slot that was used is
 * not used again before all others were, and a restarted monitor knows whose is whose.
 */
#ifndef CROFT_MONITOR_ADDRESSES_H
#define CROFT_MONITOR_ADDRESSES_H

#include "base/attrs.h"
#include "base/err.h"
#include "wire/net.h"
#include <stdint.h>

struct instance;
struct monitor;

#define ADDRESSES_MAX (NET_SLOT_LAST + 1U)

/* last: the slot that was given last; taken: a bit per slot that is somebody's */
struct addresses {
    int fd;
    uint32_t last;
    uint64_t taken[ADDRESSES_MAX / 64 + 1];
};

/** addresses_open() - after the records: gives each instance the slot it has in this boot
 * Return: 0; -errno */
nodiscard int addresses_open(struct monitor *monitor);

/** address_take() - gives @instance its slot, the one it had in this boot if it had one
 * Return: 0; OUTCOME_OVER_LIMIT every slot is in use; OUTCOME_HOST_CANNOT */
nodiscard int address_take(struct instance *instance, struct err *err);

/** address_retire() - @instance is removed: its slot is nobody's, and used */
void address_retire(struct instance *instance);

#endif
