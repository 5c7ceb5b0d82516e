/* SPDX-License-Identifier: Apache-2.0 */
/* test_chain - a file of records across crashes and tampering */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attrs.h"
#include "base/fd.h"
#include "linux/path.h"
#include "monitor/chain.h"
#include "wire/limits.h"

#define NAME "1001"

static char top[] = "/tmp/croft-unit-XXXXXX";
static int dir = -1;
static const struct chain_head no_head;

/* The numbers and payloads that a replay told of. */
struct seen {
    size_t count;
    uint64_t last_seq;
    char payloads[64];
};

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(top))
        return -1;
    dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir < 0 ? -1 : 0;
}

static int drop_directory(void **state)
{
    (void)state;
    close(dir);
    return rmdir(top);
}

static int drop_file(void **state)
{
    (void)state;
    return unlinkat(dir, NAME, 0);
}

static void on_record(const struct record *record, const void *payload, size_t payload_size,
                      void *data)
{
    struct seen *seen = data;

    seen->count++;
    seen->last_seq = record->seq;
    assert_true(payload_size < 16);
    memcpy(seen->payloads + strlen(seen->payloads), payload, payload_size);
}

static struct chain open_chain(const struct chain_head *head, struct seen *seen)
{
    struct chain chain = {.fd = -1};

    /* Root makes it; in a build as somebody else the group is the tester's. */
    memset(seen, 0, sizeof(*seen));
    assert_int_equal(chain_open(dir, NAME, 0440, getegid(), head, on_record, seen, &chain), 0);
    return chain;
}

static void append(struct chain *chain, const char *payload)
{
    const struct chain_entry entry = {.type = RECORD_LAUNCH,
                                      .phase = RECORD_INTENT,
                                      .actor_uid = 1001,
                                      .subject_uid = 1001,
                                      .name = "db",
                                      .text = payload,
                                      .payload = payload,
                                      .payload_size = strlen(payload)};
    uint64_t before = chain->seq;
    uint64_t seq = 0;

    assert_int_equal(chain_append(chain, &entry, &seq), 0);
    assert_int_equal(seq, before + 1);
}

static struct chain_head make_three(void)
{
    struct seen seen;
    struct chain chain = open_chain(&no_head, &seen);
    struct chain_head head;

    assert_int_equal(seen.count, 0);
    append(&chain, "a");
    append(&chain, "");
    append(&chain, "ccc");
    assert_true(chain.unsynced && chain.unheaded);
    assert_int_equal(chain_sync(&chain), 0);
    assert_false(chain.unsynced);
    head.seq = chain.seq;
    memcpy(head.hash, chain.hash, SHA256_SIZE);
    chain_close(&chain);
    assert_int_equal(chain.fd, -1);
    return head;
}

static off_t file_size(void)
{
    struct stat st;

    assert_int_equal(fstatat(dir, NAME, &st, 0), 0);
    return st.st_size;
}

static void patch(off_t offset, uint8_t flip)
{
    auto_close fd = openat(dir, NAME, O_RDWR | O_CLOEXEC);
    uint8_t byte;

    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= flip;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
}

static void cut(off_t size)
{
    auto_close fd = openat(dir, NAME, O_RDWR | O_CLOEXEC);

    assert_int_equal(ftruncate(fd, size), 0);
}

/* What is held for the end of things is the file's, and stands where no reader looks. */
static void room_is_held_beyond_the_end(void **state)
{
    make_three();
    struct seen seen;
    struct chain chain = open_chain(&no_head, &seen);
    const off_t size = file_size();
    struct stat st;
    (void)state;

    assert_true(chain_has_reserve(&chain));
    assert_int_equal(file_size(), size);
    assert_int_equal(fstat(chain.fd, &st), 0);
    assert_true((uint64_t)st.st_blocks * 512 >= (uint64_t)size + RECORD_RESERVE);
    append(&chain, "d");
    assert_true(chain_has_reserve(&chain));
    chain_close(&chain);
    chain = open_chain(&no_head, &seen);
    assert_int_equal(seen.count, 4);
    assert_false(chain.broken);
    chain_close(&chain);
}

static void a_file_is_replayed(void **state)
{
    struct chain_head head = make_three();
    struct seen seen;
    struct chain chain = open_chain(&head, &seen);
    struct stat st;

    (void)state;
    assert_false(chain.broken);
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.last_seq, 3);
    assert_string_equal(seen.payloads, "accc");
    assert_int_equal(fstat(chain.fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0440);
    append(&chain, "d");
    chain_close(&chain);
    chain = open_chain(&head, &seen);
    assert_string_equal(seen.payloads, "acccd");
    chain_close(&chain);
}

/* A crash may leave any part of the last record. */
static void every_torn_tail_is_cut(void **state)
{
    struct chain_head head;
    struct seen seen;
    struct chain chain;
    off_t whole;
    off_t size;

    (void)state;
    head = make_three();
    whole = file_size();
    chain = open_chain(&head, &seen);
    append(&chain, "torn");
    chain_close(&chain);
    for (size = file_size() - 1; size > whole; size -= 7) {
        cut(size);
        chain = open_chain(&head, &seen);
        assert_false(chain.broken);
        assert_int_equal(seen.count, 3);
        assert_int_equal(file_size(), whole);
        append(&chain, "torn");
        chain_close(&chain);
    }
}

static void what_was_synced_may_not_be_missing(void **state)
{
    struct chain_head head = make_three();
    struct chain_entry entry = {.type = RECORD_STOP, .phase = RECORD_INTENT};
    struct seen seen;
    struct chain chain;

    (void)state;
    cut(file_size() - 1);
    chain = open_chain(&head, &seen);
    assert_true(chain.broken);
    assert_int_equal(chain_append(&chain, &entry, NULL), -EBADMSG);
    chain_close(&chain);
    cut(0);
    chain = open_chain(&head, &seen);
    assert_true(chain.broken);
    chain_close(&chain);
}

static void every_changed_byte_is_seen(void **state)
{
    struct chain_head head = make_three();
    off_t size = file_size();
    struct seen seen;
    off_t i;

    (void)state;
    for (i = 0; i < size; i += 3) {
        struct chain chain;

        patch(i, 0x40);
        chain = open_chain(&head, &seen);
        if (!chain.broken)
            fail_msg("byte %lld changed", (long long)i);
        assert_true(seen.count < 3);
        assert_int_equal(file_size(), size); /* left for a person to look at */
        chain_close(&chain);
        patch(i, 0x40);
    }
}

/* A chain that holds in itself, but is not the one whose head the host's file has. */
static void another_chain_in_its_place_is_seen(void **state)
{
    struct chain_head head = make_three();
    struct seen seen;
    struct chain chain;

    (void)state;
    head.hash[5] ^= 1;
    chain = open_chain(&head, &seen);
    assert_true(chain.broken);
    chain_close(&chain);
}

static void a_link_in_its_place_is_not_followed(void **state)
{
    struct chain chain = {.fd = -1};
    struct seen seen = {.count = 0};

    (void)state;
    assert_int_equal(symlinkat("/etc/passwd", dir, NAME), 0);
    assert_int_equal(chain_open(dir, NAME, 0440, getegid(), &no_head, on_record, &seen, &chain),
                     -ELOOP);
}

static void too_large_a_payload_is_refused(void **state)
{
    static uint8_t payload[RECORD_SIZE_MAX];
    struct chain_entry entry = {.type = RECORD_LAUNCH, .phase = RECORD_INTENT, .payload = payload};
    struct seen seen;
    struct chain chain = open_chain(&no_head, &seen);

    (void)state;
    entry.payload_size = PLAN_SIZE_MAX + 1;
    assert_int_equal(chain_append(&chain, &entry, NULL), -EMSGSIZE);
    entry.payload_size = SIZE_MAX;
    assert_int_equal(chain_append(&chain, &entry, NULL), -EMSGSIZE);
    entry.payload_size = PLAN_SIZE_MAX;
    assert_int_equal(chain_append(&chain, &entry, NULL), 0);
    chain_close(&chain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_file_is_replayed, drop_file),
        cmocka_unit_test_teardown(room_is_held_beyond_the_end, drop_file),
        cmocka_unit_test_teardown(every_torn_tail_is_cut, drop_file),
        cmocka_unit_test_teardown(what_was_synced_may_not_be_missing, drop_file),
        cmocka_unit_test_teardown(every_changed_byte_is_seen, drop_file),
        cmocka_unit_test_teardown(another_chain_in_its_place_is_seen, drop_file),
        cmocka_unit_test_teardown(a_link_in_its_place_is_not_followed, drop_file),
        cmocka_unit_test_teardown(too_large_a_payload_is_refused, drop_file),
    };

    if (geteuid() != 0) {
        print_message("1..0 # SKIP records belong to root\n");
        return 0;
    }
    return cmocka_run_group_tests_name("chain", tests, make_directory, drop_directory);
}
