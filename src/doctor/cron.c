/* SPDX-License-Identifier: Apache-2.0 */
/* cron - crontabs and at jobs of root, and the programs they name */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "doctor/jobs.h"
#include "doctor/look.h"
#include "doctor/settings.h"
#include "doctor/tree.h"

#define WHY "cron runs it as root"

struct table {
    struct roads *roads;
    const char *path;
    const char *repair;
};

static void take_table(struct roads *roads, const char *path, enum crontab_kind kind);
static void take_job(const char *user, char *command, size_t line, void *data);
static void take_variable(const char *name, char *value, size_t line, void *data);
static void take_program(const char *path, bool is_directory, void *data);
static void take_spooled(const char *path, const char *name, void *data);
static void take_system(const char *path, const char *name, void *data);

void cron_look(struct roads *roads)
{
    static const char *const directories[] = {"/etc/cron.hourly", "/etc/cron.daily",
                                              "/etc/cron.weekly", "/etc/cron.monthly",
                                              "/etc/cron.yearly", "/etc/periodic"};
    static const char *const spools[] = {"/var/spool/cron/crontabs", "/var/spool/cron",
                                         "/var/spool/cron/atjobs", "/var/spool/at"};

    take_table(roads, "/etc/crontab", CRONTAB_SYSTEM);
    take_table(roads, "/etc/anacrontab", CRONTAB_ANA);
    tree_judge_all(roads, "/etc/cron.d", NULL, WHY);
    look_each("/etc/cron.d", take_system, roads);
    for (size_t i = 0; i < ARRAY_LEN(directories); i++)
        tree_judge_all(roads, directories[i], NULL, WHY);
    for (size_t i = 0; i < ARRAY_LEN(spools); i++)
        look_each(spools[i], take_spooled, roads);
}

static void take_system(const char *path, const char *name, void *data)
{
    (void)name;
    take_table(data, path, CRONTAB_SYSTEM);
}

/* A spool's file belongs to whom it runs as: cron and atd look at the owner. */
static void take_spooled(const char *path, const char *name, void *data)
{
    struct roads *roads = data;
    struct stat meta;

    if (look_stat(path, &meta) < 0 || !S_ISREG(meta.st_mode) || meta.st_uid != 0)
        return;
    tree_judge(roads, path, TREE_FILE, WHY, NULL);
    if (strcmp(name, "root") == 0)
        take_table(roads, path, CRONTAB_OWN);
}

static void take_table(struct roads *roads, const char *path, enum crontab_kind kind)
{
    auto_free char *text = NULL;
    struct table table = {.roads = roads, .path = path};

    if (look_file(path, &text) < 0)
        return;
    tree_judge(roads, path, TREE_FILE, WHY, NULL);
    crontab_parse(text, kind, take_job, take_variable, &table);
}

static char *repair_of(const struct table *table, size_t line)
{
    auto_free char *quoted = look_quoted(table->path);
    return look_format("sed -i '%zus/^/# /' %s", line, quoted);
}

static void take_job(const char *user, char *command, size_t line, void *data)
{
    struct table *table = data;
    ssize_t account = user == NULL ? 0 : accounts_by_name(table->roads->accounts, user);

    if (user != NULL && (account < 0 || table->roads->accounts->list[account].uid != 0))
        return;
    auto_free char *repair = repair_of(table, line);
    table->repair = repair;
    command_programs(command, take_program, table);
}

/* Root's jobs of this table search their programs there. */
static void take_variable(const char *name, char *value, size_t line, void *data)
{
    struct table *table = data;
    char *directory;

    if (strcmp(name, "PATH") != 0)
        return;
    auto_free char *repair = repair_of(table, line);
    while ((directory = strsep(&value, ":")) != NULL)
        tree_judge(table->roads, directory, TREE_DIRECTORY, "cron's PATH has it", repair);
}

static void take_program(const char *path, bool is_directory, void *data)
{
    const struct table *table = data;
    auto_free char *why = look_format("cron runs it as root (%s)", table->path);

    if (is_directory)
        tree_judge_all(table->roads, path, NULL, why);
    else
        tree_judge(table->roads, path, TREE_FILE, why, table->repair);
}
