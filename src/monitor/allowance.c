/* SPDX-License-Identifier: Apache-2.0 */
/* allowance - how much one user may write into the records of others */
#include "monitor/allowance.h"

#include "base/clock.h"
#include "base/mem.h"
#include "monitor/monitor.h"

#define ENTRIES 2U /* what is begun, and its end */

static void come_back(struct allowance *allowance, uint64_t now_boot_ns);
static bool has_room(const struct user *user, const struct user *writer);

int allowance_take(struct user *user, struct user *other, struct err *err)
{
    struct allowance *allowance = &user->allowance;

    come_back(allowance, clock_boot_ns());
    if (!has_room(other, user) || records_full(&other->chain) || other->chain.broken)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "the records of %s take no more from %s; an admin makes room on their disk, "
                       "or adds her anew",
                       other->name, user->name);
    if (allowance->used + ENTRIES > FOREIGN_ENTRIES_MAX)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "%s has granted, asked and revoked %u times in short; wait a minute or two",
                       user->name, FOREIGN_ENTRIES_MAX / ENTRIES);
    allowance->used += ENTRIES;
    return 0;
}

void allowance_written(struct user *user, uint32_t actor_uid, uint64_t size)
{
    struct allowance *allowance = &user->allowance;
    const uint64_t bytes = sizeof(struct record) + size + SHA256_SIZE;
    size_t i = 0;

    if (actor_uid == user->uid)
        return;
    while (i < allowance->writer_count && allowance->writers[i].uid != actor_uid)
        i++;
    if (i == allowance->writer_count) {
        allowance->writers =
            mem_grow(allowance->writers, ++allowance->writer_count, sizeof(*allowance->writers));
        allowance->writers[i] = (struct allowance_writer){.uid = actor_uid};
    }
    allowance->writers[i].bytes += bytes;
    allowance->bytes += bytes;
}

void allowance_free(struct user *user)
{
    mem_cleanup(&user->allowance.writers);
    user->allowance.writer_count = 0;
}

static bool has_room(const struct user *user, const struct user *writer)
{
    const struct allowance *allowance = &user->allowance;
    uint64_t users = 0;

    if (allowance->bytes <= RECORD_FOREIGN_MAX / 2)
        return true;
    for (const struct user *one = user->monitor->users.first; one != NULL; one = one->next)
        users++;
    for (size_t i = 0; i < allowance->writer_count; i++)
        if (allowance->writers[i].uid == writer->uid)
            return allowance->writers[i].bytes < RECORD_FOREIGN_MAX / 2 / users;
    return true;
}

static void come_back(struct allowance *allowance, uint64_t now_boot_ns)
{
    uint64_t passed = now_boot_ns - allowance->counted_boot_ns;
    uint64_t back = passed / (FOREIGN_ENTRY_BACK_S * NS_PER_S);

    if (allowance->used == 0)
        back = 0;
    if (back >= allowance->used) {
        allowance->used = 0;
        allowance->counted_boot_ns = now_boot_ns;
        return;
    }
    allowance->used -= (uint32_t)back;
    allowance->counted_boot_ns += back * FOREIGN_ENTRY_BACK_S * NS_PER_S;
}
