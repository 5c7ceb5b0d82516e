/* SPDX-License-Identifier: Apache-2.0 */
/* sudo - what the rules of sudoers mean for the accounts of this host */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "doctor/look.h"
#include "doctor/sudoers.h"
#include "doctor/tree.h"

#define SUDOERS     "/etc/sudoers"
#define DEPTH_MAX   16U /* of includes, and of aliases in aliases */
#define NOBODY      "-"
#define SUMMARY_MAX 120U

enum match { MATCH_NONE, MATCH_NO, MATCH_YES };

static void include(struct sudoers *sudoers, const char *path, bool is_directory);
static void include_file(struct sudoers *sudoers, const char *path);
static bool runs_as(const struct sudoers *sudoers, const struct accounts *accounts,
                    const struct sudo_rule *rule, const struct account *target);
static void road_of(struct roads *roads, const struct sudo_rule *rule, size_t account, size_t to);
static enum match match(const struct sudoers *sudoers, const struct accounts *accounts, char kind,
                        const struct sudo_list *list, const struct account *account,
                        unsigned int depth);
static bool matches_word(const struct accounts *accounts, const char *word,
                         const struct account *account);
static const struct sudo_list *alias_of(const struct sudoers *sudoers, char kind, const char *name);
static char *close_of(const struct sudo_rule *rule);
static char *summary(const struct sudo_rule *rule);
static void judge_commands(const struct sudo_list *commands, struct roads *roads,
                           const char *repair);

void sudoers_look(struct roads *roads)
{
    struct sudoers sudoers = {.include = include};

    include_file(&sudoers, SUDOERS);
    /* Rules that wait for sudo to be installed. */
    if (!look_exists(SUDOERS))
        include(&sudoers, SUDOERS ".d", true);
    sudoers_roads(&sudoers, roads);
    sudoers_free(&sudoers);
}

void sudoers_roads(const struct sudoers *sudoers, struct roads *roads)
{
    const struct accounts *accounts = roads->accounts;
    /* For a rule for ALL: an account that has no name and is in no group. */
    const struct account anybody = {.name = (char[]){NOBODY}, .uid = UINT32_MAX};

    for (size_t i = 0; i < sudoers->rule_count; i++) {
        const struct sudo_rule *rule = &sudoers->rules[i];
        if (rule->commands.count == 0)
            continue;
        bool all = match(sudoers, accounts, 'U', &rule->users, &anybody, 0) == MATCH_YES;
        /* Who may become root needs no other. */
        bool root = runs_as(sudoers, accounts, rule, &accounts->list[roads->root]);
        for (size_t to = 0; to < accounts->count; to++) {
            if (root ? to != roads->root : !runs_as(sudoers, accounts, rule, &accounts->list[to]))
                continue;
            if (all)
                road_of(roads, rule, ACCOUNT_EVERYBODY, to);
            for (size_t from = 0; from < accounts->count && !all; from++)
                if (accounts->list[from].known && match(sudoers, accounts, 'U', &rule->users,
                                                        &accounts->list[from], 0) == MATCH_YES)
                    road_of(roads, rule, from, to);
        }
        auto_free char *repair = close_of(rule);
        judge_commands(&rule->commands, roads, repair);
        for (size_t j = 0; j < sudoers->alias_count; j++)
            if (sudoers->aliases[j].kind == 'C')
                judge_commands(&sudoers->aliases[j].list, roads, repair);
    }
}

static bool runs_as(const struct sudoers *sudoers, const struct accounts *accounts,
                    const struct sudo_rule *rule, const struct account *target)
{
    if (rule->runas.count > 0)
        return match(sudoers, accounts, 'R', &rule->runas, target, 0) == MATCH_YES;
    /* Without parentheses it is root. "(:group)" runs as oneself in a group, which may be a road of
     * its own: it is taken for one. */
    return target->uid == 0 && (!rule->has_runas || rule->runas_groups.count > 0);
}

static void road_of(struct roads *roads, const struct sudo_rule *rule, size_t account, size_t to)
{
    auto_free char *what = summary(rule);

    roads_add(roads, account, to,
              look_format("sudo lets %s run %s as %s%s (%s, line %zu)",
                          account == ACCOUNT_EVERYBODY ? "them" : "her", what,
                          roads->accounts->list[to].name,
                          rule->no_password ? " without a password" : "", rule->file,
                          rule->first_line),
              close_of(rule));
}

/* The last that matches decides, as in sudo. */
static enum match match(const struct sudoers *sudoers, const struct accounts *accounts, char kind,
                        const struct sudo_list *list, const struct account *account,
                        unsigned int depth)
{
    for (size_t i = list->count; i-- > 0;) {
        const struct sudo_item *item = &list->items[i];
        const struct sudo_list *alias = alias_of(sudoers, kind, item->word);
        enum match found = MATCH_NONE;
        if (alias != NULL && depth < DEPTH_MAX)
            found = match(sudoers, accounts, kind, alias, account, depth + 1);
        else if (alias == NULL && matches_word(accounts, item->word, account))
            found = MATCH_YES;
        if (found != MATCH_NONE)
            return (found == MATCH_YES) != item->negated ? MATCH_YES : MATCH_NO;
    }
    return MATCH_NONE;
}

static bool matches_word(const struct accounts *accounts, const char *word,
                         const struct account *account)
{
    const struct group *group = NULL;
    uint64_t id;
    bool is_primary;

    if (strcmp(word, "ALL") == 0)
        return true;
    if (word[0] == '#')
        return str_u64(word + 1, 0, UINT32_MAX, &id) == 0 && account->uid == id;
    if (word[0] != '%')
        return strcmp(word, account->name) == 0;
    if (word[1] != '#')
        group = accounts_group_named(accounts, word + 1);
    else if (str_u64(word + 2, 0, UINT32_MAX, &id) == 0)
        group = accounts_group_id(accounts, (uint32_t)id);
    return group != NULL && accounts_in_group(account, group, &is_primary);
}

static const struct sudo_list *alias_of(const struct sudoers *sudoers, char kind, const char *name)
{
    /* Users and runas may name each other's aliases' kind only; the last definition counts. */
    for (size_t i = sudoers->alias_count; i-- > 0;)
        if (sudoers->aliases[i].kind == kind && strcmp(sudoers->aliases[i].name, name) == 0)
            return &sudoers->aliases[i].list;
    return NULL;
}

/* Makes the rule a comment, so that it can be put back. */
static char *close_of(const struct sudo_rule *rule)
{
    auto_free char *file = look_quoted(rule->file);
    return look_format("sed -i '%zu,%zus/^/# /' %s", rule->first_line, rule->last_line, file);
}

static char *summary(const struct sudo_rule *rule)
{
    char text[SUMMARY_MAX] = "";
    size_t used = 0;

    for (size_t i = 0; i < rule->commands.count; i++) {
        const struct sudo_item *item = &rule->commands.items[i];
        if (!item->negated && strcmp(item->word, "ALL") == 0)
            return look_format("everything");
        if (str_format(text + used, sizeof(text) - used, "%s%s%s", i > 0 ? ", " : "",
                       item->negated ? "!" : "", item->word) < 0)
            return look_format("%.*s...", (int)used, text);
        used = strlen(text);
    }
    return look_format("%s", text);
}

/* Who writes a program that sudo runs as root is root. */
static void judge_commands(const struct sudo_list *commands, struct roads *roads,
                           const char *repair)
{
    for (size_t i = 0; i < commands->count; i++) {
        const char *word = commands->items[i].word;
        if (strncmp(word, "sudoedit ", strlen("sudoedit ")) == 0 || word[0] != '/')
            continue;
        auto_free char *path = look_copy(word, strcspn(word, " \t"));
        if (strpbrk(path, "*?[") != NULL || path[1] == '\0')
            continue;
        bool is_directory = path[strlen(path) - 1] == '/';
        tree_judge(roads, path, is_directory ? TREE_DIRECTORY : TREE_FILE, "sudo runs it as root",
                   repair);
    }
}

static void include_in(const char *path, const char *name, void *data)
{
    size_t length = strlen(name);

    /* As sudo: a backup of an editor or of dpkg is none of its files. */
    if (strchr(name, '.') == NULL && name[length - 1] != '~')
        include_file(data, path);
}

static void include(struct sudoers *sudoers, const char *path, bool is_directory)
{
    char whole[LOOK_PATH_MAX];

    if (path[0] != '/') {
        look_join(whole, "/etc", path);
        path = whole;
    }
    if (is_directory)
        look_each(path, include_in, sudoers);
    else
        include_file(sudoers, path);
}

static void include_file(struct sudoers *sudoers, const char *path)
{
    auto_free char *text = NULL;

    if (sudoers->depth >= DEPTH_MAX || look_file(path, &text) < 0)
        return;
    sudoers->depth++;
    sudoers_parse(sudoers, path, text);
    sudoers->depth--;
}
