/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_host - rows about what Croft itself does on the attacker's order: start an image that was
 * made to lead it astray, start and end machines without leaving anything behind
 */
#include "prove/row.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "prove/census.h"
#include "prove/tar.h"
#include "prove/trap.h"

#define EVIL_IMAGE "evil"
#define ROUNDS     10

/* An image whose /dev, /proc, /sys and /tmp lead to a directory of the host. */
static bool import_evil(const struct scene *scene, char *output, size_t size)
{
    static const char *const names[] = {"dev", "proc", "sys", "tmp", "etc"};
    const char *const words[] = {"image", "import", "-", EVIL_IMAGE, NULL};
    struct tar tar = {0};
    char target[PATH_MAX];
    size_t program_size = 0;

    auto_free void *program = scene_program(&program_size);
    if (!program ||
        str_format(target, sizeof(target), "../../../../../../../..%s", scene->open_path) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        tar_link(&tar, names[i], target);
    tar_file(&tar, "prove", program, program_size);
    tar_end(&tar);
    int status = scene_croft(&scene->attacker, words, tar.bytes, tar.size, output, size);
    free(tar.bytes);
    return status == 0;
}

static void perform_links(struct scene *scene, struct trial *trial)
{
    const char *const run[] = {"run",    "--rm",     EVIL_IMAGE, "--",
                               "/prove", "--inside", "stand",    NULL};
    const char *const remove[] = {"image", "rm", EVIL_IMAGE, NULL};
    char output[1024] = "", said[1024];
    size_t before = trap_entries(scene->open_path);

    if (!trap_control(scene, trial))
        return;
    bool imported = import_evil(scene, output, sizeof(output));
    int status =
        imported ? scene_croft(&scene->attacker, run, NULL, 0, output, sizeof(output)) : -1;
    size_t now = trap_entries(scene->open_path);
    if (now != before)
        row_verdict(trial, VERDICT_LEAKED, "%zu files appeared in a directory of the host", now);
    else
        row_verdict(trial, VERDICT_BLOCKED, "%s, status %d: %.100s",
                    imported ? "imported and started" : "not imported", status, output);
    if (imported && scene_croft(&scene->attacker, remove, NULL, 0, said, sizeof(said)) != 0)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the image cannot be removed: %.120s", said);
}

static void perform_starts(struct scene *scene, struct trial *trial)
{
    const char *const run[] = {"run", "--rm", PROVE_IMAGE, "--", "/bin/true", NULL};
    struct census before;
    char output[512];

    if (!census_control(scene, trial, &before))
        return;
    for (int i = 0; i < ROUNDS; i++)
        if (scene_croft(&scene->attacker, run, NULL, 0, output, sizeof(output)) != 0) {
            row_verdict(trial, VERDICT_INCONCLUSIVE, "run failed: %.120s", output);
            return;
        }
    const char *left = census_settled(scene, &before);
    if (left)
        row_verdict(trial, VERDICT_LEAKED, "%d starts left %s behind", ROUNDS, left);
    else
        row_verdict(trial, VERDICT_BLOCKED,
                    "%d starts left no mount, loop, group, process, descriptor", ROUNDS);
}

const struct row rows_host[] = {
    {
        "K-05",
        SEVERITY_CRITICAL,
        "IMG",
        "an image whose /dev, /proc and /sys are links to the host",
        "mounts by descriptor beneath the root, no link followed",
        .perform = perform_links,
    },
    {
        "R-44",
        SEVERITY_HIGH,
        "API",
        "start and end jobs: what stays behind on the host",
        "every object has one owner and one end",
        .lane = LANE_ALONE,
        .perform = perform_starts,
    },
};
const size_t rows_host_count = ARRAY_LEN(rows_host);
