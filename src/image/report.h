/* SPDX-License-Identifier: Apache-2.0 */
/* report - struct image_report written to a pipe, progress not more often than wire/limits.h says
 */
#ifndef CROFT_IMAGE_REPORT_H
#define CROFT_IMAGE_REPORT_H

#include "base/attrs.h"
#include "base/err.h"
#include "wire/image.h"
#include <stddef.h>

/* fd: where to; the numbers are counted up in report by whoever does the work */
struct reporter {
    int fd;
    uint64_t next_boot_ns;
    struct image_report report;
};

void reporter_init(struct reporter *reporter, int fd);

/** reporter_progress() - says how far it is when it is time; failing to say so is no failure */
void reporter_progress(struct reporter *reporter);

/** reporter_config() - says how the image wants to be started. Return: 0; OUTCOME_FAILED */
nodiscard int reporter_config(struct reporter *reporter, const struct image_config *config,
                              size_t size, struct err *err);

/** reporter_done() - the last report; @err: NULL when all went well. Return: 0; -errno */
nodiscard int reporter_done(struct reporter *reporter, const struct err *err);

#endif
