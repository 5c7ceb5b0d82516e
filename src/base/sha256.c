/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sha256 - the hash of records and image digests (FIPS 180-4)
 *
 * Twice: in plain C, and with the instructions that most x86 processors since 2017 have for it,
 * ten times as fast. An image passes here up to three times.
 */
#include "base/sha256.h"

#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__) && !defined(SHA256_PLAIN) /* the test has it both ways */
#include <cpuid.h>
#include <immintrin.h>
#define HAS_INSTRUCTIONS 1
#else
#define HAS_INSTRUCTIONS 0
#endif

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

static void sha256_blocks(struct sha256 *hash, const uint8_t *blocks, size_t count);
static void sha256_block(uint32_t state[8], const uint8_t block[BLOCK_SIZE]);
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
        sha256_blocks(hash, hash->block, 1);
    }
    sha256_blocks(hash, next, size / BLOCK_SIZE);
    memcpy(hash->block, next + size / BLOCK_SIZE * BLOCK_SIZE, size % BLOCK_SIZE);
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

#if HAS_INSTRUCTIONS

/* Leaf 1: SSSE3 and SSE4.1; leaf 7: SHA (Intel's manual, volume 2, CPUID). */
static bool has_instructions(void)
{
    uint32_t a = 0;
    uint32_t b = 0;
    uint32_t c = 0;
    uint32_t d = 0;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSSE3) || !(c & bit_SSE4_1))
        return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & bit_SHA;
}

static __attribute__((target("ssse3"))) inline __m128i load_words(const uint8_t *bytes)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);

    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i_u *)bytes), swap);
}

/*
 * Four rounds a turn. The instructions want the state as (a, b, e, f) and (c, d, g, h), the highest
 * first, and the last four vectors of the schedule.
 */
__attribute__((target("sha,sse4.1"))) static void sha256_block_fast(uint32_t state[8],
                                                                    const uint8_t block[BLOCK_SIZE])
{
    __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i_u *)state), 0xb1);
    __m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i_u *)(state + 4)), 0x1b);
    __m128i abef = _mm_alignr_epi8(low, high, 8);
    __m128i cdgh = _mm_blend_epi16(high, low, 0xf0);
    const __m128i abef_before = abef;
    const __m128i cdgh_before = cdgh;
    __m128i word[4];

#pragma GCC unroll 16
    for (size_t i = 0; i < 16; i++) {
        __m128i *now = &word[i % 4];
        if (i < 4) {
            *now = load_words(block + 16 * i);
        } else {
            const __m128i last = word[(i + 3) % 4];
            const __m128i before = word[(i + 2) % 4];
            __m128i sum = _mm_sha256msg1_epu32(*now, word[(i + 1) % 4]);
            sum = _mm_add_epi32(sum, _mm_alignr_epi8(last, before, 4));
            *now = _mm_sha256msg2_epu32(sum, last);
        }
        __m128i keyed =
            _mm_add_epi32(*now, _mm_loadu_si128((const __m128i_u *)(round_constant + 4 * i)));
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, keyed);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(keyed, 0x0e));
    }
    abef = _mm_shuffle_epi32(_mm_add_epi32(abef, abef_before), 0x1b);
    cdgh = _mm_shuffle_epi32(_mm_add_epi32(cdgh, cdgh_before), 0xb1);
    _mm_storeu_si128((__m128i_u *)state, _mm_blend_epi16(abef, cdgh, 0xf0));
    _mm_storeu_si128((__m128i_u *)(state + 4), _mm_alignr_epi8(cdgh, abef, 8));
}

#endif

static void sha256_blocks(struct sha256 *hash, const uint8_t *blocks, size_t count)
{
#if HAS_INSTRUCTIONS
    static int fast = -1;

    if (fast < 0)
        fast = has_instructions();
    for (; fast && count > 0; count--, blocks += BLOCK_SIZE)
        sha256_block_fast(hash->state, blocks);
#endif
    for (; count > 0; count--, blocks += BLOCK_SIZE)
        sha256_block(hash->state, blocks);
}

static void sha256_block(uint32_t state[8], const uint8_t block[BLOCK_SIZE])
{
    uint32_t schedule[64];
    uint32_t v[8];
    size_t i;

    sha256_schedule(block, schedule);
    memcpy(v, state, sizeof(v));
    /* Instead of moving all eight on in each round, their names move: a is v[-i]. */
#pragma GCC unroll 8
    for (i = 0; i < 64; i++) {
        const uint32_t a = v[-i % 8];
        const uint32_t b = v[(1 - i) % 8];
        const uint32_t c = v[(2 - i) % 8];
        const uint32_t e = v[(4 - i) % 8];
        const uint32_t f = v[(5 - i) % 8];
        const uint32_t g = v[(6 - i) % 8];
        uint32_t *h = &v[(7 - i) % 8];
        uint32_t sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        uint32_t t1 = *h + sum1 + ((e & f) ^ (~e & g)) + round_constant[i] + schedule[i];
        uint32_t sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);

        v[(3 - i) % 8] += t1;
        *h = t1 + sum0 + ((a & b) ^ (a & c) ^ (b & c));
    }
    for (i = 0; i < 8; i++)
        state[i] += v[i];
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
