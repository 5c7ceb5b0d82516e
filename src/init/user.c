/* SPDX-License-Identifier: Apache-2.0 */
/* user - an account of the instance, from its own /etc/passwd and /etc/group */
#include "init/user.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "wire/limits.h"

enum {
    PASSWD_NAME,
    PASSWD_PASSWORD,
    PASSWD_UID,
    PASSWD_GID,
    PASSWD_GECOS,
    PASSWD_HOME,
    PASSWD_SHELL
};
enum { GROUP_NAME, GROUP_PASSWORD, GROUP_GID, GROUP_MEMBERS };
#define FIELDS_MAX      7U
#define PENDING_LOOK_MS 20U

/* wanted: a name; NULL: user->uid. gid: of a group that was looked for */
struct search {
    const char *wanted;
    struct user *user;
    gid_t gid;
    bool found;
};

/* Return: true to stop */
typedef bool (*line_fn)(char *line, struct search *search);

static int find_account(const char *name, struct user *ret_user);
static void wait_for_end(const char *pending);
static int find_group(const char *name, gid_t *ret_gid);
static size_t split_fields(char *line, char *fields[FIELDS_MAX]);
static bool parse_id(const char *text, uint32_t *ret_id);
static bool passwd_line(char *line, struct search *search);
static bool membership_line(char *line, struct search *search);
static bool group_line(char *line, struct search *search);
static int read_lines(const char *name, line_fn on_line, struct search *search);

int user_find(const char *spec, const char *pending, struct user *ret_user)
{
    const size_t length = strcspn(spec, ":");
    const bool optional = spec[0] == '?';
    char name[USER_NAME_SIZE];
    struct user user;
    if (length >= sizeof(name))
        return -ENOENT;
    memcpy(name, spec, length);
    name[length] = '\0';
    /* First, not only where there is none: one that is just being made has not all its groups. */
    if (optional)
        wait_for_end(pending);
    int rc = find_account(name + optional, &user);
    if (rc < 0 && optional) {
        user = (struct user){.name = "root", .home = "/root"};
        rc = 0;
    }
    if (rc == 0 && spec[length] == ':') {
        user.group_count = 0;
        rc = find_group(spec + length + 1, &user.gid);
    }
    if (rc < 0)
        return rc;
    *ret_user = user;
    return 0;
}

static int find_account(const char *name, struct user *ret_user)
{
    struct user user = {.home = "/"};
    struct search search = {.wanted = name, .user = &user};
    uint64_t id = 0;
    int rc = str_u64(name, 0, USER_ID_MAX, &id);
    if (rc == -ERANGE)
        return rc;
    if (rc == 0) {
        search.wanted = NULL;
        user.uid = (uid_t)id;
    }
    rc = read_lines("/etc/passwd", passwd_line, &search);
    if (rc == -ENOENT && !search.wanted)
        rc = 0; /* an image without accounts still has ids */
    if (rc < 0)
        return rc;
    if (!search.found && search.wanted)
        return -ENOENT;
    if (search.found)
        rc = read_lines("/etc/group", membership_line, &search);
    if (rc < 0 && rc != -ENOENT)
        return rc;
    *ret_user = user;
    return 0;
}

static void wait_for_end(const char *pending)
{
    const struct timespec pause = {.tv_nsec = PENDING_LOOK_MS * NS_PER_MS};
    const uint64_t deadline_ns = clock_boot_ns() + FIRST_START_WAIT_MS * NS_PER_MS;
    while (faccessat(AT_FDCWD, pending, F_OK, 0) == 0 && clock_boot_ns() < deadline_ns)
        nanosleep(&pause, NULL);
}

static int find_group(const char *name, gid_t *ret_gid)
{
    struct search search = {.wanted = name};
    uint64_t id = 0;
    int rc = str_u64(name, 0, USER_ID_MAX, &id);
    if (rc == 0)
        *ret_gid = (gid_t)id;
    if (rc == 0 || rc == -ERANGE)
        return rc;
    rc = read_lines("/etc/group", group_line, &search);
    if (rc < 0)
        return rc;
    if (!search.found)
        return -ENOENT;
    *ret_gid = search.gid;
    return 0;
}

int user_become(const struct user *user)
{
    if (setgroups(user->group_count, user->groups) < 0)
        return -errno;
    if (setresgid(user->gid, user->gid, user->gid) < 0)
        return -errno;
    return setresuid(user->uid, user->uid, user->uid) < 0 ? -errno : 0;
}

bool user_from_passwd(char *line, const char *wanted, struct user *user)
{
    char *fields[FIELDS_MAX];
    uint32_t uid = 0;
    uint32_t gid = 0;
    if (split_fields(line, fields) != FIELDS_MAX || fields[PASSWD_NAME][0] == '\0')
        return false;
    if (!parse_id(fields[PASSWD_UID], &uid) || !parse_id(fields[PASSWD_GID], &gid))
        return false;
    if (wanted ? strcmp(fields[PASSWD_NAME], wanted) != 0 : uid != user->uid)
        return false;
    if (strlen(fields[PASSWD_NAME]) >= USER_NAME_SIZE ||
        strlen(fields[PASSWD_HOME]) >= USER_HOME_SIZE)
        return false;
    user->uid = uid;
    user->gid = gid;
    if (str_copy(user->name, sizeof(user->name), fields[PASSWD_NAME]) < 0)
        return false;
    const char *home = fields[PASSWD_HOME][0] == '/' ? fields[PASSWD_HOME] : "/";
    return str_copy(user->home, sizeof(user->home), home) == 0;
}

void user_from_group(char *line, struct user *user)
{
    char *fields[FIELDS_MAX];
    uint32_t gid = 0;
    if (user->name[0] == '\0' || split_fields(line, fields) != GROUP_MEMBERS + 1)
        return;
    if (!parse_id(fields[GROUP_GID], &gid) || user->group_count == USER_GROUPS_MAX)
        return;
    for (char *rest = fields[GROUP_MEMBERS]; rest != NULL;) {
        const char *member = strsep(&rest, ",");
        if (strcmp(member, user->name) == 0) {
            user->groups[user->group_count++] = gid;
            return;
        }
    }
}

bool user_group_id(char *line, const char *wanted, gid_t *ret_gid)
{
    char *fields[FIELDS_MAX];
    uint32_t gid = 0;
    if (split_fields(line, fields) != GROUP_MEMBERS + 1 || !parse_id(fields[GROUP_GID], &gid))
        return false;
    if (strcmp(fields[GROUP_NAME], wanted) != 0)
        return false;
    *ret_gid = gid;
    return true;
}

static size_t split_fields(char *line, char *fields[FIELDS_MAX])
{
    size_t count = 0;
    char *rest = line;
    while (rest != NULL) {
        if (count == FIELDS_MAX)
            return FIELDS_MAX + 1;
        fields[count++] = strsep(&rest, ":");
    }
    return count;
}

static bool parse_id(const char *text, uint32_t *ret_id)
{
    uint64_t id = 0;
    if (str_u64(text, 0, USER_ID_MAX, &id) < 0)
        return false;
    *ret_id = (uint32_t)id;
    return true;
}

static bool passwd_line(char *line, struct search *search)
{
    search->found = user_from_passwd(line, search->wanted, search->user);
    return search->found;
}

static bool membership_line(char *line, struct search *search)
{
    user_from_group(line, search->user);
    return false;
}

static bool group_line(char *line, struct search *search)
{
    search->found = user_group_id(line, search->wanted, &search->gid);
    return search->found;
}

/* Lines longer than the buffer, and what follows a 0 byte in a line, are nobody's. */
static int read_lines(const char *name, line_fn on_line, struct search *search)
{
    static char buf[USER_LINE_MAX];
    struct stat found;
    size_t used = 0;
    bool skip = false;
    /* O_NONBLOCK: a FIFO must not hold us. Links are fine: they lead nowhere but inside. */
    auto_close file = openat(AT_FDCWD, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0 || fstat(file, &found) < 0)
        return -errno;
    if (!S_ISREG(found.st_mode))
        return -EINVAL;
    for (size_t total = 0; total < USER_FILE_MAX;) {
        ssize_t got = fd_read_full(file, buf + used, sizeof(buf) - used);
        if (got < 0)
            return (int)got;
        total += (size_t)got;
        used += (size_t)got;
        char *start = buf;
        char *end = NULL;
        while ((end = memchr(start, '\n', used - (size_t)(start - buf))) != NULL) {
            *end = '\0';
            if (!skip && on_line(start, search))
                return 0;
            skip = false;
            start = end + 1;
        }
        used -= (size_t)(start - buf);
        memmove(buf, start, used);
        if (used == sizeof(buf)) {
            skip = true;
            used = 0;
        }
        if (got == 0)
            return 0;
    }
    return -EFBIG;
}
