/* SPDX-License-Identifier: Apache-2.0 */
/* caps - exact capability sets */
#include "linux/caps.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPS_NUMBERS 64

int caps_bound(uint64_t keep)
{
    for (int cap = 0; cap < CAPS_NUMBERS; cap++) {
        if (keep & CAPS_BIT(cap))
            continue;
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
            continue;
        /* The first number that the kernel does not know ends its list. */
        return errno == EINVAL && cap > 0 ? 0 : -errno;
    }
    return 0;
}

int caps_set(uint64_t keep)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
        {.effective = (uint32_t)keep, .permitted = (uint32_t)keep},
        {.effective = (uint32_t)(keep >> 32), .permitted = (uint32_t)(keep >> 32)},
    };
    /* An empty inheritable set empties the ambient one with it. */
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int caps_become(uid_t uid, gid_t gid, uint64_t keep)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
        {(uint32_t)keep, (uint32_t)keep, (uint32_t)keep},
        {(uint32_t)(keep >> 32), (uint32_t)(keep >> 32), (uint32_t)(keep >> 32)},
    };

    int rc = caps_bound(keep);
    if (rc < 0)
        return rc;
    /* Else the kernel empties the permitted set when the uid is no longer 0. */
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
        setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return -errno;
    if (syscall(SYS_capset, &header, data) < 0)
        return -errno;
    for (unsigned int cap = 0; cap < CAPS_NUMBERS; cap++)
        if ((keep & CAPS_BIT(cap)) != 0 &&
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
            return -errno;
    return 0;
}

uint64_t caps_effective(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (syscall(SYS_capget, &header, data) < 0)
        return 0;
    return data[0].effective | (uint64_t)data[1].effective << 32;
}
