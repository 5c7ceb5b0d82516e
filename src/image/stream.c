/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream - entries and content of a tar archive, plain or compressed by gzip or zstd
 *
 * Theory of operation
 * Two readers of libarchive, one behind the other: the first knows gzip and zstd and no format,
 * the second knows tar and no compression. Between them this file sees the plain tar stream, and
 * so can refuse what libarchive lets pass and other readers take differently:
 *  - an archive that stops at the border of an entry (no end mark): it was cut off;
 *  - anything but zeroes after the end mark, in the tar stream or behind the compressed one:
 *    concatenated archives, of which some readers see only the first;
 *  - an entry after a header with a wrong checksum, which libarchive would skip;
 *  - a malformed extended header, which libarchive would ignore.
 *
 * Names are bytes here. libarchive would convert names from UTF-8 by iconv(3), and glibc's
 * iconv looks for its converters in /usr/lib/.../gconv: in this program's "/", which is the
 * tree that the archive fills, shared objects included. So there is no iconv in this program:
 * libarchive then hands out the bytes as they are and calls it a warning.
 */
#include "image/stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define INPUT_SIZE   (64U * 1024U)
#define END_MARK     1024 /* two blocks of zeroes */
#define SHOWN_REASON 160

/* Counts bytes and remembers where the last one that is not zero was. */
struct meter {
    int64_t total;
    int64_t last_used; /* offset behind the last byte that is not 0 */
};

/* part: only what lies from offset to end is read; hash: of plain, of a part only */
struct stream {
    int fd;
    bool part;
    int64_t offset;
    int64_t end;
    struct sha256 hash;
    struct archive *unpacker; /* compression */
    struct archive *tar;
    struct archive_entry *entry; /* of tar; its own */
    struct meter packed;
    struct meter plain;
    bool ended;
    char input[INPUT_SIZE];
};

static la_ssize_t read_packed(struct archive *archive, void *data, const void **ret_bytes);
static la_ssize_t read_plain(struct archive *archive, void *data, const void **ret_bytes);
static int check_end(struct stream *stream, struct err *err);

/* Takes the place of glibc's, see above. */
iconv_t iconv_open(const char *to, const char *from)
{
    (void)to;
    (void)from;
    errno = EINVAL;
    return (iconv_t)-1; /* NOLINT(performance-no-int-to-ptr): the documented error value */
}

size_t iconv(iconv_t converter, char **input, size_t *input_left, char **output,
             size_t *output_left)
{
    (void)converter;
    (void)input;
    (void)input_left;
    (void)output;
    (void)output_left;
    errno = EBADF;
    return (size_t)-1;
}

int iconv_close(iconv_t converter)
{
    (void)converter;
    return 0;
}

static void meter_add(struct meter *meter, const char *bytes, size_t size)
{
    size_t used = size;
    while (used > 0 && bytes[used - 1] == '\0')
        used--;
    if (used > 0)
        meter->last_used = meter->total + (int64_t)used;
    meter->total += (int64_t)size;
}

struct stream *stream_new(int fd)
{
    struct stream *stream = mem_new(1, sizeof(*stream));
    stream->fd = fd;
    return stream;
}

struct stream *stream_new_part(int fd, int64_t offset, int64_t size)
{
    struct stream *stream = stream_new(fd);
    stream->part = true;
    stream->offset = offset;
    stream->end = offset + size;
    sha256_init(&stream->hash);
    return stream;
}

void stream_digest(const struct stream *stream, uint8_t ret_digest[SHA256_SIZE])
{
    struct sha256 hash = stream->hash;
    sha256_end(&hash, ret_digest);
}

void stream_free(struct stream *stream)
{
    if (stream == NULL)
        return;
    archive_read_free(stream->tar);
    archive_read_free(stream->unpacker);
    free(stream);
}

static int damaged(struct err *err, struct archive *archive)
{
    const char *reason = archive_error_string(archive);
    return err_set(err, OUTCOME_FAILED, "the archive is damaged or cut off (%.*s)", SHOWN_REASON,
                   reason != NULL ? reason : "unknown");
}

static bool set_up(struct stream *stream)
{
    stream->unpacker = archive_read_new();
    stream->tar = archive_read_new();
    return stream->unpacker != NULL && stream->tar != NULL &&
           archive_read_support_filter_gzip(stream->unpacker) == ARCHIVE_OK &&
           archive_read_support_filter_zstd(stream->unpacker) == ARCHIVE_OK &&
           archive_read_support_format_raw(stream->unpacker) == ARCHIVE_OK &&
           archive_read_support_format_tar(stream->tar) == ARCHIVE_OK;
}

int stream_open(struct stream *stream, struct err *err)
{
    struct archive_entry *whole = NULL;
    if (!set_up(stream))
        return err_set(err, OUTCOME_HOST_CANNOT, "libarchive cannot read tar, gzip and zstd");
    int rc = archive_read_open(stream->unpacker, stream, NULL, read_packed, NULL);
    if (stream->packed.total == 0)
        return err_set(err, OUTCOME_FAILED, "the archive is empty");
    if (rc != ARCHIVE_OK || archive_read_next_header(stream->unpacker, &whole) != ARCHIVE_OK)
        return damaged(err, stream->unpacker);
    if (archive_read_open(stream->tar, stream, NULL, read_plain, NULL) != ARCHIVE_OK) {
        if (archive_errno(stream->unpacker) != 0)
            return damaged(err, stream->unpacker);
        return err_set(err, OUTCOME_FAILED,
                       "this is no tar archive (plain, or compressed by gzip or zstd)");
    }
    return 0;
}

static ssize_t read_input(struct stream *stream)
{
    size_t size = sizeof(stream->input);
    if (!stream->part)
        return read(stream->fd, stream->input, size);
    if (stream->end - stream->offset < (int64_t)size)
        size = (size_t)(stream->end - stream->offset);
    ssize_t got = pread(stream->fd, stream->input, size, stream->offset);
    stream->offset += got > 0 ? got : 0;
    return got;
}

static la_ssize_t read_packed(struct archive *archive, void *data, const void **ret_bytes)
{
    struct stream *stream = data;
    ssize_t got = -1;
    do {
        got = read_input(stream);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        archive_set_error(archive, errno, "reading: %s", strerror(errno));
        return ARCHIVE_FATAL;
    }
    meter_add(&stream->packed, stream->input, (size_t)got);
    *ret_bytes = stream->input;
    return got;
}

/* Feeds the tar reader from the unpacker. */
static la_ssize_t read_plain(struct archive *archive, void *data, const void **ret_bytes)
{
    struct stream *stream = data;
    size_t size = 0;
    la_int64_t offset = 0;
    int rc = archive_read_data_block(stream->unpacker, ret_bytes, &size, &offset);
    if (rc == ARCHIVE_EOF)
        return 0;
    if (rc != ARCHIVE_OK) {
        const char *reason = archive_error_string(stream->unpacker);
        archive_set_error(archive, archive_errno(stream->unpacker), "%s",
                          reason != NULL ? reason : "decompression failed");
        return ARCHIVE_FATAL;
    }
    meter_add(&stream->plain, *ret_bytes, size);
    if (stream->part)
        sha256_add(&stream->hash, *ret_bytes, size);
    return (la_ssize_t)size;
}

/* A name that is no ASCII is a warning of this kind; every other warning is a malformed header. */
static bool only_about_names(struct archive *archive)
{
    return archive_errno(archive) == EILSEQ;
}

int stream_next(struct stream *stream, struct entry *ret_entry, struct timespec *ret_mtime,
                struct err *err)
{
    if (stream->ended)
        return 0;
    archive_clear_error(stream->tar);
    int rc = archive_read_next_header(stream->tar, &stream->entry);
    if (rc == ARCHIVE_EOF) {
        stream->ended = true;
        return check_end(stream, err) == 0 ? 0 : -1;
    }
    if (rc != ARCHIVE_OK && !(rc == ARCHIVE_WARN && only_about_names(stream->tar))) {
        damaged(err, stream->tar);
        return -1;
    }
    struct archive_entry *entry = stream->entry;
    *ret_entry = (struct entry){
        .path = archive_entry_pathname(entry),
        .hardlink = archive_entry_hardlink(entry),
        .symlink = archive_entry_symlink(entry),
        .type = archive_entry_filetype(entry),
        .mode = archive_entry_perm(entry),
        .uid = archive_entry_uid(entry),
        .gid = archive_entry_gid(entry),
        .size_bytes = archive_entry_size_is_set(entry) ? archive_entry_size(entry) : 0,
    };
    *ret_mtime = (struct timespec){
        .tv_sec = archive_entry_mtime(entry),
        .tv_nsec = archive_entry_mtime_nsec(entry),
    };
    if (ret_mtime->tv_nsec < 0 || ret_mtime->tv_nsec > 999999999)
        ret_mtime->tv_nsec = 0;
    archive_entry_xattr_reset(entry);
    return 1;
}

/* The bytes that libarchive did not need to see are still the archive's, and must be nothing. */
static int check_end(struct stream *stream, struct err *err)
{
    const void *bytes = NULL;
    la_ssize_t got = 0;
    int64_t mark = archive_read_header_position(stream->tar);
    int64_t end = archive_filter_bytes(stream->tar, -1);
    if (end - mark < END_MARK)
        return err_set(err, OUTCOME_FAILED,
                       "the archive is cut off: its end mark is missing after %lld bytes",
                       (long long)end);
    do {
        got = read_plain(stream->tar, stream, &bytes);
    } while (got > 0);
    if (got < 0)
        return damaged(err, stream->tar);
    if (stream->plain.last_used > end)
        return err_set(err, OUTCOME_FAILED,
                       "something follows the end of the archive: are these two in one file?");
    int64_t packed_end = archive_filter_bytes(stream->unpacker, -1);
    do {
        got = read_packed(stream->unpacker, stream, &bytes);
    } while (got > 0);
    if (got < 0)
        return damaged(err, stream->unpacker);
    if (stream->packed.last_used > packed_end)
        return err_set(err, OUTCOME_FAILED, "something follows the end of the compressed archive");
    return 0;
}

int stream_data(struct stream *stream, const void **ret_bytes, size_t *ret_size,
                int64_t *ret_offset, struct err *err)
{
    la_int64_t offset = 0;
    int rc = archive_read_data_block(stream->tar, ret_bytes, ret_size, &offset);
    if (rc == ARCHIVE_EOF)
        return 0;
    if (rc != ARCHIVE_OK) {
        damaged(err, stream->tar);
        return -1;
    }
    *ret_offset = offset;
    return 1;
}

bool stream_has_xattrs(const struct stream *stream)
{
    return archive_entry_xattr_count(stream->entry) > 0;
}

bool stream_xattr(struct stream *stream, const char **ret_name, const void **ret_value,
                  size_t *ret_size)
{
    return archive_entry_xattr_next(stream->entry, ret_name, ret_value, ret_size) == ARCHIVE_OK;
}
