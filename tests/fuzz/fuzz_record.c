/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_record - a file of records, walked as the monitor does at start
 *
 * Input: one byte; then the file. With an odd byte each record's hash and chain are made to fit
 * before it is checked: else nothing behind the hash would ever be reached.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "wire/record.h"

static void make_fit(uint8_t *bytes, size_t size, const uint8_t previous[SHA256_SIZE])
{
    struct record head;
    struct sha256 hash;

    if (size < sizeof(head))
        return;
    memcpy(&head, bytes, sizeof(head));
    if (head.size_bytes < sizeof(head) + SHA256_SIZE || head.size_bytes > size)
        return;
    memcpy(bytes + offsetof(struct record, previous), previous, SHA256_SIZE);
    sha256_init(&hash);
    sha256_add(&hash, bytes, head.size_bytes - SHA256_SIZE);
    sha256_end(&hash, bytes + head.size_bytes - SHA256_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t previous[SHA256_SIZE] = {0};
    uint64_t seq = 1;
    size_t offset = 0;
    uint8_t *file;

    if (size == 0)
        return 0;
    size--;
    file = malloc(size ? size : 1);
    if (!file)
        return 0;
    memcpy(file, bytes + 1, size);
    for (;; seq++) {
        uint8_t hash[SHA256_SIZE];
        struct record head;
        size_t record_size = 0;

        if (bytes[0] & 1)
            make_fit(file + offset, size - offset, previous);
        if (record_check(file + offset, size - offset, seq, previous, &record_size, hash) != 0)
            break;
        PROMISE(record_size >= sizeof(head) + SHA256_SIZE && record_size <= size - offset);
        memcpy(&head, file + offset, sizeof(head));
        PROMISE(memchr(head.name, 0, sizeof(head.name)) != NULL);
        PROMISE(memchr(head.text, 0, sizeof(head.text)) != NULL);
        PROMISE(record_type_name(head.type)[0]);
        memcpy(previous, hash, sizeof(hash));
        offset += record_size;
    }
    free(file);
    return 0;
}
