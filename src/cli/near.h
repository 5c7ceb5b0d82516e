/* SPDX-License-Identifier: Apache-2.0 */
/* near - how far two words are apart, for who mistyped one */
#ifndef CROFT_CLI_NEAR_H
#define CROFT_CLI_NEAR_H

#include <stddef.h>

/**
 * near_distance() - the fewest letters to add, drop, change or swap with the next
 * Return: SIZE_MAX when one is longer than a verb can be
 */
size_t near_distance(const char *one, const char *other);

#endif
