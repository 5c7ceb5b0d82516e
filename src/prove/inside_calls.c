/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside_calls - the deny list (P-29): system calls that no machine may make, as one table
 *
 * Each is called with arguments that the kernel refuses only after it asked whether the caller may:
 * host root gets EINVAL, EFAULT and the like, and nothing happens. EPERM or ENOSYS is a refusal.
 */
#include "prove/step.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BAD_POINTER (-1L)
#define BAD_FLAGS   0x7fffffffL

struct denied_call {
    const char *name;
    long number;
    long args[5];
};

static const struct denied_call denied_calls[] = {
    {"reboot", SYS_reboot, {1, 2, 3, BAD_POINTER}},
    {"kexec_load", SYS_kexec_load, {0, 0, 0, BAD_FLAGS}},
    {"kexec_file_load", SYS_kexec_file_load, {-1, -1, 0, 0, BAD_FLAGS}},
    {"init_module", SYS_init_module, {BAD_POINTER, 16, BAD_POINTER}},
    {"finit_module", SYS_finit_module, {-1, BAD_POINTER, BAD_FLAGS}},
    {"delete_module", SYS_delete_module, {BAD_POINTER, 0}},
    {"swapon", SYS_swapon, {BAD_POINTER, 0}},
    {"swapoff", SYS_swapoff, {BAD_POINTER}},
    {"acct", SYS_acct, {BAD_POINTER}},
    {"syslog", SYS_syslog, {99, BAD_POINTER, 1}},
    {"iopl", SYS_iopl, {3}},
    {"ioperm", SYS_ioperm, {0x80, 1, 1}},
    {"pivot_root", SYS_pivot_root, {BAD_POINTER, BAD_POINTER}},
    {"vhangup", SYS_vhangup, {0}},
    {"quotactl", SYS_quotactl, {0x7fffff00L, BAD_POINTER, 0, BAD_POINTER}},
    {"lookup_dcookie", SYS_lookup_dcookie, {0, BAD_POINTER, 0}},
    {"add_key", SYS_add_key, {BAD_POINTER, BAD_POINTER, 0, 0, 0}},
    {"keyctl", SYS_keyctl, {99, 0, 0, 0, 0}},
    {"request_key", SYS_request_key, {BAD_POINTER, BAD_POINTER, 0, 0}},
    {"move_pages", SYS_move_pages, {0, 1, BAD_POINTER, BAD_POINTER, BAD_POINTER}},
    {"open_by_handle_at", SYS_open_by_handle_at, {-1, BAD_POINTER, 0}},
    {"fanotify_init", SYS_fanotify_init, {BAD_FLAGS, 0}},
    {"userfaultfd", SYS_userfaultfd, {BAD_FLAGS}},
    {"io_uring_setup", SYS_io_uring_setup, {0, BAD_POINTER}},
    {"perf_event_open", SYS_perf_event_open, {BAD_POINTER, 0, -1, -1, BAD_FLAGS}},
    {"bpf", SYS_bpf, {9999, BAD_POINTER, 16}},
    {"mount_setattr", SYS_mount_setattr, {-1, BAD_POINTER, 0, BAD_POINTER, 32}},
    {"fsopen", SYS_fsopen, {BAD_POINTER, 0}},
};

/* Calls in a child: one that ends its caller (vhangup does) must not end the step. */
static int call_errno(const struct denied_call *call)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        (void)setsid();
        long result = syscall(call->number, call->args[0], call->args[1], call->args[2],
                              call->args[3], call->args[4]);
        _exit(result < 0 ? errno : 0);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0)
        return EAGAIN;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

static void act_denied(struct step_run *run)
{
    for (size_t i = 0; i < ARRAY_LEN(denied_calls); i++) {
        int error = call_errno(&denied_calls[i]);

        errno = error;
        if (fact_tried(&run->fact, error == EPERM || error == ENOSYS ? -1 : 0))
            fact_note(&run->fact, "%s", denied_calls[i].name);
    }
}

const struct step steps_calls[] = {
    {"P-29", act_denied, NULL},
};
const size_t steps_calls_count = ARRAY_LEN(steps_calls);
