/* SPDX-License-Identifier: Apache-2.0 */
/* confine - what every process of an instance wears for life: limits, filter, capabilities */
#ifndef CROFT_RUNTIME_CONFINE_H
#define CROFT_RUNTIME_CONFINE_H

#include "runtime/run.h"

/* All run as root of the instance's user namespace, in this order. */

/** confine_stdio() - makes 0, 1 and 2 what the job says: a terminal, pipes, /dev/null */
nodiscard int confine_stdio(struct run *run);
/** confine_limits() - resource limits, umask, bounding set of an instance */
nodiscard int confine_limits(struct run *run);
/** confine_limits_image() - the same for croft-image */
nodiscard int confine_limits_image(struct run *run);
/** confine_filter() - loads the system call filter, for life */
nodiscard int confine_filter(struct run *run);
/** confine_capabilities() - drops to what the bounding set keeps */
nodiscard int confine_capabilities(struct run *run);
/** confine_capabilities_image() - the same for croft-image */
nodiscard int confine_capabilities_image(struct run *run);
/**
 * confine_descriptors() - closes everything but 0, 1, 2 and what the next program or this one
 * needs; then checks that the working directory lies beneath the root
 */
nodiscard int confine_descriptors(struct run *run);

#endif
