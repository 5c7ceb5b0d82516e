/* SPDX-License-Identifier: Apache-2.0 */
/* allowance - how much one user may write into the records of others */
#include "monitor/allowance.h"

#include "base/clock.h"
#include "monitor/monitor.h"

#define ENTRIES 2U /* what is begun, and its end */

static void come_back(struct allowance *allowance, uint64_t now_boot_ns);

int allowance_take(struct user *user, struct user *other, struct err *err)
{
    struct allowance *allowance = &user->allowance;

    come_back(allowance, clock_boot_ns());
    if (other->allowance.bytes > RECORD_FOREIGN_MAX || records_full(&other->chain) ||
        other->chain.broken)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "the records of %s take no more from others; she asks an admin",
                       other->name);
    if (allowance->used + ENTRIES > FOREIGN_ENTRIES_MAX)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "%s has granted, asked and revoked %u times in short; wait a minute or two",
                       user->name, FOREIGN_ENTRIES_MAX / ENTRIES);
    allowance->used += ENTRIES;
    return 0;
}

void allowance_written(struct user *user, uint32_t actor_uid, uint64_t size)
{
    if (actor_uid != user->uid)
        user->allowance.bytes += sizeof(struct record) + size + SHA256_SIZE;
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
