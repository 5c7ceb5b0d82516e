/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockets - JOB_SOCKETS: who listens in a running instance, or the end of connections there
 *
 * Theory of operation
 * The caller enters the instance's control groups, so that the work is charged to her, then her
 * user and network namespace and no other: it has no pid inside by which it could be signalled or
 * traced, no directory, and speaks to the kernel only. It is not dumpable, executes nothing, and
 * keeps one capability over her network.
 *
 * Runs as: root up to enter(); then root of the user namespace of her block, CAP_NET_ADMIN
 */
#include <errno.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <unistd.h>

#include "linux/caps.h"
#include "linux/ns.h"
#include "linux/sockets.h"
#include "runtime/launch.h"
#include "runtime/run.h"
#include "wire/net.h"

static int enter(const struct run *run);
static int look_or_cut(const struct run *run, uint32_t number[2]);
static int cut(const struct run *run, uint32_t *ret_count);
static struct sockets_host host_of(const struct run *run, uint32_t slot);

void run_sockets(struct run *run)
{
    uint32_t number[2] = {0, 0};
    run_need(READY_CGROUP, launch_attach(run, 0));
    run_need(READY_JOIN, enter(run));
    run_need(READY_SOCKETS, look_or_cut(run, number));
    run_say_numbers(READY_SOCKETS, number);
    _exit(0);
}

static int enter(const struct run *run)
{
    int namespaces = CLONE_NEWNET | (run_without(run, ABLATE_USERNS) ? 0 : CLONE_NEWUSER);
    if (setns(run->fd[JOB_FD_PIDFD], namespaces) < 0)
        return -errno;
    int rc = ns_become_root();
    return rc < 0 ? rc : caps_set(CAPS_BIT(CAP_NET_ADMIN));
}

static int look_or_cut(const struct run *run, uint32_t number[2])
{
    const struct job_sockets *asked = run->sockets;
    if (asked->what == SOCKETS_LOOK)
        return sockets_listening((uint8_t)asked->protocol, asked->port, &number[0], &number[1]);
    return cut(run, &number[0]);
}

static int cut(const struct run *run, uint32_t *ret_count)
{
    static struct sockets_host remote[MACHINES_PER_USER_MAX];
    const struct job_sockets *asked = run->sockets;
    struct sockets_wanted wanted = {.protocol = (uint8_t)asked->protocol, .remote = remote};
    if (asked->what == SOCKETS_CUT_CLIENT) {
        wanted.remote_port = asked->port;
        remote[wanted.remote_count++] = host_of(run, asked->slot);
    } else {
        wanted.local_port = asked->port;
        for (uint32_t i = 0; i < asked->peer_count; i++)
            remote[wanted.remote_count++] = host_of(run, asked->peer[i]);
    }
    return sockets_destroy(&wanted, ret_count);
}

static struct sockets_host host_of(const struct run *run, uint32_t slot)
{
    const struct net_prefix *prefix = &run->job.prefix;
    struct sockets_host host = {.address4.s_addr = htonl(net_address4(prefix, slot))};
    net_address6(prefix, slot, host.address6.s6_addr);
    return host;
}
