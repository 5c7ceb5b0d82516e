/* SPDX-License-Identifier: Apache-2.0 */
/* controls - what of this host holds the walls: the list */
#include "doctor/controls.h"

#include <stdlib.h>

#include "base/mem.h"
#include "doctor/look.h"

void controls_add(struct controls *controls, enum control_state state, const char *name,
                  char *known, char *todo)
{
    controls->list = mem_grow(controls->list, controls->count + 1, sizeof(*controls->list));
    controls->list[controls->count++] =
        (struct control){look_format("%s", name), state, known, todo};
}

void controls_free(struct controls *controls)
{
    for (size_t i = 0; i < controls->count; i++) {
        free(controls->list[i].name);
        free(controls->list[i].known);
        free(controls->list[i].todo);
    }
    free(controls->list);
}

const char *control_state_name(enum control_state state)
{
    switch (state) {
    case CONTROL_PRESENT:
        return "present";
    case CONTROL_FALLBACK:
        return "fallback";
    case CONTROL_MISSING:
        return "missing";
    case CONTROL_ADVICE:
        return "advice";
    }
    return "?";
}
