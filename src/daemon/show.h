/* SPDX-License-Identifier: Apache-2.0 */
/* show - what is in the view as JSON, in the words of wire/control.h */
#ifndef CROFT_DAEMON_SHOW_H
#define CROFT_DAEMON_SHOW_H

#include "base/attrs.h"
#include "daemon/usage.h"
#include "daemon/view.h"
#include <jansson.h>

/** show_machine() - MACHINE of wire/control.h. Return: new reference; never NULL */
nodiscard json_t *show_machine(const struct view_user *owner, const struct view_instance *instance,
                               const struct usage_now *now);

/** show_user() - USER of wire/control.h. Return: new reference; never NULL */
nodiscard json_t *show_user(const struct view_user *user, const struct usage_now *now);

/** show_image() - Return: new reference; never NULL */
nodiscard json_t *show_image(const struct view_image *image);

#endif
