/* SPDX-License-Identifier: Apache-2.0 */
/* census - what jobs of the attacker's could leave behind on the host */
#ifndef CROFT_PROVE_CENSUS_H
#define CROFT_PROVE_CENSUS_H

#include "base/attrs.h"
#include "prove/row.h"

struct census {
    size_t mounts;
    size_t loops;
    size_t groups;
    size_t monitor_fds;
    size_t processes;
    size_t links;
};

/**
 * census_control() - counts, and shows that a process left behind would be noticed
 *
 * Whatever other users do meanwhile may add to the host's own numbers. Without walls that process
 * stays until the row ends.
 * Return: true; false with the verdict set
 */
nodiscard bool census_control(struct scene *scene, struct trial *trial, struct census *ret_before);

/** census_settled() - waits until nothing is left over. Return: what still is; NULL nothing */
const char *census_settled(const struct scene *scene, const struct census *before);

#endif
