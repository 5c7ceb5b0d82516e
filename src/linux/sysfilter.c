/* SPDX-License-Identifier: Apache-2.0 */
/* sysfilter - loads a ready-made BPF program */
#include "linux/sysfilter.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

int sysfilter_read(int file, struct sysfilter *program)
{
    ssize_t got = pread(file, program->instructions, sizeof(program->instructions), 0);
    if (got < 0)
        return -errno;
    size_t size = (size_t)got;
    if (size == 0 || size % sizeof(struct sock_filter) != 0)
        return -EINVAL;
    char more = 0;
    if (size == sizeof(program->instructions) && pread(file, &more, 1, got) != 0)
        return -EFBIG;
    program->count = size / sizeof(struct sock_filter);
    return 0;
}

int sysfilter_load(const struct sysfilter *program)
{
    struct sock_fprog prog = {
        .len = (unsigned short)program->count,
        /* The kernel only reads it; the struct just lacks the const. */
        .filter = (struct sock_filter *)(uintptr_t)program->instructions,
    };
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0 ? -errno : 0;
}
