/* SPDX-License-Identifier: Apache-2.0 */
/* clock - the two clocks in named units */
#include "base/clock.h"

#include <time.h>

#include "base/err.h"

static uint64_t clock_ns(clockid_t id);

uint64_t clock_boot_ns(void)
{
    return clock_ns(CLOCK_BOOTTIME);
}

uint64_t clock_wall_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec now;

    if (clock_gettime(id, &now) < 0)
        croft_bug("clock_gettime failed");
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}
