/* SPDX-License-Identifier: Apache-2.0 */
/* log - one line to stderr with a "<n>" priority, as systemd and `croft host` collect it */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define LOG_LINE_SIZE 1024

void log_line(enum log_level level, const char *fmt, ...)
{
    char line[LOG_LINE_SIZE];
    int head = snprintf(line, sizeof(line), "<%d>", (int)level);
    size_t room = sizeof(line) - (size_t)head - 1; /* for the line's end */
    size_t length;
    va_list args;

    va_start(args, fmt);
    if (vsnprintf(line + head, room, fmt, args) < 0)
        line[head] = '\0';
    va_end(args);
    str_printable(line);
    length = strlen(line);
    line[length] = '\n';
    /* One write, so that lines of several processes do not mix; where to report a failure to? */
    if (fd_write_full(STDERR_FILENO, line, length + 1) < 0)
        return;
}
