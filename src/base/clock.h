/* SPDX-License-Identifier: Apache-2.0 */
/* clock - the two clocks in named units */
#ifndef CROFT_BASE_CLOCK_H
#define CROFT_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_MS 1000000ULL
#define NS_PER_S  1000000000ULL

/** clock_boot_ns() - CLOCK_BOOTTIME: counts while the host sleeps, never set by anybody */
uint64_t clock_boot_ns(void);

/** clock_wall_ns() - CLOCK_REALTIME since 1970, for people and records only */
uint64_t clock_wall_ns(void);

#endif
