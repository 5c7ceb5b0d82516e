/* SPDX-License-Identifier: Apache-2.0 */
/* words - cuts the command line of a "croft ..." login into words; nothing is expanded */
#include "gate/words.h"

#include <errno.h>
#include <string.h>

#define PLAIN_MAX 64

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

bool words_is_croft(const char *line)
{
    static const char name[] = "croft";
    const size_t length = sizeof(name) - 1;

    while (is_blank(*line))
        line++;
    if (strncmp(line, name, length) != 0)
        return false;
    return line[length] == '\0' || is_blank(line[length]);
}

/* Reads one word at *from, writes it at *to, which is never ahead of *from. */
static int take_word(char **from, char **to)
{
    bool quoted = false;

    while (**from != '\0' && (quoted || !is_blank(**from))) {
        char byte = *(*from)++;

        if (byte == '\'') {
            quoted = !quoted;
            continue;
        }
        if (byte == '\\' && !quoted) {
            byte = **from;
            if (byte == '\0')
                return -EINVAL;
            (*from)++;
        }
        *(*to)++ = byte;
    }
    return quoted ? -EINVAL : 0;
}

int words_split(char *line, char **words, size_t words_max, size_t *ret_count)
{
    char *from = line;
    char *to = line;
    size_t count = 0;

    for (;;) {
        bool more;
        int r;

        while (is_blank(*from))
            from++;
        if (*from == '\0')
            break;
        if (count == words_max)
            return -E2BIG;
        words[count++] = to;
        r = take_word(&from, &to);
        if (r < 0)
            return r;
        /* The terminator may fall onto the blank (or the end) that from stands on: step over it
         * first. */
        more = *from != '\0';
        if (more)
            from++;
        *to++ = '\0';
        if (!more)
            break;
    }
    words[count] = NULL;
    *ret_count = count;
    return 0;
}

bool words_is_plain(const char *value)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789._+@-";
    size_t length = strspn(value, allowed);

    return length > 0 && length <= PLAIN_MAX && value[length] == '\0';
}
