/* SPDX-License-Identifier: Apache-2.0 */
/* files - settings, libraries and programs that root's processes read or run */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "doctor/jobs.h"
#include "doctor/look.h"
#include "doctor/tree.h"

/* What a login of root, its loader, its package manager and its daemons trust. */
static const struct {
    const char *path;
    const char *suffix;
    const char *why;
} trusted[] = {
    {"/etc/passwd", NULL, "it says who is root"},
    {"/etc/shadow", NULL, "it holds root's password"},
    {"/etc/group", NULL, "it says who is in which group"},
    {"/etc/gshadow", NULL, "it says who is in which group"},
    {"/etc/sudoers", NULL, "sudo reads it"},
    {"/etc/sudoers.d", NULL, "sudo reads it"},
    {"/etc/doas.conf", NULL, "doas reads it"},
    {"/etc/ld.so.preload", NULL, "every program of root's loads what it names"},
    {"/etc/ld.so.conf", NULL, "it says where root's programs find libraries"},
    {"/etc/ld.so.conf.d", ".conf", "it says where root's programs find libraries"},
    {"/etc/ld.so.cache", NULL, "it says where root's programs find libraries"},
    {"/etc/environment", NULL, "root's logins read it"},
    {"/etc/profile", NULL, "root's shells run it"},
    {"/etc/profile.d", ".sh", "root's shells run it"},
    {"/etc/bash.bashrc", NULL, "root's shells run it"},
    {"/etc/pam.conf", NULL, "every login asks it"},
    {"/etc/pam.d", NULL, "every login asks it"},
    {"/etc/security", NULL, "every login asks it"},
    {"/etc/nsswitch.conf", NULL, "it says who is asked for accounts"},
    {"/etc/ssh/sshd_config", NULL, "sshd reads it"},
    {"/etc/ssh/sshd_config.d", ".conf", "sshd reads it"},
    {"/etc/apt/apt.conf", NULL, "apt runs its hooks as root"},
    {"/etc/apt/apt.conf.d", NULL, "apt runs its hooks as root"},
    {"/etc/apt/sources.list", NULL, "root's packages come from there"},
    {"/etc/apt/sources.list.d", NULL, "root's packages come from there"},
    {"/etc/apt/trusted.gpg.d", NULL, "root's packages are believed by it"},
    {"/etc/dpkg/dpkg.cfg.d", NULL, "dpkg runs its hooks as root"},
    {"/var/lib/dpkg/info", NULL, "dpkg runs its scripts as root"},
    {"/etc/init.d", NULL, "it is run as root when the host starts"},
    {"/etc/rc.local", NULL, "it is run as root when the host starts"},
    {"/etc/inittab", NULL, "init reads it"},
    {"/etc/modprobe.d", ".conf", "modprobe runs its install lines as root"},
    {"/etc/modules-load.d", ".conf", "it says which modules are loaded"},
    {"/etc/udev/rules.d", ".rules", "udev runs its programs as root"},
    {"/usr/lib/udev/rules.d", ".rules", "udev runs its programs as root"},
    {"/etc/logrotate.conf", NULL, "logrotate runs its scripts as root"},
    {"/etc/logrotate.d", NULL, "logrotate runs its scripts as root"},
    {"/etc/update-motd.d", NULL, "logins run it as root"},
    {"/etc/network/if-up.d", NULL, "it is run as root"},
    {"/etc/network/if-down.d", NULL, "it is run as root"},
    {"/etc/network/interfaces", NULL, "its commands are run as root"},
    {"/etc/NetworkManager/dispatcher.d", NULL, "it is run as root"},
    {"/etc/dhcp/dhclient-enter-hooks.d", NULL, "it is run as root"},
    {"/etc/dhcp/dhclient-exit-hooks.d", NULL, "it is run as root"},
    {"/etc/kernel/postinst.d", NULL, "it is run as root"},
    {"/etc/initramfs-tools/scripts", NULL, "it is run as root when the host starts"},
    {"/etc/polkit-1/rules.d", ".rules", "polkit obeys it"},
    {"/usr/share/polkit-1/rules.d", ".rules", "polkit obeys it"},
    {"/boot", NULL, "the host starts from it"},
    {"/usr/lib/modules", NULL, "the kernel loads it"},
    {"/usr/lib", NULL, "root's programs load it"},
    {"/etc/croft", NULL, "Croft reads it"},
    {"/etc/croft/shares.d", NULL, "Croft reads it"},
};

/* Of root's home. */
static const char *const own[] = {
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".bash_logout",
    ".ssh/authorized_keys",
    ".ssh/config",
    ".ssh/rc",
    ".ssh/authorized_keys2",
    ".rhosts",
    ".shosts",
    ".forward",
    ".gitconfig",
    ".vimrc",
    ".inputrc",
    ".config",
    ".kshrc",
};

static void judge_own(struct roads *roads, const char *home);
static void judge_path(struct roads *roads, const char *list, const char *why);
static void judge_libraries(struct roads *roads, const char *path);
static void take_libraries(const char *path, const char *name, void *data);
static char *setting(const char *path, const char *name);

void files_look(struct roads *roads)
{
    static const char fixed[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    for (size_t i = 0; i < ARRAY_LEN(trusted); i++)
        tree_judge_all(roads, trusted[i].path, trusted[i].suffix, trusted[i].why);
    judge_own(roads, roads->accounts->list[roads->root].home);
    judge_path(roads, fixed, "root's PATH has it");
    auto_free char *super = setting("/etc/login.defs", "ENV_SUPATH");
    auto_free char *environment = setting("/etc/environment", "PATH");
    if (super != NULL)
        judge_path(roads, super, "root's PATH has it (/etc/login.defs)");
    if (environment != NULL)
        judge_path(roads, environment, "root's PATH has it (/etc/environment)");
    judge_libraries(roads, "/etc/ld.so.conf");
    look_each("/etc/ld.so.conf.d", take_libraries, roads);
    judge_libraries(roads, "/etc/ld.so.preload");
}

static void judge_own(struct roads *roads, const char *home)
{
    char path[LOOK_PATH_MAX];

    if (home == NULL || home[0] != '/')
        return;
    tree_judge(roads, home, TREE_DIRECTORY, "root's shells and keys come from it", NULL);
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        look_join(path, home, own[i]);
        tree_judge(roads, path, TREE_FILE, "root's logins read it", NULL);
    }
}

/* The directories and every program in them. */
static void judge_path(struct roads *roads, const char *list, const char *why)
{
    auto_free char *copy = look_format("%s", list);
    char *rest = copy;
    const char *directory;

    while ((directory = strsep(&rest, ":")) != NULL)
        if (directory[0] == '/')
            tree_judge_all(roads, directory, NULL, why);
}

/* ld.so.conf names directories, ld.so.preload files; "include" lines are read where they lead. */
static void judge_libraries(struct roads *roads, const char *path)
{
    auto_free char *text = NULL;
    char *line;

    if (look_file(path, &text) < 0)
        return;
    for (char *rest = text; (line = look_line(&rest)) != NULL;) {
        line[strcspn(line, "#")] = '\0';
        const char *name = look_word(&line);
        struct stat meta;
        if (name == NULL || name[0] != '/')
            continue;
        bool is_directory = look_stat(name, &meta) == 0 && S_ISDIR(meta.st_mode);
        tree_judge(roads, name, is_directory ? TREE_DIRECTORY : TREE_FILE,
                   "root's programs load it", NULL);
    }
}

static void take_libraries(const char *path, const char *name, void *data)
{
    (void)name;
    judge_libraries(data, path);
}

/* "NAME value", "NAME=value" or "NAME PATH=value" (caller frees); NULL: not set */
static char *setting(const char *path, const char *name)
{
    auto_free char *text = NULL;
    size_t length = strlen(name);
    char *line;

    if (look_file(path, &text) < 0)
        return NULL;
    for (char *rest = text; (line = look_line(&rest)) != NULL;) {
        if (strncmp(line, name, length) != 0 || strchr(" \t=", line[length]) == NULL)
            continue;
        line += length + strspn(line + length, " \t=");
        if (strncmp(line, "PATH=", strlen("PATH=")) == 0)
            line += strlen("PATH=");
        line += *line == '"';
        line[strcspn(line, "\"\t\r ")] = '\0';
        return look_format("%s", line);
    }
    return NULL;
}
