/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names - /etc/hosts and /etc/resolv.conf of each machine: MACHINE.OWNER of hers and of what was
 * granted to her, and nothing else
 *
 * The files lie in CROFT_RUN_DIR/names (memory, never her disk: the monitor must not wait for it),
 * one directory per slot, root-owned, and are mounted read-only into the machine.
 */
#ifndef CROFT_MONITOR_NAMES_H
#define CROFT_MONITOR_NAMES_H

#include "base/attrs.h"

/* In CROFT_RUN_DIR; a mount, which `croft host stop` takes away. */
#define NAMES_DIR "names"

struct instance;
struct monitor;
struct user;

/** names_open() - makes the directory, and removes what belongs to no instance. Return: 0; -errno
 */
nodiscard int names_open(struct monitor *monitor);

/** names_make() - writes both files of @instance, which has its slot. Return: 0; -errno
 * @ret_hosts, @ret_resolv: detached clones of the files, for the runtime (caller closes) */
nodiscard int names_make(struct instance *instance, int *ret_hosts, int *ret_resolv);

/** names_remove() - of an instance that ended */
void names_remove(struct instance *instance);

/** names_changed() - what the machines of @user are to know is not what it was: in the next turn of
 * the loop the hosts of each that runs are rewritten, in place, however often that was said */
void names_changed(struct user *user);

/** names_settle() - rewrites them now, if they changed: an answer says that a name is known */
void names_settle(struct user *user);

/** names_resolvers_changed() - rewrites, in place, the resolv.conf of everything that runs */
void names_resolvers_changed(struct monitor *monitor);

#endif
