/* SPDX-License-Identifier: Apache-2.0 */
/* launch - the orders about instances; each returns 0, an outcome with @err set, or REQUEST_PENDING
 */
#ifndef CROFT_MONITOR_LAUNCH_H
#define CROFT_MONITOR_LAUNCH_H

#include "monitor/door.h"

struct user;

nodiscard int launch_order_launch(struct request *request, struct user *user, struct err *err);
nodiscard int launch_order_run(struct request *request, struct user *user, struct err *err);
nodiscard int launch_order_start(struct request *request, struct user *user, struct err *err);
nodiscard int launch_order_stop(struct request *request, struct user *user, struct err *err);
nodiscard int launch_order_remove(struct request *request, struct user *user, struct err *err);
nodiscard int launch_order_logs(struct request *request, struct user *user, struct err *err);

#endif
