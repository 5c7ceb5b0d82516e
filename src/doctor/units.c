/* SPDX-License-Identifier: Apache-2.0 */
/* units - systemd's units, their drop-ins, and the programs that they run as root */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "doctor/jobs.h"
#include "doctor/look.h"
#include "doctor/settings.h"
#include "doctor/tree.h"

#define WHY "systemd reads it"

static const char *const unit_directories[] = {
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
};

/* is_root: the unit has no User=, or root */
struct unit {
    struct roads *roads;
    const char *path;
    const char *repair;
    bool is_root;
};

static void take_entry(const char *path, const char *name, void *data);
static void take_drop_in(const char *path, const char *name, void *data);
static void take_unit(struct roads *roads, const char *path, bool is_root);
static bool runs_as_root(const char *name);
static void look_for_user(const char *section, const char *key, char *value, size_t line,
                          void *data);
static void take_setting(const char *section, const char *key, char *value, size_t line,
                         void *data);
static void take_program(const char *path, bool is_directory, void *data);
static bool ends_with(const char *name, const char *suffix);

void units_look(struct roads *roads)
{
    static const char *const others[] = {
        "/etc/systemd/system-generators",     "/usr/local/lib/systemd/system-generators",
        "/usr/lib/systemd/system-generators", "/etc/systemd/system-shutdown",
        "/usr/lib/systemd/system-shutdown",   "/usr/lib/systemd/system-sleep",
        "/etc/systemd/system-sleep",          "/etc/systemd/system-environment-generators"};
    static const char *const settings[] = {"/etc/systemd",    "/etc/systemd/system.conf.d",
                                           "/etc/tmpfiles.d", "/etc/sysusers.d",
                                           "/etc/binfmt.d",   "/etc/sysctl.d"};

    for (size_t i = 0; i < ARRAY_LEN(unit_directories); i++) {
        tree_judge(roads, unit_directories[i], TREE_DIRECTORY, WHY, NULL);
        look_each(unit_directories[i], take_entry, roads);
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        tree_judge_all(roads, others[i], NULL, "systemd runs it as root");
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        tree_judge_all(roads, settings[i], NULL, WHY);
}

static void take_entry(const char *path, const char *name, void *data)
{
    struct roads *roads = data;
    struct stat meta;

    if (look_stat(path, &meta) < 0)
        return;
    if (S_ISDIR(meta.st_mode)) {
        tree_judge(roads, path, TREE_DIRECTORY, WHY, NULL);
        if (ends_with(name, ".service.d"))
            look_each(path, take_drop_in, roads);
    } else if (S_ISREG(meta.st_mode)) {
        tree_judge(roads, path, TREE_FILE, WHY, NULL);
        if (ends_with(name, ".service"))
            take_unit(roads, path, runs_as_root(name));
    }
}

static void take_drop_in(const char *path, const char *name, void *data)
{
    char service[LOOK_PATH_MAX];

    /* ".../NAME.service.d/x.conf": whether it is root's the unit itself says. */
    if (!ends_with(name, ".conf") || str_copy(service, sizeof(service), path) < 0)
        return;
    *strrchr(service, '/') = '\0';
    service[strlen(service) - 2] = '\0';
    tree_judge(data, path, TREE_FILE, WHY, NULL);
    take_unit(data, path, runs_as_root(strrchr(service, '/') + 1));
}

static bool runs_as_root(const char *name)
{
    char path[LOOK_PATH_MAX];
    bool is_root = true;

    for (size_t i = 0; i < ARRAY_LEN(unit_directories); i++) {
        auto_free char *text = NULL;
        look_join(path, unit_directories[i], name);
        if (path[0] == '\0' || look_file(path, &text) < 0)
            continue;
        ini_parse(text, look_for_user, &is_root);
        break;
    }
    return is_root;
}

static void look_for_user(const char *section, const char *key, char *value, size_t line,
                          void *data)
{
    bool *is_root = data;

    (void)line;
    if (strcmp(section, "Service") == 0 && strcmp(key, "User") == 0)
        *is_root = value[0] == '\0' || strcmp(value, "root") == 0 || strcmp(value, "0") == 0;
    if (strcmp(section, "Service") == 0 && strcmp(key, "DynamicUser") == 0 &&
        strcmp(value, "yes") == 0)
        *is_root = false;
}

static void take_unit(struct roads *roads, const char *path, bool is_root)
{
    auto_free char *text = NULL;
    struct unit unit = {.roads = roads, .path = path, .is_root = is_root};

    if (look_file(path, &text) == 0)
        ini_parse(text, take_setting, &unit);
}

static void take_setting(const char *section, const char *key, char *value, size_t line, void *data)
{
    static const char specials[] = "@-:+!|";
    struct unit *unit = data;
    size_t prefix = strspn(value, specials);
    bool is_exec = strncmp(key, "Exec", strlen("Exec")) == 0;

    if (strcmp(section, "Service") != 0 || (!is_exec && strcmp(key, "EnvironmentFile") != 0))
        return;
    /* "+" and "!" put User= aside for this command. */
    bool is_root = unit->is_root || memchr(value, '+', prefix) || memchr(value, '!', prefix);
    if (!is_root || strchr(value, '%') != NULL)
        return;
    auto_free char *quoted = look_quoted(unit->path);
    auto_free char *repair = look_format("sed -i '%zus/^/# /' %s", line, quoted);
    unit->repair = repair;
    if (is_exec)
        command_programs(value + prefix, take_program, unit);
    else
        take_program(value + prefix, false, unit);
}

static void take_program(const char *path, bool is_directory, void *data)
{
    const struct unit *unit = data;
    auto_free char *why = look_format("systemd uses it as root (%s)", unit->path);

    tree_judge(unit->roads, path, is_directory ? TREE_DIRECTORY : TREE_FILE, why, unit->repair);
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t length = strlen(name);
    size_t wanted = strlen(suffix);
    return length > wanted && strcmp(name + length - wanted, suffix) == 0;
}
