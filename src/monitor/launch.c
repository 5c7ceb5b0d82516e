/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch - the orders about instances: what is asked of them, and why it is safe to do
 */
#include "monitor/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/str.h"
#include "linux/path.h"
#include "monitor/images.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"
#include "monitor/sessions.h"

#define STDIO_FDS 3U

static int check_plan(struct request *request, struct user *user, struct err *err);
static int check_stdio(const struct request *request, struct err *err);
static struct instance *find(struct request *request, struct user *user, struct err *err);
static int begin(struct request *request, struct user *user, enum record_type type,
                 const struct plan *plan, struct deed *ret_deed, struct err *err);

/*
 * Safe for a stranger: plan_check() holds every id and limit in the plan against the records, and
 * refuses what it does not know; the layers must be those of the image of hers that it names; the
 * rest of the plan are strings that mean something only inside the instance.
 */
int launch_order_launch(struct request *request, struct user *user, struct err *err)
{
    const struct plan *plan = request_body(request);
    const struct start start = {.request = request};
    struct deed deed;

    int rc = check_plan(request, user, err);
    if (rc == 0)
        rc = begin(request, user, RECORD_LAUNCH, plan, &deed, err);
    if (rc != 0)
        return rc;
    struct instance *instance = instance_new(user, plan->name, plan);
    rc = instance_start(instance, &start, &deed, err);
    if (rc == 0)
        return REQUEST_PENDING;
    deed_end(user->monitor, &deed, DURABLE_NOW, err, NULL);
    instance_drop(instance);
    return rc;
}

/*
 * Safe for a stranger: as launch; and the three descriptors are anonymous pipes that she
 * made, so nothing of the host comes into the instance by them.
 */
int launch_order_run(struct request *request, struct user *user, struct err *err)
{
    const struct plan *plan = request_body(request);
    struct start start = {
        .request = request,
        .tty = (plan->flags & PLAN_TTY) != 0,
        .input = ((request->order.flags & ORDER_STDIN) | (plan->flags & PLAN_STDIN)) != 0,
        .stdio = request->fds.count == STDIO_FDS ? request->fds.fd : NULL,
    };
    struct deed deed;

    int rc = check_plan(request, user, err);
    if (rc == 0)
        rc = check_stdio(request, err);
    /* Before the record: what is refused must not fill her file. */
    if (rc == 0)
        rc = sessions_room(user, err);
    if (rc == 0)
        rc = begin(request, user, RECORD_RUN, plan, &deed, err);
    if (rc != 0)
        return rc;
    struct instance *instance = instance_new(user, plan->name, plan);
    start.session = session_new(user, request, instance);
    rc = instance_start(instance, &start, &deed, err);
    if (rc == 0)
        return REQUEST_PENDING;
    session_drop(start.session);
    deed_end(user->monitor, &deed, DURABLE_SOON, err, NULL);
    instance_drop(instance);
    return rc;
}

/* Safe for a stranger: nothing comes from her but the name of a machine of hers; what is started is
 * the plan that was checked when she launched it, byte for byte (invariant 13). */
int launch_order_start(struct request *request, struct user *user, struct err *err)
{
    const struct start start = {.request = request};
    struct instance *instance = find(request, user, err);
    struct deed deed;

    if (instance == NULL)
        return OUTCOME_NOT_FOUND;
    if (instance_is_up(instance))
        return err_set(err, OUTCOME_FAILED, "%s runs already", instance->name);
    int rc = begin(request, user, RECORD_START, NULL, &deed, err);
    if (rc != 0)
        return rc;
    rc = instance_start(instance, &start, &deed, err);
    if (rc == 0)
        return REQUEST_PENDING;
    deed_end(user->monitor, &deed, DURABLE_NOW, err, NULL);
    return rc;
}

/* Safe for a stranger: the machine is hers, and only it is signalled, by pidfd and by its group. */
int launch_order_stop(struct request *request, struct user *user, struct err *err)
{
    struct instance *instance = find(request, user, err);
    struct deed deed;

    if (instance == NULL)
        return OUTCOME_NOT_FOUND;
    if (!instance_is_up(instance))
        return err_set(err, OUTCOME_FAILED, "%s does not run", instance->name);
    /* One record for one stop, however often it is asked for: a stop is recorded in a full file
     * too. */
    if (instance->state != INSTANCE_STOPPING) {
        int rc = begin(request, user, RECORD_STOP, NULL, &deed, err);
        if (rc != 0)
            return rc;
        instance->wanted = false;
        rc = deed_done(user->monitor, &deed, NULL, err);
        if (rc != 0) {
            instance_stop(instance, request->order.number, NULL);
            return rc;
        }
    }
    instance_stop(instance, request->order.number, request);
    return REQUEST_PENDING;
}

/* Safe for a stranger: the machine is hers; what it wrote is renamed by root within her volume, and
 * deleted by a process with her own ids. */
int launch_order_remove(struct request *request, struct user *user, struct err *err)
{
    struct instance *instance = find(request, user, err);

    if (instance == NULL)
        return OUTCOME_NOT_FOUND;
    if (instance_is_up(instance) && !(request->order.flags & ORDER_FORCE))
        return err_set(err, OUTCOME_FAILED, "%s runs: croft stop %s, or croft rm -f %s",
                       instance->name, instance->name, instance->name);
    return instance_remove(instance, request, err);
}

/* Safe for a stranger: two files of her own machine, opened read-only; opening them again by
 * /proc/self/fd asks for permission, which only her ids inside have. */
int launch_order_logs(struct request *request, struct user *user, struct err *err)
{
    struct instance *instance = find(request, user, err);
    char name[GROUP_NAME_SIZE];
    int fds[2];

    if (instance == NULL)
        return OUTCOME_NOT_FOUND;
    int rc = user_need(user, err);
    if (rc != 0)
        return rc;
    if (str_format(name, sizeof(name), "instances/%s", instance->name) < 0)
        croft_bug("the name of a directory is too long");
    auto_close dir = volume_dir(user, name);
    auto_close first = dir < 0 ? dir : path_open(dir, "log.0", O_RDONLY);
    auto_close second = first < 0 ? first : path_open(dir, "log.1", O_RDONLY);
    if (first == -ENOENT)
        return err_set(err, OUTCOME_FAILED, "%s keeps no log: its output goes to who runs it",
                       instance->name);
    if (second < 0)
        return err_errno(err, OUTCOME_FAILED, second, "cannot open the log of %s", instance->name);
    fds[0] = first;
    fds[1] = second;
    request_finish_with(request, NULL, NULL, 0, fds, ARRAY_LEN(fds));
    return REQUEST_PENDING;
}

/* Everything that decides whether a plan may become an instance of hers. */
static int check_plan(struct request *request, struct user *user, struct err *err)
{
    const struct plan *plan = request_body(request);
    const struct plan_owner owner = {
        .uid = user->uid,
        .block_first = user_block(user),
        .keeper_id = user_keeper(user),
        .memory_bytes = user->limits.memory_bytes,
        .pids = user->limits.pids,
        .cpu_milli =
            user->limits.cpu_milli != 0 ? user->limits.cpu_milli : (uint32_t)get_nprocs() * 1000U,
    };

    int rc = plan_check(plan, request->order.body_size, &owner, err);
    if (rc != 0)
        return rc;
    const struct image *image = images_by_name(user, plan->image);
    if (image == NULL)
        return err_set(err, OUTCOME_NOT_FOUND, "no image named %s", plan->image);
    if (plan->layer_count != 1 || memcmp(plan->layer[0], image->digest, SHA256_SIZE) != 0)
        return err_set(err, OUTCOME_NOT_PERMITTED,
                       "plan: its layers are not those of the image %s; if that was just imported "
                       "anew, try again",
                       plan->image);
    if (instances_by_name(user, plan->name) != NULL)
        return err_set(err, OUTCOME_FAILED, "%s has a machine named %s already: croft rm %s",
                       user->name, plan->name, plan->name);
    if (instances_count(user) >= MACHINES_PER_USER_MAX)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "%s has %u machines, which is the limit: croft ls, croft rm", user->name,
                       MACHINES_PER_USER_MAX);
    return 0;
}

static int check_stdio(const struct request *request, struct err *err)
{
    for (size_t i = 0; i < request->fds.count; i++)
        if (fd_is_pipe(request->fds.fd[i]) != 1)
            return err_set(err, OUTCOME_USAGE,
                           "run: descriptor %zu is no pipe; a terminal, file or directory of the "
                           "host does not go into a machine",
                           i);
    return 0;
}

/* Among hers: another user's machine is answered for as one that does not exist. */
static struct instance *find(struct request *request, struct user *user, struct err *err)
{
    struct instance *instance = instances_by_name(user, request->order.name);
    if (instance == NULL)
        (void)err_set(err, OUTCOME_NOT_FOUND, "no machine named %s", request->order.name);
    return instance;
}

/* Records the intent; @plan: of a launch or a run. */
static int begin(struct request *request, struct user *user, enum record_type type,
                 const struct plan *plan, struct deed *ret_deed, struct err *err)
{
    uint8_t digest[SHA256_SIZE];
    struct chain_entry intent = {
        .type = type,
        .actor_uid = request->peer.uid,
        .name = plan != NULL ? plan->name : request->order.name,
    };

    if (plan != NULL) {
        intent.number[0] = plan->flags;
        intent.number[1] = plan->kind;
        intent.text = plan->image;
        intent.payload = plan;
        intent.payload_size = plan_size(plan);
    }
    /* A --rm job is never started again, so nobody will need its plan. */
    if (plan != NULL && plan->flags & PLAN_REMOVE) {
        struct sha256 hash;
        sha256_init(&hash);
        sha256_add(&hash, plan, plan_size(plan));
        sha256_end(&hash, digest);
        intent.payload = digest;
        intent.payload_size = sizeof(digest);
    }
    return deed_begin(user->monitor, user, &intent, ret_deed, err);
}
