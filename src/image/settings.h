/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings - the JSON in which an image says how it wants to be started, as a struct image_config
 *
 * Pure: bytes in, structs out. Fuzzed (tests/fuzz).
 * Source: OCI image specification 1.1 (config)
 */
#ifndef CROFT_IMAGE_SETTINGS_H
#define CROFT_IMAGE_SETTINGS_H

#include "base/attrs.h"
#include "base/err.h"
#include "base/sha256.h"
#include "wire/image.h"
#include <stddef.h>
#include <stdint.h>

/* diff: of each layer as plain tar, lowest first; size: of config with its strings */
struct settings {
    size_t diff_count;
    uint8_t diff[IMAGE_LAYERS_MAX][SHA256_SIZE];
    size_t size;
    union {
        struct image_config config;
        char bytes[IMAGE_CONFIG_SIZE_MAX];
    };
};

/**
 * settings_read() - reads the settings; those that mean nothing here (Volumes, ExposedPorts,
 * Labels, Healthcheck...) are not looked at
 * Return: 0; OUTCOME_FAILED malformed, for another platform; OUTCOME_OVER_LIMIT too much text
 */
nodiscard int settings_read(const char *text, size_t size, struct settings *ret_settings,
                            struct err *err);

/** settings_signal() - "SIGTERM", "term", "15", "SIGRTMIN+3". Return: 1..64; 0: none of them */
uint32_t settings_signal(const char *name);

#endif
