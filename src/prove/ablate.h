/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ablate - a Croft of its own with a control left out, so that rows can be seen to fail
 *
 * Works in the test build alone, whose paths and control group are its own and which is never
 * installed: an ordinary build refuses --without.
 */
#ifndef CROFT_PROVE_ABLATE_H
#define CROFT_PROVE_ABLATE_H

#include "base/err.h"

/** ablate_parse() - adds a control by name to the bits of enum ablate. Return: 0; OUTCOME_USAGE */
nodiscard int ablate_parse(const char *control, unsigned *bits, struct err *err);

/** ablate_start() - starts the test build's Croft without those controls. Return: 0; outcome */
nodiscard int ablate_start(unsigned bits, struct err *err);

/** ablate_stop() - ends it */
void ablate_stop(void);

#endif
