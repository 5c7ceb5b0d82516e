/* SPDX-License-Identifier: Apache-2.0 */
/* when - durations and moments as a person types them, and how they are said again; pure */
#ifndef CROFT_CLI_WHEN_H
#define CROFT_CLI_WHEN_H

#include "base/attrs.h"
#include <stddef.h>
#include <stdint.h>

/**
 * when_duration() - "90m", "2d", "1h30m": whole numbers with the units w d h m s, each once, the
 * greater first
 * Return: 0; -EINVAL; -ERANGE 0, or more than 64 bits of nanoseconds
 */
nodiscard int when_duration(const char *text, uint64_t *ret_ns);

/**
 * when_moment() - "2026-12-01 18:00", "2026-12-01T18:00:30+01:00" (RFC 3339), "18:00"
 * @now_wall_ns: "18:00" is the next one after it
 * Without an offset the host's time zone counts. What lies before 1970 is 1 ns: it is past.
 * Return: 0; -EINVAL; -ERANGE there is no such day or time
 */
nodiscard int when_moment(const char *text, uint64_t now_wall_ns, uint64_t *ret_wall_ns);

/** when_text() - "2d3h", "7h59m", "45s": the two greatest units of it. Return: @buf */
char *when_text(uint64_t ns, char *buf, size_t size);

#endif
