/* SPDX-License-Identifier: Apache-2.0 */
/* attrs - the compiler attributes the rest of the code uses, in one page */
#ifndef CROFT_BASE_ATTRS_H
#define CROFT_BASE_ATTRS_H

#define nodiscard              __attribute__((warn_unused_result))
#define printf_like(fmt, args) __attribute__((format(printf, fmt, args)))
#define noreturn_fn            __attribute__((noreturn))
/* A variable may be there for its cleanup alone. */
#define cleanup_with(fn) __attribute__((cleanup(fn), unused))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
