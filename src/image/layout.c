/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout - an image with its layers, as an OCI image layout or what `docker save` writes
 *
 * Theory of operation
 * The files of such an archive come in any order: a layer may stand before the manifest that says
 * which place it has. So all are put aside first, one behind the other in a single file without a
 * name (O_TMPFILE) on the disk that is unpacked to: it is hers to pay for, no entry of a layer can
 * name it, and whatever ends this process, nothing of it stays. What is named after its digest is
 * held against it at once.
 *
 * Then from the outside in: index, manifest, settings, and each layer twice. The first time its
 * whiteouts take away what the layers below have; the second time its files are made. A whiteout so
 * never meets what its own layer brings, wherever in the layer it stands. The space of a layer that
 * is done is given back.
 */
#include "image/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "image/manifest.h"
#include "image/settings.h"
#include "linux/path.h"

#define BLOBS_PREFIX    "blobs/"
#define DIGESTED_PREFIX "blobs/sha256/"
#define DIGEST_HEX      (2 * (size_t)SHA256_SIZE)
#define LINKS_MAX       8
#define INDEXES_MAX     4
#define SHOWN           120

/* A file of the archive. target: of a link, another's name; else offset, size: in the spool */
struct kept {
    char *name;
    char *target;
    int64_t offset;
    int64_t size_bytes;
};

struct layout {
    int spool;
    int64_t spool_size;
    struct kept *files;
    size_t count;
};

static int keep_content(struct layout *layout, struct layer *layer, struct kept *file,
                        struct err *err);
static int keep_link(const struct layer *layer, struct kept *file, struct err *err);
static const struct kept *find(const struct layout *layout, const char *name);
static int need(const struct layout *layout, const struct manifest_file *wanted,
                const struct kept **ret_file, struct err *err);
static int read_text(const struct layout *layout, const struct kept *file, char **ret_text,
                     struct err *err);
static int read_manifest(const struct layout *layout, struct manifest *manifest, struct err *err);
static int apply_layer(const struct layout *layout, struct layer *layer, const struct kept *file,
                       bool first, const uint8_t diff[SHA256_SIZE], struct err *err);
static void give_back(const struct layout *layout, const struct manifest *manifest, size_t done);

static bool is_hex(const char *text, size_t size)
{
    return strspn(text, "0123456789abcdef") >= size;
}

bool layout_begins(const char *path)
{
    static const char *const names[] = {"oci-layout", "index.json", "manifest.json", "repositories",
                                        "blobs"};
    static const char *const ends[] = {"", ".json", ".tar", ".tar.gz"};
    char clean[MANIFEST_NAME_SIZE];

    if (path == NULL || entry_path_clean(path, clean, sizeof(clean)) < 0)
        return false;
    if (strncmp(clean, BLOBS_PREFIX, sizeof(BLOBS_PREFIX) - 1) == 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(clean, names[i]) == 0)
            return true;
    const char *digest = strncmp(clean, "sha256:", 7) == 0 ? clean + 7 : clean;
    if (!is_hex(digest, DIGEST_HEX))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (strcmp(digest + DIGEST_HEX, ends[i]) == 0)
            return true;
    return digest[DIGEST_HEX] == '/';
}

int layout_new(int root, struct layout **ret_layout, struct err *err)
{
    int spool = path_temporary(root);
    if (spool < 0)
        return tree_error(err, spool, "putting aside", "the image");
    *ret_layout = mem_new(1, sizeof(**ret_layout));
    (*ret_layout)->spool = spool;
    (*ret_layout)->files = mem_new(IMAGE_LAYOUT_FILES_MAX, sizeof(struct kept));
    return 0;
}

static void kept_clear(struct kept *file)
{
    mem_cleanup(&file->name);
    mem_cleanup(&file->target);
}

void layout_cleanup(struct layout **layout)
{
    if (*layout == NULL)
        return;
    for (size_t i = 0; i < (*layout)->count; i++)
        kept_clear(&(*layout)->files[i]);
    mem_cleanup(&(*layout)->files);
    fd_close(&(*layout)->spool);
    mem_cleanup(layout);
}

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = mem_new(size, 1);
    memcpy(copy, text, size);
    return copy;
}

int layout_keep(struct layout *layout, struct layer *layer, const struct entry *entry,
                struct err *err)
{
    struct kept file = {.offset = layout->spool_size};
    int rc = entry_check(entry, layer->rules, &layer->plan, err);
    if (rc != 0)
        return rc;
    enum entry_kind kind = layer->plan.kind;
    if (kind != ENTRY_FILE && kind != ENTRY_SYMLINK && kind != ENTRY_HARDLINK)
        return 0;
    for (size_t i = 0; i < layout->count; i++)
        if (strcmp(layout->files[i].name, layer->plan.path) == 0)
            return err_set(err, OUTCOME_FAILED, "the archive has %.*s twice", SHOWN, entry->path);
    if (layout->count == IMAGE_LAYOUT_FILES_MAX)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "the archive begins like an image and has more than %u files",
                       IMAGE_LAYOUT_FILES_MAX);
    rc =
        kind == ENTRY_FILE ? keep_content(layout, layer, &file, err) : keep_link(layer, &file, err);
    if (rc != 0)
        return rc;
    file.name = copy_text(layer->plan.path);
    layout->files[layout->count++] = file;
    return 0;
}

/* What lies beneath blobs/sha256/ must be named after its digest. */
static int check_digest(const struct layer *layer, struct sha256 *hash, struct err *err)
{
    const char *name = layer->plan.path;
    uint8_t digest[SHA256_SIZE];
    char hex[DIGEST_HEX + 1];

    if (strncmp(name, DIGESTED_PREFIX, sizeof(DIGESTED_PREFIX) - 1) != 0)
        return 0;
    sha256_end(hash, digest);
    str_hex(digest, sizeof(digest), hex);
    if (strcmp(name + sizeof(DIGESTED_PREFIX) - 1, hex) == 0)
        return 0;
    return err_set(err, OUTCOME_FAILED, "%.*s in the archive is damaged: its SHA-256 digest is %s",
                   SHOWN, name, hex);
}

static int keep_content(struct layout *layout, struct layer *layer, struct kept *file,
                        struct err *err)
{
    const void *bytes = NULL;
    struct sha256 hash;
    int64_t offset = 0;
    size_t size = 0;
    int more = 0;

    sha256_init(&hash);
    while ((more = stream_data(layer->stream, &bytes, &size, &offset, err)) == 1) {
        if (offset != layout->spool_size - file->offset)
            return err_set(err, OUTCOME_FAILED, "%.*s in the archive has holes", SHOWN,
                           layer->plan.path);
        sha256_add(&hash, bytes, size);
        int rc = fd_write_full(layout->spool, bytes, size);
        if (rc < 0)
            return tree_error(err, rc, "putting aside", layer->plan.path);
        layout->spool_size += (int64_t)size;
        reporter_progress(layer->reporter);
    }
    if (more < 0)
        return (int)err->outcome;
    file->size_bytes = layout->spool_size - file->offset;
    return check_digest(layer, &hash, err);
}

/* Where @target leads from the file @from: by the words alone, never out of the archive. */
static int join(const char *from, const char *target, char *ret_name, size_t size)
{
    const char *slash = strrchr(from, '/');
    size_t used = slash != NULL ? (size_t)(slash - from) : 0;
    size_t len = 0;

    if (target[0] == '/' || used >= size)
        return -EINVAL;
    memcpy(ret_name, from, used);
    for (const char *at = target; *at != '\0'; at += len + (at[len] == '/')) {
        len = strcspn(at, "/");
        if (len == 2 && at[0] == '.' && at[1] == '.') {
            if (used == 0)
                return -EINVAL;
            while (used > 0 && ret_name[--used] != '/')
                continue;
        } else if (len > 0 && !(len == 1 && at[0] == '.')) {
            if (used + len + 2 > size)
                return -ENAMETOOLONG;
            if (used > 0)
                ret_name[used++] = '/';
            memcpy(ret_name + used, at, len);
            used += len;
        }
    }
    ret_name[used] = '\0';
    return 0;
}

static int keep_link(const struct layer *layer, struct kept *file, struct err *err)
{
    const struct entry_plan *plan = &layer->plan;
    char target[MANIFEST_NAME_SIZE];

    int rc = plan->kind == ENTRY_SYMLINK ? join(plan->path, plan->target, target, sizeof(target))
                                         : str_copy(target, sizeof(target), plan->target);
    if (rc < 0)
        return err_set(err, OUTCOME_FAILED, "the link %.*s in the archive leads out of it", SHOWN,
                       plan->path);
    file->target = copy_text(target);
    return 0;
}

/* Return: the file that a name means, links followed; NULL: none, or links in a circle */
static const struct kept *find(const struct layout *layout, const char *name)
{
    for (int links = 0; links <= LINKS_MAX; links++) {
        const struct kept *found = NULL;
        for (size_t i = 0; i < layout->count && found == NULL; i++)
            if (strcmp(layout->files[i].name, name) == 0)
                found = &layout->files[i];
        if (found == NULL || found->target == NULL)
            return found;
        name = found->target;
    }
    return NULL;
}

static int need(const struct layout *layout, const struct manifest_file *wanted,
                const struct kept **ret_file, struct err *err)
{
    const struct kept *file = find(layout, wanted->name);
    if (file == NULL)
        return err_set(err, OUTCOME_FAILED, "the archive names %.*s and does not have it", SHOWN,
                       wanted->name);
    if (wanted->size_bytes != MANIFEST_SIZE_ANY && wanted->size_bytes != file->size_bytes)
        return err_set(err, OUTCOME_FAILED, "%.*s in the archive has %lld bytes, not %lld", SHOWN,
                       wanted->name, (long long)file->size_bytes, (long long)wanted->size_bytes);
    *ret_file = file;
    return 0;
}

/* @ret_text: file->size_bytes of it (caller frees) */
static int read_text(const struct layout *layout, const struct kept *file, char **ret_text,
                     struct err *err)
{
    auto_free char *text = NULL;
    size_t done = 0;

    if (file->size_bytes > (int64_t)IMAGE_JSON_MAX)
        return err_set(err, OUTCOME_OVER_LIMIT, "%.*s in the archive has %lld bytes; at most %u",
                       SHOWN, file->name, (long long)file->size_bytes, IMAGE_JSON_MAX);
    const size_t size = (size_t)file->size_bytes;
    text = mem_new(size + 1, 1);
    while (done < size) {
        ssize_t got = pread(layout->spool, text + done, size - done, file->offset + (int64_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return tree_error(err, got < 0 ? -errno : -EIO, "reading", file->name);
        done += (size_t)got;
    }
    *ret_text = take_ptr(text);
    return 0;
}

static int read_needed(const struct layout *layout, const struct manifest_file *wanted,
                       char **ret_text, size_t *ret_size, struct err *err)
{
    const struct kept *file = NULL;
    int rc = need(layout, wanted, &file, err);
    if (rc == 0)
        rc = read_text(layout, file, ret_text, err);
    if (rc == 0)
        *ret_size = (size_t)file->size_bytes;
    return rc;
}

/* An index may lead to another, as those for several platforms do. */
static int read_oci(const struct layout *layout, struct manifest *manifest, struct err *err)
{
    struct manifest_file wanted = {.name = "index.json", .size_bytes = MANIFEST_SIZE_ANY};
    bool is_index = true;
    size_t size = 0;

    for (int depth = 0; depth <= INDEXES_MAX; depth++) {
        auto_free char *text = NULL;
        int rc = read_needed(layout, &wanted, &text, &size, err);
        if (rc != 0)
            return rc;
        if (!is_index)
            return manifest_read(text, size, manifest, err);
        rc = manifest_read_index(text, size, &wanted, &is_index, err);
        if (rc != 0)
            return rc;
    }
    return err_set(err, OUTCOME_FAILED, "the archive has more than %d indexes one in the other",
                   INDEXES_MAX);
}

/* What has both says the same twice, and the digests are in the index. */
static int read_manifest(const struct layout *layout, struct manifest *manifest, struct err *err)
{
    const struct manifest_file docker = {.name = "manifest.json", .size_bytes = MANIFEST_SIZE_ANY};
    auto_free char *text = NULL;
    size_t size = 0;

    if (find(layout, "oci-layout") != NULL && find(layout, "index.json") != NULL)
        return read_oci(layout, manifest, err);
    if (find(layout, docker.name) == NULL)
        return err_set(
            err, OUTCOME_FAILED,
            "the archive begins like an image and has neither oci-layout with index.json "
            "nor manifest.json");
    int rc = read_needed(layout, &docker, &text, &size, err);
    return rc != 0 ? rc : manifest_read_docker(text, size, manifest, err);
}

int layout_apply(struct layout *layout, struct layer *layer, struct err *err)
{
    static struct manifest manifest;
    static struct settings settings;
    auto_free char *text = NULL;
    size_t size = 0;

    int rc = read_manifest(layout, &manifest, err);
    if (rc == 0)
        rc = read_needed(layout, &manifest.config, &text, &size, err);
    if (rc == 0)
        rc = settings_read(text, size, &settings, err);
    if (rc != 0)
        return rc;
    if (settings.diff_count != manifest.layer_count)
        return err_set(err, OUTCOME_FAILED, "the image has %zu layers and its configuration %zu",
                       manifest.layer_count, settings.diff_count);
    tree_rules(layer->tree, ENTRY_LAYER);
    for (size_t i = 0; i < manifest.layer_count; i++) {
        const struct kept *file = NULL;
        rc = need(layout, &manifest.layer[i], &file, err);
        if (rc == 0)
            rc = apply_layer(layout, layer, file, i == 0, settings.diff[i], err);
        if (rc != 0)
            return rc;
        give_back(layout, &manifest, i);
    }
    return reporter_config(layer->reporter, &settings.config, settings.size, err);
}

static int run_layer(const struct layout *layout, struct layer *layer, const struct kept *file,
                     int (*work)(struct layer *layer, struct err *err),
                     uint8_t ret_digest[SHA256_SIZE], struct err *err)
{
    layer->stream = stream_new_part(layout->spool, file->offset, file->size_bytes);
    int rc = stream_open(layer->stream, err);
    if (rc == 0)
        rc = work(layer, err);
    if (rc == 0)
        stream_digest(layer->stream, ret_digest);
    stream_free(layer->stream);
    return rc;
}

static int apply_layer(const struct layout *layout, struct layer *outer, const struct kept *file,
                       bool first, const uint8_t diff[SHA256_SIZE], struct err *err)
{
    struct layer layer = {
        .tree = outer->tree,
        .reporter = outer->reporter,
        .rules = ENTRY_LAYER,
        .seen = outer->seen,
    };
    uint8_t digest[SHA256_SIZE];
    int rc = first ? 0 : run_layer(layout, &layer, file, layer_take_away, digest, err);
    if (rc == 0)
        rc = run_layer(layout, &layer, file, layer_apply, digest, err);
    outer->seen = layer.seen;
    if (rc == 0 && memcmp(digest, diff, SHA256_SIZE) != 0)
        return err_set(err, OUTCOME_FAILED,
                       "the layer %.*s in the archive is not the one that the image names", SHOWN,
                       file->name);
    return rc;
}

/* A layer may be named twice: an empty one often is. */
static void give_back(const struct layout *layout, const struct manifest *manifest, size_t done)
{
    const struct kept *file = find(layout, manifest->layer[done].name);
    for (size_t i = done + 1; i < manifest->layer_count; i++)
        if (find(layout, manifest->layer[i].name) == file)
            return;
    if (file->size_bytes > 0 && fallocate(layout->spool, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                          file->offset, file->size_bytes) < 0)
        return; /* it goes with the rest at the end */
}
