/* SPDX-License-Identifier: Apache-2.0 */
/* sha256 - the hash of records and image digests (FIPS 180-4) */
#ifndef CROFT_BASE_SHA256_H
#define CROFT_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

struct sha256 {
    uint32_t state[8];
    uint64_t length_bytes;
    uint8_t block[64];
};

void sha256_init(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *bytes, size_t size);
void sha256_end(struct sha256 *hash, uint8_t ret_digest[SHA256_SIZE]);

#endif
