/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - what croft-monitor takes from itself, for life
 *
 * The monitor starts nothing, so nothing of this is inherited by anybody. A wanted control that the
 * kernel has and that cannot be had ends the monitor (invariant 12).
 */
#include "monitor/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/resource.h>

#include "base/fd.h"
#include "linux/caps.h"
#include "linux/hardening.h"
#include "linux/path.h"
#include "linux/sysfilter.h"

/* Every capability but these is gone, from the bounding set too. wire/README names their orders. */
static const uint64_t MONITOR_CAPABILITIES =
    /* records of a user get her audit group; directories in her volume get her ids */
    CAPS_BIT(CAP_CHOWN) |
    /* directories and logs in her volume belong to her ids, which root is not */
    CAPS_BIT(CAP_DAC_OVERRIDE) |
    /* stop signals and kills go to processes of her ids */
    CAPS_BIT(CAP_KILL) |
    /* loop devices, mounts, detached clones of a volume's mount, dirty limits */
    CAPS_BIT(CAP_SYS_ADMIN);

static int limit_self(void);
static int load_filter(int lib);

int sandbox_enter(int lib, struct err *err)
{
    int rc = limit_self();
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot confine the monitor");
    rc = caps_bound(MONITOR_CAPABILITIES);
    if (rc == 0)
        rc = caps_set(MONITOR_CAPABILITIES);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot give up the monitor's capabilities");
    rc = load_filter(lib);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc,
                         "cannot load the monitor's filter (filters/monitor.bpf)");
    return 0;
}

static int limit_self(void)
{
    struct rlimit nofile;

    /* A descriptor or two for each connection, volume and instance: as many as the host allows. */
    if (getrlimit(RLIMIT_NOFILE, &nofile) < 0)
        return -errno;
    nofile.rlim_cur = nofile.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &nofile) < 0)
        return -errno;
    return hardening_enter();
}

static int load_filter(int lib)
{
    static struct sysfilter filter;
    auto_close file = path_open(lib, "filters/monitor.bpf", O_RDONLY);
    if (file < 0)
        return file;
    int rc = sysfilter_read(file, &filter);
    return rc < 0 ? rc : sysfilter_load(&filter);
}
