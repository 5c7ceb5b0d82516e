/* SPDX-License-Identifier: Apache-2.0 */
/* drive_net - plays croft-net for one link, in a network namespace of drive's own */
#ifndef TESTS_TOOLS_DRIVE_NET_H
#define TESTS_TOOLS_DRIVE_NET_H

#include "wire/net.h"

#define DRIVE_SLOT 0x1234U

extern const struct net_prefix drive_prefix;

/* Leaves the host's network namespace. Return: 0; -errno */
int drive_net_open(void);

/* The link of DRIVE_SLOT, its inside end in the namespace @netns; its own end answers pings.
 * Return: 0; -errno */
int drive_net_link(int netns);

/* Takes it away; by itself the kernel does so late. Return: 0; -errno */
int drive_net_unlink(void);

#endif
