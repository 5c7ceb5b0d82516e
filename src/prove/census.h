/* SPDX-License-Identifier: Apache-2.0 */
/* census - what jobs of the attacker's could leave behind on the host */
#ifndef CROFT_PROVE_CENSUS_H
#define CROFT_PROVE_CENSUS_H

#include "base/attrs.h"
#include "prove/scene.h"

struct census {
    size_t mounts;
    size_t loops;
    size_t groups;
    size_t monitor_fds;
    size_t processes;
    size_t links;
};

/** census_take() - counts. Whatever other users do meanwhile may add to the host's own numbers. */
struct census census_take(const struct scene *scene);

/** census_more() - Return: what there is more of; NULL nothing */
const char *census_more(const struct census *before, const struct census *after);

/** census_settled() - waits until nothing is left over. Return: what still is; NULL nothing */
const char *census_settled(const struct scene *scene, const struct census *before);

#endif
