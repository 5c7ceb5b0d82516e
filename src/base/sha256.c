/* SPDX-License-Identifier: Apache-2.0 */
/* sha256 - the hash of records and image digests (FIPS 180-4) */
#include "base/sha256.h"

#include <string.h>

#define BLOCK_SIZE    64U
#define LENGTH_OFFSET 56U /* where the last block holds the length in bits */

/* FIPS 180-4, 4.2.2 */
static const uint32_t round_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static void sha256_block(struct sha256 *hash, const uint8_t block[BLOCK_SIZE]);
static void sha256_schedule(const uint8_t block[BLOCK_SIZE], uint32_t schedule[64]);

static inline uint32_t rotate(uint32_t value, unsigned int bits)
{
    return (value >> bits) | (value << (32U - bits));
}

void sha256_init(struct sha256 *hash)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

    memset(hash, 0, sizeof(*hash));
    memcpy(hash->state, start, sizeof(start));
}

void sha256_add(struct sha256 *hash, const void *bytes, size_t size)
{
    const uint8_t *next = bytes;
    size_t held = hash->length_bytes % BLOCK_SIZE;

    if (size == 0)
        return;
    hash->length_bytes += size;
    if (held) {
        size_t part = BLOCK_SIZE - held < size ? BLOCK_SIZE - held : size;

        memcpy(hash->block + held, next, part);
        next += part;
        size -= part;
        if (held + part < BLOCK_SIZE)
            return;
        sha256_block(hash, hash->block);
    }
    for (; size >= BLOCK_SIZE; next += BLOCK_SIZE, size -= BLOCK_SIZE)
        sha256_block(hash, next);
    if (size)
        memcpy(hash->block, next, size);
}

void sha256_end(struct sha256 *hash, uint8_t ret_digest[SHA256_SIZE])
{
    static const uint8_t padding[BLOCK_SIZE] = {0x80};
    uint64_t length_bits = hash->length_bytes * 8;
    size_t held = hash->length_bytes % BLOCK_SIZE;
    size_t pad = held < LENGTH_OFFSET ? LENGTH_OFFSET - held : BLOCK_SIZE + LENGTH_OFFSET - held;
    uint8_t length[8];
    size_t i;

    for (i = 0; i < 8; i++)
        length[i] = (uint8_t)(length_bits >> (56 - 8 * i));
    sha256_add(hash, padding, pad);
    sha256_add(hash, length, sizeof(length));
    for (i = 0; i < SHA256_SIZE; i++)
        ret_digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

static void sha256_block(struct sha256 *hash, const uint8_t block[BLOCK_SIZE])
{
    uint32_t schedule[64];
    uint32_t v[8];
    size_t i;

    sha256_schedule(block, schedule);
    memcpy(v, hash->state, sizeof(v));
    for (i = 0; i < 64; i++) {
        uint32_t sum1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint32_t t1 = v[7] + sum1 + choice + round_constant[i] + schedule[i];
        uint32_t sum0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);

        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += t1;
        v[0] = t1 + sum0 + majority;
    }
    for (i = 0; i < 8; i++)
        hash->state[i] += v[i];
}

static void sha256_schedule(const uint8_t block[BLOCK_SIZE], uint32_t schedule[64])
{
    size_t i;

    for (i = 0; i < 16; i++)
        schedule[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
                      (uint32_t)block[4 * i + 2] << 8 | (uint32_t)block[4 * i + 3];
    for (i = 16; i < 64; i++) {
        uint32_t s15 = schedule[i - 15];
        uint32_t s2 = schedule[i - 2];

        schedule[i] = schedule[i - 16] + (rotate(s15, 7) ^ rotate(s15, 18) ^ (s15 >> 3)) +
                      schedule[i - 7] + (rotate(s2, 17) ^ rotate(s2, 19) ^ (s2 >> 10));
    }
}
