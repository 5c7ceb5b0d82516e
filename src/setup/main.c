/* SPDX-License-Identifier: Apache-2.0 */
/*
 * croft-setup - accounts, keys and disks: one request, one answer, end
 *
 * Theory of operation
 * Making an account needs text files of the host and programs of the host, which no process that
 * stays up may touch (invariant 5). So the monitor asks croft-super for this program, sends it one
 * struct setup, and gets one struct setup_reply. What a request began and could not finish it takes
 * back itself; so it does when the monitor is not there any more to hear the answer.
 *
 * Nothing of a request reaches a command line but a checked name and numbers.
 *
 * Runs as: root, all capabilities, empty environment, for one request
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "setup/setup.h"
#include "wire/frame.h"
#include "wire/spawn.h"

static union {
    struct setup setup;
    uint8_t bytes[sizeof(struct setup) + KEY_FILE_MAX];
} request;

static int receive(struct err *err);
static int check_ids(const struct setup *setup, struct err *err);
static int serve(const struct dirs *dirs, struct setup_reply *reply, struct err *err);

int main(void)
{
    struct setup_reply reply = {.version = SETUP_VERSION};
    struct dirs dirs = {.etc = -1, .keys = -1, .volumes = -1};
    struct err err = {.outcome = OUTCOME_OK};

    umask(022);
    if (fcntl(SPAWN_CHANNEL_FD, F_SETFD, FD_CLOEXEC) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return OUTCOME_USAGE;
    int rc = receive(&err);
    if (rc < 0)
        return OUTCOME_OK; /* the monitor thought better of it, or is gone */
    if (rc == 0)
        rc = dirs_open(&dirs, &err);
    /* One that changes something waits for another, which may be undoing what the next one finds.
     */
    if (rc == 0 && request.setup.type != SETUP_IDENTIFY && flock(dirs.keys, LOCK_EX) < 0)
        rc = err_errno(&err, OUTCOME_FAILED, -errno, "cannot lock the keys");
    if (rc == 0)
        rc = serve(&dirs, &reply, &err);
    if (rc != 0) {
        reply = (struct setup_reply){.version = SETUP_VERSION, .outcome = (uint32_t)rc};
        memcpy(reply.text, err.text, sizeof(reply.text));
    }
    int sent = frame_send(SPAWN_CHANNEL_FD, &reply, sizeof(reply), NULL, 0, NULL, 0);
    if (sent == 0 || rc != 0 || request.setup.type != SETUP_USER_ADD)
        return rc;
    /* Nobody knows of the user whom this has just made. */
    request.setup.type = SETUP_USER_REMOVE;
    request.setup.flags = SETUP_PURGE;
    request.setup.uid = reply.uid;
    rc = setup_user_remove(&dirs, &request.setup, &reply, &err);
    if (rc != 0)
        log_line(LOG_LEVEL_ERROR, "croft-setup: %s", err.text);
    return OUTCOME_FAILED;
}

/* Return: 0; OUTCOME_USAGE malformed; -EPIPE there is no request */
static int receive(struct err *err)
{
    const struct setup *setup = &request.setup;
    ssize_t got = frame_recv(SPAWN_CHANNEL_FD, &request, sizeof(request), NULL);
    if (got <= 0)
        return -EPIPE;
    if ((size_t)got < sizeof(*setup) || setup->version != SETUP_VERSION ||
        setup->key_size != (size_t)got - sizeof(*setup))
        return err_set(err, OUTCOME_USAGE, "croft-setup: a malformed request");
    if (setup->type == SETUP_IDENTIFY)
        return 0;
    if (!str_terminated(setup->name, sizeof(setup->name)) || !order_is_user(setup->name))
        return err_set(err, OUTCOME_USAGE, "croft-setup: not a user's name");
    return setup->type == SETUP_USER_ADD ? check_ids(setup, err) : 0;
}

/* The monitor computed them; a mistake of its would be shared ids, so they are looked at again. */
static int check_ids(const struct setup *setup, struct err *err)
{
    uint64_t end = (uint64_t)setup->block_first + BLOCK_COUNT;

    if (setup->block_count != BLOCK_COUNT || setup->block_first < ID_RANGE_FIRST ||
        (setup->block_first - ID_RANGE_FIRST) % BLOCK_COUNT != 0 ||
        end > (uint64_t)ID_RANGE_LAST + 1 - USERS_MAX)
        return err_set(err, OUTCOME_USAGE, "croft-setup: not a block of ids");
    if (setup->keeper_id > ID_RANGE_LAST || setup->keeper_id <= ID_RANGE_LAST - USERS_MAX)
        return err_set(err, OUTCOME_USAGE, "croft-setup: not a keeper id");
    return 0;
}

static int serve(const struct dirs *dirs, struct setup_reply *reply, struct err *err)
{
    switch ((enum setup_type)request.setup.type) {
    case SETUP_IDENTIFY:
        return setup_identify(dirs, reply, err);
    case SETUP_USER_ADD:
        return setup_user_add(dirs, &request.setup, reply, err);
    case SETUP_USER_REMOVE:
        return setup_user_remove(dirs, &request.setup, reply, err);
    case SETUP_USER_KEY:
        return setup_user_key(dirs, &request.setup, err);
    }
    return err_set(err, OUTCOME_USAGE, "croft-setup: an unknown request");
}
