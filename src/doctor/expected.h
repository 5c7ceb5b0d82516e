/* SPDX-License-Identifier: Apache-2.0 */
/* expected - what Croft's records say there is: users, their machines, the grants */
#ifndef CROFT_DOCTOR_EXPECTED_H
#define CROFT_DOCTOR_EXPECTED_H

#include "wire/grant.h"
#include "wire/record.h"
#include <stdbool.h>

/* running: it was started and no end of it was recorded */
struct expected_machine {
    char name[NAME_SIZE];
    bool running;
};

struct expected_user {
    char name[NAME_SIZE];
    struct record_user user;
    struct expected_machine *machines;
    size_t machine_count;
    struct grant *grants; /* given by her, live */
    size_t grant_count;
};

struct expected {
    struct expected_user *users;
    size_t user_count;
    char *broken; /* a sentence: a file of records does not hold together */
};

/**
 * expected_read() - replays every file of records, each entry checked
 * A torn last entry is none: the monitor is writing it.
 * Return: 0; -ENOENT no records: Croft was never started here; -errno
 */
nodiscard int expected_read(struct expected *expected);
void expected_free(struct expected *expected);

/* Each replays the whole content of a file. Pure. Return: 0; -EBADMSG */
nodiscard int expected_host(struct expected *expected, const uint8_t *bytes, size_t size);
nodiscard int expected_own(struct expected_user *user, const uint8_t *bytes, size_t size);

#endif
