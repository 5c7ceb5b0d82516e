/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addresses - which slot, so which address, belongs to which instance in this boot
 *
 * Theory of operation
 * Slots are given round and round, so one that was given back is given again only after all
 * others were: what is still on its way to an old address (a name in a cache, a packet, a grant's
 * element that ends a moment too late) meets nobody. The head of the file is moved on before the
 * entry is written: a monitor that is killed in between has lost a slot for one round, no more.
 */
#include "monitor/addresses.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "linux/path.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"
#include "monitor/users.h"
#include "wire/addresses.h"

#define ENTRIES_BATCH 128U

static int open_file(struct monitor *monitor);
static int write_head(const struct monitor *monitor, uint32_t last);
static int write_entry(const struct monitor *monitor, uint32_t slot,
                       const struct addresses_entry *entry);
static void read_entries(struct monitor *monitor);
static bool belongs(const struct monitor *monitor, uint32_t slot,
                    const struct addresses_entry *entry);
static void set_taken(struct addresses *addresses, uint32_t slot, bool taken);
static bool is_taken(const struct addresses *addresses, uint32_t slot);

int addresses_open(struct monitor *monitor)
{
    struct addresses *addresses = &monitor->addresses;
    struct addresses_head head;

    addresses->fd = open_file(monitor);
    if (addresses->fd < 0)
        return addresses->fd;
    ssize_t got = pread(addresses->fd, &head, sizeof(head), 0);
    if (got < 0)
        return -errno;
    /* Where the directory outlives a boot, or an older Croft wrote it: the addresses do not. */
    if (got != (ssize_t)sizeof(head) || head.version != ADDRESSES_VERSION ||
        memcmp(head.boot_id, monitor->boot_id, BOOT_ID_SIZE) != 0) {
        addresses->last = NET_SLOT_FIRST - 1;
        if (ftruncate(addresses->fd, 0) < 0)
            return -errno;
        return write_head(monitor, addresses->last);
    }
    addresses->last = head.last <= NET_SLOT_LAST ? head.last : NET_SLOT_FIRST - 1;
    read_entries(monitor);
    return 0;
}

/* Return: the slot to give after the last one; 0: all are taken */
static uint32_t next_slot(const struct addresses *addresses)
{
    uint32_t slot = addresses->last;

    for (uint32_t i = NET_SLOT_FIRST; i <= NET_SLOT_LAST; i++) {
        slot = slot < NET_SLOT_FIRST || slot >= NET_SLOT_LAST ? NET_SLOT_FIRST : slot + 1;
        if (!is_taken(addresses, slot))
            return slot;
    }
    return 0;
}

int address_take(struct instance *instance, struct err *err)
{
    struct monitor *monitor = instance->user->monitor;
    struct addresses *addresses = &monitor->addresses;
    struct addresses_entry entry = {.uid = instance->user->uid};

    if (instance->slot != 0)
        return 0;
    uint32_t slot = next_slot(addresses);
    if (slot == 0)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "all %u addresses of this host are in use: remove machines first",
                       NET_SLOT_LAST - NET_SLOT_FIRST + 1);
    memcpy(entry.name, instance->name, sizeof(entry.name));
    int rc = write_head(monitor, slot);
    if (rc == 0)
        rc = write_entry(monitor, slot, &entry);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot write down the address of %s",
                         instance->name);
    addresses->last = slot;
    set_taken(addresses, slot, true);
    instance->slot = slot;
    return 0;
}

void address_retire(struct instance *instance)
{
    struct monitor *monitor = instance->user->monitor;
    const struct addresses_entry nobody = {0};

    if (instance->slot == 0)
        return;
    int rc = write_entry(monitor, instance->slot, &nobody);
    if (rc < 0)
        log_line(LOG_LEVEL_WARNING, "the address of %s of %s is not free until the next start: %s",
                 instance->name, instance->user->name, strerror(-rc));
    set_taken(&monitor->addresses, instance->slot, false);
    instance->slot = 0;
}

static int open_file(struct monitor *monitor)
{
    return path_open_or_create(monitor->dirs.run, ADDRESSES_FILE, O_RDWR, 0600);
}

static int write_head(const struct monitor *monitor, uint32_t last)
{
    struct addresses_head head = {.version = ADDRESSES_VERSION, .last = last};

    memcpy(head.boot_id, monitor->boot_id, BOOT_ID_SIZE);
    ssize_t written = pwrite(monitor->addresses.fd, &head, sizeof(head), 0);
    return written == (ssize_t)sizeof(head) ? 0 : written < 0 ? -errno : -EIO;
}

static int write_entry(const struct monitor *monitor, uint32_t slot,
                       const struct addresses_entry *entry)
{
    ssize_t written =
        pwrite(monitor->addresses.fd, entry, sizeof(*entry), (off_t)(slot * sizeof(*entry)));
    return written == (ssize_t)sizeof(*entry) ? 0 : written < 0 ? -errno : -EIO;
}

/* What belongs to no instance that the records know is free again. */
static void read_entries(struct monitor *monitor)
{
    static struct addresses_entry entries[ENTRIES_BATCH];
    const struct addresses_entry nobody = {0};
    size_t count;

    for (uint32_t first = 0; first <= NET_SLOT_LAST; first += (uint32_t)count) {
        ssize_t got = pread(monitor->addresses.fd, entries, sizeof(entries),
                            (off_t)(first * sizeof(entries[0])));
        count = got < 0 ? 0 : (size_t)got / sizeof(entries[0]);
        if (count == 0)
            return; /* the end: none above was ever given */
        for (uint32_t i = first == 0 ? NET_SLOT_FIRST : 0; i < count; i++) {
            if (entries[i].uid == 0)
                continue;
            if (belongs(monitor, first + i, &entries[i]))
                set_taken(&monitor->addresses, first + i, true);
            else if (write_entry(monitor, first + i, &nobody) < 0)
                log_line(LOG_LEVEL_WARNING, "the entry of address %u stays", first + i);
        }
    }
}

static bool belongs(const struct monitor *monitor, uint32_t slot,
                    const struct addresses_entry *entry)
{
    char name[NAME_SIZE];

    memcpy(name, entry->name, sizeof(name));
    name[sizeof(name) - 1] = '\0';
    const struct user *user = users_by_uid(monitor, entry->uid);
    struct instance *instance = user != NULL ? instances_by_name(user, name) : NULL;
    if (instance == NULL || instance->slot != 0)
        return false;
    instance->slot = slot;
    return true;
}

static void set_taken(struct addresses *addresses, uint32_t slot, bool taken)
{
    uint64_t bit = 1ULL << slot % 64;

    if (taken)
        addresses->taken[slot / 64] |= bit;
    else
        addresses->taken[slot / 64] &= ~bit;
}

static bool is_taken(const struct addresses *addresses, uint32_t slot)
{
    return (addresses->taken[slot / 64] >> slot % 64 & 1) != 0;
}
