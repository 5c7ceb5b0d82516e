/* SPDX-License-Identifier: Apache-2.0 */
/* changes - how a user comes, changes and goes: the orders of an admin */
#ifndef CROFT_MONITOR_CHANGES_H
#define CROFT_MONITOR_CHANGES_H

#include "monitor/door.h"
#include "monitor/records.h"
#include <stdbool.h>

struct user;

/* The orders; each returns 0, an outcome with @err set, or REQUEST_PENDING. */
nodiscard int change_order_add(struct request *request, struct user *admin, struct err *err);
nodiscard int change_order_set(struct request *request, struct user *admin, struct err *err);
nodiscard int change_order_remove(struct request *request, struct user *admin, struct err *err);

/** changes_replay() - replay: a USER_ADD or USER_REMOVE, of which the intent may stay without end
 */
void changes_replay(struct monitor *monitor, const struct record *record);

/** changes_resume() - takes back additions and finishes removals that a crash cut in two */
void changes_resume(struct monitor *monitor);

/** changes_at_rest() - an instance of hers has ended: goes on with a removal that waited for it */
void changes_at_rest(struct user *user);

#endif
