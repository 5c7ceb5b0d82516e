/* SPDX-License-Identifier: Apache-2.0 */
/* test_sha256 - the vectors of FIPS 180-4 and of NIST's example files */
#include "unit.h"

#include <string.h>

#include "base/attrs.h"
#include "base/str.h"

#define SHA256_PLAIN
#define sha256_init plain_init
#define sha256_add  plain_add
#define sha256_end  plain_end
#include "base/sha256.c"
#undef sha256_init
#undef sha256_add
#undef sha256_end

/* The library's own, with whatever the processor has. */
void sha256_init(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *bytes, size_t size);
void sha256_end(struct sha256 *hash, uint8_t ret_digest[SHA256_SIZE]);

static void expect(const void *bytes, size_t size, size_t step, const char *digest_hex)
{
    uint8_t digest[SHA256_SIZE];
    char text[2 * SHA256_SIZE + 1];
    struct sha256 hash;
    size_t done;

    sha256_init(&hash);
    for (done = 0; done < size; done += step)
        sha256_add(&hash, (const char *)bytes + done, size - done < step ? size - done : step);
    sha256_end(&hash, digest);
    str_hex(digest, sizeof(digest), text);
    assert_string_equal(text, digest_hex);
    plain_init(&hash);
    plain_add(&hash, bytes, size);
    plain_end(&hash, digest);
    str_hex(digest, sizeof(digest), text);
    assert_string_equal(text, digest_hex);
}

static void vectors(void **state)
{
    static const struct {
        const char *text, *digest;
    } table[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
         "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(table); i++)
        expect(table[i].text, strlen(table[i].text), 1000, table[i].digest);
}

static void a_million_in_odd_pieces(void **state)
{
    static char bytes[1000000];
    static const size_t step[] = {1, 3, 55, 56, 63, 64, 65, 1000, sizeof(bytes)};
    size_t i;

    (void)state;
    memset(bytes, 'a', sizeof(bytes));
    for (i = 0; i < ARRAY_LEN(step); i++)
        expect(bytes, sizeof(bytes), step[i],
               "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(a_million_in_odd_pieces),
    };

    return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
