/* SPDX-License-Identifier: Apache-2.0 */
/* hardening - what every process that stays up gives up, whatever else it needs */
#include "linux/hardening.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65 /* Linux 6.3 */
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

int hardening_enter(void)
{
    const struct rlimit none = {0, 0};

    /* The memory of a process that serves many users would show in a core file what they asked. */
    if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    /* EINVAL: a kernel before 6.3 */
    if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) < 0 && errno != EINVAL)
        return -errno;
    return 0;
}
