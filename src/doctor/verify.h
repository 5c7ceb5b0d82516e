/* SPDX-License-Identifier: Apache-2.0 */
/* verify - what of Croft is in the kernel and in /etc, held against its records */
#ifndef CROFT_DOCTOR_VERIFY_H
#define CROFT_DOCTOR_VERIFY_H

#include "base/attrs.h"
#include "base/err.h"
#include <stddef.h>

/* One thing that is there and should not be, or the other way round, and what to do. */
struct difference {
    char *what;
    char *todo;
};

struct differences {
    struct difference *list;
    size_t count;
    size_t looked; /* how many things were compared */
};

/**
 * verify_host() - looks until what differs stays the same for a while, so that machines that start
 * and stop meanwhile are none
 * Return: 0; outcome with a sentence
 */
nodiscard int verify_host(struct differences *differences, struct err *err);

/** differences_add() - @what and @todo are taken over */
void differences_add(struct differences *differences, char *what, char *todo);
void differences_free(struct differences *differences);

#endif
