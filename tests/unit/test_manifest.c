/* SPDX-License-Identifier: Apache-2.0 */
/* test_manifest - what the JSON of an image archive says, and what it may not say */
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/attrs.h"
#include "image/layout.h"
#include "image/manifest.h"
#include "image/settings.h"

#define HEX "ababababababababababababababababababababababababababababababABAB"
#define LOW "abababababababababababababababababababababababababababababababab"

static char text[4096];

static size_t index_of(const char *descriptor)
{
    return (size_t)snprintf(text, sizeof(text), "{\"manifests\":[%s]}", descriptor);
}

static void index_table(void **state)
{
    static const struct {
        const char *what;
        const char *type;
        const char *platform;
        bool found;
        bool is_index;
    } table[] = {
        {"manifest", "application/vnd.oci.image.manifest.v1+json", "", true, false},
        {"docker's", "application/vnd.docker.distribution.manifest.v2+json", "", true, false},
        {"index", "application/vnd.oci.image.index.v1+json", "", true, true},
        {"another type", "application/vnd.in-toto+json", "", false, false},
        {"another system", "application/vnd.oci.image.manifest.v1+json",
         ",\"platform\":{\"os\":\"windows\",\"architecture\":\"%s\"}", false, false},
        {"this one", "application/vnd.oci.image.manifest.v1+json",
         ",\"platform\":{\"os\":\"linux\",\"architecture\":\"%s\"}", true, false},
        {"half a platform", "application/vnd.oci.image.manifest.v1+json",
         ",\"platform\":{\"os\":\"linux\"}", false, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct manifest_file file = {.name = ""};
        struct err err = {.text = ""};
        char platform[128];
        char one[512];
        bool is_index = false;
        const char *place = strstr(table[i].platform, "%s");
        size_t before = place != NULL ? (size_t)(place - table[i].platform) : 0;

        snprintf(platform, sizeof(platform), "%.*s%s%s", (int)before, table[i].platform,
                 place != NULL ? manifest_platform() : "",
                 place != NULL ? place + 2 : table[i].platform);
        snprintf(one, sizeof(one),
                 "{\"mediaType\":\"%s\",\"digest\":\"sha256:" LOW "\",\"size\":9%s}", table[i].type,
                 platform);
        int rc = manifest_read_index(text, index_of(one), &file, &is_index, &err);
        if ((rc == 0) != table[i].found)
            fail_msg("%s: %d %s", table[i].what, rc, err.text);
        if (rc != 0)
            continue;
        assert_string_equal(file.name, "blobs/sha256/" LOW);
        assert_int_equal(file.size_bytes, 9);
        assert_int_equal(is_index, table[i].is_index);
    }
}

static void descriptors_refused(void **state)
{
    static const char *const table[] = {
        "{\"digest\":\"sha256:" HEX "\",\"size\":1}",
        "{\"digest\":\"sha256:" LOW "0\",\"size\":1}",
        "{\"digest\":\"sha256:../../../etc/passwd\",\"size\":1}",
        "{\"digest\":\"" LOW "\",\"size\":1}",
        "{\"digest\":7,\"size\":1}",
        "{\"digest\":\"sha256:" LOW "\",\"size\":-1}",
        "{\"digest\":\"sha256:" LOW "\",\"size\":1.5}",
        "{\"digest\":\"sha256:" LOW "\",\"size\":99999999999999999999}",
        "{\"digest\":\"sha256:" LOW "\"}",
        "[]",
        "null",
    };
    static struct manifest manifest;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct err err = {.text = ""};
        int size =
            snprintf(text, sizeof(text), "{\"config\":%s,\"layers\":[%s]}", table[i], table[i]);

        if (manifest_read(text, (size_t)size, &manifest, &err) == 0 || err.text[0] == '\0')
            fail_msg("%s passed", table[i]);
    }
}

static void docker_names(void **state)
{
    static const char one[] = "[{\"Config\":\"c.json\",\"Layers\":[\"a/layer.tar\",\"b.tar\"]}]";
    static struct manifest manifest;
    struct err err;
    (void)state;
    assert_int_equal(manifest_read_docker(one, sizeof(one) - 1, &manifest, &err), 0);
    assert_int_equal(manifest.layer_count, 2);
    assert_string_equal(manifest.config.name, "c.json");
    assert_string_equal(manifest.layer[1].name, "b.tar");
    assert_int_equal(manifest.layer[1].size_bytes, MANIFEST_SIZE_ANY);
}

static void signals(void **state)
{
    static const struct {
        const char *name;
        uint32_t number;
    } table[] = {
        {"SIGTERM", SIGTERM},
        {"TERM", SIGTERM},
        {"sigquit", SIGQUIT},
        {"Int", SIGINT},
        {"1", 1},
        {"64", 64},
        {"SIGRTMIN", 34},
        {"SIGRTMIN+3", 37},
        {"RTMAX-1", 63},
        {"SIGWINCH", SIGWINCH},
        {"0", 0},
        {"65", 0},
        {"", 0},
        {"SIG", 0},
        {"SIGSIGTERM", 0},
        {"SIGRTMIN+31", 0},
        {"SIGRTMIN+-1", 0},
        {"RTMAX-31", 0},
        {"-1", 0},
        {"9 ", 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (settings_signal(table[i].name) != table[i].number)
            fail_msg("%s: %u", table[i].name, settings_signal(table[i].name));
}

static void beginnings(void **state)
{
    static const struct {
        const char *path;
        bool begins;
    } table[] = {
        {"oci-layout", true},
        {"./index.json", true},
        {"blobs", true},
        {"blobs/sha256/x", true},
        {LOW "/layer.tar", true},
        {LOW ".json", true},
        {LOW, true},
        {"sha256:" LOW, true},
        {LOW ".tar.gz", true},
        {"bin", false},
        {"blobs2", false},
        {LOW "0/x", false},
        {LOW ".exe", false},
        {"etc/index.json", false},
        {"../oci-layout", false},
        {"", false},
        {"manifest.json/x", false},
        {HEX "/x", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (layout_begins(table[i].path) != table[i].begins)
            fail_msg("%s", table[i].path);
    assert_false(layout_begins(NULL));
}

static int read_settings(const char *config, struct settings *settings, struct err *err)
{
    int size =
        snprintf(text, sizeof(text),
                 "{\"os\":\"linux\",\"architecture\":\"%s\",\"rootfs\":{\"diff_ids\":[\"sha256:" LOW
                 "\"]},\"config\":%s}",
                 manifest_platform(), config);
    return settings_read(text, (size_t)size, settings, err);
}

/* One byte more than fits is refused, and nothing is cut off. */
static void as_much_as_fits(void **state)
{
    static struct settings settings;
    static char config[IMAGE_CONFIG_STRINGS_MAX + 64];
    struct err err = {.text = ""};
    const size_t words = IMAGE_CONFIG_STRINGS_MAX - 2; /* "" and one word with its end */
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        char *at = config + snprintf(config, sizeof(config), "{\"Cmd\":[\"");
        memset(at, 'x', words + more);
        memcpy(at + words + more, "\"]}", 4);
        int rc = read_settings(config, &settings, &err);
        assert_int_equal(rc, more == 0 ? 0 : OUTCOME_OVER_LIMIT);
    }
    assert_non_null(strstr(err.text, "3001"));
}

static void a_whole_one(void **state)
{
    static struct settings settings;
    struct err err;
    (void)state;
    assert_int_equal(
        read_settings("{\"Entrypoint\":[\"/e\"],\"Cmd\":[\"c\",\"d\"],\"Env\":[\"A=b\"],"
                      "\"WorkingDir\":\"w\",\"User\":\"1:2\",\"StopSignal\":\"QUIT\"}",
                      &settings, &err),
        0);
    assert_int_equal(settings.config.entry_count, 1);
    assert_int_equal(settings.config.cmd_count, 2);
    assert_int_equal(settings.config.env_count, 1);
    assert_int_equal(settings.config.stop_signal, SIGQUIT);
    assert_string_equal(settings.config.user, "1:2");
    assert_memory_equal(settings.config.strings, "/w\0/e\0c\0d\0A=b", 14);
    assert_int_equal(settings.diff_count, 1);
    assert_int_equal(settings.diff[0][31], 0xab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_table),  cmocka_unit_test(descriptors_refused),
        cmocka_unit_test(docker_names), cmocka_unit_test(signals),
        cmocka_unit_test(beginnings),   cmocka_unit_test(as_much_as_fits),
        cmocka_unit_test(a_whole_one),
    };

    return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
