/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_control - what a client may send to croftd: what is parsed can be written and read again */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "wire/control.h"
#include "wire/limits.h"

static void base64_both_ways(const uint8_t *bytes, size_t size)
{
    char *text = control_base64(bytes, size);
    uint8_t *back = malloc(size + 1);
    size_t back_size = 0;

    PROMISE(back);
    PROMISE(control_unbase64(text, back, size, &back_size) == 0);
    PROMISE(back_size == size && memcmp(back, bytes, size) == 0);
    free(back);
    free(text);
}

/* The bytes as base64 themselves: what is accepted has no second spelling. */
static void base64_is_unique(const uint8_t *bytes, size_t size)
{
    char *text = malloc(size + 1);
    uint8_t *back = malloc(size + 1);
    size_t back_size = 0;

    PROMISE(text && back);
    memcpy(text, bytes, size);
    text[size] = '\0';
    if (control_unbase64(text, back, size, &back_size) == 0) {
        char *again = control_base64(back, back_size);

        PROMISE(strcmp(again, text) == 0);
        free(again);
    }
    str_printable(text);
    free(back);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct err err = {.text = ""};
    json_t *object = control_parse((const char *)bytes, size, &err);

    if (object) {
        char *text = control_text(object);
        json_t *again = control_parse(text, strlen(text), &err);

        /* An escape may be longer than what it was written for, nothing else may fail. */
        PROMISE(again ? json_equal(object, again) : strlen(text) > MESSAGE_SIZE_MAX);
        json_decref(again);
        json_decref(object);
        free(text);
    } else {
        PROMISE(err.outcome == OUTCOME_USAGE && err.text[0] && !strchr(err.text, '\n'));
    }
    if (size <= MESSAGE_SIZE_MAX) {
        base64_both_ways(bytes, size);
        base64_is_unique(bytes, size);
    }
    return 0;
}
