/* SPDX-License-Identifier: Apache-2.0 */
/* unpack - the two halves of unpacking: one hashes and relays, its child parses */
#ifndef CROFT_IMAGE_UNPACK_H
#define CROFT_IMAGE_UNPACK_H

#include "base/attrs.h"

/**
 * unpack() - unpacks the archive from @input beneath @root, reports on @output
 * All are borrowed. Forks.
 * Return: 0 all is there and said so; 1
 */
nodiscard int unpack(int input, int output, int root);

#endif
