/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry - the rules that turn an entry of a stranger's archive into a plan for one file
 *
 * Theory of operation
 * An archive is a list of names and wishes. What goes wrong in unpackers is nearly always a name
 * that leads elsewhere (".." or a link planted by an earlier entry), an id or device that means
 * something to the host, or an attribute that means something to the kernel (overlayfs marks,
 * capabilities). Names are made plain here, before any file is touched; links planted earlier are
 * met by the kernel's refusal to follow them (tree.c). Ids stay below the size of a user's block,
 * devices are left out, attributes pass a short list.
 */
#include "image/entry.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/limits.h>
#include <linux/xattr.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "wire/image.h"

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_LEN    (sizeof(WHITEOUT_PREFIX) - 1)
/* Of a layer: empties its directory; every other name that starts so is aufs' own bookkeeping. */
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define WHITEOUT_AUFS   ".wh..wh."
/* How much of a stranger's name a sentence shows. */
#define SHOWN 120

static int check_ids(const struct entry *entry, struct err *err);
static int check_names(const struct entry *entry, struct entry_plan *plan, struct err *err);
static int check_kind(const struct entry *entry, struct entry_plan *plan, struct err *err);
static const char *find_whiteout(const char *clean);
static int check_whiteout(const struct entry *entry, struct entry_plan *plan, struct err *err);

int entry_check(const struct entry *entry, enum entry_rules rules, struct entry_plan *ret_plan,
                struct err *err)
{
    ret_plan->target[0] = '\0';
    int rc = check_names(entry, ret_plan, err);
    if (rc != 0)
        return rc;
    if (find_whiteout(ret_plan->path) != NULL) {
        if (rules == ENTRY_LAYER)
            return check_whiteout(entry, ret_plan, err);
        return err_set(err, OUTCOME_FAILED,
                       "the archive has the whiteout %.*s: it is one layer of an image; import a "
                       "whole root file system, or the whole image with all its layers",
                       SHOWN, entry->path);
    }
    rc = rules == ENTRY_LAYOUT ? 0 : check_ids(entry, err);
    if (rc == 0)
        rc = check_kind(entry, ret_plan, err);
    if (rc != 0)
        return rc;
    ret_plan->mode = entry->mode & 07777U;
    ret_plan->uid = (uint32_t)entry->uid;
    ret_plan->gid = (uint32_t)entry->gid;
    return 0;
}

static int check_names(const struct entry *entry, struct entry_plan *plan, struct err *err)
{
    if (entry->path == NULL || entry->path[0] == '\0')
        return err_set(err, OUTCOME_FAILED, "the archive has an entry without a name");
    int rc = entry_path_clean(entry->path, plan->path, sizeof(plan->path));
    if (rc == -ENAMETOOLONG)
        return err_set(err, OUTCOME_FAILED,
                       "the archive has a name that is too long (%u bytes, %u per component): "
                       "%.*s...",
                       IMAGE_PATH_MAX - 1, ENTRY_COMPONENT_MAX, SHOWN, entry->path);
    if (rc < 0)
        return err_set(err, OUTCOME_FAILED, "the archive has a name with '..' in it: %.*s", SHOWN,
                       entry->path);
    return 0;
}

static int check_ids(const struct entry *entry, struct err *err)
{
    if (entry->uid < 0 || entry->uid >= BLOCK_COUNT || entry->gid < 0 || entry->gid >= BLOCK_COUNT)
        return err_set(err, OUTCOME_FAILED,
                       "%.*s in the archive belongs to %lld:%lld; a machine has the ids 0 to %u",
                       SHOWN, entry->path, (long long)entry->uid, (long long)entry->gid,
                       BLOCK_COUNT - 1);
    return 0;
}

static int check_hardlink(const struct entry *entry, struct entry_plan *plan, struct err *err)
{
    int rc = entry_path_clean(entry->hardlink, plan->target, sizeof(plan->target));
    if (rc < 0 || plan->target[0] == '\0')
        return err_set(err, OUTCOME_FAILED,
                       "the hard link %.*s in the archive has a bad target: %.*s", SHOWN,
                       entry->path, SHOWN, entry->hardlink);
    /* Readers differ on whether content that comes with a link replaces the target's. */
    if (entry->size_bytes > 0)
        return err_set(err, OUTCOME_FAILED, "the hard link %.*s in the archive has content", SHOWN,
                       entry->path);
    plan->kind = ENTRY_HARDLINK;
    return 0;
}

static int check_symlink(const struct entry *entry, struct entry_plan *plan, struct err *err)
{
    if (entry->symlink == NULL || entry->symlink[0] == '\0')
        return err_set(err, OUTCOME_FAILED, "the symbolic link %.*s in the archive is empty", SHOWN,
                       entry->path);
    if (str_copy(plan->target, sizeof(plan->target), entry->symlink) < 0)
        return err_set(err, OUTCOME_FAILED,
                       "the symbolic link %.*s in the archive is longer than %u bytes", SHOWN,
                       entry->path, IMAGE_PATH_MAX - 1);
    plan->kind = ENTRY_SYMLINK;
    return 0;
}

static int check_kind(const struct entry *entry, struct entry_plan *plan, struct err *err)
{
    if (entry->hardlink != NULL) {
        int rc = check_hardlink(entry, plan, err);
        if (rc != 0)
            return rc;
    } else {
        switch (entry->type & S_IFMT) {
        case S_IFDIR:
            plan->kind = ENTRY_DIRECTORY;
            return 0;
        case S_IFREG:
            if (entry->size_bytes < 0)
                return err_set(err, OUTCOME_FAILED, "%.*s in the archive has a negative size",
                               SHOWN, entry->path);
            plan->kind = ENTRY_FILE;
            break;
        case S_IFIFO:
            plan->kind = ENTRY_FIFO;
            break;
        case S_IFLNK: {
            int rc = check_symlink(entry, plan, err);
            if (rc != 0)
                return rc;
            break;
        }
        case S_IFCHR:
        case S_IFBLK:
            plan->kind = ENTRY_SKIPPED;
            break;
        default:
            return err_set(err, OUTCOME_FAILED,
                           "%.*s in the archive is of a kind that a root file system cannot have",
                           SHOWN, entry->path);
        }
    }
    if (plan->path[0] == '\0')
        return err_set(err, OUTCOME_FAILED,
                       "the archive replaces its own root by something that "
                       "is no directory");
    return 0;
}

int entry_path_clean(const char *raw, char *clean, size_t size)
{
    size_t used = 0;
    const char *at = raw;
    while (*at != '\0') {
        size_t len = strcspn(at, "/");
        bool skip = len == 0 || (len == 1 && at[0] == '.');
        if (len == 2 && at[0] == '.' && at[1] == '.')
            return -EINVAL;
        if (len > ENTRY_COMPONENT_MAX)
            return -ENAMETOOLONG;
        if (!skip) {
            size_t slash = used > 0 ? 1 : 0;
            if (len + slash >= size - used)
                return -ENAMETOOLONG;
            if (slash)
                clean[used++] = '/';
            memcpy(clean + used, at, len);
            used += len;
        }
        at += len;
        at += *at == '/';
    }
    clean[used] = '\0';
    return 0;
}

/* The first component that is a whiteout; NULL: none */
static const char *find_whiteout(const char *clean)
{
    const char *at = clean;
    while (at != NULL) {
        if (strncmp(at, WHITEOUT_PREFIX, WHITEOUT_LEN) == 0)
            return at;
        at = strchr(at, '/');
        if (at != NULL)
            at++;
    }
    return NULL;
}

/*
 * ".wh.." and ".wh..." would name the directory itself and the one above it. What lies below a
 * whiteout, and what aufs keeps for itself, is nobody's file.
 */
static int check_whiteout(const struct entry *entry, struct entry_plan *plan, struct err *err)
{
    char *mark = plan->path + (find_whiteout(plan->path) - plan->path);
    const char *name = mark + WHITEOUT_LEN;

    if (strcmp(mark, WHITEOUT_OPAQUE) == 0) {
        plan->kind = ENTRY_OPAQUE;
        mark[mark > plan->path ? -1 : 0] = '\0';
        return 0;
    }
    if (strncmp(mark, WHITEOUT_AUFS, sizeof(WHITEOUT_AUFS) - 1) == 0) {
        plan->kind = ENTRY_SKIPPED;
        return 0;
    }
    if (strchr(name, '/') != NULL || name[0] == '\0' || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0)
        return err_set(err, OUTCOME_FAILED, "the whiteout %.*s in the archive names no file", SHOWN,
                       entry->path);
    plan->kind = ENTRY_WHITEOUT;
    memmove(mark, name, strlen(name) + 1);
    return 0;
}

/* Where the lower 32 of a file's capabilities stand, little endian; an instance has none above. */
#define CAPABILITY_PERMITTED   4U
#define CAPABILITY_INHERITABLE 8U

static bool capability_check(const uint8_t *value, size_t size, uint8_t *ret_value,
                             size_t *ret_size)
{
    uint32_t magic = 0;
    if (size != XATTR_CAPS_SZ_2 && size != XATTR_CAPS_SZ_3)
        return false;
    for (size_t i = 0; i < sizeof(magic); i++)
        magic |= (uint32_t)value[i] << (8 * i);
    uint32_t revision = magic & VFS_CAP_REVISION_MASK;
    bool right = (revision == VFS_CAP_REVISION_2 && size == XATTR_CAPS_SZ_2) ||
                 (revision == VFS_CAP_REVISION_3 && size == XATTR_CAPS_SZ_3);
    if (!right)
        return false;
    magic = VFS_CAP_REVISION_2 | (magic & VFS_CAP_FLAGS_EFFECTIVE);
    memset(ret_value, 0, XATTR_CAPS_SZ_2);
    uint8_t permitted = 0;
    for (size_t i = 0; i < sizeof(magic); i++) {
        const uint8_t kept = (uint8_t)(IMAGE_FILE_CAPABILITIES >> (8 * i));
        ret_value[i] = (uint8_t)(magic >> (8 * i));
        ret_value[CAPABILITY_PERMITTED + i] = value[CAPABILITY_PERMITTED + i] & kept;
        ret_value[CAPABILITY_INHERITABLE + i] = value[CAPABILITY_INHERITABLE + i] & kept;
        permitted |= ret_value[CAPABILITY_PERMITTED + i];
    }
    *ret_size = XATTR_CAPS_SZ_2;
    return permitted != 0;
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool entry_xattr_check(const char *name, const void *value, size_t size, enum entry_kind kind,
                       uint8_t *ret_value, size_t *ret_size)
{
    if (strlen(name) > XATTR_NAME_MAX || size > ENTRY_XATTR_MAX || (size > 0 && value == NULL))
        return false;
    if (strcmp(name, XATTR_NAME_CAPS) == 0)
        return kind == ENTRY_FILE && capability_check(value, size, ret_value, ret_size);
    if (kind != ENTRY_FILE && kind != ENTRY_DIRECTORY)
        return false;
    if (!has_prefix(name, XATTR_USER_PREFIX) || strlen(name) == XATTR_USER_PREFIX_LEN ||
        has_prefix(name, "user.overlay."))
        return false;
    if (size > 0)
        memcpy(ret_value, value, size);
    *ret_size = size;
    return true;
}
