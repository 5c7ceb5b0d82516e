/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_manifest - the JSON of an image archive
 *
 * Input: one byte that says which of the four it is, then the text.
 */
#include "fuzz.h"

#include <string.h>

#include "image/manifest.h"
#include "image/settings.h"

static void promise_named(const struct manifest_file *file)
{
    PROMISE(memchr(file->name, '\0', sizeof(file->name)) != NULL);
    PROMISE(file->size_bytes >= MANIFEST_SIZE_ANY);
}

static void promise_manifest(const struct manifest *manifest)
{
    PROMISE(manifest->layer_count > 0 && manifest->layer_count <= IMAGE_LAYERS_MAX);
    promise_named(&manifest->config);
    for (size_t i = 0; i < manifest->layer_count; i++)
        promise_named(&manifest->layer[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct manifest manifest;
    static struct settings settings;
    struct manifest_file file;
    struct err err = {.text = ""};
    bool is_index = false;
    int rc = 0;

    if (size == 0)
        return 0;
    const char *text = (const char *)bytes + 1;
    size--;
    switch (bytes[0] % 4) {
    case 0:
        rc = manifest_read_index(text, size, &file, &is_index, &err);
        if (rc == 0)
            PROMISE(strncmp(file.name, "blobs/sha256/", 13) == 0 && strlen(file.name) == 13 + 64);
        break;
    case 1:
        rc = manifest_read(text, size, &manifest, &err);
        if (rc == 0)
            promise_manifest(&manifest);
        break;
    case 2:
        rc = manifest_read_docker(text, size, &manifest, &err);
        if (rc == 0)
            promise_manifest(&manifest);
        break;
    default:
        rc = settings_read(text, size, &settings, &err);
        if (rc == 0)
            PROMISE(image_config_check(&settings.config, settings.size) == 0 &&
                    settings.size <= IMAGE_CONFIG_SIZE_MAX &&
                    settings.diff_count <= IMAGE_LAYERS_MAX);
        break;
    }
    PROMISE(rc == 0 || (err.text[0] != '\0' && strchr(err.text, '\n') == NULL));
    return 0;
}
