/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox - what croft-net gives up, for life, before it hears of the first machine */
#ifndef CROFT_NET_SANDBOX_H
#define CROFT_NET_SANDBOX_H

#include "base/attrs.h"
#include "base/err.h"

/** sandbox_enter() - Return: 0; outcome */
nodiscard int sandbox_enter(struct err *err);

#endif
