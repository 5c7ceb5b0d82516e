/* SPDX-License-Identifier: Apache-2.0 */
/* ablate - a Croft of its own with a control left out */
#include "prove/ablate.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "croft-paths.h"
#include "prove/child.h"
#include "prove/scene.h"
#include "wire/job.h"

#define START_MS 60000U

static const struct {
    const char *name;
    enum ablate bit;
} controls[] = {{"userns", ABLATE_USERNS},   {"seccomp", ABLATE_SECCOMP},
                {"caps", ABLATE_CAPS},       {"cgroup", ABLATE_CGROUP},
                {"idrange", ABLATE_IDRANGE}, {"nftables", ABLATE_NFTABLES}};

int ablate_parse(const char *control, unsigned *bits, struct err *err)
{
    if (!CROFT_ABLATE)
        return err_set(err, OUTCOME_USAGE,
                       "--without works in the test build only: `meson setup -Dablate=true`");
    for (size_t i = 0; i < ARRAY_LEN(controls); i++) {
        if (strcmp(control, controls[i].name) != 0)
            continue;
        *bits |= controls[i].bit;
        return 0;
    }
    return err_set(err, OUTCOME_USAGE,
                   "--without '%.40s': one of userns, seccomp, caps, cgroup, idrange, nftables",
                   control);
}

int ablate_start(unsigned bits, struct err *err)
{
    char number[16], output[1024];
    const char *const argv[] = {scene_client, "host", "start", "--without", number, NULL};

    if (str_format(number, sizeof(number), "%u", bits) < 0)
        return err_set(err, OUTCOME_FAILED, "number too long");
    if (child_run(argv, 0, 0, NULL, 0, output, sizeof(output), START_MS) != 0)
        return err_set(err, OUTCOME_FAILED, "the test build does not start: %s", output);
    return 0;
}

void ablate_stop(void)
{
    const char *const argv[] = {scene_client, "host", "stop", NULL};
    char output[1024];

    if (child_run(argv, 0, 0, NULL, 0, output, sizeof(output), START_MS) != 0)
        (void)fprintf(stderr, "croft-prove: the test build still runs: %s\n", output);
}
