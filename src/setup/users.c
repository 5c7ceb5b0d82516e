/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users - the requests: who Croft's own accounts are, and how a user's account comes and goes
 *
 * A user's account is made so that nothing on the host is hers: no home, no subordinate ids, a
 * shell that only leads into her machine, a password that no one has. Her groups: one of her own
 * name (her gid), croft-user (which sshd's settings are for), and croft-u-UID, which reads her
 * records.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "setup/setup.h"

#define GROUPADD "/usr/sbin/groupadd"
#define GROUPDEL "/usr/sbin/groupdel"
#define USERADD  "/usr/sbin/useradd"
#define USERDEL  "/usr/sbin/userdel"
#define NOLOGIN  "/usr/sbin/nologin"

#define NAME_TEXT 64U

static const char empty_home[] = CROFT_STATE_DIR "/empty";
static const char gate[] = CROFT_LIB_DIR "/croft-gate";

static int need_group(const struct dirs *dirs, const char *name, gid_t *ret_gid, struct err *err);
static int need_account(const struct dirs *dirs, const char *name, const char *comment,
                        uint32_t *ret_uid, uint32_t *ret_gid, struct err *err);
static int check_free(const struct dirs *dirs, const struct setup *setup, struct err *err);
static int make_account(const struct dirs *dirs, const char *name, struct account *ret_account,
                        struct err *err);
static int make_audit_group(const struct dirs *dirs, const struct account *account,
                            const char *name, gid_t *ret_gid, struct err *err);
static int write_key(const struct dirs *dirs, const struct setup *setup, struct err *err);
static int remove_account(const struct dirs *dirs, const char *name, uid_t uid, struct err *err);
static int remove_group(const struct dirs *dirs, const char *name, struct err *err);
static int cannot_read(struct err *err, int rc);

int dirs_open(struct dirs *dirs, struct err *err)
{
    int rc = dirs->etc = path_root("/etc", O_RDONLY | O_DIRECTORY);
    auto_close conf = rc < 0 ? rc : path_root(CROFT_CONF_DIR, O_RDONLY | O_DIRECTORY);
    if (conf < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, conf, "cannot open %s", CROFT_CONF_DIR);
    /* sshd, as the user, must be able to read the file with her keys. */
    rc = dirs->keys = path_mkdir_open(conf, "keys", 0755);
    auto_close state = rc < 0 ? rc : path_root(CROFT_STATE_DIR, O_RDONLY | O_DIRECTORY);
    if (state < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, state, "cannot open %s", CROFT_STATE_DIR);
    rc = path_mkdir(state, "empty", 0555);
    if (rc == 0 || rc == -EEXIST)
        rc = dirs->volumes = path_mkdir_open(state, "volumes", 0700);
    return rc < 0 ? err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot use %s", CROFT_STATE_DIR) : 0;
}

int setup_identify(const struct dirs *dirs, struct setup_reply *reply, struct err *err)
{
    gid_t users;

    int rc = need_group(dirs, GROUP_ADMIN, &reply->admin_gid, err);
    if (rc == 0)
        rc = need_group(dirs, GROUP_USERS, &users, err);
    if (rc == 0)
        rc = need_account(dirs, ACCOUNT_CROFT, "Croft's daemon", &reply->croft_uid,
                          &reply->croft_gid, err);
    if (rc == 0)
        rc = need_account(dirs, ACCOUNT_NET, "Croft's network", &reply->net_uid, &reply->net_gid,
                          err);
    return rc;
}

int setup_user_add(const struct dirs *dirs, const struct setup *setup, struct setup_reply *reply,
                   struct err *err)
{
    struct account account = {0};
    struct err undo;
    gid_t audit = 0;

    int rc = check_free(dirs, setup, err);
    if (rc != 0)
        return rc;
    rc = make_account(dirs, setup->name, &account, err);
    if (rc == 0)
        rc = make_audit_group(dirs, &account, setup->name, &audit, err);
    if (rc == 0)
        rc = write_key(dirs, setup, err);
    if (rc == 0)
        rc = disk_make(dirs, setup, account.uid, err);
    if (rc == 0) {
        reply->uid = account.uid;
        reply->gid = account.gid;
        reply->audit_gid = audit;
        return 0;
    }
    /* check_free() saw that none of it was there before. */
    if (remove_account(dirs, setup->name, account.uid, &undo) != 0)
        log_line(LOG_LEVEL_ERROR, "croft-setup: %s", undo.text);
    return rc;
}

int setup_user_remove(const struct dirs *dirs, const struct setup *setup, struct setup_reply *reply,
                      struct err *err)
{
    struct account account = {.uid = setup->uid};
    char kept[KEPT_NAME_SIZE] = "";

    int found = accounts_user(dirs->etc, setup->name, &account);
    if (found < 0)
        return cannot_read(err, found);
    /* An account of that name that Croft has not made is none of its business. */
    if (found == 1 && (strcmp(account.shell, gate) != 0 || account.uid == 0 ||
                       (setup->uid != 0 && account.uid != setup->uid)))
        return err_set(err, OUTCOME_FAILED, "the account %s is not the one that Croft made",
                       setup->name);
    int rc = remove_account(dirs, setup->name, account.uid, err);
    if (rc != 0 || account.uid == 0)
        return rc;
    rc = setup->flags & SETUP_PURGE ? disk_remove(dirs, account.uid)
                                    : disk_keep(dirs, account.uid, kept);
    if (rc < 0)
        return err_errno(err, OUTCOME_FAILED, rc, "%s is removed, but not the disk", setup->name);
    if (kept[0] != '\0' &&
        str_format(reply->text, sizeof(reply->text), "the disk of %s is kept: %s/volumes/%s",
                   setup->name, CROFT_STATE_DIR, kept) < 0)
        reply->text[0] = '\0';
    return 0;
}

int setup_user_key(const struct dirs *dirs, const struct setup *setup, struct err *err)
{
    struct account account;
    int found = accounts_user(dirs->etc, setup->name, &account);
    if (found != 1 || account.uid != setup->uid)
        return err_set(err, OUTCOME_FAILED, "the account %s is not the one that Croft made",
                       setup->name);
    return write_key(dirs, setup, err);
}

static int need_group(const struct dirs *dirs, const char *name, gid_t *ret_gid, struct err *err)
{
    const char *const argv[] = {GROUPADD, "-r", name, NULL};
    int found = accounts_group(dirs->etc, name, ret_gid);
    if (found == 0) {
        int rc = program_run(argv, err);
        if (rc != 0)
            return rc;
        found = accounts_group(dirs->etc, name, ret_gid);
    }
    return found == 1 ? 0 : cannot_read(err, found);
}

/* An account of Croft's own, with a group of the same name. */
static int need_account(const struct dirs *dirs, const char *name, const char *comment,
                        uint32_t *ret_uid, uint32_t *ret_gid, struct err *err)
{
    const char *const argv[] = {USERADD,    "-r",
                                "-K",       "SUB_UID_COUNT=0",
                                "-K",       "SUB_GID_COUNT=0",
                                "-M",       "-d",
                                empty_home, "-s",
                                NOLOGIN,    "-g",
                                name,       "-c",
                                comment,    name,
                                NULL};
    struct account account;
    gid_t gid;

    int rc = need_group(dirs, name, &gid, err);
    if (rc != 0)
        return rc;
    int found = accounts_user(dirs->etc, name, &account);
    if (found == 0) {
        rc = program_run(argv, err);
        if (rc != 0)
            return rc;
        found = accounts_user(dirs->etc, name, &account);
    }
    if (found != 1)
        return cannot_read(err, found);
    if (account.uid == 0)
        return err_set(err, OUTCOME_HOST_CANNOT, "the account %s has uid 0", name);
    *ret_uid = account.uid;
    *ret_gid = gid;
    return 0;
}

static int check_free(const struct dirs *dirs, const struct setup *setup, struct err *err)
{
    struct account account;
    char where[WHERE_SIZE];
    gid_t gid;

    int found = accounts_user(dirs->etc, setup->name, &account);
    if (found == 1)
        return err_set(err, OUTCOME_FAILED,
                       "%s has an account on this host already; Croft only adds accounts it makes "
                       "itself",
                       setup->name);
    if (found == 0)
        found = accounts_group(dirs->etc, setup->name, &gid);
    if (found == 1)
        return err_set(err, OUTCOME_FAILED, "there is a group named %s on this host already",
                       setup->name);
    if (found == 0)
        found = accounts_ids_taken(dirs->etc, setup->block_first, setup->block_count, where);
    if (found == 0)
        found = accounts_ids_taken(dirs->etc, setup->keeper_id, 1, where);
    if (found == 1)
        return err_set(err, OUTCOME_HOST_CANNOT,
                       "ids of %s are taken on this host (%s); try again: the next block is used",
                       setup->name, where);
    return found < 0 ? cannot_read(err, found) : 0;
}

static int make_account(const struct dirs *dirs, const char *name, struct account *ret_account,
                        struct err *err)
{
    /* '*' is no password, and not locked either: sshd takes a key where the account is not locked.
     */
    const char *const argv[] = {USERADD,
                                "-K",
                                "SUB_UID_COUNT=0",
                                "-K",
                                "SUB_GID_COUNT=0",
                                "-M",
                                "-U",
                                "-d",
                                empty_home,
                                "-s",
                                gate,
                                "-p",
                                "*",
                                "-G",
                                GROUP_USERS,
                                "-c",
                                "Croft user",
                                name,
                                NULL};
    int rc = program_run(argv, err);
    if (rc != 0)
        return rc;
    int found = accounts_user(dirs->etc, name, ret_account);
    if (found != 1)
        return cannot_read(err, found);
    return ret_account->uid == 0 ? cannot_read(err, -EBADMSG) : 0;
}

static int make_audit_group(const struct dirs *dirs, const struct account *account,
                            const char *name, gid_t *ret_gid, struct err *err)
{
    char group[NAME_TEXT];
    int rc = str_format(group, sizeof(group), "croft-u-%u", account->uid);
    if (rc < 0)
        return err_errno(err, OUTCOME_FAILED, rc, "cannot name a group");
    const char *const make[] = {GROUPADD, "-r", group, NULL};
    const char *const join[] = {"/usr/sbin/usermod", "-a", "-G", group, name, NULL};
    rc = program_run(make, err);
    if (rc == 0)
        rc = program_run(join, err);
    if (rc != 0)
        return rc;
    int found = accounts_group(dirs->etc, group, ret_gid);
    return found == 1 ? 0 : cannot_read(err, found);
}

/* A new file instead of the old one: sshd sees the whole old or the whole new one. */
static int write_key(const struct dirs *dirs, const struct setup *setup, struct err *err)
{
    char temporary[NAME_TEXT];
    int rc = str_format(temporary, sizeof(temporary), ".%s", setup->name);
    auto_close file = rc < 0 ? rc : path_create(dirs->keys, temporary, O_WRONLY | O_TRUNC, 0644);
    rc = file < 0 ? file : fd_write_full(file, setup->key, setup->key_size);
    if (rc == 0 && (fchmod(file, 0644) < 0 || fsync(file) < 0))
        rc = -errno;
    if (rc == 0)
        rc = path_rename(dirs->keys, temporary, dirs->keys, setup->name, true);
    return rc < 0 ? err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot write %s/keys/%s",
                              CROFT_CONF_DIR, setup->name)
                  : 0;
}

/* Everything but the disk; what is not there is fine. @uid 0: there is no account. */
static int remove_account(const struct dirs *dirs, const char *name, uid_t uid, struct err *err)
{
    const char *const argv[] = {USERDEL, name, NULL};
    struct account account;
    char group[NAME_TEXT];

    int rc = path_unlink(dirs->keys, name);
    if (rc < 0 && rc != -ENOENT)
        return err_errno(err, OUTCOME_FAILED, rc, "cannot remove the keys of %s", name);
    int found = accounts_user(dirs->etc, name, &account);
    if (found < 0)
        return cannot_read(err, found);
    if (found == 1) {
        rc = program_kill_all(account.uid, account.gid);
        if (rc < 0)
            return err_errno(err, OUTCOME_FAILED, rc, "cannot end the processes of %s", name);
        rc = program_run(argv, err);
        /* userdel leaves her group where the host is not set to one group per user. */
        if (rc == 0)
            rc = remove_group(dirs, name, err);
        if (rc != 0)
            return rc;
    }
    if (uid == 0)
        return 0;
    if (str_format(group, sizeof(group), "croft-u-%u", uid) < 0)
        return 0;
    return remove_group(dirs, group, err);
}

static int remove_group(const struct dirs *dirs, const char *name, struct err *err)
{
    const char *const argv[] = {GROUPDEL, name, NULL};
    gid_t gid;
    int found = accounts_group(dirs->etc, name, &gid);
    if (found <= 0)
        return found == 0 ? 0 : cannot_read(err, found);
    return program_run(argv, err);
}

static int cannot_read(struct err *err, int rc)
{
    if (rc == -EBADMSG)
        return err_set(err, OUTCOME_HOST_CANNOT,
                       "a line of /etc/passwd, group, subuid or subgid cannot be read: run pwck "
                       "and grpck");
    return err_errno(err, OUTCOME_HOST_CANNOT, rc == 0 ? -ENOENT : rc,
                     "cannot read /etc/passwd, group, subuid or subgid");
}
