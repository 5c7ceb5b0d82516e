/* SPDX-License-Identifier: Apache-2.0 */
/* devices - the short list of devices, and the program of cgroup v2 that is made from it */
#include "linux/devices.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

const struct device_allowed DEVICES_ALLOWED[DEVICES_ALLOWED_COUNT] = {
    {1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 2}, {136, DEVICES_ANY_MINOR},
};

#define TYPE_MASK 0xffff /* of access_type; above it stands read, write, mknod */

/* Words of the question, and a jump over @skip instructions when a register is not @value. */
#define LOAD(reg, field)                                                                           \
    ((struct bpf_insn){.code = BPF_LDX | BPF_MEM | BPF_W,                                          \
                       .dst_reg = (reg),                                                           \
                       .src_reg = BPF_REG_1,                                                       \
                       .off = offsetof(struct bpf_cgroup_dev_ctx, field)})
#define UNLESS(reg, value, skip)                                                                   \
    ((struct bpf_insn){.code = BPF_JMP | BPF_JNE | BPF_K,                                          \
                       .dst_reg = (reg),                                                           \
                       .off = (skip),                                                              \
                       .imm = (int32_t)(value)})

static size_t answer(struct bpf_insn *program, int32_t allowed);

/*
 * r1 is the question (struct bpf_cgroup_dev_ctx), the answer is r0: 1 allowed, 0 refused. Jumps go
 * forward only, so that the verifier takes it whatever the table says.
 */
size_t devices_program(struct bpf_insn ret_program[DEVICES_PROGRAM_MAX])
{
    size_t count = 0;

    ret_program[count++] = LOAD(BPF_REG_2, access_type);
    ret_program[count++] = LOAD(BPF_REG_3, major);
    ret_program[count++] = LOAD(BPF_REG_4, minor);
    ret_program[count++] = (struct bpf_insn){
        .code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = BPF_REG_2, .imm = TYPE_MASK};
    ret_program[count++] = (struct bpf_insn){.code = BPF_JMP | BPF_JEQ | BPF_K,
                                             .dst_reg = BPF_REG_2,
                                             .off = 2,
                                             .imm = BPF_DEVCG_DEV_CHAR};
    count += answer(ret_program + count, 0);
    for (size_t i = 0; i < DEVICES_ALLOWED_COUNT; i++) {
        const struct device_allowed *device = &DEVICES_ALLOWED[i];
        bool any = device->minor == DEVICES_ANY_MINOR;
        ret_program[count++] = UNLESS(BPF_REG_3, device->major, any ? 2 : 3);
        if (!any)
            ret_program[count++] = UNLESS(BPF_REG_4, device->minor, 2);
        count += answer(ret_program + count, 1);
    }
    return count + answer(ret_program + count, 0);
}

/*
 * Why it is safe: the program is made here from a table that is compiled in, reads its argument and
 * nothing else, and can only refuse. It is attached to the one group that the caller has open, and
 * without a flag that would let a group below replace it.
 */
int devices_attach(int group)
{
    static const char license[] = "Apache-2.0";
    struct bpf_insn program[DEVICES_PROGRAM_MAX];
    union bpf_attr attr;

    memset(&attr, 0, sizeof(attr)); /* the kernel wants what it does not know to be zero */
    attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attr.insn_cnt = (uint32_t)devices_program(program);
    attr.insns = (uintptr_t)program;
    attr.license = (uintptr_t)license;
    auto_close loaded = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
    if (loaded < 0)
        return -errno;
    memset(&attr, 0, sizeof(attr));
    attr.target_fd = (uint32_t)group;
    attr.attach_bpf_fd = (uint32_t)loaded;
    attr.attach_type = BPF_CGROUP_DEVICE;
    return syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

static size_t answer(struct bpf_insn *program, int32_t allowed)
{
    program[0] = (struct bpf_insn){
        .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = allowed};
    program[1] = (struct bpf_insn){.code = BPF_JMP | BPF_EXIT};
    return 2;
}
