/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_ruleset - the ruleset of nft as JSON, access lists, and a file of records
 *
 * Input: the bytes of each; as JSON up to the first 0 byte.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "doctor/controls.h"
#include "doctor/expected.h"
#include "doctor/found.h"
#include "doctor/tree.h"

static void ruleset(const char *text)
{
    struct controls controls = {0};
    struct found found = {0};

    controls_firewall(&controls, text);
    PROMISE(controls.count > 0);
    found_elements(&found, text);
    for (size_t i = 0; i < found.count; i++)
        PROMISE(found.list[i].kind >= FOUND_OWNER && found.list[i].kind <= FOUND_GRANT);
    controls_free(&controls);
    found_free(&found);
}

static void bytes_of_host(const uint8_t *bytes, size_t size)
{
    struct tree_writer writers[TREE_WRITERS_MAX];
    struct expected expected = {0};
    struct expected_user user = {0};
    bool group;

    PROMISE(tree_acl(bytes, size, writers, &group) <= (ssize_t)TREE_WRITERS_MAX);
    (void)!expected_host(&expected, bytes, size);
    expected_free(&expected);
    (void)!expected_own(&user, bytes, size);
    free(user.machines);
    free(user.grants);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    auto_free char *text = mem_new(size + 1, 1);

    memcpy(text, bytes, size);
    ruleset(text);
    bytes_of_host(bytes, size);
    return 0;
}
