/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_entry - the name, link and attribute of an archive's entry
 *
 * Input: 8 bytes of type and ids, then path, link and attribute, each up to a 0 byte.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "image/entry.h"

#define HEAD_SIZE 8U

/* A path that is made plain leads nowhere but down. */
static void promise_clean(const char *path)
{
    while (*path) {
        size_t length = strcspn(path, "/");

        PROMISE(length > 0 && length <= ENTRY_COMPONENT_MAX);
        PROMISE(!(length == 1 && path[0] == '.'));
        PROMISE(!(length == 2 && path[0] == '.' && path[1] == '.'));
        path += length;
        if (*path == '/')
            PROMISE(*++path != '\0');
    }
}

static void check_attribute(const char *name, size_t kind)
{
    uint8_t kept[ENTRY_XATTR_MAX];
    size_t size = 0;

    if (!entry_xattr_check(name, name, strlen(name), (enum entry_kind)(kind % 6 + 1), kept, &size))
        return;
    PROMISE(size <= sizeof(kept));
    PROMISE(strncmp(name, "user.", 5) == 0 && strncmp(name, "user.overlay.", 13) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const uint32_t types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFCHR, S_IFSOCK, 0};
    static struct entry_plan plan;
    struct err err = {.text = ""};
    struct entry entry = {0};
    const char *text[3];
    char *strings;
    size_t i;

    if (size < HEAD_SIZE)
        return 0;
    strings = calloc(size - HEAD_SIZE + 3, 1);
    if (!strings)
        return 0;
    memcpy(strings, bytes + HEAD_SIZE, size - HEAD_SIZE);
    text[0] = strings;
    for (i = 1; i < 3; i++) {
        const char *end = text[i - 1] + strlen(text[i - 1]);

        text[i] = end < strings + (size - HEAD_SIZE) ? end + 1 : end;
    }
    entry.path = text[0];
    entry.type = types[bytes[0] % 7];
    entry.hardlink = bytes[1] & 1 ? text[1] : NULL;
    entry.symlink = bytes[1] & 2 ? text[1] : NULL;
    entry.mode = (uint32_t)bytes[2] << 8 | bytes[3];
    entry.uid = (int64_t)bytes[4] << 9;
    entry.gid = (int64_t)bytes[5] - 1;
    entry.size_bytes = (int64_t)bytes[6] - 1;
    enum entry_rules rules = bytes[1] & 4 ? ENTRY_LAYER : ENTRY_ROOT_FS;
    if (entry_check(&entry, rules, &plan, &err) == 0) {
        promise_clean(plan.path);
        PROMISE(plan.uid < BLOCK_COUNT && plan.gid < BLOCK_COUNT && plan.mode <= 07777);
        PROMISE(plan.path[0] || plan.kind == ENTRY_DIRECTORY || plan.kind == ENTRY_OPAQUE);
        PROMISE(plan.kind < ENTRY_WHITEOUT || rules == ENTRY_LAYER);
        if (plan.kind == ENTRY_HARDLINK)
            promise_clean(plan.target);
    } else {
        PROMISE(err.outcome == OUTCOME_FAILED && err.text[0] && !strchr(err.text, '\n'));
    }
    check_attribute(text[2], bytes[7]);
    free(strings);
    return 0;
}
