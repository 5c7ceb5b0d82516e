/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_client - D rows about rude clients of the door and of croftd's socket: descriptors that do
 * not belong, connections that are kept and not used
 */
#include "prove/row.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "prove/speaker.h"

#define STDIO_FDS    3
#define FDS_MOST     253 /* the kernel's own limit for one message */
#define SLOW_CLIENTS 40U
#define SLOW_MS      1000U
#define NAIVE_MS     500U

/* -- D-06 descriptors ---------------------------------------------------------------------------
 */

/* A socket that waits in its own queue, so that only the kernel's garbage collector ends it. */
static int self_in_flight(void)
{
    int pair[2];
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)),
                          .cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS}};
    char byte = 'x';
    struct iovec piece = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};

    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    memcpy(CMSG_DATA(&control.head), &pair[1], sizeof(int));
    if (sendmsg(pair[0], &message, 0) < 0)
        errno = 0;
    (void)close(pair[0]);
    return pair[1];
}

static int open_shadow(void)
{
    return open("/etc/shadow", O_RDONLY | O_CLOEXEC);
}

static int open_memory(void)
{
    return open("/proc/self/mem", O_RDWR | O_CLOEXEC);
}

static int open_root(void)
{
    return open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int open_epoll(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int outer = epoll_create1(EPOLL_CLOEXEC), inner = epoll_create1(EPOLL_CLOEXEC);

    (void)epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event);
    (void)close(inner);
    return outer;
}

static int open_ring(void)
{
    struct io_uring_params params = {0};

    return (int)syscall(SYS_io_uring_setup, 2, &params);
}

static int open_memfd(void)
{
    return memfd_create("croft-prove", MFD_CLOEXEC);
}

static int open_pidfd(void)
{
    return (int)syscall(SYS_pidfd_open, getpid(), 0);
}

static int open_terminal(void)
{
    return open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static int open_pipe(void)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    (void)close(ends[1]);
    return ends[0];
}

static const struct {
    const char *what;
    int (*make)(void);
} wrong[] = {
    {"/etc/shadow", open_shadow}, {"/proc/self/mem", open_memory}, {"a directory", open_root},
    {"an epoll", open_epoll},     {"a ring", open_ring},           {"a memfd", open_memfd},
    {"a pidfd", open_pidfd},      {"a terminal", open_terminal},   {"a loop", self_in_flight}};

/* Says ORDER_EXEC for the attacker's own machine with these. Return: as speaker_say() */
static int exec_with(const struct scene *scene, const int *fds, size_t count)
{
    uint8_t command[128];
    const struct speech speech = {.type = ORDER_EXEC,
                                  .name = scene->attacker.machine,
                                  .body = command,
                                  .body_size =
                                      speaker_command("/bin/true", command, sizeof(command)),
                                  .fds = fds,
                                  .fd_count = count};
    struct reply reply;

    return speaker_say(scene->attacker.uid, scene->attacker.gid, &speech, &reply);
}

/* Three pipes with one of them replaced by @fd, which may be -1: none. */
static int exec_with_one(const struct scene *scene, int fd, size_t place)
{
    int fds[STDIO_FDS], pipes[STDIO_FDS];

    for (size_t i = 0; i < STDIO_FDS; i++)
        fds[i] = pipes[i] = open_pipe();
    if (fd >= 0)
        fds[place] = fd;
    int outcome = exec_with(scene, fds, STDIO_FDS);
    for (size_t i = 0; i < STDIO_FDS; i++)
        fd_close(&pipes[i]);
    return outcome;
}

static void give_all_kinds(struct scene *scene, struct trial *trial)
{
    struct fact *fact = &trial->attack;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        auto_close fd = scene->unwalled ? -1 : wrong[i].make();

        for (size_t place = 0; place < STDIO_FDS && (fd >= 0 || scene->unwalled); place++) {
            fact->number[1]++;
            if (exec_with_one(scene, fd, place) != 0)
                continue;
            fact->number[0]++;
            fact_note(fact, "%s", wrong[i].what);
        }
    }
}

static void perform_descriptors(struct scene *scene, struct trial *trial)
{
    int many[FDS_MOST];
    size_t before, now = 0;

    if (exec_with_one(scene, -1, 0) != 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "three pipes were refused");
        return;
    }
    row_control(trial, "with three pipes the command was started");
    before = speaker_files();
    give_all_kinds(scene, trial);
    auto_close one = open_pipe();
    for (size_t i = 0; i < FDS_MOST; i++)
        many[i] = one;
    for (int i = 0; i < 20; i++)
        trial->attack.number[0] += exec_with(scene, many, FDS_MOST) == 0;
    for (int i = 0; i < 40 && (now = speaker_files()) > before; i++)
        (void)usleep(25000);
    if (trial->attack.number[0])
        row_verdict(trial, VERDICT_LEAKED, "a command was started with %.120s", trial->attack.text);
    else if (now > before)
        row_verdict(trial, VERDICT_LEAKED, "%zu descriptors stayed in the monitor", now - before);
    else
        row_verdict(trial, VERDICT_BLOCKED,
                    "%ju tries with %zu wrong kinds refused, 253 at once too, none stayed",
                    (uintmax_t)trial->attack.number[1], ARRAY_LEN(wrong));
}

/* -- D-09 slow clients --------------------------------------------------------------------------
 */

/* A server as one writes it first: one after the other, and each gets all the time it wants. */
static int naive_body(void *data, int in, int out)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char byte;

    (void)in;
    memcpy(at.sun_path + 1, data, strlen(data));
    auto_close sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(sock, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(sock, 64) < 0 ||
        fd_write_full(out, "r\n", 2) < 0)
        return 1;
    for (;;) {
        auto_close peer = accept4(sock, NULL, NULL, SOCK_CLOEXEC);

        if (peer < 0 || read(peer, &byte, 1) != 1 || write(peer, &byte, 1) != 1)
            return 0;
    }
}

static int naive_connect(const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    memcpy(at.sun_path + 1, name, strlen(name));
    auto_close sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock < 0 || connect(sock, (const struct sockaddr *)&at, sizeof(at)) < 0)
        return -1;
    return take_fd(&sock);
}

/* Whether one silent client keeps the next from being served. */
static bool naive_is_held_up(struct trial *trial)
{
    struct child server = CHILD_NONE;
    char name[64], line[8];
    bool held = false;

    if (str_format(name, sizeof(name), "croft-prove-naive-%d", getpid()) < 0 ||
        child_fork(naive_body, name, &server) < 0)
        return false;
    if (child_line(&server, line, sizeof(line), 5000) > 0) {
        auto_close silent = naive_connect(name);
        auto_close other = naive_connect(name);
        struct pollfd answer = {.fd = other, .events = POLLIN};

        held = silent >= 0 && other >= 0 && write(other, "x", 1) == 1 &&
               poll(&answer, 1, (int)NAIVE_MS) == 0;
    }
    (void)child_end(&server, 0);
    if (held)
        row_control(trial, "a server without limits was held up");
    return held;
}

/* Opens what it can and says half of something; never reads. Return: connections that stayed */
static unsigned hold(const struct scene *scene, const char *name, int fds[SLOW_CLIENTS])
{
    unsigned kept = 0;

    for (unsigned i = 0; i < SLOW_CLIENTS; i++) {
        char byte;

        fds[i] = speaker_connect(name, scene->attacker.uid, scene->attacker.gid);
        if (fds[i] >= 0 && strcmp(name, "api") == 0 && write(fds[i], "{\"method\"", 9) != 9)
            fd_close(&fds[i]);
        (void)usleep(500);
        /* Who is one too many is told so and hung up on. */
        kept += fds[i] >= 0 && recv(fds[i], &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0;
    }
    return kept;
}

static void perform_slow(struct scene *scene, struct trial *trial)
{
    static const char list[] = "{\"method\":\"List\",\"parameters\":{}}";
    const struct speech ask = {.type = ORDER_LOGS, .name = scene->victim.machine};
    int door[SLOW_CLIENTS], api[SLOW_CLIENTS];
    char answer[4096];
    struct reply reply;
    uint64_t worst_us = 0;
    unsigned failed = 0;

    if (!naive_is_held_up(trial)) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the server without limits was not held up");
        return;
    }
    if (scene->unwalled) {
        row_verdict(trial, VERDICT_LEAKED, "the next client waits for ever");
        return;
    }
    unsigned kept[] = {hold(scene, "door", door), hold(scene, "api", api)};
    for (int i = 0; i < 10; i++) {
        uint64_t start = clock_boot_ns();

        failed += speaker_say(scene->victim.uid, scene->victim.gid, &ask, &reply) != 0;
        failed +=
            speaker_ask(scene->victim.uid, scene->victim.gid, list, answer, sizeof(answer)) < 0;
        uint64_t took_us = (clock_boot_ns() - start) / 1000;
        worst_us = took_us > worst_us ? took_us : worst_us;
    }
    for (unsigned i = 0; i < SLOW_CLIENTS; i++) {
        fd_close(&door[i]);
        fd_close(&api[i]);
    }
    if (failed || worst_us > SLOW_MS * 1000)
        row_verdict(trial, VERDICT_LEAKED, "%u of her orders failed, the slowest took %ju ms",
                    failed, (uintmax_t)(worst_us / 1000));
    else if (kept[0] > CONNECTIONS_PER_USER_MAX || kept[1] > CONNECTIONS_PER_USER_MAX)
        row_verdict(trial, VERDICT_LEAKED, "%u and %u connections of one user, limit %u", kept[0],
                    kept[1], CONNECTIONS_PER_USER_MAX);
    else
        row_verdict(trial, VERDICT_CONTAINED,
                    "he keeps %u and %u of %u connections, her slowest answer took %ju us", kept[0],
                    kept[1], SLOW_CLIENTS, (uintmax_t)worst_us);
}

const struct row rows_client[] = {
    {
        "D-06",
        SEVERITY_HIGH,
        "API",
        "descriptors of the wrong kind, and 253 at once",
        "only pipes are taken; what came is closed at once",
        .lane = LANE_ALONE,
        .perform = perform_descriptors,
    },
    {
        "D-09",
        SEVERITY_HIGH,
        "API",
        "40 connections that say half and never read",
        "16 connections and one order in work per user, round robin",
        .lane = LANE_ALONE,
        .perform = perform_slow,
    },
};
const size_t rows_client_count = ARRAY_LEN(rows_client);
