/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_text - the small parsers of text: passwd and group inside, numbers, what a terminal may see
 *
 * Input: one text, up to its first 0 byte.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "init/user.h"

/* A parser writes into its line: each gets a copy of exactly its size. */
static char *copy(const char *text)
{
    char *fresh = strdup(text);

    PROMISE(fresh);
    return fresh;
}

static void accounts(const char *text)
{
    struct user user = {.home = "/"};
    char *line = copy(text);

    if (user_from_passwd(line, "a", &user))
        PROMISE(user.uid <= USER_ID_MAX && user.gid <= USER_ID_MAX && user.home[0] == '/');
    free(line);
    line = copy(text);
    memcpy(user.name, "a", 2);
    user_from_group(line, &user);
    PROMISE(user.group_count <= 1);
    free(line);
    line = copy(text);
    if (user_group_id(line, "a", &user.gid))
        PROMISE(user.gid <= USER_ID_MAX);
    free(line);
}

static void numbers(const char *text)
{
    char back[32];
    uint8_t bytes[4];
    uint64_t value = 0;

    if (str_u64(text, 0, UINT64_MAX, &value) == 0) {
        PROMISE(str_format(back, sizeof(back), "%llu", (unsigned long long)value) == 0);
        PROMISE(strcmp(back, text) == 0);
    }
    if (str_size(text, &value) == 0)
        PROMISE(str_size_text(value, back, sizeof(back))[0]);
    if (str_unhex(text, bytes, sizeof(bytes)) == 0) {
        str_hex(bytes, sizeof(bytes), back);
        PROMISE(strcmp(back, text) == 0);
    }
    if (str_is_name(text))
        PROMISE(strlen(text) <= STR_NAME_MAX_LEN && !strpbrk(text, "/. \n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *text = malloc(size + 1);
    char *next;

    if (!text)
        return 0;
    memcpy(text, bytes, size);
    text[size] = '\0';
    accounts(text);
    numbers(text);
    str_printable(text);
    for (next = text; *next; next++)
        PROMISE((unsigned char)*next >= 0x20 && *next != 0x7f);
    free(text);
    return 0;
}
