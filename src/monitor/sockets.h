/* SPDX-License-Identifier: Apache-2.0 */
/* sockets - looks at, or destroys, sockets in the network namespace of one machine */
#ifndef CROFT_MONITOR_SOCKETS_H
#define CROFT_MONITOR_SOCKETS_H

#include "wire/job.h"
#include <stdbool.h>

struct instance;
struct user;
struct sockets;

/** sockets_done_fn - called once; @number as in READY_SOCKETS; NULL: it failed. The job is freed */
typedef void (*sockets_done_fn)(void *data, uint32_t what, const uint32_t number[2]);

/**
 * sockets_ask() - a JOB_SOCKETS in @instance, which runs
 * @payer: in whose group it runs: who made it necessary, so that nobody pays for another's doing
 * @list:  it is put in front of this list, and leaves it when it is done
 * Return: 0; -errno
 */
nodiscard int sockets_ask(struct instance *instance, struct user *payer,
                          const struct job_sockets *what, sockets_done_fn done, void *data,
                          struct sockets **list);

/** sockets_forget() - ends all of @list, without a word */
void sockets_forget(struct sockets **list);

#endif
