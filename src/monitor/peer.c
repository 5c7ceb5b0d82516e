/* SPDX-License-Identifier: Apache-2.0 */
/* peer - who is at the other end of a connection, as the kernel says */
#include "monitor/peer.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/mem.h"

#define PEER_GROUPS_MAX 65536U /* the kernel's NGROUPS_MAX */

static int peer_in_group(int sock, gid_t group);

int peer_read(int sock, gid_t admin_gid, struct peer *ret_peer)
{
    struct ucred cred;
    socklen_t size = sizeof(cred);

    if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0 || size != sizeof(cred))
        return -EIO;
    int member = cred.uid == 0 || cred.gid == admin_gid;
    if (!member)
        member = peer_in_group(sock, admin_gid);
    if (member < 0)
        return member;
    *ret_peer =
        (struct peer){.uid = cred.uid, .gid = cred.gid, .pid = cred.pid, .admin = member == 1};
    return 0;
}

/* Whether the peer had @group among its supplementary groups when it connected. */
static int peer_in_group(int sock, gid_t group)
{
    gid_t few[64];
    gid_t *groups = few;
    socklen_t size = sizeof(few);
    auto_free gid_t *many = NULL;
    int rc = getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, groups, &size);

    if (rc < 0 && errno == ERANGE && size <= PEER_GROUPS_MAX * sizeof(gid_t)) {
        many = mem_new(size / sizeof(gid_t), sizeof(gid_t));
        groups = many;
        rc = getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, groups, &size);
    }
    if (rc < 0)
        return -errno;
    for (size_t i = 0; i < size / sizeof(gid_t); i++)
        if (groups[i] == group)
            return 1;
    return 0;
}
