/* SPDX-License-Identifier: Apache-2.0 */
/*
 * croft-runtime - becomes an instance, a process in one, or an image job
 *
 * Started by croft-super with one descriptor, the channel to the monitor, in the staging mount
 * namespace, with an empty environment. Takes exactly one job and trusts it: the monitor checked
 * it.
 *
 * Runs as: root, all capabilities; each job gives them up as its file says
 */
#include <errno.h>
#include <sys/prctl.h>

#include "runtime/run.h"

int main(void)
{
    static struct run run;
    static void (*const become[])(struct run * run) = {
        [JOB_START] = run_start,  [JOB_JOIN] = run_join,    [JOB_MOVE] = run_move,
        [JOB_UNPACK] = run_image, [JOB_REMOVE] = run_image, [JOB_SOCKETS] = run_sockets,
    };
    /* Nobody of the same ids may look into this process until it executes something else. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        run_fail(READY_RECEIVED, -errno);
    run_receive(&run);
    if (run.job.kind >= ARRAY_LEN(become) || !become[run.job.kind])
        run_fail(READY_RECEIVED, -EINVAL);
    become[run.job.kind](&run);
}
