/* SPDX-License-Identifier: Apache-2.0 */
/* unit - what every unit test includes, in the order that cmocka wants */
#ifndef CROFT_TESTS_UNIT_H
#define CROFT_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
