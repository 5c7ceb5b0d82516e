/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest - the JSON of an image archive: which files of it are the layers, and their order
 *
 * A digest "sha256:HEX" is the file "blobs/sha256/HEX" of the archive; whether that file has the
 * digest it is named after was looked at when it was put aside (layout.c).
 */
#include "image/manifest.h"

#include <string.h>

#include "base/sha256.h"
#include "base/str.h"
#include "image/json.h"

#define DIGEST_PREFIX "sha256:"
#define BLOBS_PREFIX  "blobs/sha256/"
#define SHOWN         80

static const char *const manifest_types[] = {
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
};
static const char *const index_types[] = {
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
};

const char *manifest_platform(void)
{
#if defined(__x86_64__)
    return "amd64";
#elif defined(__aarch64__)
    return "arm64";
#elif defined(__arm__)
    return "arm";
#elif defined(__i386__)
    return "386";
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return "ppc64le";
#elif defined(__s390x__)
    return "s390x";
#elif defined(__riscv) && __riscv_xlen == 64
    return "riscv64";
#else
#error "say here what images for this platform are called"
#endif
}

static bool is_one_of(const char *type, const char *const *types, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (type != NULL && strcmp(type, types[i]) == 0)
            return true;
    return false;
}

const char *manifest_digest(const char *text, uint8_t ret_bytes[SHA256_SIZE])
{
    const size_t prefix = sizeof(DIGEST_PREFIX) - 1;

    if (text == NULL || strncmp(text, DIGEST_PREFIX, prefix) != 0 ||
        str_unhex(text + prefix, ret_bytes, SHA256_SIZE) < 0)
        return NULL;
    return text + prefix;
}

/* A descriptor: {"digest": "sha256:...", "size": n} */
static int read_descriptor(const json_t *descriptor, const char *what,
                           struct manifest_file *ret_file, struct err *err)
{
    const char *digest = json_word(descriptor, "digest");
    const json_t *size = json_object_get(descriptor, "size");
    uint8_t bytes[SHA256_SIZE];
    const char *hex = manifest_digest(digest, bytes);

    if (hex == NULL)
        return err_set(err, OUTCOME_FAILED, "%s in the archive has the digest '%.*s', not %sHEX",
                       what, SHOWN, digest != NULL ? digest : "", DIGEST_PREFIX);
    if (!json_is_integer(size) || json_integer_value(size) < 0)
        return err_set(err, OUTCOME_FAILED, "%s in the archive has no size", what);
    ret_file->size_bytes = json_integer_value(size);
    int rc = str_format(ret_file->name, sizeof(ret_file->name), BLOBS_PREFIX "%s", hex);
    (void)rc; /* 64 digits fit */
    return 0;
}

/* Signatures and attestations travel as manifests "for" a platform that is none. */
static bool is_for_us(const json_t *descriptor)
{
    const json_t *platform = json_object_get(descriptor, "platform");
    const char *os = json_word(platform, "os");
    const char *architecture = json_word(platform, "architecture");

    if (json_word(json_object_get(descriptor, "annotations"), "vnd.docker.reference.type") != NULL)
        return false;
    if (platform == NULL)
        return true;
    return os != NULL && strcmp(os, "linux") == 0 && architecture != NULL &&
           strcmp(architecture, manifest_platform()) == 0;
}

int manifest_read_index(const char *text, size_t size, struct manifest_file *ret_file,
                        bool *ret_is_index, struct err *err)
{
    auto_value *index = json_read(text, size, "the index", err);
    const json_t *list = json_object_get(index, "manifests");
    struct manifest_file found = {.name = ""};
    struct manifest_file file;
    const json_t *descriptor = NULL;
    size_t i = 0;

    if (index == NULL)
        return OUTCOME_FAILED;
    if (!json_is_array(list))
        return err_set(err, OUTCOME_FAILED, "the index in the archive lists no manifests");
    json_array_foreach(list, i, descriptor)
    {
        const char *type = json_word(descriptor, "mediaType");
        bool is_index = is_one_of(type, index_types, ARRAY_LEN(index_types));

        if (!is_index && !is_one_of(type, manifest_types, ARRAY_LEN(manifest_types)))
            continue;
        if (!is_for_us(descriptor))
            continue;
        int rc = read_descriptor(descriptor, "an image", &file, err);
        if (rc != 0)
            return rc;
        /* One image under two names is one image. */
        if (found.name[0] != '\0' && strcmp(found.name, file.name) != 0)
            return err_set(err, OUTCOME_FAILED,
                           "the archive has several images for linux/%s: save one of them",
                           manifest_platform());
        found = file;
        *ret_is_index = is_index;
    }
    if (found.name[0] == '\0')
        return err_set(err, OUTCOME_FAILED, "the archive has no image for linux/%s",
                       manifest_platform());
    *ret_file = found;
    return 0;
}

static int check_layers(const json_t *layers, struct err *err)
{
    if (!json_is_array(layers) || json_array_size(layers) == 0)
        return err_set(err, OUTCOME_FAILED, "the image in the archive has no layers");
    if (json_array_size(layers) > IMAGE_LAYERS_MAX)
        return err_set(err, OUTCOME_OVER_LIMIT, "the image has %zu layers; at most %u can be read",
                       json_array_size(layers), IMAGE_LAYERS_MAX);
    return 0;
}

int manifest_read(const char *text, size_t size, struct manifest *ret_manifest, struct err *err)
{
    auto_value *manifest = json_read(text, size, "the manifest", err);
    const json_t *layers = json_object_get(manifest, "layers");
    const json_t *layer = NULL;
    size_t i = 0;

    if (manifest == NULL)
        return OUTCOME_FAILED;
    int rc = check_layers(layers, err);
    if (rc == 0)
        rc = read_descriptor(json_object_get(manifest, "config"), "the image's configuration",
                             &ret_manifest->config, err);
    if (rc != 0)
        return rc;
    json_array_foreach(layers, i, layer)
    {
        rc = read_descriptor(layer, "a layer", &ret_manifest->layer[i], err);
        if (rc != 0)
            return rc;
    }
    ret_manifest->layer_count = i;
    return 0;
}

static int read_name(const json_t *name, struct manifest_file *ret_file, struct err *err)
{
    const char *text = json_string_value(name);

    if (text == NULL || str_copy(ret_file->name, sizeof(ret_file->name), text) < 0)
        return err_set(err, OUTCOME_FAILED, "manifest.json in the archive has a malformed name");
    ret_file->size_bytes = MANIFEST_SIZE_ANY;
    return 0;
}

int manifest_read_docker(const char *text, size_t size, struct manifest *ret_manifest,
                         struct err *err)
{
    auto_value *list = json_read(text, size, "manifest.json", err);
    const json_t *image = json_array_get(list, 0);
    const json_t *layers = json_object_get(image, "Layers");
    const json_t *layer = NULL;
    size_t i = 0;

    if (list == NULL)
        return OUTCOME_FAILED;
    if (json_array_size(list) != 1)
        return err_set(err, OUTCOME_FAILED, "the archive has %zu images: save one of them",
                       json_array_size(list));
    int rc = check_layers(layers, err);
    if (rc == 0)
        rc = read_name(json_object_get(image, "Config"), &ret_manifest->config, err);
    if (rc != 0)
        return rc;
    json_array_foreach(layers, i, layer)
    {
        rc = read_name(layer, &ret_manifest->layer[i], err);
        if (rc != 0)
            return rc;
    }
    ret_manifest->layer_count = i;
    return 0;
}
