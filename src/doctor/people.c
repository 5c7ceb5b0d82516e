/* SPDX-License-Identifier: Apache-2.0 */
/* people - uid 0 twins, open accounts, groups that are root by another name, doas */
#include "doctor/people.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "doctor/look.h"
#include "doctor/settings.h"
#include "doctor/tree.h"

static const struct {
    const char *name;
    const char *why;
} groups[] = {
    {"docker", "dockerd mounts any directory of the host into a container of hers, as root"},
    {"podman", "a root podman's socket mounts any directory of the host into a container, as root"},
    {"lxd", "lxd gives her containers any directory and device of the host"},
    {"incus", "incus-user's daemon runs as root and takes her devices and paths"},
    {"incus-admin", "incus gives her containers any directory and device of the host"},
    {"libvirt", "libvirtd attaches any file and disk of the host to a machine of hers, as root"},
    {"libvirt-qemu", "the disks of every virtual machine belong to it"},
    {"kvm", "/dev/kvm runs whole machines outside every limit, and its bugs are the kernel's"},
    {"disk", "it reads and writes the raw disks, so every file there is"},
    {"shadow", "it reads every password's hash, root's too"},
    {"kmem", "it reads the kernel's memory"},
    {"adm", "it reads every log, and with it what was typed at a wrong prompt"},
    {"systemd-journal", "it reads every log, and with it what was typed at a wrong prompt"},
    {"input", "it reads every key that is typed at the host's console"},
    {"tty", "it writes to the terminals of others"},
    {"staff", "it may write /usr/local, which stands first in root's PATH"},
    {"lpadmin", "cups runs filters and opens files as root for it"},
    {"netdev", "it changes the host's network without a password"},
};

static void judge_group(struct roads *roads, const char *name, const char *why);

void people_look(struct roads *roads)
{
    struct accounts *accounts = roads->accounts;

    for (size_t i = 0; i < accounts->count; i++) {
        const struct account *account = &accounts->list[i];
        auto_free char *name = look_quoted(account->name);
        if (account->uid == 0 && i != roads->root)
            roads_add(roads, i, roads->root, look_format("has uid 0: it is root by another name"),
                      look_format("userdel -f %s", name));
        if (account->open && account->known)
            roads_add(roads, ACCOUNT_EVERYBODY, i,
                      look_format("may become %s, whose password is empty", account->name),
                      look_format("passwd -l %s", name));
    }
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        judge_group(roads, groups[i].name, groups[i].why);
}

const char *people_group_why(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        if (strcmp(groups[i].name, name) == 0)
            return groups[i].why;
    return NULL;
}

static void judge_group(struct roads *roads, const char *name, const char *why)
{
    const struct group *group = accounts_group_named(roads->accounts, name);
    bool is_primary;

    for (size_t i = 0; group != NULL && i < roads->accounts->count; i++) {
        const struct account *account = &roads->accounts->list[i];
        if (!accounts_in_group(account, group, &is_primary))
            continue;
        auto_free char *quoted = look_quoted(account->name);
        roads_add(roads, i, roads->root, look_format("is in group %s: %s", name, why),
                  is_primary ? look_format("usermod -g nogroup %s", quoted)
                             : look_format("gpasswd -d %s %s", quoted, name));
    }
}

/* The last rule that names an account decides about each target and command; denials of single
 * commands close nothing, so only a denial of everything is looked at. */
struct doas {
    struct roads *roads;
    size_t *line; /* per account */
    char **how;
};

static void take_doas(const struct doas_rule *rule, void *data)
{
    struct doas *doas = data;
    const struct accounts *accounts = doas->roads->accounts;
    const struct group *group = NULL;
    bool is_primary;

    if (rule->as != NULL && strcmp(rule->as, "root") != 0)
        return;
    if (rule->identity[0] == ':')
        group = accounts_group_named(accounts, rule->identity + 1);
    for (size_t i = 0; i < accounts->count; i++) {
        const struct account *account = &accounts->list[i];
        bool is_named = rule->identity[0] == ':'
                            ? group != NULL && accounts_in_group(account, group, &is_primary)
                            : strcmp(account->name, rule->identity) == 0;
        if (!is_named || (!rule->permit && rule->command != NULL))
            continue;
        free(doas->how[i]);
        doas->how[i] = NULL;
        doas->line[i] = rule->line;
        if (rule->permit)
            doas->how[i] = look_format("doas lets her run %s as root%s (/etc/doas.conf, line %zu)",
                                       rule->command == NULL ? "everything" : rule->command,
                                       rule->no_password ? " without a password" : "", rule->line);
    }
}

void doas_look(struct roads *roads)
{
    auto_free char *text = NULL;
    const size_t count = roads->accounts->count;

    if (look_file("/etc/doas.conf", &text) < 0)
        return;
    struct doas doas = {.roads = roads};
    doas.line = mem_new(count, sizeof(*doas.line));
    doas.how = mem_new(count, sizeof(*doas.how));
    doas_parse(text, take_doas, &doas);
    for (size_t i = 0; i < count; i++)
        if (doas.how[i] != NULL)
            roads_add(roads, i, roads->root, doas.how[i],
                      look_format("sed -i '%zus/^/# /' /etc/doas.conf", doas.line[i]));
    free(doas.line);
    free((void *)doas.how);
}
