/* SPDX-License-Identifier: Apache-2.0 */
/* key - whether a file is a list of OpenSSH public keys, before it becomes who may log in */
#include "cli/key.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Every key's blob begins with the 32-bit length of its type's name, which is short. */
#define BLOB_START "AAAA"

static const char *const types[] = {
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
};

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static bool is_base64(char byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
           (byte >= '0' && byte <= '9') || byte == '+' || byte == '/' || byte == '=';
}

/* The length of the type that @line starts with, its blank included; 0: none. */
static size_t type_length(const char *line, size_t size)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        size_t length = strlen(types[i]);

        if (size > length && memcmp(line, types[i], length) == 0 && is_blank(line[length]))
            return length + 1;
    }
    return 0;
}

static bool is_key(const char *line, size_t size)
{
    size_t at = type_length(line, size);
    size_t start;

    if (at == 0 || memchr(line, '\0', size) != NULL)
        return false;
    while (at < size && is_blank(line[at]))
        at++;
    start = at;
    while (at < size && is_base64(line[at]))
        at++;
    return at - start > strlen(BLOB_START) &&
           memcmp(line + start, BLOB_START, strlen(BLOB_START)) == 0 &&
           (at == size || is_blank(line[at]));
}

int key_check(const char *text, size_t size, size_t *ret_line)
{
    size_t number = 0;
    size_t keys = 0;

    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t length = end != NULL ? (size_t)(end - text) : size;
        size_t blanks = 0;

        number++;
        while (blanks < length && is_blank(text[blanks]))
            blanks++;
        if (blanks < length && text[blanks] != '#') {
            if (!is_key(text + blanks, length - blanks)) {
                *ret_line = number;
                return -EINVAL;
            }
            keys++;
        }
        text += length + (end != NULL);
        size -= length + (end != NULL);
    }
    *ret_line = 0;
    return keys > 0 ? 0 : -EINVAL;
}
