/* SPDX-License-Identifier: Apache-2.0 */
/* sysctls - the host forwards packets while Croft runs, and is as it was before afterwards */
#include "net/sysctls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "linux/path.h"
#include "net/elements.h"

#define SETTINGS_VERSION 1U

/* The file. A setting that was not changed is 0, else its old value as a digit. */
struct settings {
    uint32_t version;
    char forward4;
    char forward6;
    char accept_ra[ROUTES_ADVERTISERS_MAX];
    char advertiser[ROUTES_ADVERTISERS_MAX][IF_NAMESIZE];
};

static int look(struct sysctl *sysctl, int dir, const char *name, char before, char wanted);
static int look_advertisers(struct sysctls *sysctls, int net, const struct settings *settings,
                            const struct routes *routes);
static int keep(const struct sysctls *sysctls);
static int put(const struct sysctl *sysctl, char value);

int sysctls_read(struct sysctls *sysctls, int dir, const struct routes *routes)
{
    struct settings settings;

    auto_close net = path_root("/proc/sys/net", O_RDONLY | O_DIRECTORY);
    if (net < 0)
        return net;
    sysctls->keep = path_open_or_create(dir, "sysctl", O_RDWR, 0644);
    if (sysctls->keep < 0)
        return sysctls->keep;
    if (pread(sysctls->keep, &settings, sizeof(settings), 0) != (ssize_t)sizeof(settings) ||
        settings.version != SETTINGS_VERSION)
        settings = (struct settings){.version = SETTINGS_VERSION};
    auto_close ipv6 = path_open(net, "ipv6", O_RDONLY | O_DIRECTORY);
    char disabled[4] = "1";
    if (ipv6 >= 0 && path_read_text(ipv6, "conf/all/disable_ipv6", disabled, sizeof(disabled)) < 0)
        return -EIO;
    sysctls->ipv6 = disabled[0] == '0';
    if (sysctls->ipv6) {
        int rc = look_advertisers(sysctls, net, &settings, routes);
        if (rc == 0)
            rc = look(&sysctls->forward6, net, "ipv6/conf/all/forwarding", settings.forward6, '1');
        if (rc < 0)
            return rc;
    }
    return look(&sysctls->forward4, net, "ipv4/ip_forward", settings.forward4, '1');
}

int sysctls_forward(struct sysctls *sysctls)
{
    int rc = keep(sysctls);
    for (size_t i = 0; i < sysctls->advertiser_count && rc == 0; i++) {
        rc = put(&sysctls->accept_ra[i], '2');
        rc = rc == -ENODEV || rc == -ENOENT ? 0 : rc;
    }
    if (rc == 0)
        rc = put(&sysctls->forward6, '1');
    return rc == 0 ? put(&sysctls->forward4, '1') : rc;
}

int sysctls_apply(struct netlink *netfilter, const struct sysctls *sysctls)
{
    struct element ipv4 = {.key = {NFPROTO_IPV4}};
    struct element ipv6 = {.key = {NFPROTO_IPV6}};
    auto_batch batch;

    netlink_batch_start(&batch, netfilter, true);
    elements_flush(&batch, SET_ONLY_MACHINES);
    if (sysctls->forward4.changed)
        elements_add(&batch, SET_ONLY_MACHINES, &ipv4, 1);
    if (sysctls->forward6.changed)
        elements_add(&batch, SET_ONLY_MACHINES, &ipv6, 1);
    return netlink_commit(&batch);
}

int sysctls_restore(struct sysctls *sysctls)
{
    if (sysctls->keep < 0)
        return 0;
    int first = put(&sysctls->forward4, sysctls->forward4.before);
    int rc = put(&sysctls->forward6, sysctls->forward6.before);
    first = first < 0 ? first : rc;
    for (size_t i = 0; i < sysctls->advertiser_count; i++) {
        rc = put(&sysctls->accept_ra[i], sysctls->accept_ra[i].before);
        /* An interface that is no more has no setting. */
        first = first < 0 || rc == -ENODEV || rc == -ENOENT ? first : rc;
    }
    if (first == 0 && ftruncate(sysctls->keep, 0) < 0)
        first = -errno;
    return first;
}

/* @before: not 0: Croft changed it earlier, from that. */
static int look(struct sysctl *sysctl, int dir, const char *name, char before, char wanted)
{
    char now;

    *sysctl = (struct sysctl){.file = path_open(dir, name, O_RDWR)};
    if (sysctl->file < 0)
        return sysctl->file;
    if (pread(sysctl->file, &now, 1, 0) != 1)
        return -EIO;
    sysctl->changed = before != 0 || now != wanted;
    sysctl->before = before != 0 ? before : now;
    return 0;
}

static int look_advertisers(struct sysctls *sysctls, int net, const struct settings *settings,
                            const struct routes *routes)
{
    char path[64];

    for (size_t i = 0; i < ROUTES_ADVERTISERS_MAX && settings->accept_ra[i] != 0; i++)
        memcpy(sysctls->advertiser[sysctls->advertiser_count++], settings->advertiser[i],
               IF_NAMESIZE);
    const size_t known = sysctls->advertiser_count;
    for (size_t i = 0; i < routes->advertiser_count; i++) {
        char name[IF_NAMESIZE];
        bool new = if_indextoname(routes->advertiser[i], name) != NULL;
        for (size_t j = 0; j < sysctls->advertiser_count && new; j++)
            new = strcmp(sysctls->advertiser[j], name) != 0;
        if (new && sysctls->advertiser_count < ROUTES_ADVERTISERS_MAX)
            memcpy(sysctls->advertiser[sysctls->advertiser_count++], name, sizeof(name));
    }
    for (size_t i = 0; i < sysctls->advertiser_count; i++) {
        int rc = str_format(path, sizeof(path), "ipv6/conf/%s/accept_ra", sysctls->advertiser[i]);
        if (rc == 0)
            rc = look(&sysctls->accept_ra[i], net, path, i < known ? settings->accept_ra[i] : 0,
                      '2');
        if (rc < 0 && rc != -ENOENT)
            return rc;
    }
    return 0;
}

static int keep(const struct sysctls *sysctls)
{
    struct settings settings = {
        .version = SETTINGS_VERSION,
        .forward4 = sysctls->forward4.changed ? sysctls->forward4.before : 0,
        .forward6 = sysctls->forward6.changed ? sysctls->forward6.before : 0,
    };
    size_t kept = 0;

    for (size_t i = 0; i < sysctls->advertiser_count; i++) {
        if (!sysctls->accept_ra[i].changed)
            continue;
        settings.accept_ra[kept] = sysctls->accept_ra[i].before;
        memcpy(settings.advertiser[kept++], sysctls->advertiser[i], IF_NAMESIZE);
    }
    return pwrite(sysctls->keep, &settings, sizeof(settings), 0) == (ssize_t)sizeof(settings)
               ? 0
               : -EIO;
}

/* One that Croft does not change is not written, nor one that is so already: to write
 * conf/all/forwarding sets every interface's own. */
static int put(const struct sysctl *sysctl, char value)
{
    char now;

    if (!sysctl->changed)
        return 0;
    if (pread(sysctl->file, &now, 1, 0) == 1 && now == value)
        return 0;
    return pwrite(sysctl->file, &value, 1, 0) == 1 ? 0 : -errno;
}
