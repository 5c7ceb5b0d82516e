/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caps - exact capability sets
 * Source: capabilities(7), capset(2), prctl(2) PR_CAPBSET_DROP
 */
#ifndef CROFT_LINUX_CAPS_H
#define CROFT_LINUX_CAPS_H

#include "base/attrs.h"
#include <stdint.h>
#include <sys/types.h>

/* A set: bit CAP_X for capability CAP_X of <linux/capability.h>. */
#define CAPS_BIT(cap) (UINT64_C(1) << (cap))

/** caps_bound() - drops everything outside @keep from the bounding set. Return: 0; -errno */
nodiscard int caps_bound(uint64_t keep);

/**
 * caps_set() - makes @keep the effective and permitted set; inheritable and ambient become empty
 *
 * Nothing can be taken back. A later exec as uid 0 gets what the bounding set allows.
 * Return: 0; -errno
 */
nodiscard int caps_set(uint64_t keep);

/**
 * caps_become() - becomes @uid and @gid, without groups, and keeps @keep for what is executed next
 *
 * @keep is the permitted, effective, inheritable and ambient set; nothing else can come back.
 * Return: 0; -errno
 */
nodiscard int caps_become(uid_t uid, gid_t gid, uint64_t keep);

/** caps_effective() - Return: the effective set of the caller */
uint64_t caps_effective(void);

#endif
