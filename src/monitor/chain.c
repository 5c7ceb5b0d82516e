/* SPDX-License-Identifier: Apache-2.0 */
/* chain - one file of records: append-only, each entry with the hash of the one before */
#include "monitor/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "linux/path.h"
#include "wire/limits.h"

/* Two of the longest records, so that one that starts in it ends in it after one refill. */
#define READ_BUFFER_SIZE (2 * RECORD_SIZE_MAX)

/* A window on the file: bytes[start .. end) are read and not yet looked at. */
struct window {
    uint8_t *bytes;
    size_t start;
    size_t end;
    bool at_end;
};

static int open_file(int dir, const char *name, mode_t mode, gid_t gid);
static int replay(struct chain *chain, const struct chain_head *head, chain_each_fn each,
                  void *data);
static int window_fill(struct window *window, int fd);
static int cut_torn_tail(struct chain *chain, const struct chain_head *head, size_t torn);
static size_t build_record(const struct chain *chain, const struct chain_entry *entry,
                           uint8_t *bytes);

int chain_open(int dir, const char *name, mode_t mode, gid_t gid, const struct chain_head *head,
               chain_each_fn each, void *data, struct chain *ret_chain)
{
    struct chain chain = {.fd = -1};
    auto_close fd = open_file(dir, name, mode, gid);
    if (fd < 0)
        return fd;
    chain.fd = fd;
    int rc = replay(&chain, head, each, data);
    if (rc < 0)
        return rc;
    if (head->seq > chain.seq)
        chain.broken = true;
    chain.fd = take_fd(&fd);
    *ret_chain = chain;
    return 0;
}

void chain_close(struct chain *chain)
{
    fd_close(&chain->fd);
    *chain = (struct chain){.fd = -1};
}

int chain_append(struct chain *chain, const struct chain_entry *entry, uint64_t *ret_seq)
{
    size_t size = sizeof(struct record) + entry->payload_size + SHA256_SIZE;

    if (chain->broken || chain->fd < 0)
        return -EBADMSG;
    if (entry->payload_size > RECORD_SIZE_MAX || size > RECORD_SIZE_MAX)
        return -EMSGSIZE;
    auto_free uint8_t *bytes = mem_new(1, size);
    size_t hashed = build_record(chain, entry, bytes);
    int rc = fd_write_full(chain->fd, bytes, size);
    if (rc < 0) {
        /* Half a record would be taken for a torn tail; with the next one behind it, for damage. */
        if (ftruncate(chain->fd, (off_t)chain->size_bytes) < 0)
            chain->broken = true;
        chain->held_bytes = 0; /* it cuts off what was held as well */
        return rc;
    }
    chain->size_bytes += size;
    chain->seq++;
    memcpy(chain->hash, bytes + hashed, SHA256_SIZE);
    chain->unsynced = true;
    chain->unheaded = true;
    if (ret_seq != NULL)
        *ret_seq = chain->seq;
    return 0;
}

bool chain_has_reserve(struct chain *chain)
{
    const uint64_t step = 2 * RECORD_RESERVE;

    if (chain->fd < 0 || chain->held_bytes >= chain->size_bytes + RECORD_RESERVE)
        return true; /* what is not open is refused elsewhere, with its own reason */
    if (fallocate(chain->fd, FALLOC_FL_KEEP_SIZE, (off_t)chain->size_bytes, (off_t)step) < 0)
        return errno == EOPNOTSUPP; /* a file system that cannot hold anything back */
    chain->held_bytes = chain->size_bytes + step;
    return true;
}

int chain_sync(struct chain *chain)
{
    if (!chain->unsynced || chain->fd < 0)
        return 0;
    if (fdatasync(chain->fd) < 0) {
        /* The kernel has dropped what it could not write; nobody can say what is on the disk. */
        chain->broken = true;
        return -errno;
    }
    chain->unsynced = false;
    return 0;
}

static int open_file(int dir, const char *name, mode_t mode, gid_t gid)
{
    struct stat found;
    auto_close fd = path_open_or_create(dir, name, O_RDWR | O_APPEND, 0600);
    if (fd < 0)
        return fd;
    if (fstat(fd, &found) < 0)
        return -errno;
    /* The group first: nobody may read it while it still has another one. */
    if (found.st_uid != 0 || found.st_gid != gid) {
        int rc = path_chown(fd, 0, gid);
        if (rc < 0)
            return rc;
    }
    if ((found.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
        return -errno;
    return take_fd(&fd);
}

static int replay(struct chain *chain, const struct chain_head *head, chain_each_fn each,
                  void *data)
{
    auto_free uint8_t *bytes = mem_new(1, READ_BUFFER_SIZE);
    struct window window = {.bytes = bytes};

    for (;;) {
        uint8_t hash[SHA256_SIZE];
        size_t size = 0;
        int rc = record_check(bytes + window.start, window.end - window.start, chain->seq + 1,
                              chain->hash, &size, hash);
        if (rc == -EAGAIN && !window.at_end) {
            rc = window_fill(&window, chain->fd);
            if (rc < 0)
                return rc;
            continue;
        }
        if (rc == -EAGAIN)
            return cut_torn_tail(chain, head, window.end - window.start);
        if (rc < 0) {
            chain->broken = true;
            return 0;
        }
        chain->seq++;
        chain->size_bytes += size;
        memcpy(chain->hash, hash, SHA256_SIZE);
        if (chain->seq == head->seq && memcmp(hash, head->hash, SHA256_SIZE) != 0)
            chain->broken = true;
        /* Copied, because a record of odd size leaves the next one at an odd address. */
        struct record record;
        memcpy(&record, bytes + window.start, sizeof(record));
        chain->wall_ns = record.wall_ns;
        if (!chain->broken)
            each(&record, bytes + window.start + sizeof(record),
                 size - sizeof(record) - SHA256_SIZE, data);
        window.start += size;
    }
}

static int window_fill(struct window *window, int fd)
{
    memmove(window->bytes, window->bytes + window->start, window->end - window->start);
    window->end -= window->start;
    window->start = 0;
    size_t room = READ_BUFFER_SIZE - window->end;
    ssize_t got = fd_read_full(fd, window->bytes + window->end, room);
    if (got < 0)
        return (int)got;
    window->end += (size_t)got;
    window->at_end = (size_t)got < room;
    return 0;
}

static int cut_torn_tail(struct chain *chain, const struct chain_head *head, size_t torn)
{
    if (torn == 0)
        return 0;
    /* Only what was never synced can be torn; the host's file has heads of synced records only. */
    if (chain->seq < head->seq) {
        chain->broken = true;
        return 0;
    }
    return ftruncate(chain->fd, (off_t)chain->size_bytes) < 0 ? -errno : 0;
}

/* Return: how many bytes the hash, which follows them, covers */
static size_t build_record(const struct chain *chain, const struct chain_entry *entry,
                           uint8_t *bytes)
{
    struct sha256 hash;
    size_t hashed = sizeof(struct record) + entry->payload_size;
    struct record record = {
        .magic = RECORD_MAGIC,
        .size_bytes = (uint32_t)(hashed + SHA256_SIZE),
        .seq = chain->seq + 1,
        .intent_seq = entry->intent_seq,
        .wall_ns = clock_wall_ns(),
        .boot_ns = clock_boot_ns(),
        .type = (uint32_t)entry->type,
        .phase = (uint32_t)entry->phase,
        .outcome = entry->outcome,
        .actor_uid = entry->actor_uid,
        .subject_uid = entry->subject_uid,
    };

    memcpy(record.number, entry->number, sizeof(record.number));
    memcpy(record.previous, chain->hash, SHA256_SIZE);
    if (entry->name != NULL && str_copy(record.name, sizeof(record.name), entry->name) < 0)
        croft_bug("a record's name is longer than a name");
    /* A sentence may be longer than the field; what matters stands in the other fields. */
    if (entry->text != NULL)
        memcpy(record.text, entry->text, strnlen(entry->text, sizeof(record.text) - 1));
    memcpy(bytes, &record, sizeof(record));
    if (entry->payload_size > 0)
        memcpy(bytes + sizeof(record), entry->payload, entry->payload_size);
    sha256_init(&hash);
    sha256_add(&hash, bytes, hashed);
    sha256_end(&hash, bytes + hashed);
    return hashed;
}
