/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_sudoers - the accounts of a host and the rules of sudo
 *
 * Input: one text, up to its first 0 byte; it is taken for each of the files.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "doctor/sudoers.h"

static char *copy(const char *text)
{
    char *fresh = strdup(text);

    PROMISE(fresh);
    return fresh;
}

static void known(struct accounts *accounts)
{
    auto_free char *passwd = copy("root:x:0:0::/root:/bin/sh\na:x:1000:1000::/:/bin/sh\n");
    auto_free char *group = copy("sudo:x:27:a\n");

    accounts_passwd(accounts, passwd);
    accounts_group(accounts, group);
}

static void rules(const char *given)
{
    auto_accounts accounts = {0};
    struct sudoers sudoers = {0};
    struct roads roads;
    auto_free char *text = copy(given);

    known(&accounts);
    roads_init(&roads, &accounts);
    sudoers_parse(&sudoers, "/etc/sudoers", text);
    for (size_t i = 0; i < sudoers.rule_count; i++)
        PROMISE(sudoers.rules[i].first_line <= sudoers.rules[i].last_line);
    /* Programs are looked up in the file system; the rules are what is tried here. */
    for (size_t i = 0; i < sudoers.rule_count; i++)
        for (size_t j = 0; j < sudoers.rules[i].commands.count; j++)
            if (sudoers.rules[i].commands.items[j].word[0] == '/')
                sudoers.rules[i].commands.items[j].word[0] = '.';
    sudoers_roads(&sudoers, &roads);
    roads_follow(&roads);
    for (size_t i = 0; i < roads.count; i++)
        for (const char *at = roads.list[i].close; *at; at++)
            PROMISE((unsigned char)*at >= 0x20 && *at != 0x7f);
    roads_free(&roads);
    sudoers_free(&sudoers);
}

static void files(const char *given)
{
    void (*const parsers[])(struct accounts *, char *) = {accounts_passwd, accounts_group,
                                                          accounts_gshadow, accounts_shadow};
    auto_accounts accounts = {0};

    for (size_t i = 0; i < sizeof(parsers) / sizeof(parsers[0]); i++) {
        auto_free char *text = copy(given);
        parsers[i](&accounts, text);
    }
    for (size_t i = 0; i < accounts.count; i++)
        PROMISE(accounts.list[i].name[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    auto_free char *text = mem_new(size + 1, 1);

    memcpy(text, bytes, size);
    rules(text);
    files(text);
    return 0;
}
