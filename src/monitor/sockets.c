/* SPDX-License-Identifier: Apache-2.0 */
/* sockets - looks at, or destroys, sockets in the network namespace of one machine */
#include "monitor/sockets.h"

#include <errno.h>
#include <fcntl.h>

#include "base/mem.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"

struct sockets {
    struct sockets *next;
    struct sockets **list;
    struct runner *runner;
    uint32_t what;
    sockets_done_fn done;
    void *data;
};

static int fill(struct instance *instance, struct user *payer, struct job_order *order);
static void on_sockets(void *data, const uint32_t number[2]);
static void on_failed(void *data, uint32_t stage, int error);
static void end(struct sockets *sockets, const uint32_t number[2]);
static void free_one(struct sockets *sockets);

static const struct runner_calls SOCKETS_CALLS = {.sockets = on_sockets, .failed = on_failed};

int sockets_ask(struct instance *instance, struct user *payer, const struct job_sockets *what,
                sockets_done_fn done, void *data, struct sockets **list)
{
    struct runner *runner = NULL;
    struct sockets *sockets = mem_new(1, sizeof(*sockets));
    auto_job order;
    job_init(&order, JOB_SOCKETS);

    int rc = runner_new(payer->monitor, &SOCKETS_CALLS, sockets, &runner);
    if (rc == 0)
        rc = fill(instance, payer, &order);
    if (rc == 0)
        rc = runner_send(runner, &order, what, sizeof(*what));
    if (rc < 0) {
        runner_free(runner);
        mem_cleanup(&sockets);
        return rc;
    }
    *sockets = (struct sockets){
        .next = *list,
        .list = list,
        .runner = runner,
        .what = what->what,
        .done = done,
        .data = data,
    };
    *list = sockets;
    return 0;
}

void sockets_forget(struct sockets **list)
{
    while (*list != NULL)
        free_one(*list);
}

/* The machine's ids, so that it can enter; the payer's groups. */
static int fill(struct instance *instance, struct user *payer, struct job_order *order)
{
    const struct user *owner = instance->user;
    struct err err;

    if (user_need_groups(payer, &err) != 0)
        return -ENOSPC;
    int rc = user_job(payer, order, user_jobs_group(payer), PLAN_FILTER_DEFAULT);
    if (rc < 0)
        return rc;
    order->job.block_first = user_block(owner);
    order->job.keeper_id = user_keeper(owner);
    order->job.slot = instance->slot;
    order->job.prefix = owner->monitor->network.prefix;
    order->fd[JOB_FD_PIDFD] = fcntl(instance_process(instance)->pidfd, F_DUPFD_CLOEXEC, 3);
    return order->fd[JOB_FD_PIDFD] < 0 ? -errno : 0;
}

static void on_sockets(void *data, const uint32_t number[2])
{
    end(data, number);
}

static void on_failed(void *data, uint32_t stage, int error)
{
    (void)stage;
    (void)error; /* a machine that has just ended has no sockets either */
    end(data, NULL);
}

static void end(struct sockets *sockets, const uint32_t number[2])
{
    sockets_done_fn tell = sockets->done;
    void *data = sockets->data;
    uint32_t what = sockets->what;

    free_one(sockets);
    tell(data, what, number);
}

static void free_one(struct sockets *sockets)
{
    struct sockets **place = sockets->list;

    while (*place != sockets)
        place = &(*place)->next;
    *place = sockets->next;
    runner_free(sockets->runner);
    mem_cleanup(&sockets);
}
