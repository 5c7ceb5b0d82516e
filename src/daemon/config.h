/* SPDX-License-Identifier: Apache-2.0 */
/* config - croft.conf: KEY = VALUE lines, read by croftd alone */
#ifndef CROFT_DAEMON_CONFIG_H
#define CROFT_DAEMON_CONFIG_H

#include "base/attrs.h"
#include "base/err.h"
#include "wire/limits.h"
#include <stddef.h>

/* default_image: of a user's home; "": it is not set, so debian once it is built, else busybox */
struct config {
    char default_image[NAME_SIZE];
};

/** config_init() - the settings without a file */
void config_init(struct config *config);

/**
 * config_parse() - takes over what @text sets; pure
 * @file: for sentences: "FILE:LINE: ..."
 * A line is KEY = VALUE, empty, or a comment that starts with #.
 * Return: 0; OUTCOME_USAGE unknown or repeated key, bad value, no such line
 */
nodiscard int config_parse(struct config *config, const char *file, const char *text, size_t size,
                           struct err *err);

/** config_read() - CROFT_CONF_DIR/croft.conf; no file is fine. Return: 0; outcome */
nodiscard int config_read(struct config *config, struct err *err);

#endif
