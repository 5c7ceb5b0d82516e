/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_when - durations, moments and targets as somebody types them; what is said again reads back
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "cli/target.h"
#include "cli/when.h"

static void targets(const char *text)
{
    struct target target;
    struct target again;
    struct err err;
    char said[TARGET_TEXT_SIZE];

    if (target_parse(text, &target, &err) != 0)
        return;
    PROMISE(target.port != 0);
    PROMISE(target_text(&target, said)[0] != '\0');
    PROMISE(target_parse(said, &again, &err) == 0);
    PROMISE(again.port == target.port && again.protocol == target.protocol &&
            again.ipv6 == target.ipv6 && strcmp(again.machine, target.machine) == 0 &&
            strcmp(again.owner, target.owner) == 0 &&
            memcmp(again.address, target.address, sizeof(again.address)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *text = malloc(size + 1);
    char said[32];
    uint64_t ns = 0;

    if (!text)
        return 0;
    memcpy(text, bytes, size);
    text[size] = '\0';
    if (when_duration(text, &ns) == 0) {
        PROMISE(ns != 0);
        PROMISE(when_text(ns, said, sizeof(said))[0] != '\0');
        PROMISE(when_duration(said, &ns) == 0);
    }
    if (when_moment(text, 1795478400000000000ULL, &ns) == 0)
        PROMISE(ns != 0);
    targets(text);
    free(text);
    return 0;
}
