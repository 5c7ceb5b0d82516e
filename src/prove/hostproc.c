/* SPDX-License-Identifier: Apache-2.0 */
/* hostproc - what the host's /proc says about processes */
#include "prove/hostproc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sha256.h"
#include "base/str.h"
#include "linux/path.h"
#include "prove/text.h"

#define TEXT_MAX 65536

static ssize_t text_of(const char *name, char *text, size_t size)
{
    auto_close proc = path_root("/proc", O_RDONLY | O_DIRECTORY);
    auto_close fd = proc < 0 ? proc : path_open_xdev(proc, name, O_RDONLY);

    if (fd < 0)
        return fd;
    ssize_t length = fd_read_full(fd, text, size - 1);
    text[length > 0 ? length : 0] = '\0';
    return length;
}

ssize_t hostproc_text(pid_t pid, const char *file, char *text, size_t size)
{
    char name[64];

    if (str_format(name, sizeof(name), "%d/%s", pid, file) < 0)
        return -ENAMETOOLONG;
    return text_of(name, text, size);
}

/* Reads the number at @at, which ends at a blank. Return: what follows; NULL when there is none */
static const char *number_at(const char *at, uint64_t *ret_value)
{
    char digits[24] = "";
    size_t length;

    at += strspn(at, " \t");
    length = strcspn(at, " \t\n");
    if (length == 0 || length >= sizeof(digits))
        return NULL;
    memcpy(digits, at, length);
    digits[length] = '\0';
    if (str_u64(digits, 0, UINT64_MAX, ret_value) < 0)
        return NULL;
    return at + length;
}

/* The text behind "\nKEY" in a list of lines. */
static const char *behind(const char *text, const char *key)
{
    size_t length = strlen(key);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0)
            return line + length;
    }
    return NULL;
}

int hostproc_field(pid_t pid, const char *key, bool last, uint64_t *ret_value)
{
    char text[8192];
    ssize_t length = hostproc_text(pid, "status", text, sizeof(text));
    const char *at = length < 0 ? NULL : behind(text, key);
    uint64_t value = 0;

    if (length < 0)
        return (int)length;
    at = at ? number_at(at, &value) : NULL;
    if (!at)
        return -ENOENT;
    while (last && (at = number_at(at, &value)))
        ;
    *ret_value = value;
    return 0;
}

/* Calls @each for every process there is. */
static void each_process(void (*each)(pid_t pid, void *data), void *data)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    uint64_t pid;

    while (proc && (entry = readdir(proc)))
        if (str_u64(entry->d_name, 1, INT32_MAX, &pid) == 0)
            each((pid_t)pid, data);
    if (proc)
        (void)closedir(proc);
}

struct pid_search {
    uint64_t pid;
    uint64_t pid_space;
    pid_t found;
};

uint64_t hostproc_space(pid_t pid)
{
    char path[64];
    struct stat meta;

    if (str_format(path, sizeof(path), "/proc/%d/ns/pid", pid) < 0 || stat(path, &meta) < 0)
        return 0;
    return meta.st_ino;
}

static void match_pid(pid_t pid, void *data)
{
    struct pid_search *search = data;
    uint64_t inside = 0;

    if (!search->found && hostproc_field(pid, "NSpid:", true, &inside) == 0 &&
        inside == search->pid && hostproc_space(pid) == search->pid_space)
        search->found = pid;
}

pid_t hostproc_find(uint64_t pid, uint64_t pid_space)
{
    struct pid_search search = {.pid = pid, .pid_space = pid_space};

    if (pid_space)
        each_process(match_pid, &search);
    return search.found;
}

struct exe_search {
    const char *path;
    pid_t found;
};

static void match_exe(pid_t pid, void *data)
{
    struct exe_search *search = data;
    char path[64], link[PATH_MAX];

    if (str_format(path, sizeof(path), "/proc/%d/exe", pid) < 0)
        return;
    ssize_t size = readlink(path, link, sizeof(link) - 1);
    link[size > 0 ? size : 0] = '\0';
    if (strcmp(link, search->path) == 0)
        search->found = pid;
}

pid_t hostproc_by_exe(const char *path)
{
    struct exe_search search = {.path = path};

    each_process(match_exe, &search);
    return search.found;
}

pid_t hostproc_init_of(pid_t pid)
{
    return hostproc_find(1, hostproc_space(pid));
}

struct space_sum {
    uint64_t pid_space;
    size_t processes;
};

static void add_process(pid_t pid, void *data)
{
    struct space_sum *sum = data;

    sum->processes += hostproc_space(pid) == sum->pid_space;
}

size_t hostproc_count(uint64_t pid_space)
{
    struct space_sum sum = {.pid_space = pid_space};

    if (pid_space)
        each_process(add_process, &sum);
    return sum.processes;
}

/* The 14th and 15th field of /proc/PID/stat, in clock ticks; the name may hold blanks. */
static uint64_t cpu_ticks(pid_t pid)
{
    char text[1024];
    uint64_t value = 0, sum = 0;

    if (hostproc_text(pid, "stat", text, sizeof(text)) < 0)
        return 0;
    const char *at = strrchr(text, ')');
    at = at && at[1] && at[2] ? at + 3 : NULL; /* behind ") S" */
    for (int field = 4; at && field <= 15; field++) {
        value = 0;
        at += strspn(at, " ");
        if (*at == '-') /* tpgid may be -1 */
            at += strcspn(at, " ");
        else
            at = number_at(at, &value);
        if (field >= 14)
            sum += value;
    }
    return sum;
}

struct child_sum {
    uint64_t parent;
    uint64_t ticks;
};

static void add_child(pid_t pid, void *data)
{
    struct child_sum *sum = data;
    uint64_t parent = 0;

    if (hostproc_field(pid, "PPid:", false, &parent) == 0 && parent == sum->parent)
        sum->ticks += cpu_ticks(pid);
}

uint64_t hostproc_cpu_of_children(pid_t pid)
{
    struct child_sum sum = {.parent = (uint64_t)pid};

    if (pid > 0)
        each_process(add_child, &sum);
    return sum.ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

bool hostproc_in_group(pid_t pid, const char *group, char *line, size_t size)
{
    static const char *const limiting[] = {":memory:", ":pids:", ":cpu:", ":devices:", ":freezer:"};
    char text[4096], wanted[128];

    if (hostproc_text(pid, "cgroup", text, sizeof(text)) < 0 ||
        str_format(wanted, sizeof(wanted), "/%s/", group) < 0) {
        text_set(line, size, "the process is gone");
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(limiting); i++) {
        const char *at = strstr(text, limiting[i]);

        if (!at)
            continue;
        at += strlen(limiting[i]);
        if (strncmp(at, wanted, strlen(wanted)) == 0)
            continue;
        text_set(line, size, "%s%.*s", limiting[i] + 1, (int)strcspn(at, "\n"), at);
        return false;
    }
    return true;
}

int hostproc_id_map(pid_t pid, struct id_range ret_ranges[ID_RANGES_MAX])
{
    char text[1024];
    ssize_t length = hostproc_text(pid, "uid_map", text, sizeof(text));
    const char *at = text;
    int ranges = 0;

    if (length < 0)
        return (int)length;
    while (ranges < ID_RANGES_MAX) {
        uint64_t inside = 0;

        at += strspn(at, " \n");
        at = number_at(at, &inside);
        at = at ? number_at(at, &ret_ranges[ranges].first) : NULL;
        at = at ? number_at(at, &ret_ranges[ranges].count) : NULL;
        if (!at)
            break;
        ranges++;
    }
    return ranges;
}

uint64_t hostproc_oom_kills(void)
{
    char text[TEXT_MAX / 4];
    uint64_t value = 0;

    if (text_of("vmstat", text, sizeof(text)) < 0)
        return 0;
    const char *at = behind(text, "oom_kill ");
    return at && number_at(at, &value) ? value : 0;
}

uint64_t hostproc_mounts_hash(pid_t pid)
{
    static char text[TEXT_MAX];
    ssize_t length = hostproc_text(pid, "mountinfo", text, sizeof(text));
    uint8_t digest[SHA256_SIZE];
    struct sha256 hash;
    uint64_t first = 0;

    if (length <= 0)
        return 0;
    sha256_init(&hash);
    sha256_add(&hash, text, (size_t)length);
    sha256_end(&hash, digest);
    memcpy(&first, digest, sizeof(first));
    return first;
}
