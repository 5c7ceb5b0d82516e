/* SPDX-License-Identifier: Apache-2.0 */
/* log - one line to stderr with a "<n>" priority, as systemd and `croft host` collect it */
#ifndef CROFT_BASE_LOG_H
#define CROFT_BASE_LOG_H

#include "base/attrs.h"

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6 };

/** log_line() - a sentence for the operator; control characters become '?' */
void log_line(enum log_level level, const char *fmt, ...) printf_like(2, 3);

#endif
