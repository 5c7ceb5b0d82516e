/* SPDX-License-Identifier: Apache-2.0 */
/* target - a port of a machine or of an address, as a person writes it; pure */
#ifndef CROFT_CLI_TARGET_H
#define CROFT_CLI_TARGET_H

#include "base/err.h"
#include "wire/limits.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * machine: "": address is it (of IPv4 the first four bytes, network byte order)
 * owner:   "": none was written
 * protocol: IPPROTO_TCP or IPPROTO_UDP
 */
struct target {
    char machine[NAME_SIZE];
    char owner[NAME_SIZE];
    uint8_t address[16];
    bool ipv6;
    uint16_t protocol;
    uint16_t port;
};

#define TARGET_TEXT_SIZE 128

/**
 * target_parse() - "db:5432", "db.alice:53/udp", "1.2.3.4:443", "[2001:db8::1]:443"
 * A name of the internet is refused: who would look it up here, and who inside, may differ.
 * Return: 0; OUTCOME_USAGE with a sentence
 */
nodiscard int target_parse(const char *text, struct target *ret_target, struct err *err);

/** target_text() - as it would be written; tcp is not mentioned. Return: @buf */
char *target_text(const struct target *target, char buf[TARGET_TEXT_SIZE]);

#endif
