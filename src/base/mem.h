/* SPDX-License-Identifier: Apache-2.0 */
/* mem - memory that frees itself */
#ifndef CROFT_BASE_MEM_H
#define CROFT_BASE_MEM_H

#include "base/attrs.h"
#include <stddef.h>

void mem_cleanup(void *pointer_to_pointer);
/* Declares a heap pointer that is freed when its scope ends: auto_free char *text = NULL; */
#define auto_free cleanup_with(mem_cleanup)

/** take_ptr() - hands a pointer over: evaluates to it and leaves NULL behind */
#define take_ptr(p)                                                                                \
    ({                                                                                             \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

/** mem_new() - @count zeroed elements of @size bytes. Return: never NULL: ends the process */
nodiscard void *mem_new(size_t count, size_t size);

/** mem_grow() - resizes to @count elements; new bytes are undefined. Return: never NULL */
nodiscard void *mem_grow(void *old, size_t count, size_t size);

#endif
