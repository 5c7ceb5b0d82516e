/* SPDX-License-Identifier: Apache-2.0 */
/* test_record - a chain that holds, and every byte of one that does not */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "sample.h"
#include "wire/job.h"

static const uint8_t zero[SHA256_SIZE];
static struct sample sample;

static int check(size_t size, uint64_t seq, const uint8_t *previous, size_t *ret_size,
                 uint8_t *ret_hash)
{
    void *exact = malloc(size ? size : 1);
    int r;

    assert_non_null(exact);
    memcpy(exact, sample.bytes, size);
    r = record_check(exact, size, seq, previous, ret_size, ret_hash);
    free(exact);
    return r;
}

static void a_chain_holds(void **state)
{
    uint8_t made[2][SHA256_SIZE];
    uint8_t found[SHA256_SIZE];
    size_t first;
    size_t second;

    (void)state;
    sample.size = 0;
    sample_record(&sample, 1, zero, made[0]);
    sample_record(&sample, 2, made[0], made[1]);
    assert_int_equal(check(sample.size, 1, zero, &first, found), 0);
    assert_memory_equal(found, made[0], SHA256_SIZE);
    assert_int_equal(
        record_check(sample.bytes + first, sample.size - first, 2, found, &second, found), 0);
    assert_memory_equal(found, made[1], SHA256_SIZE);
    assert_int_equal(first + second, sample.size);
    /* taken out, or in another place */
    assert_int_equal(record_check(sample.bytes + first, second, 1, zero, &second, found), -EBADMSG);
    assert_int_equal(check(first, 2, zero, &second, found), -EBADMSG);
    assert_int_equal(check(first, 1, made[1], &second, found), -EBADMSG);
}

static void every_changed_byte_breaks_it(void **state)
{
    uint8_t hash[SHA256_SIZE];
    size_t size;
    size_t i;

    (void)state;
    sample.size = 0;
    sample_record(&sample, 1, zero, hash);
    for (i = 0; i < sample.size; i++) {
        size_t ret = 77;
        int r;

        sample.bytes[i] ^= 0x10;
        r = check(sample.size, 1, zero, &ret, hash);
        /* a greater size_bytes may look like the start of a longer one */
        if (r != -EBADMSG && !(r == -EAGAIN && i >= 4 && i < 8))
            fail_msg("byte %zu changed: %d", i, r);
        assert_int_equal(ret, 77);
        sample.bytes[i] ^= 0x10;
    }
    assert_int_equal(check(sample.size, 1, zero, &size, hash), 0);
}

static void every_torn_tail_is_seen_as_one(void **state)
{
    uint8_t hash[SHA256_SIZE];
    size_t ret;
    size_t size;

    (void)state;
    sample.size = 0;
    sample_record(&sample, 1, zero, hash);
    for (size = 0; size < sample.size; size++)
        assert_int_equal(check(size, 1, zero, &ret, hash), -EAGAIN);
    sample.bytes[0] = 0;
    assert_int_equal(check(1, 1, zero, &ret, hash), -EBADMSG);
}

/* With a hash that fits: what else is wrong must be seen by itself. */
static void spoil_u32(size_t offset, uint32_t value)
{
    const size_t hashed = sizeof(struct record) + 8;
    uint8_t digest[SHA256_SIZE];
    struct sha256 hash;
    size_t ret;

    sample.size = 0;
    sample_record(&sample, 1, zero, digest);
    memcpy(sample.bytes + offset, &value, sizeof(value));
    sha256_init(&hash);
    sha256_add(&hash, sample.bytes, hashed);
    sha256_end(&hash, sample.bytes + hashed);
    assert_int_equal(check(sample.size, 1, zero, &ret, digest), -EBADMSG);
}

static void fields_out_of_range(void **state)
{
    (void)state;
    spoil_u32(offsetof(struct record, magic), 0);
    spoil_u32(offsetof(struct record, size_bytes), 0);
    spoil_u32(offsetof(struct record, size_bytes), sizeof(struct record));
    spoil_u32(offsetof(struct record, size_bytes), (uint32_t)RECORD_SIZE_MAX + 1);
    spoil_u32(offsetof(struct record, size_bytes), UINT32_MAX);
    spoil_u32(offsetof(struct record, type), 0);
    spoil_u32(offsetof(struct record, type), RECORD_TYPE_COUNT);
    spoil_u32(offsetof(struct record, phase), 0);
    spoil_u32(offsetof(struct record, phase), 3);
    spoil_u32(offsetof(struct record, reserved), 1);
    spoil_u32(offsetof(struct record, name) + NAME_SIZE - 4, 0x61616161);
    spoil_u32(offsetof(struct record, text) + 124, 0x61616161);
}

static void names_are_known(void **state)
{
    uint32_t type;

    (void)state;
    for (type = 1; type < RECORD_TYPE_COUNT; type++)
        assert_string_not_equal(record_type_name(type), "unknown");
    assert_string_equal(record_type_name(0), "unknown");
    assert_string_equal(record_type_name(RECORD_TYPE_COUNT), "unknown");
    for (type = READY_RECEIVED; type < READY_STAGE_COUNT; type++)
        assert_string_not_equal(ready_stage_text(type), "an unknown stage");
    assert_string_equal(ready_stage_text(0), "an unknown stage");
    assert_string_equal(ready_stage_text(READY_STAGE_COUNT), "an unknown stage");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_holds),
        cmocka_unit_test(every_changed_byte_breaks_it),
        cmocka_unit_test(every_torn_tail_is_seen_as_one),
        cmocka_unit_test(fields_out_of_range),
        cmocka_unit_test(names_are_known),
    };

    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
