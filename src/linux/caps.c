/* SPDX-License-Identifier: Apache-2.0 */
/* caps - exact capability sets */
#include "linux/caps.h"

#include <errno.h>
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

uint64_t caps_effective(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (syscall(SYS_capget, &header, data) < 0)
        return 0;
    return data[0].effective | (uint64_t)data[1].effective << 32;
}
