/* SPDX-License-Identifier: Apache-2.0 */
/* mem - memory that frees itself */
#include "base/mem.h"

#include <stdlib.h>

#include "base/err.h"

void mem_cleanup(void *pointer_to_pointer)
{
    free(*(void **)pointer_to_pointer);
}

void *mem_new(size_t count, size_t size)
{
    /* calloc(3) may return NULL for nothing, which is no failure. */
    void *fresh = count && size ? calloc(count, size) : calloc(1, 1);

    if (!fresh)
        croft_bug("out of memory");
    return fresh;
}

void *mem_grow(void *old, size_t count, size_t size)
{
    void *grown = count && size ? reallocarray(old, count, size) : realloc(old, 1);

    if (!grown)
        croft_bug("out of memory");
    return grown;
}
