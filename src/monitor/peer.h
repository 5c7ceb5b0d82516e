/* SPDX-License-Identifier: Apache-2.0 */
/* peer - who is at the other end of a connection, as the kernel says */
#ifndef CROFT_MONITOR_PEER_H
#define CROFT_MONITOR_PEER_H

#include "base/attrs.h"
#include <stdbool.h>
#include <sys/types.h>

/* What the kernel says about who made a connection (invariant 3). */
struct peer {
    uid_t uid;
    gid_t gid;
    pid_t pid;
    bool admin; /* uid 0, or a member of croft-admin */
};

/**
 * peer_read() - asks the kernel who connected
 * @sock:      a connection that this process accepted itself: of any other it would prove nothing
 * @admin_gid: of croft-admin
 * Return: 0; -errno
 */
nodiscard int peer_read(int sock, gid_t admin_gid, struct peer *ret_peer);

#endif
