/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client - the connections to croftd's socket: who they are, how much each may take, whose turn it
 * is
 */
#ifndef CROFT_DAEMON_CLIENT_H
#define CROFT_DAEMON_CLIENT_H

#include "base/attrs.h"
#include "base/loop.h"
#include "daemon/method.h"
#include <stddef.h>
#include <sys/types.h>

struct clients;

/*
 * listen_fd:   borrowed
 * admin_group: its members are admins; (gid_t)-1: there is no such group
 * total_max:   connections that the limit of open files allows
 * before_call: called before each answer, so that the view is as new as can be
 */
struct clients_setup {
    struct loop *loop;
    int listen_fd;
    gid_t admin_group;
    size_t total_max;
    const struct method_host *host;
    void (*before_call)(void *data);
    void *data;
};

/** clients_new() - starts to listen. Return: 0; -errno */
nodiscard int clients_new(const struct clients_setup *setup, struct clients **ret_clients);

/** clients_free() - drops every connection; NULL is fine */
void clients_free(struct clients *clients);

/** clients_wake() - answers what waited for the view to be whole */
void clients_wake(struct clients *clients);

#endif
