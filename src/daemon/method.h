/* SPDX-License-Identifier: Apache-2.0 */
/*
 * method - the calls of wire/control.h: one table of name, handler and who may
 *
 * No handler changes anything: what does is an order, which goes to the monitor in person.
 */
#ifndef CROFT_DAEMON_METHOD_H
#define CROFT_DAEMON_METHOD_H

#include "base/attrs.h"
#include "daemon/config.h"
#include "daemon/usage.h"
#include "daemon/view.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What handlers look at; nothing of it is theirs to change. */
struct method_host {
    const struct view *view;
    const struct config *config;
    const struct usage *usage;
};

/* Who asks, as the kernel says. */
struct method_caller {
    uid_t uid;
    bool is_admin; /* root, or in the group croft-admin */
};

/** method_may_ask() - whether the caller is a Croft user or an admin */
bool method_may_ask(const struct method_host *host, const struct method_caller *caller);

/**
 * method_call() - answers one message
 * @text: @size bytes without the 0 byte that ended it
 * Return: the answer, terminated (caller frees); never NULL
 */
nodiscard char *method_call(const struct method_host *host, const struct method_caller *caller,
                            const char *text, size_t size);

#endif
