/* SPDX-License-Identifier: Apache-2.0 */
/* report - struct image_report written to a pipe, progress not more often than wire/limits.h says
 */
#include "image/report.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "wire/limits.h"

void reporter_init(struct reporter *reporter, int fd)
{
    *reporter = (struct reporter){
        .fd = fd,
        .next_boot_ns = clock_boot_ns() + IMAGE_PROGRESS_MS * NS_PER_MS,
        .report = {.version = IMAGE_VERSION},
    };
}

void reporter_progress(struct reporter *reporter)
{
    uint64_t now = clock_boot_ns();
    if (now < reporter->next_boot_ns)
        return;
    reporter->next_boot_ns = now + IMAGE_PROGRESS_MS * NS_PER_MS;
    reporter->report.type = IMAGE_PROGRESS;
    int rc = fd_write_full(reporter->fd, &reporter->report, sizeof(reporter->report));
    (void)rc; /* the last report fails as well, and that one is looked at */
}

int reporter_done(struct reporter *reporter, const struct err *err)
{
    struct image_report *report = &reporter->report;
    report->type = IMAGE_DONE;
    report->outcome = OUTCOME_OK;
    if (err != NULL) {
        report->outcome = (uint32_t)err->outcome;
        int rc = str_copy(report->text, sizeof(report->text), err->text);
        (void)rc; /* both are ERR_TEXT_SIZE */
    }
    return fd_write_full(reporter->fd, report, sizeof(*report));
}
