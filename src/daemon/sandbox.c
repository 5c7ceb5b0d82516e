/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - croftd gives up what it does not need, before it hears anybody
 *
 * Theory of operation
 * croftd parses what any account of the host sends. It has no privilege to begin with: uid croft,
 * no capability, and the monitor believes nothing it says. What is given up here is what a uid
 * without privilege still has, so that who takes croftd over holds a process that can answer on
 * its sockets, read cgroup files, and end:
 *   limits          no core file with other users' requests in it, no tracing by the same uid
 *   no_new_privs    no setuid program, ever
 *   MDWE            no memory that is written and then executed (since Linux 6.3; the filter
 *                   refuses the same calls before)
 *   Landlock        no file but the cgroup trees, and those for reading
 *   seccomp         tools/filters/croftd.list
 * The filter comes last: it has no call left by which the others are set up.
 */
#include "daemon/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "croft-paths.h"
#include "linux/hardening.h"
#include "linux/path.h"
#include "linux/restriction.h"
#include "linux/sysfilter.h"

/* All of its address space: what croftd holds of CONNECTIONS_MAX clients at once, many times over.
 */
#define DAEMON_MEMORY_MAX (1024UL * 1024 * 1024)

#define FILTER_FILE CROFT_LIB_DIR "/filters/croftd.bpf"

static int check_identity(struct err *err)
{
    if (getuid() == 0 || geteuid() == 0)
        return err_set(err, OUTCOME_HOST_CANNOT,
                       "croftd does not run as root: croft-super starts it as the account croft");
    return 0;
}

static int set_limits(struct err *err)
{
    const struct rlimit memory = {DAEMON_MEMORY_MAX, DAEMON_MEMORY_MAX};
    umask(0077);
    if (setrlimit(RLIMIT_AS, &memory) < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, -errno, "limiting memory");
    int rc = hardening_enter();
    return rc < 0 ? err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot confine croftd") : 0;
}

int sandbox_enter(const struct usage *usage, struct err *err)
{
    static struct sysfilter filter;
    const int readable[] = {usage->memory, usage->pids};
    auto_close file = path_root(FILTER_FILE, O_RDONLY);

    int rc = check_identity(err);
    if (rc != 0)
        return rc;
    rc = file < 0 ? file : sysfilter_read(file, &filter);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "reading the filter %s", FILTER_FILE);
    rc = set_limits(err);
    if (rc != 0)
        return rc;
    rc = restriction_read_only(readable, ARRAY_LEN(readable));
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc,
                         "Landlock (the kernel needs lsm=...,landlock)");
    rc = sysfilter_load(&filter);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "loading the filter %s", FILTER_FILE);
    return 0;
}
