/* SPDX-License-Identifier: Apache-2.0 */
/* setups - what is asked of croft-setup: one at a time, in the order of asking */
#ifndef CROFT_MONITOR_SETUPS_H
#define CROFT_MONITOR_SETUPS_H

#include "base/err.h"
#include "wire/setup.h"

struct monitor;

/* @reply: NULL: croft-setup died */
typedef void (*setup_fn)(void *data, const struct setup_reply *reply);

/**
 * setup_ask() - one run of croft-setup; one at a time, in the order of asking
 * @key: @setup->key_size bytes
 */
void setup_ask(struct monitor *monitor, const struct setup *setup, const void *key, setup_fn done,
               void *data);

/** setup_identify() - asks croft-setup who Croft's own accounts are, and waits. Return: 0; outcome
 */
nodiscard int setup_identify(struct monitor *monitor, struct setup_reply *ret_reply,
                             struct err *err);

#endif
