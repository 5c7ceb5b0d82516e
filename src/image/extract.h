/* SPDX-License-Identifier: Apache-2.0 */
/* extract - the half that parses: an archive on a descriptor becomes files beneath a directory */
#ifndef CROFT_IMAGE_EXTRACT_H
#define CROFT_IMAGE_EXTRACT_H

#include "base/attrs.h"
#include "base/err.h"
#include "image/report.h"

/**
 * extract() - unpacks everything
 * @archive:  the bytes (borrowed)
 * @root:     empty directory (borrowed)
 * @reporter: its numbers are counted up, progress is said
 * On failure what was unpacked so far stays; the monitor throws the directory away.
 * Return: 0; outcome
 */
nodiscard int extract(int archive, int root, struct reporter *reporter, struct err *err);

#endif
