/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_words - what a login may put behind "croft": the gate's splitter stays within the line */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "gate/words.h"

#define WORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *words[WORDS_MAX + 1];
    char *line = malloc(size + 1);
    size_t count = 0;
    size_t length;

    if (!line)
        return 0;
    memcpy(line, bytes, size);
    line[size] = '\0';
    length = strlen(line);
    (void)words_is_croft(line);
    (void)words_is_plain(line);
    if (words_split(line, words, WORDS_MAX, &count) == 0) {
        PROMISE(count <= WORDS_MAX && !words[count]);
        for (size_t i = 0; i < count; i++) {
            PROMISE(words[i] >= line && words[i] + strlen(words[i]) <= line + length);
            PROMISE(i == 0 || words[i] > words[i - 1] + strlen(words[i - 1]));
        }
    }
    free(line);
    return 0;
}
