/* SPDX-License-Identifier: Apache-2.0 */
/* look - reads files and directories of the host as they are, and changes nothing */
#include "doctor/look.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define CHUNK 65536U

int look_bytes(const char *path, char **ret_bytes, size_t *ret_size)
{
    auto_close file = openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    auto_free char *text = NULL;
    struct stat meta;
    size_t size = 0;
    ssize_t got = 1;

    if (file < 0 || fstat(file, &meta) < 0)
        return -errno;
    if (!S_ISREG(meta.st_mode))
        return -EINVAL;
    /* Files of the kernel have no size, so it is read to the end. */
    while (got > 0) {
        text = mem_grow(text, size + CHUNK + 1, 1);
        got = fd_read_full(file, text + size, CHUNK);
        if (got < 0)
            return (int)got;
        size += (size_t)got;
        if (size > LOOK_FILE_MAX)
            return -EFBIG;
    }
    text[size] = '\0';
    *ret_bytes = take_ptr(text);
    *ret_size = size;
    return 0;
}

int look_file(const char *path, char **ret_text)
{
    size_t size = 0;
    int rc = look_bytes(path, ret_text, &size);

    for (size_t i = 0; rc == 0 && i < size; i++)
        if ((*ret_text)[i] == '\0')
            (*ret_text)[i] = 1;
    return rc;
}

int look_number(const char *path, uint64_t *ret_number)
{
    auto_free char *text = NULL;
    int rc = look_file(path, &text);
    if (rc < 0 || text == NULL)
        return rc;
    text[strcspn(text, "\n\t ")] = '\0';
    return str_u64(text, 0, UINT64_MAX, ret_number);
}

bool look_exists(const char *path)
{
    struct stat meta;
    return look_stat(path, &meta) == 0;
}

int look_stat(const char *path, struct stat *ret_stat)
{
    return fstatat(AT_FDCWD, path, ret_stat, 0) < 0 ? -errno : 0;
}

int look_link(const char *path, char *buf, size_t size)
{
    ssize_t length = readlinkat(AT_FDCWD, path, buf, size);
    if (length < 0)
        return -errno;
    if ((size_t)length >= size)
        return -ENAMETOOLONG;
    buf[length] = '\0';
    return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

void look_each(const char *directory, void (*each)(const char *path, const char *name, void *data),
               void *data)
{
    struct dirent **list;
    char path[LOOK_PATH_MAX];
    int count = scandir(directory, &list, NULL, by_name);

    if (count < 0)
        return;
    for (int i = 0; i < count; i++) {
        const char *name = list[i]->d_name;
        look_join(path, directory, name);
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && path[0] != '\0')
            each(path, name, data);
        free(list[i]);
    }
    free(list);
}

ssize_t look_attribute(int fd, const char *name, void *buf, size_t size)
{
    char path[64];
    if (str_format(path, sizeof(path), "/proc/self/fd/%d", fd) < 0)
        return -ENAMETOOLONG;
    ssize_t got = getxattr(path, name, buf, size);
    return got < 0 ? -errno : got;
}

char *look_line(char **text)
{
    char *line = *text;
    if (line == NULL || *line == '\0')
        return NULL;
    size_t length = strcspn(line, "\n");
    *text = line + length + (line[length] == '\n');
    line[length] = '\0';
    return line;
}

char *look_word(char **line)
{
    char *word = *line + strspn(*line, " \t\r");
    if (*word == '\0')
        return NULL;
    char *end = word + strcspn(word, " \t\r");
    *line = end + (*end != '\0');
    *end = '\0';
    return word;
}

void look_join(char path[LOOK_PATH_MAX], const char *directory, const char *name)
{
    bool has_slash = directory[0] != '\0' && directory[strlen(directory) - 1] == '/';
    if (str_format(path, LOOK_PATH_MAX, "%s%s%s", directory, has_slash ? "" : "/", name) < 0)
        path[0] = '\0';
}

char *look_quoted(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./:,+@%=";
    auto_free char *shown = look_format("%s", word);
    size_t length = strlen(word);

    if (length > 0 && word[strspn(word, plain)] == '\0')
        return take_ptr(shown);
    char *quoted = mem_new(4 * length + 3, 1);
    char *to = quoted;
    *to++ = '\'';
    for (size_t i = 0; i < length; i++) {
        bool is_hidden = shown[i] != word[i];
        bool is_outside = is_hidden || word[i] == '\'';
        if (is_outside)
            *to++ = '\'';
        if (is_outside && !is_hidden)
            *to++ = '\\';
        *to++ = shown[i];
        if (is_outside)
            *to++ = '\'';
    }
    *to = '\'';
    return quoted;
}

char *look_copy(const char *text, size_t length)
{
    char *copy = mem_new(length + 1, 1);
    memcpy(copy, text, length);
    return copy;
}

char *look_format(const char *fmt, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, fmt);
    int length = vasprintf(&text, fmt, args);
    va_end(args);
    if (length < 0)
        croft_bug("out of memory");
    str_printable(text);
    return text;
}
