/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices - the device nodes that work in a machine, and on v2 the program that holds it to them
 *
 * Source: bpf(2); Documentation/admin-guide/cgroup-v1/devices.rst, cgroup-v2.rst "Device
 * controller"
 */
#ifndef CROFT_LINUX_DEVICES_H
#define CROFT_LINUX_DEVICES_H

#include "base/attrs.h"
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DEVICES_ALLOWED_COUNT 8U
#define DEVICES_ANY_MINOR     UINT32_MAX
#define DEVICES_PROGRAM_MAX   (8U + 4U * DEVICES_ALLOWED_COUNT)

/* A character device, to be made, read and written; no block device is allowed at all. */
struct device_allowed {
    uint32_t major;
    uint32_t minor; /* DEVICES_ANY_MINOR: all of them */
};

/* null zero full random urandom tty ptmx and terminals: what a machine has nodes for (design 4) */
extern const struct device_allowed DEVICES_ALLOWED[DEVICES_ALLOWED_COUNT];

/** devices_program() - the BPF program that allows DEVICES_ALLOWED and refuses every other device.
 * Pure. Return: how many instructions, at most DEVICES_PROGRAM_MAX */
size_t devices_program(struct bpf_insn ret_program[DEVICES_PROGRAM_MAX]);

/**
 * devices_attach() - holds all processes in the v2 group and below it to DEVICES_ALLOWED
 * @group: its directory (borrowed)
 *
 * It stays as long as the group; one that is attached already is replaced without a gap. No group
 * below may attach one of its own.
 * Runs as: root, with CAP_SYS_ADMIN
 * Return:  0; -errno
 */
nodiscard int devices_attach(int group);

#endif
