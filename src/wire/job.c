/* SPDX-License-Identifier: Apache-2.0 */
/* job - the stages of a runtime as a person reads them */
#include "wire/job.h"

_Static_assert(JOB_FD_CGROUP + JOB_CGROUPS_MAX <= MESSAGE_FDS_MAX, "a job is one message");

const char *ready_stage_text(uint32_t stage)
{
    static const char *const text[] = {
        [READY_RECEIVED] = "receiving the job",
        [READY_CGROUP] = "entering the control groups",
        [READY_USERNS] = "making the user namespace",
        [READY_MOUNTS] = "making the mount namespace",
        [READY_OVERLAY] = "mounting the root file system",
        [READY_PROC] = "mounting /proc, /sys and /dev",
        [READY_ROOT] = "changing the root directory",
        [READY_NETWORK] = "connecting the network",
        [READY_STDIO] = "connecting standard input and output",
        [READY_TERMINAL] = "making the terminal",
        [READY_LIMITS] = "setting the resource limits",
        [READY_SECCOMP] = "loading the system call filter",
        [READY_CAPABILITIES] = "dropping the capabilities",
        [READY_JOIN] = "joining the namespaces of the machine",
        [READY_NETNS] = "making the network namespace",
        [READY_SOCKETS] = "looking at the sockets of the machine",
        [READY_PROCESS] = "making the first process",
        [READY_WAITING] = "waiting for the start",
        [READY_EXEC] = "executing the program",
        [READY_WORKDIR] = "entering the working directory",
    };
    _Static_assert(ARRAY_LEN(text) == READY_STAGE_COUNT, "a stage has no text");

    if (stage >= ARRAY_LEN(text) || !text[stage])
        return "an unknown stage";
    return text[stage];
}
