/* SPDX-License-Identifier: Apache-2.0 */
/* test_devices - what the program of cgroup v2 answers, run here instruction by instruction */
#include "unit.h"

#include <string.h>

#include "base/attrs.h"
#include "linux/devices.h"

#define ANY_ACCESS ((BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE) << 16)

/* As the kernel runs it; an instruction or a jump that it should not have fails the test. */
static uint64_t ask(uint32_t access_type, uint32_t major, uint32_t minor)
{
    const struct bpf_cgroup_dev_ctx question = {access_type, major, minor};
    struct bpf_insn program[DEVICES_PROGRAM_MAX];
    uint64_t reg[MAX_BPF_REG] = {0};
    size_t count = devices_program(program);

    assert_true(count <= DEVICES_PROGRAM_MAX);
    for (size_t at = 0; at < count; at++) {
        const struct bpf_insn *insn = &program[at];
        uint32_t word;
        switch (insn->code) {
        case BPF_LDX | BPF_MEM | BPF_W:
            assert_int_equal(insn->src_reg, BPF_REG_1);
            assert_in_range(insn->off, 0, sizeof(question) - sizeof(word));
            memcpy(&word, (const uint8_t *)&question + insn->off, sizeof(word));
            reg[insn->dst_reg] = word;
            break;
        case BPF_ALU64 | BPF_AND | BPF_K:
            reg[insn->dst_reg] &= (uint64_t)insn->imm;
            break;
        case BPF_ALU64 | BPF_MOV | BPF_K:
            reg[insn->dst_reg] = (uint64_t)insn->imm;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
        case BPF_JMP | BPF_JNE | BPF_K:
            assert_true(insn->off > 0);
            if ((reg[insn->dst_reg] == (uint64_t)insn->imm) ==
                (insn->code == (BPF_JMP | BPF_JEQ | BPF_K)))
                at += (size_t)insn->off;
            break;
        case BPF_JMP | BPF_EXIT:
            return reg[BPF_REG_0];
        default:
            fail_msg("instruction %zu has code %#x", at, insn->code);
        }
    }
    fail_msg("it runs off its end");
    return 0;
}

static void test_allowed(void **state)
{
    (void)state;
    for (size_t i = 0; i < DEVICES_ALLOWED_COUNT; i++) {
        uint32_t minor = DEVICES_ALLOWED[i].minor;
        if (minor == DEVICES_ANY_MINOR)
            minor = 77;
        assert_int_equal(ask(ANY_ACCESS | BPF_DEVCG_DEV_CHAR, DEVICES_ALLOWED[i].major, minor), 1);
        assert_int_equal(
            ask((BPF_DEVCG_ACC_READ << 16) | BPF_DEVCG_DEV_CHAR, DEVICES_ALLOWED[i].major, minor),
            1);
        assert_int_equal(ask(ANY_ACCESS | BPF_DEVCG_DEV_BLOCK, DEVICES_ALLOWED[i].major, minor), 0);
    }
}

static void test_refused(void **state)
{
    static const struct device_allowed others[] = {
        {1, 1},    /* mem */
        {1, 2},    /* kmem */
        {1, 4},    /* port */
        {1, 11},   /* kmsg */
        {5, 1},    /* console */
        {4, 0},    /* tty0 */
        {10, 229}, /* fuse */
        {10, 232}, /* kvm */
        {10, 237}, /* loop-control */
        {137, 0},  {0, 0}, {8, 0}, {UINT32_MAX, UINT32_MAX}, {1, UINT32_MAX},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_int_equal(ask(ANY_ACCESS | BPF_DEVCG_DEV_CHAR, others[i].major, others[i].minor), 0);
        assert_int_equal(ask(ANY_ACCESS | BPF_DEVCG_DEV_BLOCK, others[i].major, others[i].minor),
                         0);
    }
    assert_int_equal(ask(ANY_ACCESS, 1, 3), 0); /* neither kind */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allowed),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
