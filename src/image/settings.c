/* SPDX-License-Identifier: Apache-2.0 */
/* settings - the JSON in which an image says how it wants to be started, as a struct image_config
 */
#include "image/settings.h"

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "image/json.h"
#include "image/manifest.h"

#define SIGNAL_PREFIX "SIG"
#define SIGNAL_LAST   64
/* glibc keeps the first two real-time signals for itself; images count from its SIGRTMIN. */
#define REAL_TIME_FIRST 34
#define SHOWN           60

/* The strings of a config while they are put together; used also counts what did not fit. */
struct strings {
    char *to;
    size_t used;
};

static int read_platform(const json_t *image, struct err *err);
static int read_diffs(const json_t *image, struct settings *settings, struct err *err);
static int read_user(const json_t *config, struct settings *settings, struct err *err);
static int read_stop_signal(const json_t *config, struct settings *settings, struct err *err);
static int read_strings(const json_t *config, struct settings *settings, struct err *err);

int settings_read(const char *text, size_t size, struct settings *ret_settings, struct err *err)
{
    auto_value *image = json_read(text, size, "the image's configuration", err);
    const json_t *config = json_object_get(image, "config");

    if (image == NULL)
        return OUTCOME_FAILED;
    memset(ret_settings, 0, sizeof(*ret_settings));
    int rc = read_platform(image, err);
    if (rc == 0)
        rc = read_diffs(image, ret_settings, err);
    if (rc == 0)
        rc = read_user(config, ret_settings, err);
    if (rc == 0)
        rc = read_stop_signal(config, ret_settings, err);
    if (rc == 0)
        rc = read_strings(config, ret_settings, err);
    if (rc != 0)
        return rc;
    ret_settings->size = sizeof(ret_settings->config) + ret_settings->config.strings_len;
    if (image_config_check(&ret_settings->config, ret_settings->size) < 0)
        return err_set(err, OUTCOME_FAILED, "the image's settings are malformed");
    return 0;
}

static int read_platform(const json_t *image, struct err *err)
{
    const char *os = json_word(image, "os");
    const char *architecture = json_word(image, "architecture");

    if (os != NULL && architecture != NULL && strcmp(os, "linux") == 0 &&
        strcmp(architecture, manifest_platform()) == 0)
        return 0;
    return err_set(err, OUTCOME_FAILED, "the image is for %.*s/%.*s; this host runs linux/%s",
                   SHOWN, os != NULL ? os : "nothing", SHOWN,
                   architecture != NULL ? architecture : "nothing", manifest_platform());
}

static int read_diffs(const json_t *image, struct settings *settings, struct err *err)
{
    const json_t *list = json_object_get(json_object_get(image, "rootfs"), "diff_ids");
    const json_t *diff = NULL;
    size_t i = 0;

    if (!json_is_array(list) || json_array_size(list) > IMAGE_LAYERS_MAX)
        return err_set(err, OUTCOME_FAILED, "the image does not list its layers (rootfs.diff_ids)");
    json_array_foreach(list, i, diff)
    {
        if (manifest_digest(json_string_value(diff), settings->diff[i]) == NULL)
            return err_set(err, OUTCOME_FAILED, "the image names a layer by no SHA-256 digest");
    }
    settings->diff_count = i;
    return 0;
}

static int read_user(const json_t *config, struct settings *settings, struct err *err)
{
    const char *user = json_word(config, "User");

    if (user == NULL || str_copy(settings->config.user, sizeof(settings->config.user), user) == 0)
        return 0;
    return err_set(err, OUTCOME_OVER_LIMIT, "the image's user '%.*s...' is longer than %d bytes",
                   SHOWN, user, NAME_SIZE - 1);
}

static int read_stop_signal(const json_t *config, struct settings *settings, struct err *err)
{
    const char *name = json_word(config, "StopSignal");

    if (name == NULL || name[0] == '\0')
        return 0;
    settings->config.stop_signal = settings_signal(name);
    if (settings->config.stop_signal != 0)
        return 0;
    return err_set(err, OUTCOME_FAILED, "the image's stop signal '%.*s' is none", SHOWN, name);
}

static uint32_t real_time_signal(const char *name)
{
    uint64_t offset = 0;

    if (strcasecmp(name, "RTMIN") == 0)
        return REAL_TIME_FIRST;
    if (strcasecmp(name, "RTMAX") == 0)
        return SIGNAL_LAST;
    if (strncasecmp(name, "RTMIN+", 6) == 0 &&
        str_u64(name + 6, 0, SIGNAL_LAST - REAL_TIME_FIRST, &offset) == 0)
        return (uint32_t)(REAL_TIME_FIRST + offset);
    if (strncasecmp(name, "RTMAX-", 6) == 0 &&
        str_u64(name + 6, 0, SIGNAL_LAST - REAL_TIME_FIRST, &offset) == 0)
        return (uint32_t)(SIGNAL_LAST - offset);
    return 0;
}

uint32_t settings_signal(const char *name)
{
    uint64_t number = 0;

    if (str_u64(name, 1, SIGNAL_LAST, &number) == 0)
        return (uint32_t)number;
    if (strncasecmp(name, SIGNAL_PREFIX, sizeof(SIGNAL_PREFIX) - 1) == 0)
        name += sizeof(SIGNAL_PREFIX) - 1;
    for (int i = 1; i < REAL_TIME_FIRST; i++) {
        const char *known = sigabbrev_np(i);
        if (known != NULL && strcasecmp(name, known) == 0)
            return (uint32_t)i;
    }
    return real_time_signal(name);
}

static void add_string(struct strings *strings, const char *prefix, const char *text)
{
    const char *const parts[] = {prefix, text};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        size_t size = strlen(parts[i]) + (i == 1 ? 1 : 0);
        if (strings->used < IMAGE_CONFIG_STRINGS_MAX &&
            size <= IMAGE_CONFIG_STRINGS_MAX - strings->used)
            memcpy(strings->to + strings->used, parts[i], size);
        strings->used += size;
    }
}

static int add_list(struct strings *strings, const json_t *config, const char *key,
                    uint32_t *ret_count, struct err *err)
{
    const json_t *list = json_object_get(config, key);
    const json_t *word = NULL;
    bool is_env = strcmp(key, "Env") == 0;
    size_t i = 0;

    if (list == NULL || json_is_null(list))
        return 0;
    if (!json_is_array(list))
        return err_set(err, OUTCOME_FAILED, "the image's %s is not a list", key);
    json_array_foreach(list, i, word)
    {
        const char *text = json_string_value(word);
        const char *equals = text != NULL ? strchr(text, '=') : NULL;

        if (text == NULL)
            return err_set(err, OUTCOME_FAILED, "the image's %s is not a list of texts", key);
        /* A name alone would take a variable over from whoever builds the image: there is none. */
        if (is_env && (equals == NULL || equals == text))
            continue;
        add_string(strings, "", text);
        *ret_count += 1;
    }
    return 0;
}

static int read_strings(const json_t *config, struct settings *settings, struct err *err)
{
    struct image_config *head = &settings->config;
    struct strings strings = {.to = settings->bytes + sizeof(*head)};
    const char *workdir = json_word(config, "WorkingDir");

    if (workdir == NULL)
        workdir = "";
    add_string(&strings, workdir[0] == '\0' || workdir[0] == '/' ? "" : "/", workdir);
    int rc = add_list(&strings, config, "Entrypoint", &head->entry_count, err);
    if (rc == 0)
        rc = add_list(&strings, config, "Cmd", &head->cmd_count, err);
    if (rc == 0)
        rc = add_list(&strings, config, "Env", &head->env_count, err);
    if (rc != 0)
        return rc;
    if (strings.used > IMAGE_CONFIG_STRINGS_MAX)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "the image's entry point, command and environment take %zu bytes; at most "
                       "%u fit",
                       strings.used, IMAGE_CONFIG_STRINGS_MAX);
    head->strings_len = (uint32_t)strings.used;
    return 0;
}
