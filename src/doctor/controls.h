/* SPDX-License-Identifier: Apache-2.0 */
/* controls - what of this host holds the walls, how that is known, and what to do where it does not
 */
#ifndef CROFT_DOCTOR_CONTROLS_H
#define CROFT_DOCTOR_CONTROLS_H

#include "base/attrs.h"
#include <stdbool.h>
#include <stddef.h>

/*
 * FALLBACK: Croft does the same in another way, or weaker; MISSING: a wall cannot be held, or Croft
 * does not start; ADVICE: no wall of Croft's, but worth setting, since what is outside of them is
 * then less of a danger
 */
enum control_state { CONTROL_PRESENT, CONTROL_FALLBACK, CONTROL_MISSING, CONTROL_ADVICE };

struct control {
    char *name;
    enum control_state state;
    char *known;
    char *todo; /* NULL: nothing */
};

struct controls {
    struct control *list;
    size_t count;
};

/** controls_add() - @known and @todo (may be NULL) are taken over; use look_format() */
void controls_add(struct controls *controls, enum control_state state, const char *name,
                  char *known, char *todo);
void controls_free(struct controls *controls);
const char *control_state_name(enum control_state state);

/* Each looks at one side of the host. */
void controls_kernel(struct controls *controls);
void controls_cgroups(struct controls *controls);
void controls_network(struct controls *controls);
void controls_settings(struct controls *controls);

/** kernel_since() - whether this kernel is Linux @major.@minor or later, by what uname says */
bool kernel_since(unsigned int major, unsigned int minor);

/** controls_legacy() - whether the old iptables, which nft does not show, filters as well */
void controls_legacy(struct controls *controls);

/**
 * controls_firewall() - whether other tables drop what Croft allows
 * @ruleset: what `nft -j list ruleset` printed; NULL: it could not
 * Pure; fuzzed.
 */
void controls_firewall(struct controls *controls, const char *ruleset);

#endif
