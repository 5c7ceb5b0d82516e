/* SPDX-License-Identifier: Apache-2.0 */
/*
 * croft-setup - accounts and disks: one request, one answer, end
 *
 * Theory of operation
 * The monitor decides who may be added and with which ids; this program does what needs text and
 * other programs: it looks that the ids are nobody's, runs useradd and mke2fs, writes the key file.
 * It gets a fixed struct, and puts none of its bytes into an argument that was not checked: names
 * pass str_is_name(), everything else is a number.
 *
 * Runs as: root, with the capabilities of the host's root, since useradd and mke2fs need them
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/str.h"
#include "setup/setup_internal.h"
#include "wire/frame.h"
#include "wire/spawn.h"

#define SETUP_SIZE_MAX (sizeof(struct setup) + KEY_FILE_MAX)

static int serve(const struct setup *setup, size_t size, struct setup_reply *reply,
                 struct err *err);
static int user_add(const struct setup *setup, struct setup_reply *reply, struct err *err);
static int user_remove(const struct setup *setup, struct setup_reply *reply, struct err *err);
static void undo(int rc);

int main(void)
{
    static _Alignas(struct setup) char request[SETUP_SIZE_MAX];
    struct setup_reply reply = {.version = SETUP_VERSION};
    struct err err = {.outcome = OUTCOME_OK};

    umask(022);
    /* The tools must not get the channel. */
    if (fcntl(SPAWN_CHANNEL_FD, F_SETFD, FD_CLOEXEC) < 0)
        return OUTCOME_USAGE;
    ssize_t got = frame_recv(SPAWN_CHANNEL_FD, request, sizeof(request), NULL);
    if (got < (ssize_t)sizeof(struct setup))
        return OUTCOME_USAGE;
    int outcome = serve((const struct setup *)(const void *)request, (size_t)got, &reply, &err);
    reply.outcome = (uint32_t)outcome;
    if (outcome != OUTCOME_OK)
        memcpy(reply.text, err.text, sizeof(reply.text));
    return frame_send(SPAWN_CHANNEL_FD, &reply, sizeof(reply), NULL, 0, NULL, 0) < 0
               ? OUTCOME_FAILED
               : OUTCOME_OK;
}

static int serve(const struct setup *setup, size_t size, struct setup_reply *reply, struct err *err)
{
    if (setup->version != SETUP_VERSION || size != sizeof(*setup) + setup->key_size)
        return err_set(err, OUTCOME_USAGE, "croft-setup: a request it does not know");
    if (setup->type == SETUP_IDENTIFY)
        return account_identify(reply, err);
    if (!str_terminated(setup->name, sizeof(setup->name)) || !str_is_name(setup->name))
        return err_set(err, OUTCOME_USAGE, "croft-setup: not a name");
    if (setup->type == SETUP_USER_ADD)
        return user_add(setup, reply, err);
    if (setup->type == SETUP_USER_REMOVE)
        return user_remove(setup, reply, err);
    if (setup->type == SETUP_USER_KEY)
        return key_write(setup, err);
    return err_set(err, OUTCOME_USAGE, "croft-setup: a request it does not know");
}

static int user_add(const struct setup *setup, struct setup_reply *reply, struct err *err)
{
    struct setup gone = *setup;
    struct err ignored;

    int rc = idfile_range_free(setup->block_first, setup->block_count, err);
    if (rc == 0)
        rc = idfile_range_free(setup->keeper_id, 1, err);
    if (rc == 0)
        rc = account_add(setup, reply, err);
    if (rc != 0)
        return rc;
    rc = key_write(setup, err);
    if (rc == 0)
        rc = disk_make(setup, reply->uid, err);
    if (rc == 0)
        return 0;
    gone.uid = reply->uid;
    undo(key_remove(setup->name, &ignored));
    undo(account_remove(&gone, &ignored));
    return rc;
}

static int user_remove(const struct setup *setup, struct setup_reply *reply, struct err *err)
{
    bool keep = (setup->flags & SETUP_PURGE) == 0;
    char kept[64] = "";

    int rc = account_remove(setup, err);
    if (rc == 0)
        rc = key_remove(setup->name, err);
    if (rc == 0)
        rc = disk_remove(setup->uid, keep, kept, sizeof(kept), err);
    if (rc == 0 && kept[0] != '\0')
        rc = str_format(reply->text, sizeof(reply->text), "her disk is kept as %s", kept);
    return rc < 0 ? err_errno(err, OUTCOME_FAILED, rc, "croft-setup") : rc;
}

/* What cannot be undone stays to be seen; the sentence of the first failure is the one that counts.
 */
static void undo(int rc)
{
    (void)rc;
}
