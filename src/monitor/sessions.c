/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sessions - what a connection runs: a job (run) or a process in an instance (exec)
 *
 * Theory of operation
 * A session begins with a request and lives until what it runs has ended; in between it has a
 * connection, on which signals come in and the exit goes out. A connection that hangs up sends a
 * hangup (SIGHUP), as a terminal does, and the session goes on without it.
 *
 *   request -> session -> REPLY_STARTED -> connection -> REPLY_EXITED
 *
 * The process of an exec is made in the instance's control group. When her envelope is full that
 * fails, and then it is made in the rescue group beside the envelope, so that she can always look
 * and clean up (invariant 8); the client is told.
 */
#include "monitor/sessions.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "linux/path.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"

#define RECORDED_COMMAND 256U
#define STATUS_FILE_SIZE 4096U
#define EXIT_CANNOT_RUN  126
#define EXIT_NO_PROGRAM  127

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

/*
 * instance: of a run: the job; of an exec: NULL, its process is runner's
 * request:  until it runs; client: from then on, NULL when she has hung up
 */
struct session {
    struct user *user;
    struct session *next;
    struct instance *instance;
    struct request *request;
    struct client *client;
    struct runner *runner;
    struct deed deed;
    char name[NAME_SIZE];
    int master;
    bool rescue;
};

/* The peer of ORDER_LOGIN and its parent on their way into the gate group. */
struct move {
    struct monitor *monitor;
    uid_t uid;
    struct request *request;
    struct runner *runner;
};

static size_t sessions_count(const struct user *user);
static const char *exec_group(const struct session *session, const struct instance *instance,
                              char *buf, size_t size, const char **ret_limit);
static int exec_begin(struct session *session, const struct instance *instance, const char *group,
                      struct err *err);
static int exec_fill(struct session *session, const struct instance *instance, const char *group,
                     struct job_order *order);
static void exec_note_rescue(struct session *session, const char *limit);
static void exec_waiting(void *data, int *master);
static void exec_running(void *data);
static void exec_failed(void *data, uint32_t stage, int error);
static void exec_ended(void *data, struct exit_status status);
static bool exec_retry(struct session *session, int error);
static void exec_not_executed(struct session *session, uint32_t stage, int error);
static int login_pids(struct request *request, int32_t pids[2], struct err *err);
static int proc_status(const struct monitor *monitor, pid_t pid, uid_t *ret_uid, pid_t *ret_parent);
static int status_number(const char *text, const char *key, uint64_t *ret_value);
static bool pidfd_is_alive(int pidfd);
static void move_running(void *data);
static void move_failed(void *data, uint32_t stage, int error);

static const struct runner_calls EXEC_CALLS = {
    .waiting = exec_waiting,
    .running = exec_running,
    .failed = exec_failed,
    .ended = exec_ended,
};

static const struct runner_calls MOVE_CALLS = {
    .running = move_running,
    .failed = move_failed,
};

int sessions_room(const struct user *user, struct err *err)
{
    if (sessions_count(user) < SESSIONS_PER_USER_MAX)
        return 0;
    return err_set(err, OUTCOME_OVER_LIMIT,
                   "%s runs %u commands from outside already, which is the limit", user->name,
                   SESSIONS_PER_USER_MAX);
}

struct session *session_new(struct user *user, struct request *request, struct instance *instance)
{
    struct session *session = mem_new(1, sizeof(*session));
    *session = (struct session){
        .user = user,
        .next = user->sessions,
        .instance = instance,
        .request = request,
        .master = -1,
    };
    user->sessions = session;
    return session;
}

void session_park(struct session *session)
{
    request_park(session->request);
}

void session_running(struct session *session, int master)
{
    struct request *request = session->request;
    session->request = NULL;
    request_started(request, session, master);
}

void session_ended(struct session *session, struct exit_status status, const char *text)
{
    if (session->client != NULL)
        client_exited(session->client, status.code < 0 ? 0 : status.code, status.signal, text);
    session_drop(session);
}

void session_failed(struct session *session, const struct err *err)
{
    request_finish(session->request, err);
    session_drop(session);
}

void session_set_client(struct session *session, struct client *client)
{
    session->client = client;
    if (client == NULL)
        session_client_gone(session);
}

void session_client_gone(struct session *session)
{
    session->client = NULL;
    /* Who ignores it goes on; it is hers to stop. */
    int rc = session_signal(session, SIGHUP);
    if (rc < 0 && rc != -ESRCH)
        log_line(LOG_LEVEL_WARNING, "cannot hang up on a command of %s: %s", session->user->name,
                 strerror(-rc));
}

int session_signal(const struct session *session, int signal)
{
    if (session->instance != NULL)
        return process_signal(instance_process(session->instance), signal);
    return process_signal(runner_process(session->runner), signal);
}

void sessions_cancel(struct user *user)
{
    const struct err ended = {.outcome = OUTCOME_FAILED, .text = "ended by an admin"};

    while (user->sessions != NULL) {
        struct session *session = user->sessions;
        deed_end(user->monitor, &session->deed, DURABLE_SOON, &ended, NULL);
        if (session->request != NULL)
            session_failed(session, &ended);
        else
            session_ended(session, (struct exit_status){.signal = SIGKILL}, NULL);
    }
}

/*
 * Safe for a stranger: the machine is looked up among her own; the command is opaque bytes that
 * mean something inside it only; the descriptors are anonymous pipes; the process is made by the
 * pidfd of pid 1, wears what pid 1 wears, and touches nothing of the instance before it has it on.
 */
int session_order_exec(struct request *request, struct user *user, struct err *err)
{
    const struct command *command = request_body(request);
    struct instance *instance = instances_by_name(user, request->order.name);
    char group_name[GROUP_NAME_SIZE];
    const char *limit = NULL;

    if (instance == NULL)
        return err_set(err, OUTCOME_NOT_FOUND, "no machine named %s", request->order.name);
    if (instance->state != INSTANCE_RUNNING)
        return err_set(err, OUTCOME_FAILED, "the machine %s does not run: croft start %s",
                       instance->name, instance->name);
    for (size_t i = 0; i < request->fds.count; i++)
        if (fd_is_pipe(request->fds.fd[i]) != 1)
            return err_set(err, OUTCOME_USAGE,
                           "exec: descriptor %zu is no pipe; a terminal, file or directory of the "
                           "host does not go into a machine",
                           i);
    int rc = sessions_room(user, err);
    if (rc != 0)
        return rc;
    struct session *session = session_new(user, request, NULL);
    memcpy(session->name, instance->name, sizeof(session->name));
    const struct chain_entry intent = {
        .type = RECORD_EXEC,
        .actor_uid = request->peer.uid,
        .name = instance->name,
        .payload = command->strings,
        .payload_size =
            command->strings_len < RECORDED_COMMAND ? command->strings_len : RECORDED_COMMAND,
    };
    rc = deed_begin(user->monitor, user, &intent, &session->deed, err);
    if (rc == 0) {
        const char *group = exec_group(session, instance, group_name, sizeof(group_name), &limit);
        if (limit != NULL)
            exec_note_rescue(session, limit);
        rc = exec_begin(session, instance, group, err);
    }
    if (rc != 0) {
        deed_end(user->monitor, &session->deed, DURABLE_SOON, err, NULL);
        session_drop(session);
        return rc;
    }
    return REQUEST_PENDING;
}

/*
 * Safe for a stranger: what is moved is the process that made this very connection, and its parent
 * when that belongs to the same uid; and it only gets under a limit. Nothing is named by the
 * sender.
 */
int session_order_login(struct request *request, struct user *user, struct err *err)
{
    auto_job order;
    job_init(&order, JOB_MOVE);
    int rc = user_need_groups(user, err);
    if (rc == 0)
        rc = login_pids(request, order.job.pids, err);
    if (rc != 0)
        return rc;
    struct move *move = mem_new(1, sizeof(*move));
    *move = (struct move){.monitor = user->monitor, .uid = user->uid, .request = request};
    rc = user_job(user, &order, "gate", PLAN_FILTER_DEFAULT);
    fd_close(&order.fd[JOB_FD_FILTER]);
    if (rc == 0)
        rc = runner_new(user->monitor, &MOVE_CALLS, move, &move->runner);
    if (rc == 0)
        rc = runner_send(move->runner, &order, NULL, 0);
    if (rc < 0) {
        runner_free(move->runner);
        mem_cleanup(&move);
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot charge the login to %s", user->name);
    }
    return REQUEST_PENDING;
}

static size_t sessions_count(const struct user *user)
{
    size_t count = 0;
    for (const struct session *session = user->sessions; session != NULL; session = session->next)
        count++;
    return count;
}

void session_drop(struct session *session)
{
    struct session **place = &session->user->sessions;

    while (*place != session)
        place = &(*place)->next;
    *place = session->next;
    runner_free(session->runner);
    fd_close(&session->master);
    mem_cleanup(&session);
}

/* @ret_limit: set when it is the rescue group: the limit that makes it so. */
static const char *exec_group(const struct session *session, const struct instance *instance,
                              char *buf, size_t size, const char **ret_limit)
{
    const struct cgroup_limits envelope = user_envelope(session->user);
    const struct cgroup_limits own = instance_limits(instance);

    if (str_format(buf, size, "all/%s", instance->name) < 0)
        croft_bug("the name of a group is too long");
    if (user_full(session->user, "all", &envelope, ret_limit) ||
        user_full(session->user, buf, &own, ret_limit))
        return "rescue";
    return buf;
}

static int exec_begin(struct session *session, const struct instance *instance, const char *group,
                      struct err *err)
{
    const struct command *command = request_body(session->request);
    auto_job order;
    job_init(&order, JOB_JOIN);

    session->rescue = strcmp(group, "rescue") == 0;
    int rc = runner_new(session->user->monitor, &EXEC_CALLS, session, &session->runner);
    if (rc == 0)
        rc = exec_fill(session, instance, group, &order);
    if (rc == 0)
        rc = runner_send(session->runner, &order, command, sizeof(*command) + command->strings_len);
    if (rc < 0)
        return err_errno(err, OUTCOME_FAILED, rc, "cannot run a command in %s", instance->name);
    return 0;
}

static int exec_fill(struct session *session, const struct instance *instance, const char *group,
                     struct job_order *order)
{
    const struct request *request = session->request;
    const struct command *command = request_body(request);
    bool tty = (request->order.flags & ORDER_TTY) != 0;

    int rc = user_job(session->user, order, group, PLAN_FILTER_DEFAULT);
    if (rc == 0)
        rc = order->fd[JOB_FD_PIDFD] = fcntl(instance_process(instance)->pidfd, F_DUPFD_CLOEXEC, 3);
    if (rc >= 0 && command->user[0] != '\0')
        rc = order->fd[JOB_FD_EXEC] = volume_init_open(session->user);
    if (rc < 0)
        return rc;
    order->job.rows = request->order.rows;
    order->job.columns = request->order.columns;
    if (tty)
        order->job.flags |= JOB_TTY;
    return tty ? 0 : job_stdio(order, request->fds.fd, (request->order.flags & ORDER_STDIN) != 0);
}

static void exec_note_rescue(struct session *session, const char *limit)
{
    request_note(session->request,
                 "%s is at her limit of %s: this command runs in the rescue group, which has %u "
                 "processes and %llu MiB, so that you can clean up",
                 session->user->name, limit, RESCUE_PIDS, RESCUE_MEMORY / MIB);
}

static void exec_waiting(void *data, int *master)
{
    struct session *session = data;
    session->master = take_fd(master);
    runner_go(session->runner);
}

static void exec_running(void *data)
{
    struct session *session = data;
    session_running(session, session->master);
    fd_close(&session->master);
}

static void exec_failed(void *data, uint32_t stage, int error)
{
    struct session *session = data;
    struct err err;

    if (exec_retry(session, error))
        return;
    if (stage == READY_EXEC || stage == READY_WORKDIR) {
        exec_not_executed(session, stage, error);
        return;
    }
    runner_sentence(&err, "run a command in", session->name, stage, error);
    deed_end(session->user->monitor, &session->deed, DURABLE_SOON, &err, NULL);
    session_failed(session, &err);
}

static void exec_ended(void *data, struct exit_status status)
{
    struct session *session = data;
    const struct chain_entry outcome = {.number = {(uint64_t)status.code, (uint64_t)status.signal}};

    deed_end(session->user->monitor, &session->deed, DURABLE_SOON, NULL, &outcome);
    session_ended(session, status, NULL);
}

/* Between the look and the fork her envelope may have filled up. */
static bool exec_retry(struct session *session, int error)
{
    struct instance *instance = instances_by_name(session->user, session->name);
    struct err err;

    if (session->rescue || (error != -EAGAIN && error != -ENOMEM) || instance == NULL ||
        instance->state != INSTANCE_RUNNING)
        return false;
    runner_free(session->runner);
    session->runner = NULL;
    fd_close(&session->master);
    exec_note_rescue(session, error == -EAGAIN ? "pids" : "memory");
    return exec_begin(session, instance, "rescue", &err) == 0;
}

/* It was let go, so for the client it ran: with the exit status that a shell gives. */
static void exec_not_executed(struct session *session, uint32_t stage, int error)
{
    const struct exit_status status = {
        .code = stage == READY_EXEC && error == -ENOENT ? EXIT_NO_PROGRAM : EXIT_CANNOT_RUN};
    const struct command *command = request_body(session->request);
    const char *program = command->strings + strlen(command->strings) + 1; /* after the directory */
    char what[128];
    struct err err;

    if (str_format(what, sizeof(what), "run '%.100s' in", program) < 0)
        what[0] = '\0';
    runner_sentence(&err, what, session->name, stage, error);
    deed_end(session->user->monitor, &session->deed, DURABLE_SOON, &err, NULL);
    session_running(session, session->master);
    session_ended(session, status, err.text);
}

static int login_pids(struct request *request, int32_t pids[2], struct err *err)
{
    const struct monitor *monitor = request->monitor;
    const struct peer *peer = &request->peer;
    socklen_t size = sizeof(int);
    int peer_pidfd = -1;
    uid_t uid;
    pid_t parent;
    pid_t parent_now;

    if (request->client == NULL)
        return err_set(err, OUTCOME_FAILED, "who logs in has hung up");
    if (getsockopt(client_socket(request->client), SOL_SOCKET, SO_PEERPIDFD, &peer_pidfd, &size) <
        0)
        peer_pidfd = (int)syscall(SYS_pidfd_open, peer->pid, 0);
    auto_close pidfd = peer_pidfd;
    /* Alive after it was read: then what was read is about this process and not a later one. */
    if (pidfd < 0 || proc_status(monitor, peer->pid, &uid, &parent) < 0 || uid != peer->uid ||
        !pidfd_is_alive(pidfd))
        return err_set(err, OUTCOME_FAILED, "who logs in cannot be seen in /proc");
    pids[0] = peer->pid;
    auto_close parent_pidfd = (int)syscall(SYS_pidfd_open, parent, 0);
    if (parent_pidfd < 0 || proc_status(monitor, parent, &uid, &parent_now) < 0 || uid != peer->uid)
        return 0;
    /* Still its parent, so the number was its own all the time. */
    if (pidfd_is_alive(parent_pidfd) && proc_status(monitor, peer->pid, &uid, &parent_now) == 0 &&
        parent_now == parent)
        pids[1] = parent;
    return 0;
}

/* The real uid and the parent of a process. */
static int proc_status(const struct monitor *monitor, pid_t pid, uid_t *ret_uid, pid_t *ret_parent)
{
    char name[32];
    char text[STATUS_FILE_SIZE];
    uint64_t uid = 0;
    uint64_t parent = 0;

    int rc = str_format(name, sizeof(name), "%d/status", pid);
    if (rc < 0)
        return rc;
    ssize_t got = path_read_text(monitor->dirs.proc, name, text, sizeof(text));
    if (got < 0)
        return (int)got;
    rc = status_number(text, "\nUid:\t", &uid);
    if (rc == 0)
        rc = status_number(text, "\nPPid:\t", &parent);
    if (rc < 0)
        return rc;
    *ret_uid = (uid_t)uid;
    *ret_parent = (pid_t)parent;
    return 0;
}

static int status_number(const char *text, const char *key, uint64_t *ret_value)
{
    char digits[24];
    const char *at = strstr(text, key);
    if (at == NULL)
        return -ENODATA;
    at += strlen(key);
    size_t length = strspn(at, "0123456789");
    if (length == 0 || length >= sizeof(digits))
        return -EINVAL;
    memcpy(digits, at, length);
    digits[length] = '\0';
    return str_u64(digits, 0, UINT32_MAX, ret_value);
}

static bool pidfd_is_alive(int pidfd)
{
    return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0;
}

static void move_running(void *data)
{
    struct move *move = data;
    struct user *user = users_by_uid(move->monitor, move->uid);
    const struct chain_entry entry = {
        .type = RECORD_LOGIN, .actor_uid = move->uid, .subject_uid = move->uid};

    /* A full file grows no more, and keeps nobody out either: she must come in to clean up. */
    if (user != NULL && !records_full(&user->chain))
        records_outcome(move->monitor, &user->chain, &entry, DURABLE_SOON);
    runner_free(move->runner);
    request_finish(move->request, NULL);
    mem_cleanup(&move);
}

static void move_failed(void *data, uint32_t stage, int error)
{
    struct move *move = data;
    struct err err;

    runner_sentence(&err, "charge the login to", "you", stage, error);
    runner_free(move->runner);
    request_finish(move->request, &err);
    mem_cleanup(&move);
}
