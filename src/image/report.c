/* SPDX-License-Identifier: Apache-2.0 */
/* report - struct image_report written to a pipe, progress not more often than wire/limits.h says
 */
#include "image/report.h"

#include <string.h>

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

/* In one write, which a pipe takes whole. */
int reporter_config(struct reporter *reporter, const struct image_config *config, size_t size,
                    struct err *err)
{
    char message[sizeof(reporter->report) + IMAGE_CONFIG_SIZE_MAX];
    reporter->report.type = IMAGE_CONFIG;
    memcpy(message, &reporter->report, sizeof(reporter->report));
    memcpy(message + sizeof(reporter->report), config, size);
    int rc = fd_write_full(reporter->fd, message, sizeof(reporter->report) + size);
    return rc < 0 ? err_errno(err, OUTCOME_FAILED, rc, "saying the image's settings") : 0;
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
