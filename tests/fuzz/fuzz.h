/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz - the one entry of a target; run by libFuzzer under clang, over its corpus under gcc */
#ifndef CROFT_TESTS_FUZZ_H
#define CROFT_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* A broken promise: loud, and not switched off by NDEBUG. */
#define PROMISE(condition) ((condition) ? (void)0 : __builtin_trap())

#endif
