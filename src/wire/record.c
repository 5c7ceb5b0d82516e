/* SPDX-License-Identifier: Apache-2.0 */
/* record - one entry of the records: whether it is whole, and what it is called */
#include "wire/record.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

static int record_head_check(const struct record *head, uint64_t seq,
                             const uint8_t previous[SHA256_SIZE]);

int record_check(const uint8_t *bytes, size_t size, uint64_t seq,
                 const uint8_t previous[SHA256_SIZE], size_t *ret_size,
                 uint8_t ret_hash[SHA256_SIZE])
{
    static const uint32_t magic = RECORD_MAGIC;
    struct sha256 hash;
    struct record head;
    uint8_t digest[SHA256_SIZE];
    size_t hashed;
    int r;

    if (size < sizeof(head)) {
        size_t known = size < sizeof(magic) ? size : sizeof(magic);

        return known && memcmp(bytes, &magic, known) != 0 ? -EBADMSG : -EAGAIN;
    }
    memcpy(&head, bytes, sizeof(head));
    r = record_head_check(&head, seq, previous);
    if (r < 0)
        return r;
    if (size < head.size_bytes)
        return -EAGAIN;
    hashed = head.size_bytes - SHA256_SIZE;
    sha256_init(&hash);
    sha256_add(&hash, bytes, hashed);
    sha256_end(&hash, digest);
    if (memcmp(digest, bytes + hashed, SHA256_SIZE) != 0)
        return -EBADMSG;
    *ret_size = head.size_bytes;
    memcpy(ret_hash, digest, SHA256_SIZE);
    return 0;
}

const char *record_type_name(uint32_t type)
{
    static const char *const name[] = {
        [RECORD_HOST_START] = "host start",
        [RECORD_HOST_STOP] = "host stop",
        [RECORD_HEAD] = "head",
        [RECORD_USER_ADD] = "user add",
        [RECORD_USER_SET] = "user set",
        [RECORD_USER_REMOVE] = "user rm",
        [RECORD_LAUNCH] = "launch",
        [RECORD_RUN] = "run",
        [RECORD_START] = "start",
        [RECORD_STOP] = "stop",
        [RECORD_REMOVE] = "rm",
        [RECORD_EXEC] = "exec",
        [RECORD_IMAGE_IMPORT] = "image import",
        [RECORD_IMAGE_REMOVE] = "image rm",
        [RECORD_ENDED] = "ended",
        [RECORD_LOGIN] = "login",
        [RECORD_HOST_NETWORK] = "host network",
        [RECORD_GRANT] = "grant",
        [RECORD_GRANT_END] = "grant end",
        [RECORD_ASK] = "ask",
        [RECORD_DENY] = "deny",
    };
    _Static_assert(ARRAY_LEN(name) == RECORD_TYPE_COUNT, "a record type has no name");

    return type < ARRAY_LEN(name) && name[type] ? name[type] : "unknown";
}

static int record_head_check(const struct record *head, uint64_t seq,
                             const uint8_t previous[SHA256_SIZE])
{
    if (head->magic != RECORD_MAGIC || head->seq != seq || head->reserved != 0)
        return -EBADMSG;
    if (head->size_bytes < sizeof(*head) + SHA256_SIZE || head->size_bytes > RECORD_SIZE_MAX)
        return -EBADMSG;
    if (head->type == 0 || head->type >= RECORD_TYPE_COUNT)
        return -EBADMSG;
    if (head->phase != RECORD_INTENT && head->phase != RECORD_OUTCOME)
        return -EBADMSG;
    if (!str_terminated(head->name, sizeof(head->name)) ||
        !str_terminated(head->text, sizeof(head->text)))
        return -EBADMSG;
    return memcmp(head->previous, previous, SHA256_SIZE) == 0 ? 0 : -EBADMSG;
}
