/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setups - what is asked of croft-setup: one at a time, in the order of asking
 *
 * Each is a program of its own that croft-super starts, with one request and one answer; the
 * accounts of the host are one thing that two of them would be changing at once.
 */
#include "monitor/setups.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "monitor/monitor.h"
#include "wire/frame.h"

#define IDENTIFY_TIMEOUT_S 30

struct setup_ask {
    struct monitor *monitor;
    struct setup_ask *next;
    struct loop_source channel;
    void *key;
    setup_fn done;
    void *data;
    struct setup setup; /* ends with an array that is empty here: key holds it */
};

static void setup_begin(struct monitor *monitor);
static void on_setup(struct loop_source *source, uint32_t events, void *data);
static void setup_end(struct setup_ask *ask, const struct setup_reply *reply);

void setup_ask(struct monitor *monitor, const struct setup *setup, const void *key, setup_fn done,
               void *data)
{
    struct setup_ask *ask = mem_new(1, sizeof(*ask));
    struct setup_ask **end = &monitor->jobs.setups;

    *ask = (struct setup_ask){
        .monitor = monitor,
        .channel = {.fd = -1, .on_io = on_setup, .data = ask},
        .setup = *setup,
        .done = done,
        .data = data,
    };
    if (setup->key_size > 0) {
        ask->key = mem_new(1, setup->key_size);
        memcpy(ask->key, key, setup->key_size);
    }
    while (*end != NULL)
        end = &(*end)->next;
    *end = ask;
    if (monitor->jobs.setups == ask)
        setup_begin(monitor);
}

int setup_identify(struct monitor *monitor, struct setup_reply *ret_reply, struct err *err)
{
    const struct setup ask = {.version = SETUP_VERSION, .type = SETUP_IDENTIFY};
    const struct timeval patience = {.tv_sec = IDENTIFY_TIMEOUT_S};
    struct setup_reply reply = {.version = 0};
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, -errno, "cannot make a channel to croft-setup");
    auto_close ours = pair[0];
    auto_close theirs = pair[1];
    int rc =
        setsockopt(ours, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ? -errno : 0;
    if (rc == 0)
        rc = jobs_ask_super(monitor, SPAWN_SETUP, theirs, NULL);
    fd_close(&theirs); /* so that its death is an end of file here */
    if (rc == 0)
        rc = frame_send(ours, &ask, sizeof(ask), NULL, 0, NULL, 0);
    if (rc == 0) {
        ssize_t got = frame_recv(ours, &reply, sizeof(reply), NULL);
        rc = got == sizeof(reply) ? 0 : got < 0 ? (int)got : -EPROTO;
    }
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "croft-setup does not say who croft is");
    reply.text[sizeof(reply.text) - 1] = '\0';
    if (reply.outcome != OUTCOME_OK)
        return err_set(err, OUTCOME_HOST_CANNOT, "%s", reply.text);
    *ret_reply = reply;
    return 0;
}

static void setup_begin(struct monitor *monitor)
{
    struct setup_ask *ask = monitor->jobs.setups;
    int pair[2];

    if (ask == NULL)
        return;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        setup_end(ask, NULL);
        return;
    }
    auto_close theirs = pair[1];
    ask->channel.fd = pair[0];
    int rc = jobs_ask_super(monitor, SPAWN_SETUP, theirs, NULL);
    if (rc == 0)
        rc = frame_send(ask->channel.fd, &ask->setup, sizeof(ask->setup), ask->key,
                        ask->setup.key_size, NULL, 0);
    if (rc == 0)
        rc = loop_add(monitor->loop, &ask->channel, EPOLLIN);
    if (rc < 0)
        setup_end(ask, NULL);
}

static void on_setup(struct loop_source *source, uint32_t events, void *data)
{
    struct setup_reply reply;
    struct setup_ask *ask = data;
    (void)events;

    ssize_t got = frame_recv(source->fd, &reply, sizeof(reply), NULL);
    bool whole = got == (ssize_t)sizeof(reply) && reply.version == SETUP_VERSION;
    if (whole)
        reply.text[sizeof(reply.text) - 1] = '\0';
    loop_remove(ask->monitor->loop, source);
    setup_end(ask, whole ? &reply : NULL);
}

static void setup_end(struct setup_ask *ask, const struct setup_reply *reply)
{
    struct monitor *monitor = ask->monitor;
    setup_fn done = ask->done;
    void *data = ask->data;

    fd_close(&ask->channel.fd);
    monitor->jobs.setups = ask->next;
    mem_cleanup(&ask->key);
    mem_cleanup(&ask);
    done(data, reply);
    /* Unless what was done has asked, and thereby begun, already. */
    if (monitor->jobs.setups != NULL && monitor->jobs.setups->channel.fd < 0)
        setup_begin(monitor);
}
