/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names - /etc/hosts and /etc/resolv.conf of each machine
 *
 * Theory of operation
 * A machine has two files of its own, made with its first start in this boot and mounted into it;
 * a name is there as long as the machine that has it has its link. Both are written whole by
 * lines.c, which touches only what differs, so nobody has to know what changed.
 *
 * No name of another user's machine is in the file without a grant, and none stays in it after:
 * a name that is gone is a line that was taken away.
 */
#include "monitor/names.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "linux/mounts.h"
#include "linux/path.h"
#include "monitor/instances.h"
#include "monitor/lines.h"
#include "monitor/monitor.h"
#include "monitor/users.h"

#define HOSTS          "hosts"
#define RESOLV         "resolv.conf"
#define SLOT_NAME_SIZE 8U
/* Some kilobytes for each machine that runs. */
#define MEMORY_SIZE "256m"

static int open_memory(int run);
static void on_changed(void *data);
static void add_hosts(const struct instance *instance, struct lines *lines);
static void add_name(const struct instance *named, const char *alias, struct lines *lines);
static void add_granted(const struct instance *granted, void *data);
static void add_resolvers(const struct monitor *monitor, struct lines *lines);
static void add_resolver(const struct net_target *service, struct lines *lines);
static void slot_name(uint32_t slot, char name[SLOT_NAME_SIZE]);
static int write_file(int dir, const char *name, struct lines *lines);
static int clone_file(int dir, const char *name);
static void rewrite(const struct instance *instance, const char *file, struct lines *lines);
static void remove_files(int names, const char *slot);
static bool is_slot_of_ours(const struct monitor *monitor, const char *name);

int names_open(struct monitor *monitor)
{
    struct dirent *entry;

    monitor->names_timer = (struct loop_timer){.on_due = on_changed, .data = monitor};
    monitor->dirs.names = open_memory(monitor->dirs.run);
    if (monitor->dirs.names < 0)
        return monitor->dirs.names;
    int names = path_open(monitor->dirs.names, ".", O_RDONLY | O_DIRECTORY);
    if (names < 0)
        return names;
    DIR *list = fdopendir(names);
    if (list == NULL) {
        fd_close(&names);
        return -ENOMEM;
    }
    while ((entry = readdir(list)) != NULL)
        if (entry->d_name[0] != '.' && !is_slot_of_ours(monitor, entry->d_name))
            remove_files(monitor->dirs.names, entry->d_name);
    closedir(list);
    return 0;
}

/* A file system of its own: what a machine sees of it names nothing of the host's. */
static int open_memory(int run)
{
    const struct mount_option options[] = {{"size", MEMORY_SIZE}, {"mode", "0700"}, {NULL, NULL}};
    int rc = path_mkdir(run, NAMES_DIR, 0700);
    if (rc == 0 || rc == -EEXIST)
        rc = path_is_mount_point(run, NAMES_DIR);
    if (rc < 0)
        return rc;
    if (rc == 0) {
        auto_close at = path_open(run, NAMES_DIR, O_PATH | O_DIRECTORY);
        if (at < 0)
            return at;
        auto_close memory =
            mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        rc = memory < 0 ? memory : mount_attach(memory, at);
        if (rc < 0)
            return rc;
    }
    return path_open_xdev(run, NAMES_DIR, O_RDONLY | O_DIRECTORY);
}

int names_make(struct instance *instance, int *ret_hosts, int *ret_resolv)
{
    const struct monitor *monitor = instance->user->monitor;
    auto_lines hosts = {.text = NULL};
    auto_lines resolvers = {.text = NULL};
    char slot[SLOT_NAME_SIZE];

    slot_name(instance->slot, slot);
    auto_close dir = path_mkdir_open(monitor->dirs.names, slot, 0700);
    if (dir < 0)
        return dir;
    add_hosts(instance, &hosts);
    add_resolvers(monitor, &resolvers);
    int rc = write_file(dir, HOSTS, &hosts);
    if (rc == 0)
        rc = write_file(dir, RESOLV, &resolvers);
    if (rc < 0)
        return rc;
    auto_close hosts_mount = clone_file(dir, HOSTS);
    if (hosts_mount < 0)
        return hosts_mount;
    auto_close resolv_mount = clone_file(dir, RESOLV);
    if (resolv_mount < 0)
        return resolv_mount;
    *ret_hosts = take_fd(&hosts_mount);
    *ret_resolv = take_fd(&resolv_mount);
    return 0;
}

void names_remove(struct instance *instance)
{
    char slot[SLOT_NAME_SIZE];

    if (instance->slot == 0)
        return;
    slot_name(instance->slot, slot);
    remove_files(instance->user->monitor->dirs.names, slot);
}

void names_changed(struct user *user)
{
    struct monitor *monitor = user->monitor;

    user->names_changed = true;
    if (!monitor->names_timer.armed)
        loop_arm(monitor->loop, &monitor->names_timer, clock_boot_ns());
}

void names_settle(struct user *user)
{
    if (!user->names_changed)
        return;
    user->names_changed = false;
    for (const struct instance *instance = user->instances; instance != NULL;
         instance = instance->next) {
        auto_lines lines = {.text = NULL};
        if (!instance->link.linked)
            continue;
        add_hosts(instance, &lines);
        rewrite(instance, HOSTS, &lines);
    }
}

void names_resolvers_changed(struct monitor *monitor)
{
    for (const struct user *user = monitor->users.first; user != NULL; user = user->next) {
        for (const struct instance *instance = user->instances; instance != NULL;
             instance = instance->next) {
            auto_lines lines = {.text = NULL};
            if (!instance->link.linked)
                continue;
            add_resolvers(monitor, &lines);
            rewrite(instance, RESOLV, &lines);
        }
    }
}

/* One user in a turn: others have orders meanwhile. */
static void on_changed(void *data)
{
    struct monitor *monitor = data;
    struct user *user = monitor->users.first;

    while (user != NULL && !user->names_changed)
        user = user->next;
    if (user == NULL)
        return;
    names_settle(user);
    loop_arm(monitor->loop, &monitor->names_timer, clock_boot_ns());
}

static void add_hosts(const struct instance *instance, struct lines *lines)
{
    const struct user *user = instance->user;

    lines_add(lines, "127.0.0.1 localhost");
    lines_add(lines, "::1 localhost ip6-localhost ip6-loopback");
    for (const struct instance *own = user->instances; own != NULL; own = own->next) {
        if (own == instance)
            add_name(own, own->name, lines);
        else if (own->link.linked)
            add_name(own, "", lines);
    }
    grants_each_to(user, add_granted, lines);
}

static void add_granted(const struct instance *granted, void *data)
{
    add_name(granted, "", data);
}

static void add_name(const struct instance *named, const char *alias, struct lines *lines)
{
    const struct net_prefix *prefix = &named->user->monitor->network.prefix;
    const struct in_addr four = {.s_addr = htonl(net_address4(prefix, named->slot))};
    uint8_t six[16];
    char text[INET6_ADDRSTRLEN];

    if (lines->count >= HOSTS_NAMES_MAX * 2)
        return;
    if (inet_ntop(AF_INET, &four, text, sizeof(text)) != NULL)
        lines_add(lines, "%s %s.%s %s", text, named->name, named->user->name, alias);
    if (!named->user->monitor->network.ipv6)
        return;
    net_address6(prefix, named->slot, six);
    if (inet_ntop(AF_INET6, six, text, sizeof(text)) != NULL)
        lines_add(lines, "%s %s.%s %s", text, named->name, named->user->name, alias);
}

static void add_resolvers(const struct monitor *monitor, struct lines *lines)
{
    const struct order_network *services = &monitor->network.services;

    for (uint32_t i = 0; i < services->resolver_count; i++) {
        bool again = false;
        for (uint32_t j = 0; j < i; j++)
            again = again || (services->service[j].flags == services->service[i].flags &&
                              memcmp(services->service[j].address, services->service[i].address,
                                     sizeof(services->service[i].address)) == 0);
        if (!again)
            add_resolver(&services->service[i], lines);
    }
}

static void add_resolver(const struct net_target *service, struct lines *lines)
{
    char text[INET6_ADDRSTRLEN];
    int family = service->flags & NET_IPV6 ? AF_INET6 : AF_INET;

    if (inet_ntop(family, service->address, text, sizeof(text)) != NULL)
        lines_add(lines, "nameserver %s", text);
}

static void slot_name(uint32_t slot, char name[SLOT_NAME_SIZE])
{
    if (str_format(name, SLOT_NAME_SIZE, "%04x", slot & 0xffffU) < 0)
        croft_bug("the name of a slot is too long");
}

static int write_file(int dir, const char *name, struct lines *lines)
{
    auto_close file = path_open_or_create(dir, name, O_RDWR, 0444);
    return file < 0 ? file : lines_write(file, lines);
}

/* What a machine gets of the file: to read, and nothing of the host's mount but this. */
static int clone_file(int dir, const char *name)
{
    auto_close mount = mount_clone(dir, name);
    if (mount < 0)
        return mount;
    int rc = mount_restrict(mount, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                       MOUNT_ATTR_NOEXEC);
    return rc < 0 ? rc : take_fd(&mount);
}

static void rewrite(const struct instance *instance, const char *file, struct lines *lines)
{
    char slot[SLOT_NAME_SIZE];

    slot_name(instance->slot, slot);
    auto_close dir = path_open(instance->user->monitor->dirs.names, slot, O_RDONLY | O_DIRECTORY);
    int rc = dir < 0 ? dir : write_file(dir, file, lines);
    if (rc < 0)
        log_line(LOG_LEVEL_WARNING, "cannot rewrite %s of %s of %s: %s", file, instance->name,
                 instance->user->name, strerror(-rc));
}

/* What is mounted somewhere lives on there until it is unmounted. */
static void remove_files(int names, const char *slot)
{
    auto_close dir = path_open(names, slot, O_RDONLY | O_DIRECTORY);
    int rc = dir;

    if (dir >= 0)
        rc = path_unlink(dir, HOSTS);
    if (rc >= 0 || rc == -ENOENT)
        rc = dir >= 0 ? path_unlink(dir, RESOLV) : 0;
    if (rc >= 0 || rc == -ENOENT)
        rc = path_rmdir(names, slot);
    if (rc < 0 && rc != -ENOENT)
        log_line(LOG_LEVEL_WARNING, "names/%s stays: %s", slot, strerror(-rc));
}

static bool is_slot_of_ours(const struct monitor *monitor, const char *name)
{
    char own[SLOT_NAME_SIZE];

    for (const struct user *user = monitor->users.first; user != NULL; user = user->next) {
        for (const struct instance *instance = user->instances; instance != NULL;
             instance = instance->next) {
            slot_name(instance->slot, own);
            if (instance->slot != 0 && strcmp(own, name) == 0)
                return true;
        }
    }
    return false;
}
