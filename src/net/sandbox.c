/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - what croft-net gives up, for life, before it hears of the first machine
 *
 * Theory of operation
 * croft-net parses what the kernel says and fixed structs of the monitor's; no byte of a user's
 * reaches it. It runs as an account of its own with CAP_NET_ADMIN, which every one of its requests
 * needs. What is given up here leaves who took it over with the network, and nothing beside it:
 *   capabilities    all but NET_ADMIN, from every set
 *   no_new_privs    no setuid program, ever
 *   MDWE            no memory that is written and then executed
 *   Landlock        no file; what is open already stays usable
 *   seccomp         tools/filters/net.list: netlink and unix sockets, nothing is started
 * nft has run before that.
 */
#include "net/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "croft-paths.h"
#include "linux/caps.h"
#include "linux/hardening.h"
#include "linux/path.h"
#include "linux/restriction.h"
#include "linux/sysfilter.h"

/* All of its address space: every slot and GRANTS_PER_USER_MAX of every user, many times over. */
#define MEMORY_MAX (1024UL * 1024 * 1024)

#define FILTER_FILE CROFT_LIB_DIR "/filters/net.bpf"

static int limit_self(void);

int sandbox_enter(struct err *err)
{
    static struct sysfilter filter;
    const uint64_t keep = CAPS_BIT(CAP_NET_ADMIN);
    auto_close file = path_root(FILTER_FILE, O_RDONLY);

    int rc = file < 0 ? file : sysfilter_read(file, &filter);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot read %s", FILTER_FILE);
    if (getuid() == 0 || geteuid() == 0)
        return err_set(err, OUTCOME_HOST_CANNOT,
                       "croft-net does not run as root: croft-super starts it as its account");
    rc = caps_set(keep);
    if (rc == 0)
        rc = limit_self();
    if (rc == 0)
        rc = restriction_read_only(NULL, 0);
    if (rc == 0)
        rc = sysfilter_load(&filter);
    return rc < 0 ? err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot confine croft-net") : 0;
}

static int limit_self(void)
{
    const struct rlimit none = {0, 0};
    const struct rlimit memory = {MEMORY_MAX, MEMORY_MAX};

    if (setrlimit(RLIMIT_AS, &memory) < 0 || setrlimit(RLIMIT_NPROC, &none) < 0)
        return -errno;
    return hardening_enter();
}
