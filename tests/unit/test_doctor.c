/* SPDX-License-Identifier: Apache-2.0 */
/* test_doctor - who may become whom by sudoers and its kin, what a crontab runs, what a firewall
 * drops: the parsers of croft-doctor, and what is made of them */
#include "unit.h"

#include <errno.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "doctor/controls.h"
#include "doctor/found.h"
#include "doctor/look.h"
#include "doctor/settings.h"
#include "doctor/sudoers.h"
#include "doctor/tree.h"

#define TEXT_MAX 1024

static char *copy(const char *text)
{
    char *fresh = strdup(text);
    assert_non_null(fresh);
    return fresh;
}

static void some_accounts(struct accounts *accounts)
{
    auto_free char *passwd = copy("root:x:0:0::/root:/bin/bash\n"
                                  "alice:x:1000:1000::/home/alice:/bin/sh\n"
                                  "bob:x:1001:27::/home/bob:/bin/sh\n"
                                  "carol:x:1002:1002::/home/carol:/bin/sh\n"
                                  "short:x:7\n:x:8:8:::\nbig:x:4294967296:1:::\n");
    auto_free char *group = copy("root:x:0:\nsudo:x:27:alice\nops:x:50:carol,ghost\n");
    auto_free char *gshadow = copy("ops:!:bob:carol\nnone\n");
    auto_free char *shadow = copy("root:*:::\ncarol::1:2\nghost::\n");

    accounts_passwd(accounts, passwd);
    accounts_group(accounts, group);
    accounts_gshadow(accounts, gshadow);
    accounts_shadow(accounts, shadow);
}

static void accounts_table(void **state)
{
    auto_accounts accounts = {0};
    bool primary;

    (void)state;
    some_accounts(&accounts);
    assert_int_equal(accounts.count, 4);
    assert_false(accounts.list[0].open);
    assert_true(accounts.list[3].open);
    const struct group *sudo = accounts_group_named(&accounts, "sudo");
    assert_true(accounts_in_group(&accounts.list[1], sudo, &primary) && !primary);
    assert_true(accounts_in_group(&accounts.list[2], sudo, &primary) && primary);
    assert_false(accounts_in_group(&accounts.list[3], sudo, &primary));
    /* Who administers a group may add herself. */
    const struct group *ops = accounts_group_named(&accounts, "ops");
    assert_true(accounts_in_group(&accounts.list[2], ops, &primary));
    size_t stranger = accounts_by_uid(&accounts, 9);
    assert_string_equal(accounts.list[stranger].name, "uid 9");
}

/* "alice>root, *>root": who may become whom; * is everybody. */
static void roads_text(const struct roads *roads, char *to)
{
    *to = '\0';
    for (size_t i = 0; i < roads->count; i++) {
        const struct road *road = &roads->list[i];
        const char *from =
            road->from == ACCOUNT_EVERYBODY ? "*" : roads->accounts->list[road->from].name;
        size_t used = strlen(to);
        (void)snprintf(to + used, TEXT_MAX - used, "%s%s>%s", i > 0 ? " " : "", from,
                       roads->accounts->list[road->to].name);
    }
}

static void sudoers_table(void **state)
{
    static const struct {
        const char *text;
        const char *roads;
    } table[] = {
        {"", ""},
        {"# alice ALL=(ALL) ALL\n", ""},
        {"Defaults env_reset\nDefaults:alice !authenticate\n", ""},
        {"alice ALL=(ALL:ALL) ALL\n", "alice>root"},
        {"alice ALL = ALL", "alice>root"},
        {"alice ALL=(bob) /bin/ls\n", "alice>bob"},
        {"%sudo ALL=(ALL) NOPASSWD: ALL\n", "alice>root bob>root"},
        {"%#27 ALL=(root) ALL\n", "alice>root bob>root"},
        {"#1002 ALL=(#0) ALL\n", "carol>root"},
        {"ALL ALL=(ALL) /usr/bin/less\n", "*>root"},
        {"ALL, !alice ALL=(root) ALL\n", "*>root"},
        {"alice ALL=(ALL, !root) ALL\n", "alice>bob alice>carol"},
        {"User_Alias A = alice, carol : B = bob\nA ALL=ALL\n", "alice>root carol>root"},
        {"User_Alias A = %sudo, !bob\nA ALL=ALL\n", "alice>root"},
        {"Runas_Alias R = root, bob\nalice ALL=(R) ALL\n", "alice>root"},
        {"Cmnd_Alias C = /bin/a, /bin/b\nalice H=(root) C\n", "alice>root"},
        {"alice ALL=\\\n (root) \\\n ALL\n", "alice>root"},
        {"alice A=(bob) /bin/x : B=(carol) /bin/y\n", "alice>bob alice>carol"},
        {"alice, carol ALL=(root) /bin/a b c, NOPASSWD: /bin/d\n", "alice>root carol>root"},
        {"\"alice\" ALL=(root) sha256:0011 /bin/a\n", "alice>root"},
        {"al\\ice ALL=(root) SETENV: NOPASSWD: TIMEOUT=5m /bin/a\n", "alice>root"},
        {"alice ALL=(:ops) ALL\n", "alice>root"},
        {"alice ALL=() ALL\n", ""},
        {"User_Alias A = A\nA ALL=ALL\n", ""},
        {"alice\nalice ALL\nalice ALL=\n= = =\n(((\n!!!\n", ""},
        {"root ALL=(ALL) ALL\n", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        auto_accounts accounts = {0};
        struct roads roads;
        struct sudoers sudoers = {0};
        char text[TEXT_MAX];
        auto_free char *rules = copy(table[i].text);
        some_accounts(&accounts);
        roads_init(&roads, &accounts);
        sudoers_parse(&sudoers, "/etc/sudoers.d/a b", rules);
        sudoers_roads(&sudoers, &roads);
        roads_text(&roads, text);
        if (strcmp(text, table[i].roads) != 0)
            print_error("%s: %s\n", table[i].text, text);
        assert_string_equal(text, table[i].roads);
        sudoers_free(&sudoers);
        roads_free(&roads);
    }
}

static void sudoers_lines(void **state)
{
    auto_accounts accounts = {0};
    struct roads roads;
    struct sudoers sudoers = {0};
    auto_free char *rules = copy("# one\nalice ALL= \\\n  NOPASSWD: \\\n  /bin/a\n");

    (void)state;
    some_accounts(&accounts);
    roads_init(&roads, &accounts);
    sudoers_parse(&sudoers, "/etc/sudoers.d/a b", rules);
    sudoers_roads(&sudoers, &roads);
    assert_int_equal(roads.count, 1);
    assert_string_equal(roads.list[0].close, "sed -i '2,4s/^/# /' '/etc/sudoers.d/a b'");
    assert_non_null(strstr(roads.list[0].how, "/bin/a as root without a password"));
    sudoers_free(&sudoers);
    roads_free(&roads);
}

static void roads_by_way_of_others(void **state)
{
    auto_accounts accounts = {0};
    struct roads roads;

    (void)state;
    some_accounts(&accounts);
    accounts.list[3].croft = true;
    roads_init(&roads, &accounts);
    roads_add(&roads, 3, 2, copy("carol as bob"), copy("1"));
    roads_add(&roads, 1, 3, copy("alice as carol"), copy("2"));
    roads_follow(&roads);
    assert_int_equal(roads_of_users(&roads), 0);
    assert_false(roads.list[0].leads);
    roads_add(&roads, 2, roads.root, copy("bob as root"), copy("3"));
    roads_add(&roads, roads.root, 2, copy("root is the owner"), copy("4"));
    roads_follow(&roads);
    assert_true(roads.list[0].leads && roads.list[1].leads && roads.list[2].leads);
    assert_int_equal(roads.count, 3);
    assert_int_equal(roads_of_users(&roads), 1);
    roads_free(&roads);
}

static void take_program(const char *path, bool is_directory, void *data)
{
    char *text = data;
    size_t used = strlen(text);
    (void)snprintf(text + used, TEXT_MAX - used, "%s%s%s", used > 0 ? " " : "", path,
                   is_directory ? "/" : "");
}

static void command_table(void **state)
{
    static const char *const table[][2] = {
        {"", ""},
        {"/bin/a b /c", "/bin/a"},
        {"a /b", ""},
        {"cd / && run-parts --report /etc/cron.hourly", "/etc/cron.hourly/"},
        {"test -x /usr/sbin/anacron || ( cd / && run-parts /etc/cron.daily )", "/etc/cron.daily/"},
        {"/usr/bin/python3.11 -u /opt/a.py /opt/data", "/usr/bin/python3.11 /opt/a.py"},
        {"sh -c '/a; if /b; then /c; fi' >/var/log/x 2>&1", "/a /b /c"},
        {"FOO=1 /a", "/a"},
        {"flock -n /run/lock /a /b", "/a"},
        {"nice -n 10 timeout 5 /a | /b", "/a /b"},
        {"/a > /b < /c", "/a"},
        {"$(/a) `/b`", "/a /b"},
        {"''\"\";;;&&", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char text[TEXT_MAX] = "";
        auto_free char *command = copy(table[i][0]);
        command_programs(command, take_program, text);
        assert_string_equal(text, table[i][1]);
    }
}

static void take_job(const char *user, char *command, size_t line, void *data)
{
    char *text = data;
    size_t used = strlen(text);
    (void)snprintf(text + used, TEXT_MAX - used, "[%zu %s %s]", line, user == NULL ? "-" : user,
                   command);
}

static void take_variable(const char *name, char *value, size_t line, void *data)
{
    char *text = data;
    size_t used = strlen(text);
    (void)snprintf(text + used, TEXT_MAX - used, "[%zu %s=%s]", line, name, value);
}

static void crontab_table(void **state)
{
    static const struct {
        enum crontab_kind kind;
        const char *text;
        const char *jobs;
    } table[] = {
        {CRONTAB_SYSTEM, "# x\n\nPATH = /a:/b\n* * * * * root /c d\n",
         "[3 PATH=/a:/b][4 root /c d]"},
        {CRONTAB_SYSTEM, "@reboot bob x\n* * *\n* * * * * root\n", "[1 bob x]"},
        {CRONTAB_OWN, "17 * * * * a=b /c\n@daily /d", "[1 - a=b /c][2 - /d]"},
        {CRONTAB_ANA, "1 5 cron.daily run-parts /x\n@monthly 15 m y", "[1 - run-parts /x][2 - y]"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char text[TEXT_MAX] = "";
        auto_free char *file = copy(table[i].text);
        crontab_parse(file, table[i].kind, take_job, take_variable, text);
        assert_string_equal(text, table[i].jobs);
    }
}

static void take_setting(const char *section, const char *key, char *value, size_t line, void *data)
{
    char *text = data;
    size_t used = strlen(text);
    (void)snprintf(text + used, TEXT_MAX - used, "[%zu %s.%s=%s]", line, section, key, value);
}

static void ini_table(void **state)
{
    static const char *const table[][2] = {
        {"a=b\n[S]\n c = d \n#e=f\n;g=h\ni\n[T\nj=\n", "[1 .a=b][3 S.c=d][8 T.j=]"},
        {"[S]\na=b \\\n c\nd=e\\", "[2 S.a=b   c][4 S.d=e]"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char text[TEXT_MAX] = "";
        auto_free char *file = copy(table[i][0]);
        ini_parse(file, take_setting, text);
        assert_string_equal(text, table[i][1]);
    }
}

static void take_doas(const struct doas_rule *rule, void *data)
{
    char *text = data;
    size_t used = strlen(text);
    (void)snprintf(text + used, TEXT_MAX - used, "[%zu %c%s %s %s %s]", rule->line,
                   rule->permit ? '+' : '-', rule->no_password ? "!" : "", rule->identity,
                   rule->as == NULL ? "-" : rule->as, rule->command == NULL ? "-" : rule->command);
}

static void doas_table(void **state)
{
    static const char *const table[][2] = {
        {"permit alice\ndeny bob cmd reboot", "[1 + alice - -][2 - bob - reboot]"},
        {"permit nopass keepenv setenv { A B=c } :wheel as root cmd /a args b",
         "[1 +! :wheel root /a]"},
        {"# permit eve\npermit\nallow eve\npermit persist", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char text[TEXT_MAX] = "";
        auto_free char *file = copy(table[i][0]);
        doas_parse(file, take_doas, text);
        assert_string_equal(text, table[i][1]);
    }
}

static void access_lists(void **state)
{
    struct {
        struct posix_acl_xattr_header head;
        struct posix_acl_xattr_entry entries[5];
    } list = {{POSIX_ACL_XATTR_VERSION},
              {{ACL_USER_OBJ, 7, 0},
               {ACL_USER, 6, 1000},
               {ACL_GROUP_OBJ, 6, 0},
               {ACL_GROUP, 4, 50},
               {ACL_MASK, 6, 0}}};
    struct tree_writer writers[TREE_WRITERS_MAX];
    bool group;

    (void)state;
    const uint8_t *bytes = (const uint8_t *)&list;
    assert_int_equal(tree_acl(bytes, sizeof(list), writers, &group), 1);
    assert_true(group && !writers[0].is_group && writers[0].id == 1000);
    list.entries[4].e_perm = 4; /* the mask takes writing away from all of them */
    assert_int_equal(tree_acl(bytes, sizeof(list), writers, &group), 0);
    assert_false(group);
    assert_int_equal(tree_acl(bytes, sizeof(list) - 1, writers, &group), -EINVAL);
    assert_int_equal(tree_acl(bytes, 0, writers, &group), -EINVAL);
}

static void quoted_table(void **state)
{
    static const char *const table[][2] = {
        {"/etc/a-b.c", "/etc/a-b.c"}, {"", "''"},         {"a b", "'a b'"},
        {"a'b", "'a'\\''b'"},         {"$(x)", "'$(x)'"}, {"a\nb", "'a'?'b'"},
        {"\x1b[2J", "''?'[2J'"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        auto_free char *quoted = look_quoted(table[i][0]);
        assert_string_equal(quoted, table[i][1]);
    }
}

#define CHAIN(family, table, name, more)                                                           \
    "{\"chain\":{\"family\":\"" family "\",\"table\":\"" table "\",\"name\":\"" name "\"" more "}" \
    "}"
#define RULE(table, chain, expr)                                                                   \
    "{\"rule\":{\"family\":\"ip\",\"table\":\"" table "\",\"chain\":\"" chain                      \
    "\",\"handle\":7,\"expr\":[" expr "]}}"
#define FORWARD(policy) ",\"hook\":\"forward\",\"policy\":\"" policy "\""
#define META(key, op, value)                                                                       \
    "{\"match\":{\"op\":\"" op "\",\"left\":{\"meta\":{\"key\":\"" key "\"}},\"right\":" value "}" \
    "}"
#define DADDR(value)                                                                               \
    "{\"match\":{\"op\":\"==\",\"left\":{\"payload\":{\"protocol\":\"ip\",\"field\":\"daddr\"}},"  \
    "\"right\":" value "}}"
#define NFT(rules) "{\"nftables\":[" rules "]}"

static void firewalls(void **state)
{
    static const struct {
        const char *ruleset;
        const char *said; /* NULL: nothing drops */
    } table[] = {
        {NFT(""), NULL},
        {NFT(CHAIN("ip", "filter", "FORWARD", FORWARD("accept"))), NULL},
        {NFT(CHAIN("ip", "filter", "FORWARD", FORWARD("drop"))),
         "iptables -I FORWARD -i croft+ -j ACCEPT"},
        {NFT(CHAIN("ip", "filter", "FORWARD", FORWARD("drop")) "," CHAIN("ip", "filter",
                                                                         "DOCKER-USER", "")),
         "iptables -I DOCKER-USER -i croft+ -j ACCEPT"},
        {NFT(CHAIN("ip", "mine", "f", FORWARD("accept")) "," RULE(
             "mine", "f", "{\"counter\":null},{\"reject\":null}")),
         "nft insert rule ip mine f iifname \"croft*\" accept"},
        {NFT(CHAIN("ip", "mine", "f", FORWARD("drop")) "," RULE(
             "mine", "f",
             META("iifname", "==",
                  "\"croft*\"") ",{\"accept\":null}") "," RULE("mine", "f",
                                                               META("oifname", "==",
                                                                    "\"croft*\"") ",{\"accept\":"
                                                                                  "null}")),
         NULL},
        {NFT(CHAIN("ip", "mine", "f", FORWARD("accept")) "," RULE(
             "mine", "f",
             DADDR("{\"prefix\":{\"addr\":\"100.64.0.0\",\"len\":10}}") ",{\"drop\":null}")),
         "nft insert rule ip mine f"},
        {NFT(CHAIN("ip", "mine", "f", FORWARD("accept")) "," RULE(
             "mine", "f", DADDR("\"192.0.2.1\"") ",{\"drop\":null}")),
         NULL},
        {NFT(CHAIN("ip", "mine", "f", FORWARD("accept")) "," RULE(
             "mine", "f",
             "{\"jump\":{\"target\":\"g\"}}") "," CHAIN("ip", "mine", "g",
                                                        "") "," RULE("mine", "g",
                                                                     META("iifname", "!=",
                                                                          "\"lo\"") ",{\"drop\":"
                                                                                    "null}")),
         "nft insert rule ip mine g"},
        {NFT(CHAIN("ip", "mine", "f",
                   FORWARD("accept")) "," RULE("mine", "f", "{\"limit\":{}},{\"drop\":null}")),
         NULL},
        {NFT(CHAIN("ip", "mine", "f", FORWARD("accept")) "," RULE("mine", "f",
                                                                  "{\"jump\":{\"target\":\"f\"}}")),
         NULL},
        {NFT(CHAIN("inet", "croft", "f", FORWARD("drop"))), NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct controls controls = {0};
        controls_firewall(&controls, table[i].ruleset);
        assert_true(controls.count > 0);
        bool drops = controls.list[0].todo != NULL;
        assert_true(drops == (table[i].said != NULL));
        if (drops && strstr(controls.list[0].todo, table[i].said) == NULL)
            print_error("%s\n", controls.list[0].todo);
        if (drops)
            assert_non_null(strstr(controls.list[0].todo, table[i].said));
        controls_free(&controls);
    }
}

static void elements(void **state)
{
    const struct found_address four = {.bytes = {100, 96, 0, 2}};
    const struct found_address six = {.bytes = {0xfd, 1, [15] = 2}, .ipv6 = true};
    const struct found_thing wanted[] = {
        {.kind = FOUND_OWNER, .slot = 2, .address = four, .uid = 1030},
        {.kind = FOUND_OWNER, .slot = 2, .address = six, .uid = 1030},
        {.kind = FOUND_MEMBER, .address = four, .uid = 1030},
        {.kind = FOUND_MEMBER, .address = six, .uid = 1030},
        {.kind = FOUND_GRANT, .address = four, .uid = 1031, .protocol = 6, .port = 5432},
        {.kind = FOUND_GRANT, .address = six, .uid = 1031, .protocol = 17, .port = 53},
    };
    struct found found = {0};

    (void)state;
    found_elements(
        &found,
        NFT("{\"map\":{\"family\":\"inet\",\"table\":\"croft\",\"name\":\"owner4\",\"elem\":[[{"
            "\"concat\":[\"croft0002\",\"100.96.0.2\"]},1030],[{\"concat\":[\"x\",1]},2],7]}},"
            "{\"map\":{\"family\":\"inet\",\"table\":\"croft\",\"name\":\"owner6\",\"elem\":[[{"
            "\"concat\":[\"croft0002\",\"fd01::2\"]},1030],"
            "[{\"concat\":[\"croft0002\",\"100.96.0.2\"]},1030]]}},"
            "{\"set\":{\"family\":\"inet\",\"table\":\"croft\",\"name\":\"members4\",\"elem\":[{"
            "\"concat\":[\"0x00000406\",\"100.96.0.2\"]}]}},"
            "{\"set\":{\"family\":\"inet\",\"table\":\"croft\",\"name\":\"members6\",\"elem\":[{"
            "\"concat\":[\"0x00000406\",\"fd01::2\"]}]}},"
            "{\"set\":{\"family\":\"inet\",\"table\":\"croft\",\"name\":\"grants4\",\"elem\":[{"
            "\"elem\":{\"val\":{\"concat\":[1031,\"100.96.0.2\",\"tcp\",5432]},\"timeout\":60}}]}"
            "},"
            "{\"set\":{\"family\":\"inet\",\"table\":\"croft\",\"name\":\"grants6\",\"elem\":[{"
            "\"concat\":[1031,\"fd01::2\",17,53]}]}}"));
    assert_int_equal(found.count, ARRAY_LEN(wanted));
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        assert_non_null(found_same(&found, &wanted[i]));
    found_free(&found);
    found_elements(&found, NFT("{\"set\":{\"table\":\"x\"}}"));
    found_elements(&found, "[]");
    found_elements(&found, "not json");
    assert_int_equal(found.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts_table), cmocka_unit_test(sudoers_table),
        cmocka_unit_test(sudoers_lines),  cmocka_unit_test(roads_by_way_of_others),
        cmocka_unit_test(command_table),  cmocka_unit_test(crontab_table),
        cmocka_unit_test(ini_table),      cmocka_unit_test(doas_table),
        cmocka_unit_test(access_lists),   cmocka_unit_test(quoted_table),
        cmocka_unit_test(firewalls),      cmocka_unit_test(elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
