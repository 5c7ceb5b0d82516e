/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watchdog - a process that ends a storm when the host suffers
 *
 * While armed it beats ten times a second: it must wake in time and be able to fork. A beat that is
 * missed, or a storm that lasts too long, and it kills the pid 1 of the attacker's machine, with
 * which the kernel kills everything in it.
 */
#ifndef CROFT_PROVE_WATCHDOG_H
#define CROFT_PROVE_WATCHDOG_H

#include "prove/child.h"
#include <stdbool.h>
#include <stdint.h>

#define WATCHDOG_BEAT_MS 100
#define WATCHDOG_LATE_MS 3000

/* late: a beat was missed; over: the storm lasted longer than it may */
struct watchdog_answer {
    uint64_t worst_us;
    uint32_t late;
    uint32_t over;
};

struct watchdog {
    struct child child;
};

nodiscard int watchdog_start(struct watchdog *dog);
void watchdog_stop(struct watchdog *dog);

/** watchdog_arm() - from now on @storm_pid is killed when the host suffers. Return: 0; -errno */
nodiscard int watchdog_arm(struct watchdog *dog, pid_t storm_pid, unsigned seconds);

/** watchdog_disarm() - Return: 0 with what happened since; -errno */
nodiscard int watchdog_disarm(struct watchdog *dog, struct watchdog_answer *ret_answer);

#endif
