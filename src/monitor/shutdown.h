/* SPDX-License-Identifier: Apache-2.0 */
/* shutdown - `croft host stop`: ends every instance and puts the host back as it was */
#ifndef CROFT_MONITOR_SHUTDOWN_H
#define CROFT_MONITOR_SHUTDOWN_H

#include "monitor/door.h"

struct user;

/** shutdown_order() - ORDER_HOST_STOP */
nodiscard int shutdown_order(struct request *request, struct user *user, struct err *err);

/** shutdown_progress() - an instance has ended: goes on when it was the last */
void shutdown_progress(struct monitor *monitor);

#endif
