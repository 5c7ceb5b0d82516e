/* SPDX-License-Identifier: Apache-2.0 */
/* test_entry - what a stranger's archive may ask for */
#include "unit.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/xattr.h>
#include <string.h>
#include <sys/stat.h>

#include "base/attrs.h"
#include "image/entry.h"

static struct entry_plan plan;

static struct entry file_entry(const char *path)
{
    return (struct entry){.path = path, .type = S_IFREG, .mode = 0644};
}

static void path_table(void **state)
{
    static const struct {
        const char *raw;
        int result;
        const char *clean;
    } table[] = {
        {"etc/passwd", 0, "etc/passwd"},
        {"/etc/passwd", 0, "etc/passwd"},
        {"./etc//passwd/", 0, "etc/passwd"},
        {"././.", 0, ""},
        {"/", 0, ""},
        {"...", 0, "..."},
        {"a/..b/c..", 0, "a/..b/c.."},
        {"..", -EINVAL, NULL},
        {"../x", -EINVAL, NULL},
        {"a/../b", -EINVAL, NULL},
        {"a/..", -EINVAL, NULL},
        {"/..", -EINVAL, NULL},
    };
    char clean[IMAGE_PATH_MAX];
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(table); i++) {
        int r = entry_path_clean(table[i].raw, clean, sizeof(clean));

        if (r != table[i].result || (r == 0 && strcmp(clean, table[i].clean) != 0))
            fail_msg("\"%s\": %d \"%s\"", table[i].raw, r, clean);
    }
}

static void path_lengths(void **state)
{
    char raw[IMAGE_PATH_MAX + 8];
    char clean[IMAGE_PATH_MAX];
    size_t i;

    (void)state;
    memset(raw, 'a', sizeof(raw));
    raw[ENTRY_COMPONENT_MAX] = '\0';
    assert_int_equal(entry_path_clean(raw, clean, sizeof(clean)), 0);
    raw[ENTRY_COMPONENT_MAX] = 'a';
    raw[ENTRY_COMPONENT_MAX + 1] = '\0';
    assert_int_equal(entry_path_clean(raw, clean, sizeof(clean)), -ENAMETOOLONG);
    for (i = 0; i < sizeof(raw); i++)
        raw[i] = i % 2 ? '/' : 'a';
    raw[IMAGE_PATH_MAX - 1] = '\0';
    assert_int_equal(entry_path_clean(raw, clean, sizeof(clean)), 0);
    raw[IMAGE_PATH_MAX - 1] = '/';
    raw[IMAGE_PATH_MAX + 1] = '\0';
    assert_int_equal(entry_path_clean(raw, clean, sizeof(clean)), -ENAMETOOLONG);
}

static void kinds(void **state)
{
    static const struct {
        uint32_t type;
        enum entry_kind kind;
    } table[] = {
        {S_IFDIR, ENTRY_DIRECTORY}, {S_IFREG, ENTRY_FILE},    {S_IFIFO, ENTRY_FIFO},
        {S_IFCHR, ENTRY_SKIPPED},   {S_IFBLK, ENTRY_SKIPPED},
    };
    struct err err;
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(table); i++) {
        struct entry entry = file_entry("dev/x");

        entry.type = table[i].type;
        entry.mode = 0104755;
        assert_int_equal(entry_check(&entry, ENTRY_ROOT_FS, &plan, &err), 0);
        assert_int_equal(plan.kind, table[i].kind);
        assert_int_equal(plan.mode, 04755);
        assert_string_equal(plan.path, "dev/x");
    }
}

static void links(void **state)
{
    struct entry entry = file_entry("a");
    struct err err;

    (void)state;
    entry.type = S_IFLNK;
    entry.symlink = "../../etc/shadow"; /* it means something inside only */
    assert_int_equal(entry_check(&entry, ENTRY_ROOT_FS, &plan, &err), 0);
    assert_int_equal(plan.kind, ENTRY_SYMLINK);
    assert_string_equal(plan.target, "../../etc/shadow");
    entry = file_entry("a");
    entry.hardlink = "/usr/./bin/b";
    assert_int_equal(entry_check(&entry, ENTRY_ROOT_FS, &plan, &err), 0);
    assert_int_equal(plan.kind, ENTRY_HARDLINK);
    assert_string_equal(plan.target, "usr/bin/b");
}

static void refused(void **state)
{
    const struct {
        const char *what;
        struct entry entry;
    } table[] = {
        {"no name", {.type = S_IFREG}},
        {"an empty name", {.path = "", .type = S_IFREG}},
        {"..", {.path = "a/../../b", .type = S_IFREG}},
        {"a whiteout", {.path = "a/.wh.b", .type = S_IFREG}},
        {"an opaque whiteout", {.path = ".wh..wh..opq", .type = S_IFREG}},
        {"a negative uid", {.path = "a", .type = S_IFREG, .uid = -1}},
        {"a uid beyond the block", {.path = "a", .type = S_IFREG, .uid = BLOCK_COUNT}},
        {"a gid beyond the block", {.path = "a", .type = S_IFREG, .gid = INT64_MAX}},
        {"a socket", {.path = "a", .type = S_IFSOCK}},
        {"no kind", {.path = "a"}},
        {"a negative size", {.path = "a", .type = S_IFREG, .size_bytes = -1}},
        {"a file as the root", {.path = "./", .type = S_IFREG}},
        {"a link as the root", {.path = ".", .type = S_IFLNK, .symlink = "/etc"}},
        {"an empty symbolic link", {.path = "a", .type = S_IFLNK, .symlink = ""}},
        {"a symbolic link to nothing", {.path = "a", .type = S_IFLNK}},
        {"a hard link upwards", {.path = "a", .type = S_IFREG, .hardlink = "../b"}},
        {"a hard link to the root", {.path = "a", .type = S_IFREG, .hardlink = "/"}},
        {"a hard link with content",
         {.path = "a", .type = S_IFREG, .hardlink = "b", .size_bytes = 1}},
    };
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(table); i++) {
        struct err err = {.text = ""};

        if (entry_check(&table[i].entry, ENTRY_ROOT_FS, &plan, &err) != OUTCOME_FAILED ||
            !err.text[0])
            fail_msg("%s passed", table[i].what);
    }
}

static void whiteouts(void **state)
{
    static const struct {
        const char *raw;
        enum entry_kind kind; /* 0: refused */
        const char *path;
    } table[] = {
        {"a/.wh.b", ENTRY_WHITEOUT, "a/b"},
        {".wh.b", ENTRY_WHITEOUT, "b"},
        {"/x/./.wh..b", ENTRY_WHITEOUT, "x/.b"},
        {"a/.wh..wh..opq", ENTRY_OPAQUE, "a"},
        {".wh..wh..opq", ENTRY_OPAQUE, ""},
        {".wh..wh.plnk/1.2", ENTRY_SKIPPED, NULL},
        {".wh..wh.aufs", ENTRY_SKIPPED, NULL},
        {".wh.", 0, NULL},
        {"a/.wh..", 0, NULL},
        {"a/.wh...", 0, NULL},
        {".wh.a/b", 0, NULL},
        {"a/.wh.b/.wh.c", 0, NULL},
        {"a/../.wh.b", 0, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct entry entry = file_entry(table[i].raw);
        struct err err;

        entry.uid = -1; /* a whiteout belongs to nobody */
        int rc = entry_check(&entry, ENTRY_LAYER, &plan, &err);
        if ((rc == 0) != (table[i].kind != 0) || (rc == 0 && plan.kind != table[i].kind))
            fail_msg("%s: %d", table[i].raw, rc);
        if (table[i].path != NULL)
            assert_string_equal(plan.path, table[i].path);
        assert_int_equal(entry_check(&entry, ENTRY_ROOT_FS, &plan, &err), OUTCOME_FAILED);
    }
}

static void a_name_cannot_move_the_cursor(void **state)
{
    struct entry entry = file_entry("\033[2Jx/..");
    struct err err = {.text = ""};

    (void)state;
    assert_int_equal(entry_check(&entry, ENTRY_ROOT_FS, &plan, &err), OUTCOME_FAILED);
    assert_null(strchr(err.text, '\033'));
}

static bool keeps(const char *name, const void *value, size_t size, enum entry_kind kind)
{
    uint8_t kept[ENTRY_XATTR_MAX];
    size_t kept_size = 77;

    return entry_xattr_check(name, value, size, kind, kept, &kept_size);
}

static void attributes(void **state)
{
    static uint8_t big[ENTRY_XATTR_MAX + 1];

    (void)state;
    assert_true(keeps("user.a", "x", 1, ENTRY_FILE));
    assert_true(keeps("user.a", NULL, 0, ENTRY_DIRECTORY));
    assert_true(keeps("user.a", big, ENTRY_XATTR_MAX, ENTRY_FILE));
    assert_false(keeps("user.a", big, ENTRY_XATTR_MAX + 1, ENTRY_FILE));
    assert_false(keeps("user.", "x", 1, ENTRY_FILE));
    assert_false(keeps("user.overlay.opaque", "y", 1, ENTRY_DIRECTORY));
    assert_false(keeps("trusted.overlay.opaque", "y", 1, ENTRY_DIRECTORY));
    assert_false(keeps("security.selinux", "x", 1, ENTRY_FILE));
    assert_false(keeps("system.posix_acl_access", "x", 1, ENTRY_FILE));
    assert_false(keeps("user.a", "x", 1, ENTRY_SYMLINK));
}

/* The root id of a version 3 capability is a host id to the kernel: it must not survive. */
static void a_capability_loses_its_root_id(void **state)
{
    uint8_t caps[XATTR_CAPS_SZ_3] = {0x01, 0x00, 0x00, 0x03, [5] = 0x04, [20] = 0x39};
    uint8_t kept[ENTRY_XATTR_MAX];
    size_t size = 0;

    (void)state;
    assert_true(
        entry_xattr_check("security.capability", caps, sizeof(caps), ENTRY_FILE, kept, &size));
    assert_int_equal(size, XATTR_CAPS_SZ_2);
    assert_int_equal(kept[3], 0x02);
    assert_int_equal(kept[0], 0x01);
    assert_int_equal(kept[5], 0x04); /* NET_BIND_SERVICE */
    assert_false(keeps("security.capability", caps, sizeof(caps), ENTRY_DIRECTORY));
    assert_false(keeps("security.capability", caps, XATTR_CAPS_SZ_2, ENTRY_FILE));
    assert_false(keeps("security.capability", caps, sizeof(caps) - 1, ENTRY_FILE));
    caps[3] = 0x01;
    assert_false(keeps("security.capability", caps, sizeof(caps), ENTRY_FILE));
}

/* ping with NET_RAW, which no instance has: nobody could execute it. */
static void a_capability_that_no_instance_has_is_left_out(void **state)
{
    uint8_t caps[XATTR_CAPS_SZ_2] = {0x01, 0x00, 0x00, 0x02, [5] = 0x20, [12] = 0xff};
    uint8_t kept[ENTRY_XATTR_MAX];
    size_t size = 0;

    (void)state;
    assert_false(keeps("security.capability", caps, sizeof(caps), ENTRY_FILE));
    caps[5] = 0x24;
    assert_true(
        entry_xattr_check("security.capability", caps, sizeof(caps), ENTRY_FILE, kept, &size));
    assert_int_equal(kept[5], 0x04);
    assert_int_equal(kept[12], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(path_table),
        cmocka_unit_test(path_lengths),
        cmocka_unit_test(kinds),
        cmocka_unit_test(links),
        cmocka_unit_test(refused),
        cmocka_unit_test(whiteouts),
        cmocka_unit_test(a_name_cannot_move_the_cursor),
        cmocka_unit_test(attributes),
        cmocka_unit_test(a_capability_loses_its_root_id),
        cmocka_unit_test(a_capability_that_no_instance_has_is_left_out),
    };

    return cmocka_run_group_tests_name("entry", tests, NULL, NULL);
}
