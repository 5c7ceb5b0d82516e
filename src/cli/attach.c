/* SPDX-License-Identifier: Apache-2.0 */
/* attach - the caller's standard streams joined to a command that runs inside an instance */
#include "cli/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cli/door.h"
#include "cli/pump.h"
#include "cli/terminal.h"

/* After the end: silence that long means that only idle grandchildren hold the pipes. */
#define DRAIN_QUIET_MS 50
/* ... and this long they may go on talking. */
#define DRAIN_TOTAL_MS 1000U
/* So often the same interrupt is passed on before croft itself gives up waiting. */
#define INTERRUPTS_MAX 3
/* Many at once wait for each other: so long, looking so often. */
#define TURN_WAIT_S  60U
#define TURN_LOOK_MS 30

enum stream { STREAM_IN, STREAM_OUT, STREAM_ERR, STREAM_COUNT };
enum slot { SLOT_SIGNAL, SLOT_DOOR, SLOT_STREAM, SLOT_COUNT = SLOT_STREAM + 2 * STREAM_COUNT };

struct session {
    struct attach *attach;
    int sock;
    int signals;
    int master; /* -1 without a terminal; owned by the output pump */
    bool exited;
    bool gave_up;
    int status;
    int interrupts;
    uint32_t early;   /* a signal for a command that runs and whose REPLY_STARTED is on its way */
    int signals_sent; /* whose REPLY_DONE has not come */
    uint64_t give_up_boot_ns;
    uint64_t owed[STREAM_COUNT]; /* bytes_read that must be reached before we may leave */
    struct terminal terminal;
    struct pump pump[STREAM_COUNT];
};

static int attach_once(struct attach *attach, int sock, struct order *order, const void *body,
                       size_t body_size, int *ret_status, struct err *err);
static int send_order(struct session *session, struct order *order, const void *body,
                      size_t body_size, struct err *err);
static int watch_signals(struct session *session, struct err *err);
static int relay(struct session *session, struct err *err);
static int on_reply(struct session *session, struct err *err);
static int on_signal(struct session *session, struct err *err);
static int give_up(struct session *session, uint32_t number, struct err *err);
static int pass_signal(struct session *session, uint32_t number, struct err *err);

int attach_check(const struct attach *attach, struct err *err)
{
    if (attach->tty && attach->input && !isatty(STDIN_FILENO))
        return err_set(err, OUTCOME_USAGE, "the input device is not a terminal: leave out -t");
    return 0;
}

int attach_run(struct attach *attach, int sock, struct order *order, const void *body,
               size_t body_size, int *ret_status, struct err *err)
{
    const uint64_t last = clock_boot_ns() + TURN_WAIT_S * NS_PER_S;

    if (sock >= 0)
        return attach_once(attach, sock, order, body, body_size, ret_status, err);
    for (;;) {
        auto_close own = -1;
        int r = door_open(&own, err);

        if (r == 0)
            r = attach_once(attach, own, order, body, body_size, ret_status, err);
        if (r != OUTCOME_OVER_LIMIT || attach->started || !door_refused(own) ||
            clock_boot_ns() > last)
            return r;
        *err = (struct err){.outcome = OUTCOME_OK};
        (void)poll(NULL, 0, TURN_LOOK_MS);
    }
}

static int attach_once(struct attach *attach, int sock, struct order *order, const void *body,
                       size_t body_size, int *ret_status, struct err *err)
{
    /* Three buffers of 64 KiB: zero pages until they are used. */
    static struct session session;
    int r;

    attach->started = false;
    session.attach = attach;
    session.sock = sock;
    session.signals = -1;
    session.master = -1;
    session.exited = false;
    session.gave_up = false;
    session.interrupts = 0;
    session.early = 0;
    session.signals_sent = 0;
    session.terminal.fd = -1;
    for (size_t i = 0; i < STREAM_COUNT; i++)
        pump_init(&session.pump[i], -1, false, -1, false);
    r = watch_signals(&session, err);
    if (r == 0)
        r = send_order(&session, order, body, body_size, err);
    if (r == 0)
        r = relay(&session, err);
    for (size_t i = 0; i < STREAM_COUNT; i++)
        pump_stop(&session.pump[i]);
    terminal_restore(&session.terminal);
    fd_close(&session.signals);
    if (r == 0)
        *ret_status = session.status;
    return r;
}

/* One of the three: the child's end goes into *ret_theirs, ours is non-blocking. */
static int make_pipe(bool to_child, int *ret_ours, int *ret_theirs, struct err *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "no pipe");
    *ret_ours = ends[to_child ? 1 : 0];
    *ret_theirs = ends[to_child ? 0 : 1];
    if (fd_set_nonblock(*ret_ours) < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "no pipe");
    return 0;
}

static int send_with_pipes(struct session *session, struct order *order, const void *body,
                           size_t body_size, struct err *err)
{
    static const int standard[STREAM_COUNT] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
    int theirs[STREAM_COUNT] = {-1, -1, -1};
    int r = 0;

    for (int i = 0; i < STREAM_COUNT && r == 0; i++) {
        int ours = -1;

        r = make_pipe(i == STREAM_IN, &ours, &theirs[i], err);
        if (i != STREAM_IN)
            pump_init(&session->pump[i], ours, true, standard[i], false);
        else if (session->attach->input)
            pump_init(&session->pump[i], STDIN_FILENO, false, ours, true);
        else
            fd_close(&ours); /* the command sees the end of its input at once */
    }
    if (r == 0)
        r = door_send(session->sock, order, body, body_size, theirs, STREAM_COUNT, err);
    for (size_t i = 0; i < STREAM_COUNT; i++)
        fd_close(&theirs[i]);
    return r;
}

static int send_order(struct session *session, struct order *order, const void *body,
                      size_t body_size, struct err *err)
{
    if (session->attach->input)
        order->flags |= ORDER_STDIN;
    if (!session->attach->tty)
        return send_with_pipes(session, order, body, body_size, err);
    order->flags |= ORDER_TTY;
    terminal_size(isatty(STDIN_FILENO) ? STDIN_FILENO : STDOUT_FILENO, &order->rows,
                  &order->columns);
    return door_send(session->sock, order, body, body_size, NULL, 0, err);
}

static int watch_signals(struct session *session, struct err *err)
{
    static const int wanted[] = {SIGINT,  SIGTERM, SIGHUP,   SIGQUIT,
                                 SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        sigaddset(&set, wanted[i]);
    /* A reader that went away is an error of write(2) here, not our end. */
    (void)signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "no signals");
    session->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (session->signals < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "no signals");
    return 0;
}

static bool all_delivered(const struct session *session)
{
    for (size_t i = STREAM_OUT; i < STREAM_COUNT; i++) {
        const struct pump *pump = &session->pump[i];

        if (!pump_done(pump) && (!pump_empty(pump) || pump->bytes_read < session->owed[i]))
            return false;
    }
    return true;
}

static bool all_ended(const struct session *session)
{
    return pump_done(&session->pump[STREAM_OUT]) && pump_done(&session->pump[STREAM_ERR]);
}

/* Over ssh, whose server leaves the command's processes alone when a connection breaks. */
static bool is_lost(const struct session *session)
{
    return session->attach->remote && !session->exited && !session->gave_up &&
           session->pump[STREAM_OUT].reader_gone &&
           (session->attach->tty || session->pump[STREAM_ERR].reader_gone);
}

static int relay(struct session *session, struct err *err)
{
    struct pollfd polls[SLOT_COUNT];

    for (;;) {
        bool leaving = session->exited && all_delivered(session);
        int ready;

        if (session->gave_up || (session->exited && all_ended(session)) ||
            (leaving && clock_boot_ns() > session->give_up_boot_ns))
            return 0;
        polls[SLOT_SIGNAL] = (struct pollfd){session->signals, POLLIN, 0};
        polls[SLOT_DOOR] = (struct pollfd){session->exited ? -1 : session->sock, POLLIN, 0};
        for (size_t i = 0; i < STREAM_COUNT; i++)
            pump_watch(&session->pump[i], &polls[SLOT_STREAM + 2 * i]);
        /* Until it runs, what was typed stays where it is: the start may yet fail. */
        if (!session->attach->started)
            polls[SLOT_STREAM].fd = -1;
        ready = poll(polls, SLOT_COUNT, leaving ? DRAIN_QUIET_MS : -1);
        if (ready < 0 && errno != EINTR)
            return err_errno(err, OUTCOME_FAILED, -errno, "waiting");
        if (ready == 0)
            return 0;
        if (ready < 0)
            continue;
        for (size_t i = 0; i < STREAM_COUNT; i++)
            pump_work(&session->pump[i], &polls[SLOT_STREAM + 2 * i]);
        if (is_lost(session) && give_up(session, SIGHUP, err) != 0)
            return (int)err->outcome;
        if (polls[SLOT_SIGNAL].revents != 0 && on_signal(session, err) != 0)
            return (int)err->outcome;
        if (polls[SLOT_DOOR].revents != 0 && on_reply(session, err) != 0)
            return (int)err->outcome;
    }
}

/* The master of the terminal inside is read by one pump and written by the other. */
static int on_started(struct session *session, struct frame_fds *fds, struct err *err)
{
    int input;

    if (session->attach->started)
        return 0;
    session->attach->started = true;
    if (!session->attach->tty)
        return 0;
    if (fds->count != 1)
        return err_set(err, OUTCOME_FAILED, "the monitor sent no terminal");
    session->master = take_fd(&fds->fd[0]);
    fds->count = 0;
    pump_init(&session->pump[STREAM_OUT], session->master, true, STDOUT_FILENO, false);
    input = fcntl(session->master, F_DUPFD_CLOEXEC, 3);
    if (input < 0 || fd_set_nonblock(session->master) < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "the terminal");
    if (session->attach->input) {
        int r = terminal_raw(&session->terminal, STDIN_FILENO);

        pump_init(&session->pump[STREAM_IN], STDIN_FILENO, false, input, true);
        if (r < 0)
            return err_errno(err, OUTCOME_FAILED, r, "your terminal");
    } else {
        fd_close(&input);
    }
    return 0;
}

/* A sentence comes with it when the program could not be executed: the status stays its own. */
static void on_exited(struct session *session, const struct reply *reply, struct err *err)
{
    uint64_t signal_number = reply->number[1];

    session->exited = true;
    session->status = (int)(reply->number[0] & 255);
    if (signal_number > 0 && signal_number < 128)
        session->status = 128 + (int)signal_number;
    session->give_up_boot_ns = clock_boot_ns() + DRAIN_TOTAL_MS * NS_PER_MS;
    if (reply->text[0] != '\0')
        (void)err_set(err, OUTCOME_FAILED, "%.100s: %s", session->attach->program, reply->text);
    pump_stop(&session->pump[STREAM_IN]);
    for (size_t i = STREAM_OUT; i < STREAM_COUNT; i++) {
        struct pump *pump = &session->pump[i];
        int waiting = 0;

        session->owed[i] = pump->bytes_read;
        if (pump->from >= 0 && ioctl(pump->from, FIONREAD, &waiting) == 0 && waiting > 0)
            session->owed[i] += (uint64_t)waiting;
    }
}

static int on_reply(struct session *session, struct err *err)
{
    struct door_reply reply;
    int r = door_receive(session->sock, &reply, err);

    if (r != 0)
        return r;
    switch ((enum reply_type)reply.head.type) {
    case REPLY_NOTE:
        door_note(&reply.head);
        break;
    case REPLY_STARTED:
        r = on_started(session, &reply.fds, err);
        if (r == 0 && session->early != 0)
            r = pass_signal(session, session->early, err);
        break;
    case REPLY_EXITED:
        on_exited(session, &reply.head, err);
        break;
    case REPLY_DONE:
        /* A signal that came too late for its command is no failure. */
        if (session->signals_sent > 0) {
            session->signals_sent--;
            break;
        }
        r = door_outcome(&reply.head, err);
        if (r == 0 && !session->attach->started)
            r = err_set(err, OUTCOME_FAILED, "the monitor ended the order without a word");
        break;
    }
    frame_fds_cleanup(&reply.fds);
    return r;
}

static int pass_signal(struct session *session, uint32_t number, struct err *err)
{
    struct order order = {.version = ORDER_VERSION, .type = ORDER_SIGNAL, .number = number};

    if (!session->attach->started || session->exited)
        return 0;
    session->signals_sent++;
    return door_send(session->sock, &order, NULL, 0, NULL, 0, err);
}

/* This process ends as if by that signal, and the command learns of it. */
static int give_up(struct session *session, uint32_t number, struct err *err)
{
    session->gave_up = true;
    session->status = 128 + (int)number;
    return pass_signal(session, number, err);
}

/* What it printed can be here before the word of the monitor that it runs. */
static bool has_spoken(const struct session *session)
{
    return session->pump[STREAM_OUT].bytes_read > 0 || session->pump[STREAM_ERR].bytes_read > 0;
}

static int on_signal(struct session *session, struct err *err)
{
    struct signalfd_siginfo info;

    if (read(session->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return 0;
    if (info.ssi_signo == SIGWINCH || info.ssi_signo == SIGCONT) {
        if (info.ssi_signo == SIGCONT)
            terminal_raw_again(&session->terminal);
        if (session->pump[STREAM_OUT].from >= 0 && session->master >= 0)
            terminal_resize(session->master, isatty(STDIN_FILENO) ? STDIN_FILENO : STDOUT_FILENO);
        return 0;
    }
    /*
     * With a terminal the keys are the other side's; a signal then means that this process shall
     * end, and the hangup of the terminal inside ends what runs there. Without one, who presses
     * ctrl-c again and again wants his prompt back.
     */
    if (info.ssi_signo != SIGUSR1 && info.ssi_signo != SIGUSR2)
        session->interrupts++;
    if (!session->attach->started && session->early == 0 && has_spoken(session)) {
        session->early = info.ssi_signo;
        return 0;
    }
    if (!session->attach->started || session->master >= 0 || session->interrupts > INTERRUPTS_MAX)
        return give_up(session, info.ssi_signo, err);
    return pass_signal(session, info.ssi_signo, err);
}
