/* SPDX-License-Identifier: Apache-2.0 */
/* account - accounts and groups on the host, by the host's own tools */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "croft-paths.h"
#include "setup/setup_internal.h"

#define USERADD  "/usr/sbin/useradd"
#define USERDEL  "/usr/sbin/userdel"
#define GROUPADD "/usr/sbin/groupadd"
#define GROUPDEL "/usr/sbin/groupdel"
#define USERMOD  "/usr/sbin/usermod"
/* Without these useradd hands every account 65,536 host ids of its own. */
#define NO_SUBIDS "-K", "SUB_UID_COUNT=0", "-K", "SUB_GID_COUNT=0"

static int group_make(const char *name, uint32_t *ret_gid, struct err *err);
static int group_remove(const char *name, struct err *err);
static int audit_group_name(uint32_t uid, char *name, size_t size, struct err *err);
static int add_to_audit_group(const struct setup *setup, struct setup_reply *reply,
                              struct err *err);
static int end_processes(uint32_t uid, uint32_t gid, struct err *err);

int account_identify(struct setup_reply *reply, struct err *err)
{
    static const char *const useradd[] = {
        USERADD,        "--system", NO_SUBIDS,           "-M",    "-g", "croft", "-d",
        "/nonexistent", "-s",       "/usr/sbin/nologin", "croft", NULL,
    };
    bool has_gate;
    uint32_t users_gid;

    int rc = group_make("croft", &reply->croft_gid, err);
    if (rc == 0)
        rc = group_make("croft-admin", &reply->admin_gid, err);
    if (rc == 0)
        rc = group_make("croft-user", &users_gid, err);
    if (rc != 0)
        return rc;
    rc = idfile_user("croft", &reply->croft_uid, &reply->croft_gid, &has_gate);
    if (rc == -ENOENT) {
        rc = program_run(useradd, err);
        if (rc != 0)
            return rc;
        rc = idfile_user("croft", &reply->croft_uid, &reply->croft_gid, &has_gate);
    }
    return rc < 0 ? err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot find the account croft") : 0;
}

int account_add(const struct setup *setup, struct setup_reply *reply, struct err *err)
{
    /* "*" is no password at all, and, unlike "!", no lock that would also refuse keys. */
    const char *const useradd[] = {
        USERADD,     NO_SUBIDS,
        "-M",        "-U",
        "-d",        CROFT_STATE_DIR "/empty",
        "-s",        CROFT_LIB_DIR "/croft-gate",
        "-p",        "*",
        "-G",        "croft-user",
        setup->name, NULL,
    };
    struct setup gone = *setup;
    struct err ignored;
    bool has_gate;
    uint32_t gid;

    int rc = idfile_user(setup->name, &reply->uid, &reply->gid, &has_gate);
    if (rc == 0)
        return err_set(err, OUTCOME_FAILED,
                       "%s has an account on this host already (uid %u); Croft adds only accounts "
                       "that it makes itself: choose another name, or remove the account",
                       setup->name, reply->uid);
    if (rc == -ENOENT && idfile_group(setup->name, &gid) == 0)
        return err_set(err, OUTCOME_FAILED,
                       "a group named %s is there already (gid %u); choose another name, or remove "
                       "the group",
                       setup->name, gid);
    if (rc != -ENOENT)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot read /etc/passwd");
    rc = program_run(useradd, err);
    if (rc != 0)
        return rc;
    rc = idfile_user(setup->name, &reply->uid, &reply->gid, &has_gate);
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot find the account %s just made",
                         setup->name);
    rc = add_to_audit_group(setup, reply, err);
    if (rc == 0)
        return 0;
    gone.uid = reply->uid;
    if (account_remove(&gone, &ignored) != 0)
        return rc; /* the first failure is the one to tell */
    return rc;
}

int account_remove(const struct setup *setup, struct err *err)
{
    const char *const userdel[] = {USERDEL, setup->name, NULL};
    char group[NAME_SIZE];
    bool has_gate = false;
    uint32_t uid;
    uint32_t gid;

    int rc = idfile_user(setup->name, &uid, &gid, &has_gate);
    if (rc == 0) {
        if (uid != setup->uid || !has_gate)
            return err_set(err, OUTCOME_FAILED,
                           "the account %s is not the one that Croft made (uid %u); it is left "
                           "alone",
                           setup->name, setup->uid);
        rc = end_processes(uid, gid, err);
        if (rc == 0)
            rc = program_run(userdel, err);
        if (rc != 0)
            return rc;
    } else if (rc != -ENOENT) {
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot read /etc/passwd");
    }
    rc = audit_group_name(setup->uid, group, sizeof(group), err);
    return rc != 0 ? rc : group_remove(group, err);
}

static int group_make(const char *name, uint32_t *ret_gid, struct err *err)
{
    const char *const groupadd[] = {GROUPADD, "--system", name, NULL};
    int rc = idfile_group(name, ret_gid);

    if (rc == -ENOENT) {
        rc = program_run(groupadd, err);
        if (rc != 0)
            return rc;
        rc = idfile_group(name, ret_gid);
    }
    return rc < 0 ? err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot find the group %s", name) : 0;
}

static int group_remove(const char *name, struct err *err)
{
    const char *const groupdel[] = {GROUPDEL, name, NULL};
    uint32_t gid;
    int rc = idfile_group(name, &gid);

    if (rc == -ENOENT)
        return 0;
    return rc < 0 ? err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot read /etc/group")
                  : program_run(groupdel, err);
}

static int audit_group_name(uint32_t uid, char *name, size_t size, struct err *err)
{
    int rc = str_format(name, size, "croft-u-%u", uid);
    return rc < 0 ? err_errno(err, OUTCOME_FAILED, rc, "croft-u-%u", uid) : 0;
}

/* A group that nobody else is ever put into, so that her records are readable by her alone. */
static int add_to_audit_group(const struct setup *setup, struct setup_reply *reply, struct err *err)
{
    char group[NAME_SIZE];
    const char *const usermod[] = {USERMOD, "-a", "-G", group, setup->name, NULL};

    int rc = audit_group_name(reply->uid, group, sizeof(group), err);
    if (rc == 0)
        rc = group_make(group, &reply->audit_gid, err);
    return rc != 0 ? rc : program_run(usermod, err);
}

/*
 * A child that becomes her may signal her processes on the host and nobody else's; her machines'
 * ids are others, and the monitor stopped them before.
 */
static int end_processes(uint32_t uid, uint32_t gid, struct err *err)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
            _exit(OUTCOME_FAILED);
        _exit(kill(-1, SIGKILL) < 0 && errno != ESRCH ? OUTCOME_FAILED : OUTCOME_OK);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
        return err_set(err, OUTCOME_FAILED, "cannot end the processes of uid %u", uid);
    return 0;
}
