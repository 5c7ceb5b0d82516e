/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_filter - runs the built filters on calls, as the kernel would
 *
 * usage: test_filter INSTANCE UNPACK MONITOR CROFTD
 * The interpreter knows the instructions that seccomp allows; anything else fails the test.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/sysfilter.h"

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#define OTHER  AUDIT_ARCH_I386
#else
#define NATIVE AUDIT_ARCH_AARCH64
#define OTHER  AUDIT_ARCH_ARM
#endif
#define HIGH        (UINT64_C(1) << 32)
#define ALLOWED     SECCOMP_RET_ALLOW
#define REFUSED     (SECCOMP_RET_ERRNO | EPERM)
#define NO_FAMILY   (SECCOMP_RET_ERRNO | EAFNOSUPPORT)
#define NO_PROTOCOL (SECCOMP_RET_ERRNO | EPROTONOSUPPORT)
#define ABSENT      (SECCOMP_RET_ERRNO | ENOSYS)
#define NOTHING     SECCOMP_RET_ERRNO
#define ENDED       SECCOMP_RET_KILL_PROCESS
#define X32_BIT     0x40000000U
/* NETLINK_* by number: <linux/netlink.h> and glibc's headers do not mix well everywhere. */
#define NETLINK_ROUTE_NUMBER     0
#define NETLINK_XFRM_NUMBER      6
#define NETLINK_AUDIT_NUMBER     9
#define NETLINK_NETFILTER_NUMBER 12
#define FAMILIES_MAX             46U

enum which { INSTANCE, UNPACK, MONITOR, CROFTD, FILTER_COUNT };
static struct sysfilter filters[FILTER_COUNT];

static bool jumps(const struct sock_filter *at, uint32_t a)
{
    switch (BPF_OP(at->code)) {
    case BPF_JEQ:
        return a == at->k;
    case BPF_JGT:
        return a > at->k;
    case BPF_JGE:
        return a >= at->k;
    case BPF_JSET:
        return (a & at->k) != 0;
    default:
        fail_msg("jump %#x", at->code);
        return false;
    }
}

static uint32_t run(enum which which, const struct seccomp_data *data)
{
    const struct sysfilter *filter = &filters[which];
    uint32_t a = 0;
    for (size_t pc = 0; pc < filter->count; pc++) {
        const struct sock_filter *at = &filter->instructions[pc];
        switch (BPF_CLASS(at->code)) {
        case BPF_LD:
            assert_int_equal(at->code, BPF_LD | BPF_W | BPF_ABS);
            assert_true(at->k + sizeof(a) <= sizeof(*data));
            memcpy(&a, (const char *)data + at->k, sizeof(a));
            break;
        case BPF_ALU:
            assert_int_equal(at->code, BPF_ALU | BPF_AND | BPF_K);
            a &= at->k;
            break;
        case BPF_JMP:
            if (BPF_OP(at->code) == BPF_JA)
                pc += at->k;
            else
                pc += jumps(at, a) ? at->jt : at->jf;
            break;
        case BPF_RET:
            return at->k;
        default:
            fail_msg("instruction %#x", at->code);
        }
    }
    fail_msg("the program has no end");
    return 0;
}

static uint32_t call(enum which which, long number, uint64_t a0, uint64_t a1, uint64_t a2)
{
    const struct seccomp_data data = {.nr = (int)number, .arch = NATIVE, .args = {a0, a1, a2}};
    return run(which, &data);
}

struct expectation {
    long number;
    uint64_t args[3];
    uint32_t result;
};

static void expect(enum which which, const struct expectation *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t got =
            call(which, table[i].number, table[i].args[0], table[i].args[1], table[i].args[2]);
        if (got != table[i].result)
            fail_msg("row %zu: call %ld: %#x instead of %#x", i, table[i].number, got,
                     table[i].result);
    }
}

static void instance_everyday_calls(void **state)
{
    static const long calls[] = {
        SYS_read,
        SYS_write,
        SYS_openat,
        SYS_openat2,
        SYS_execve,
        SYS_execveat,
        SYS_mmap,
        SYS_futex,
        SYS_ptrace,
        SYS_seccomp,
        SYS_setuid,
        SYS_chroot,
        SYS_syncfs,
        SYS_fsync,
        SYS_mknodat,
        SYS_splice,
        SYS_bind,
        SYS_accept4,
        SYS_prctl,
        SYS_getpid,
        SYS_pidfd_open,
        SYS_memfd_create,
        SYS_landlock_create_ruleset,
        SYS_close_range,
        SYS_statx,
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        if (call(INSTANCE, calls[i], 0, 0, 0) != ALLOWED)
            fail_msg("call %ld is not allowed", calls[i]);
}

static void instance_never(void **state)
{
    static const long calls[] = {
        SYS_mount,
        SYS_umount2,
        SYS_pivot_root,
        SYS_fsopen,
        SYS_fsconfig,
        SYS_fsmount,
        SYS_fspick,
        SYS_move_mount,
        SYS_open_tree,
        SYS_mount_setattr,
        SYS_setns,
        SYS_bpf,
        SYS_perf_event_open,
        SYS_userfaultfd,
        SYS_io_uring_setup,
        SYS_io_uring_enter,
        SYS_io_uring_register,
        SYS_init_module,
        SYS_finit_module,
        SYS_delete_module,
        SYS_kexec_load,
        SYS_add_key,
        SYS_request_key,
        SYS_keyctl,
        SYS_reboot,
        SYS_swapon,
        SYS_swapoff,
        SYS_acct,
        SYS_syslog,
        SYS_quotactl,
        SYS_settimeofday,
        SYS_clock_settime,
        SYS_clock_adjtime,
        SYS_adjtimex,
        SYS_fanotify_init,
        SYS_open_by_handle_at,
        SYS_name_to_handle_at,
        SYS_kcmp,
        SYS_move_pages,
        SYS_migrate_pages,
        SYS_process_madvise,
        SYS_vhangup,
        467 /* open_tree_attr */,
        470 /* listns */,
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        if (call(INSTANCE, calls[i], 0, 0, 0) != REFUSED)
            fail_msg("call %ld is not refused", calls[i]);
    assert_int_equal(call(INSTANCE, SYS_sync, 0, 0, 0), NOTHING);
    assert_int_equal(call(INSTANCE, SYS_clone3, 0, 0, 0), ABSENT);
}

static void unknown_numbers_do_not_exist(void **state)
{
    (void)state;
    for (long number = 480; number < 1000; number++)
        for (int which = 0; which < FILTER_COUNT; which++)
            assert_int_equal(call((enum which)which, number, 0, 0, 0), ABSENT);
}

static void other_architectures_end(void **state)
{
    struct seccomp_data data = {.nr = SYS_read, .arch = OTHER};
    (void)state;
    for (int which = 0; which < FILTER_COUNT; which++) {
        data.arch = OTHER;
        data.nr = SYS_read;
        assert_int_equal(run((enum which)which, &data), ENDED);
#if defined(__x86_64__)
        data.arch = NATIVE;
        for (long number = 0; number < 600; number++) {
            data.nr = (int)(X32_BIT | (uint32_t)number);
            assert_int_not_equal(run((enum which)which, &data), ALLOWED);
        }
#endif
    }
}

static void instance_namespaces(void **state)
{
    static const uint64_t flags[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                     CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};
    const uint64_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                            CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |
                            CLONE_CHILD_CLEARTID;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        assert_int_equal(call(INSTANCE, SYS_clone, flags[i] | 17, 0, 0), REFUSED);
        assert_int_equal(call(INSTANCE, SYS_clone, flags[i] | thread | HIGH, 0, 0), REFUSED);
        assert_int_equal(call(INSTANCE, SYS_unshare, flags[i], 0, 0), REFUSED);
        assert_int_equal(call(INSTANCE, SYS_unshare, flags[i] | CLONE_FS | HIGH, 0, 0), REFUSED);
    }
    assert_int_equal(call(INSTANCE, SYS_unshare, CLONE_NEWTIME, 0, 0), REFUSED);
    assert_int_equal(call(INSTANCE, SYS_unshare, CLONE_FS, 0, 0), ALLOWED);
    assert_int_equal(call(INSTANCE, SYS_clone, 17, 0, 0), ALLOWED);
    assert_int_equal(call(INSTANCE, SYS_clone, thread, 0, 0), ALLOWED);
}

static void instance_sockets(void **state)
{
    static const struct expectation table[] = {
        {SYS_socket, {AF_UNIX, SOCK_STREAM, 0}, ALLOWED},
        {SYS_socket, {AF_INET, SOCK_STREAM, 0}, ALLOWED},
        {SYS_socket, {AF_INET, SOCK_STREAM, IPPROTO_TCP}, ALLOWED},
        {SYS_socket, {AF_INET6, SOCK_DGRAM, IPPROTO_UDP}, ALLOWED},
        {SYS_socket, {AF_INET, SOCK_DGRAM, IPPROTO_ICMP}, ALLOWED},
        {SYS_socket, {AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6}, ALLOWED},
        {SYS_socket, {AF_INET, SOCK_STREAM, IPPROTO_SCTP}, NO_PROTOCOL},
        {SYS_socket, {AF_INET, SOCK_RAW, IPPROTO_RAW}, NO_PROTOCOL},
        {SYS_socket, {AF_INET, SOCK_PACKET, 0}, NO_PROTOCOL},
        {SYS_socket, {AF_INET6, SOCK_DCCP | SOCK_CLOEXEC, 0}, NO_PROTOCOL},
        {SYS_socket, {AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0}, ALLOWED},
        {SYS_memfd_create, {0, 1, 0}, ALLOWED},
        {SYS_memfd_create, {0, 4, 0}, REFUSED},
        {SYS_shmget, {0, 4096, 0x800 | 0600}, REFUSED},
        {SYS_io_setup, {1, 0, 0}, REFUSED},
        {SYS_socket, {AF_INET6, SOCK_DGRAM, 136}, NO_PROTOCOL},
        {SYS_socket, {AF_INET | HIGH, SOCK_STREAM, IPPROTO_SCTP}, NO_PROTOCOL},
        {SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_ROUTE_NUMBER}, ALLOWED},
        {SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_XFRM_NUMBER}, NO_PROTOCOL},
        {SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_AUDIT_NUMBER}, NO_PROTOCOL},
        {SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER_NUMBER}, NO_PROTOCOL},
        {SYS_socket, {AF_NETLINK | HIGH, SOCK_RAW, NETLINK_NETFILTER_NUMBER}, NO_PROTOCOL},
        {SYS_socketpair, {AF_UNIX, SOCK_STREAM, 0}, ALLOWED},
        {SYS_socketpair, {AF_INET, SOCK_STREAM, 0}, NO_FAMILY},
        {SYS_setsockopt, {3, IPPROTO_TCP, TCP_ULP}, REFUSED},
        {SYS_setsockopt, {3, IPPROTO_TCP, TCP_NODELAY}, ALLOWED},
        {SYS_setsockopt, {3, SOL_SOCKET, TCP_ULP}, ALLOWED},
    };
    (void)state;
    expect(INSTANCE, table, ARRAY_LEN(table));
    for (uint64_t family = 0; family < FAMILIES_MAX; family++) {
        bool open =
            family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
        assert_int_equal(call(INSTANCE, SYS_socket, family, SOCK_DGRAM, 0),
                         open ? ALLOWED : NO_FAMILY);
        assert_int_equal(call(INSTANCE, SYS_socket, family | HIGH, SOCK_DGRAM, 0),
                         open ? ALLOWED : NO_FAMILY);
    }
}

static void instance_terminals_and_personality(void **state)
{
    static const struct expectation table[] = {
        {SYS_ioctl, {0, TIOCSTI, 0}, REFUSED},
        {SYS_ioctl, {0, TIOCSTI | HIGH, 0}, REFUSED},
        {SYS_ioctl, {0, TIOCLINUX, 0}, REFUSED},
        {SYS_ioctl, {0, TIOCLINUX | HIGH << 3, 0}, REFUSED},
        {SYS_ioctl, {0, TIOCCONS, 0}, REFUSED},
        {SYS_ioctl, {0, TIOCSETD, 0}, REFUSED},
        {SYS_ioctl, {0, TIOCGWINSZ, 0}, ALLOWED},
        {SYS_ioctl, {0, TIOCSCTTY, 0}, ALLOWED},
        {SYS_ioctl, {0, FIONREAD, 0}, ALLOWED},
        {SYS_personality, {0, 0, 0}, ALLOWED},
        {SYS_personality, {0xffffffff, 0, 0}, ALLOWED},
        {SYS_personality, {UINT64_MAX, 0, 0}, ALLOWED},
        {SYS_personality, {0x0040000, 0, 0}, REFUSED}, /* ADDR_NO_RANDOMIZE */
        {SYS_personality, {0x0400000, 0, 0}, REFUSED}, /* READ_IMPLIES_EXEC */
    };
    (void)state;
    expect(INSTANCE, table, ARRAY_LEN(table));
}

static void unpack_reaches_nothing(void **state)
{
    static const long never[] = {
        SYS_socket,     SYS_connect,          SYS_clone3,
        SYS_kill,       SYS_ptrace,           SYS_mount,
        SYS_setns,      SYS_unshare,          SYS_chroot,
        SYS_setuid,     SYS_pivot_root,       SYS_bpf,
        SYS_pidfd_open, SYS_process_vm_readv, SYS_memfd_create,
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        assert_int_not_equal(call(UNPACK, never[i], 0, 0, 0), ALLOWED);
    assert_int_not_equal(call(UNPACK, SYS_clone, CLONE_NEWUSER, 0, 0), ALLOWED);
    assert_int_equal(call(UNPACK, SYS_openat2, 0, 0, 0), ALLOWED);
    assert_int_equal(call(UNPACK, SYS_exit_group, 0, 0, 0), ALLOWED);
}

static void daemons_start_nothing(void **state)
{
    static const long never[] = {
        SYS_execve, SYS_execveat, SYS_clone,   SYS_clone3,      SYS_ptrace,
        SYS_bpf,    SYS_setns,    SYS_unshare, SYS_init_module, SYS_process_vm_readv};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        assert_int_not_equal(call(MONITOR, never[i], 0, 0, 0), ALLOWED);
        assert_int_not_equal(call(CROFTD, never[i], 0, 0, 0), ALLOWED);
    }
    assert_int_not_equal(call(CROFTD, SYS_mount, 0, 0, 0), ALLOWED);
    assert_int_not_equal(call(MONITOR, SYS_socket, AF_INET, SOCK_STREAM, 0), ALLOWED);
    assert_int_not_equal(call(CROFTD, SYS_socket, AF_INET | HIGH, SOCK_STREAM, 0), ALLOWED);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instance_everyday_calls),
        cmocka_unit_test(instance_never),
        cmocka_unit_test(unknown_numbers_do_not_exist),
        cmocka_unit_test(other_architectures_end),
        cmocka_unit_test(instance_namespaces),
        cmocka_unit_test(instance_sockets),
        cmocka_unit_test(instance_terminals_and_personality),
        cmocka_unit_test(unpack_reaches_nothing),
        cmocka_unit_test(daemons_start_nothing),
    };
    for (int i = 0; i < FILTER_COUNT; i++) {
        auto_close file = i + 1 < argc ? open(argv[i + 1], O_RDONLY | O_CLOEXEC) : -1;
        if (file < 0 || sysfilter_read(file, &filters[i]) < 0) {
            fprintf(stderr, "usage: test_filter INSTANCE UNPACK MONITOR CROFTD\n");
            return 2;
        }
    }
    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
