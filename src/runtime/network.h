/* SPDX-License-Identifier: Apache-2.0 */
/* network - an instance's own network namespace, from its making to its default route */
#ifndef CROFT_RUNTIME_NETWORK_H
#define CROFT_RUNTIME_NETWORK_H

#include "runtime/run.h"

/**
 * network_offer() - sets the namespace's own switches, then gives it to the monitor, which has
 * croft-net put the link into it while the caller goes on
 */
nodiscard int network_offer(struct run *run);

/** network_set_up() - hostname and loopback; waits for JOB_NETWORK and sets the link up. A job
 * without a slot has loopback only, and nothing is offered or waited for */
nodiscard int network_set_up(struct run *run);

#endif
