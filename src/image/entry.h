/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry - what an entry of an archive becomes in a root file system, or why it is refused
 *
 * Pure: looks at nothing but its arguments. Fuzzed (tests/fuzz).
 */
#ifndef CROFT_IMAGE_ENTRY_H
#define CROFT_IMAGE_ENTRY_H

#include "base/attrs.h"
#include "base/err.h"
#include "wire/limits.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest value of one extended attribute, and how many one file keeps. */
#define ENTRY_XATTR_MAX     4096U
#define ENTRY_XATTRS_MAX    16U
#define ENTRY_COMPONENT_MAX 255U

/* An entry as the archive has it. Strings are bytes without any encoding; NULL: absent. */
struct entry {
    const char *path;
    const char *hardlink;
    const char *symlink;
    uint32_t type; /* S_IFMT bits; of a hard link anything */
    uint32_t mode; /* permission bits; others are ignored */
    int64_t uid;
    int64_t gid;
    int64_t size_bytes; /* of the content */
};

enum entry_kind {
    ENTRY_DIRECTORY = 1,
    ENTRY_FILE,
    ENTRY_SYMLINK,
    ENTRY_HARDLINK,
    ENTRY_FIFO,
    ENTRY_SKIPPED,  /* a device node: an instance has its own /dev */
    ENTRY_WHITEOUT, /* of a layer: path is gone from the layers below */
    ENTRY_OPAQUE,   /* of a layer: what the layers below have in the directory path is gone */
};

/* What the archive holds: a whole root file system, one of several that lie over each other, or the
 * files of an image in which those are; whose these are means nothing. */
enum entry_rules {
    ENTRY_ROOT_FS = 1,
    ENTRY_LAYER,
    ENTRY_LAYOUT,
};

/*
 * path:   relative, no empty, "." or ".." component, no slash at either end; "" is the root
 * target: of a hard link: in the form of path; of a symbolic link: as it came
 */
struct entry_plan {
    enum entry_kind kind;
    uint32_t mode;
    uint32_t uid;
    uint32_t gid;
    char path[IMAGE_PATH_MAX];
    char target[IMAGE_PATH_MAX];
};

/**
 * entry_check() - decides about one entry
 *
 * Names: absolute ones are taken relative to the root; one with a ".." component, a component
 * over 255 bytes or more than IMAGE_PATH_MAX in all is refused. A whiteout (".wh.") means something
 * in a stack of layers only, where it names exactly one thing in its own directory.
 * Source: OCI image specification, "Image Layer Filesystem Changeset"
 * Return: 0; OUTCOME_FAILED with a sentence
 */
nodiscard int entry_check(const struct entry *entry, enum entry_rules rules,
                          struct entry_plan *ret_plan, struct err *err);

/** entry_path_clean() - the path rule alone. Return: 0; -EINVAL ".."; -ENAMETOOLONG */
nodiscard int entry_path_clean(const char *raw, char *clean, size_t size);

/**
 * entry_xattr_check() - whether an extended attribute is kept, and the value to set
 * @ret_value: ENTRY_XATTR_MAX bytes
 *
 * Kept: user.* but user.overlay.*, and security.capability in its two newer forms. The root id
 * inside a capability is left out: the kernel puts the id of this user namespace there; and so are
 * capabilities that no instance has.
 * Return: true: keep, @ret_value and @ret_size are set
 */
bool entry_xattr_check(const char *name, const void *value, size_t size, enum entry_kind kind,
                       uint8_t *ret_value, size_t *ret_size);

#endif
