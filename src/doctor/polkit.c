/* SPDX-License-Identifier: Apache-2.0 */
/*
 * polkit - rules that let somebody do what root does
 *
 * Rules are JavaScript and are not run here. What they compare with is read out of them: a file in
 * which polkit.Result.YES or an administrator rule stands is taken to permit those whom it names.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "doctor/look.h"
#include "doctor/people.h"
#include "doctor/settings.h"

#define GROUP_WORD "unix-group:"
#define USER_WORD  "unix-user:"

struct rules {
    struct roads *roads;
    const char *path;
    const char *how;
    char *identity;
};

static void take_directory(const char *path, const char *name, void *data);
static void take_file(const char *path, const char *name, void *data);
static void take_rules(struct roads *roads, const char *path);
static void take_pkla(struct roads *roads, const char *path);
static void take_pkla_setting(const char *section, const char *key, char *value, size_t line,
                              void *data);
static void take_calls(struct rules *rules, const char *text, const char *before, bool is_group);
static void take_identity(const char *string, void *data);
static void permit(struct rules *rules, const char *name, bool is_group);
static void strip_comments(char *text);

void polkit_look(struct roads *roads)
{
    static const char *const directories[] = {"/etc/polkit-1/rules.d", "/run/polkit-1/rules.d",
                                              "/usr/local/share/polkit-1/rules.d",
                                              "/usr/share/polkit-1/rules.d"};

    for (size_t i = 0; i < ARRAY_LEN(directories); i++)
        look_each(directories[i], take_file, roads);
    look_each("/etc/polkit-1/localauthority", take_directory, roads);
    look_each("/var/lib/polkit-1/localauthority", take_directory, roads);
}

static void take_directory(const char *path, const char *name, void *data)
{
    (void)name;
    look_each(path, take_file, data);
}

static void take_file(const char *path, const char *name, void *data)
{
    const char *dot = strrchr(name, '.');

    if (dot != NULL && strcmp(dot, ".rules") == 0)
        take_rules(data, path);
    else if (dot != NULL && strcmp(dot, ".pkla") == 0)
        take_pkla(data, path);
}

static void take_rules(struct roads *roads, const char *path)
{
    auto_free char *text = NULL;
    struct rules rules = {.roads = roads, .path = path};

    if (look_file(path, &text) < 0)
        return;
    strip_comments(text);
    if (strstr(text, "addAdminRule") != NULL) {
        auto_free char *copy = look_format("%s", text);
        rules.how = "counts as an administrator, whose own password is root's";
        quoted_strings(copy, take_identity, &rules);
    }
    if (strstr(text, "Result.YES") == NULL)
        return;
    rules.how = "may do without a password what root may";
    take_calls(&rules, text, "isInGroup(", true);
    /* A package's rule for its own daemon's account is as much root's as the daemon. */
    if (strncmp(path, "/usr/share/", strlen("/usr/share/")) != 0)
        take_calls(&rules, text, "subject.user", false);
    if (strncmp(path, "/etc/", strlen("/etc/")) == 0 && strstr(text, "subject.") == NULL) {
        auto_free char *quoted = look_quoted(path);
        roads_add(roads, ACCOUNT_EVERYBODY, roads->root,
                  look_format("may do without a password what root may, by polkit (%s)", path),
                  look_format("mv %s %s.off", quoted, quoted));
    }
}

/* The string that comes next behind each @before. */
static void take_calls(struct rules *rules, const char *text, const char *before, bool is_group)
{
    for (const char *at = text; (at = strstr(at, before)) != NULL;) {
        at += strlen(before);
        const char *start = at + strspn(at, " \t\r\n=)");
        if (*start != '"' && *start != '\'')
            continue;
        const char *end = strchr(start + 1, *start);
        if (end == NULL)
            return;
        auto_free char *name = look_copy(start + 1, (size_t)(end - start - 1));
        permit(rules, name, is_group);
    }
}

static void take_identity(const char *string, void *data)
{
    if (strncmp(string, GROUP_WORD, strlen(GROUP_WORD)) == 0)
        permit(data, string + strlen(GROUP_WORD), true);
    else if (strncmp(string, USER_WORD, strlen(USER_WORD)) == 0)
        permit(data, string + strlen(USER_WORD), false);
}

static void permit(struct rules *rules, const char *name, bool is_group)
{
    const struct accounts *accounts = rules->roads->accounts;
    const struct group *group = is_group ? accounts_group_named(accounts, name) : NULL;
    auto_free char *path = look_quoted(rules->path);
    bool is_primary;

    for (size_t i = 0; i < accounts->count; i++) {
        const struct account *account = &accounts->list[i];
        bool is_named = is_group ? group != NULL && accounts_in_group(account, group, &is_primary)
                                 : strcmp(account->name, name) == 0;
        if (!is_named)
            continue;
        auto_free char *quoted = look_quoted(account->name);
        auto_free char *quoted_group = look_quoted(name);
        char *close = look_format("mv %s %s.off", path, path);
        if (is_group && !is_primary) {
            free(close);
            close = look_format("gpasswd -d %s %s", quoted, quoted_group);
        }
        roads_add(rules->roads, i, rules->roads->root,
                  look_format("%s, by polkit%s%s (%s)", rules->how, is_group ? " as one of " : "",
                              is_group ? name : "", rules->path),
                  close);
    }
}

static void take_pkla(struct roads *roads, const char *path)
{
    auto_free char *text = NULL;
    struct rules rules = {.roads = roads, .path = path};

    if (look_file(path, &text) < 0)
        return;
    rules.how = "may do without a password what root may";
    ini_parse(text, take_pkla_setting, &rules);
    free(rules.identity);
}

/* Identity= comes before Result...= in all there are; each line is held against the last one. */
static void take_pkla_setting(const char *section, const char *key, char *value, size_t line,
                              void *data)
{
    struct rules *rules = data;
    const char *identity;

    (void)section;
    (void)line;
    if (strcmp(key, "Identity") == 0) {
        free(rules->identity);
        rules->identity = look_format("%s", value);
    }
    if (strncmp(key, "Result", strlen("Result")) != 0 || strcmp(value, "yes") != 0 ||
        rules->identity == NULL)
        return;
    auto_free char *copy = look_format("%s", rules->identity);
    for (char *rest = copy; (identity = strsep(&rest, ";")) != NULL;) {
        auto_free char *path = look_quoted(rules->path);
        if (strcmp(identity, "*") == 0 || strcmp(identity, USER_WORD "*") == 0)
            roads_add(rules->roads, ACCOUNT_EVERYBODY, rules->roads->root,
                      look_format("%s, by polkit (%s)", rules->how, rules->path),
                      look_format("mv %s %s.off", path, path));
        else
            take_identity(identity, rules);
    }
}

/* Blanks them; a string with two slashes, as in a URL, is left alone. */
static void strip_comments(char *text)
{
    char quote = '\0';

    for (char *at = text; *at != '\0'; at++) {
        if (quote != '\0') {
            if (*at == quote || *at == '\n')
                quote = '\0';
        } else if (*at == '"' || *at == '\'') {
            quote = *at;
        } else if (at[0] == '/' && at[1] == '/') {
            size_t length = strcspn(at, "\n");
            memset(at, ' ', length);
            at += length - 1;
        } else if (at[0] == '/' && at[1] == '*') {
            const char *end = strstr(at + 2, "*/");
            size_t length = end == NULL ? strlen(at) : (size_t)(end - at) + 2;
            memset(at, ' ', length);
            at += length - 1;
        }
    }
}
