/* SPDX-License-Identifier: Apache-2.0 */
/* canary - a process on the victim's side, and one on the host's, that feels an attack */
#include "prove/canary.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "prove/step.h"

#define HEARTBEAT_MS 10
#define WRITE_BYTES  (1024 * 1024)
#define GUESTS_MAX   64
#define PORT_FIRST   20000U
#define PORT_SPREAD  20000U

static volatile sig_atomic_t signals_seen;

static void on_signal(int number)
{
    (void)number;
    signals_seen++;
}

/* What it serves to the network: whoever connects is greeted, a datagram is sent back. */
struct service {
    int tcp;
    int udp;
    uint32_t port;
    uint32_t arrived;
    uint64_t bytes;
    int guests[GUESTS_MAX];
};

/* The canary's own view of itself. */
struct nest {
    char secret[CANARY_SECRET_LEN + 1];
    char wanted[CANARY_SECRET_LEN + 1]; /* what the secret was when it came */
    const char *directory;
    int listener;
    uint32_t connections;
    uint64_t late_us;
    struct service service;
};

static int listen_abstract(const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t length = strlen(name);

    if (length + 1 > sizeof(at.sun_path))
        return -ENAMETOOLONG;
    memcpy(at.sun_path + 1, name, length);
    auto_close sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
    if (sock < 0 || bind(sock, (const struct sockaddr *)&at, size) < 0 || listen(sock, 8) < 0)
        return -errno;
    return take_fd(&sock);
}

/* One socket of both families. Return: descriptor; -1 */
static int listen_at(int kind, uint32_t port)
{
    struct sockaddr_in6 at6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    struct sockaddr_in at4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int zero = 0;

    auto_close sock = socket(AF_INET6, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock >= 0 && (setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) < 0 ||
                      bind(sock, (const struct sockaddr *)&at6, sizeof(at6)) < 0))
        return -1;
    if (sock < 0) { /* a host without IPv6 */
        sock = socket(AF_INET, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (sock < 0 || bind(sock, (const struct sockaddr *)&at4, sizeof(at4)) < 0)
            return -1;
    }
    if (kind == SOCK_STREAM && listen(sock, GUESTS_MAX) < 0)
        return -1;
    return take_fd(&sock);
}

static void service_open(struct service *service)
{
    *service = (struct service){.tcp = -1, .udp = -1};
    for (size_t i = 0; i < GUESTS_MAX; i++)
        service->guests[i] = -1;
    for (uint32_t i = 0; i < 20 && (service->tcp < 0 || service->udp < 0); i++) {
        service->port = PORT_FIRST + ((uint32_t)getpid() * 31 + i * 977) % PORT_SPREAD;
        fd_close(&service->tcp);
        service->tcp = listen_at(SOCK_STREAM, service->port);
        fd_close(&service->udp);
        service->udp = listen_at(SOCK_DGRAM, service->port);
    }
}

/* Takes one more guest; the table full, the oldest place is given up. */
static void greet(struct service *service, int guest)
{
    size_t place = service->arrived++ % GUESTS_MAX;

    for (size_t i = 0; i < GUESTS_MAX; i++)
        if (service->guests[i] < 0)
            place = i;
    fd_close(&service->guests[place]);
    service->guests[place] = guest;
    (void)send(guest, "croft-prove\n", 12, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void serve_network(struct service *service)
{
    struct sockaddr_storage from;
    static char bytes[65536];
    int guest;

    for (int i = 0; i < GUESTS_MAX && service->tcp >= 0; i++) {
        guest = accept4(service->tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (guest < 0)
            break;
        greet(service, guest);
    }
    for (int i = 0; i < 1000 && service->udp >= 0; i++) {
        socklen_t size = sizeof(from);
        ssize_t got =
            recvfrom(service->udp, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &size);

        if (got < 0)
            break;
        service->arrived++;
        (void)sendto(service->udp, bytes, (size_t)got, MSG_NOSIGNAL, (struct sockaddr *)&from,
                     size);
    }
    for (size_t i = 0; i < GUESTS_MAX; i++) {
        ssize_t got =
            service->guests[i] < 0 ? 0 : recv(service->guests[i], bytes, sizeof(bytes), 0);

        if (service->guests[i] >= 0 && (got == 0 || (got < 0 && errno != EAGAIN)))
            fd_close(&service->guests[i]);
        service->bytes += got > 0 ? (uint64_t)got : 0;
    }
}

static uint32_t count_guests(const struct service *service)
{
    uint32_t count = 0;

    for (size_t i = 0; i < GUESTS_MAX; i++)
        count += service->guests[i] >= 0;
    return count;
}

static int try_fork(void)
{
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    if (child < 0)
        return errno;
    return waitpid(child, NULL, 0) < 0 ? errno : 0;
}

/* Computes for CANARY_CPU_MS. Return: microseconds of CPU it was given */
static uint64_t try_cpu(void)
{
    uint64_t end = clock_boot_ns() + CANARY_CPU_MS * NS_PER_MS;
    struct timespec before, after;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    while (clock_boot_ns() < end)
        ;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    return (uint64_t)((after.tv_sec - before.tv_sec) * 1000000 +
                      (after.tv_nsec - before.tv_nsec) / 1000);
}

static int try_write(const char *directory)
{
    static char bytes[WRITE_BYTES];
    int error = 0;

    auto_close dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_close fd =
        dir < 0 ? -1
                : openat(dir, "croft-prove-canary", O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    if (fd_write_full(fd, bytes, sizeof(bytes)) < 0 || fdatasync(fd) < 0)
        error = errno ? errno : EIO;
    (void)unlinkat(dir, "croft-prove-canary", 0);
    return error;
}

static int try_pipe(void)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return errno;
    int error = fcntl(ends[1], F_SETPIPE_SZ, WRITE_BYTES) < 0 ? errno : 0;
    (void)close(ends[0]);
    (void)close(ends[1]);
    return error;
}

static int try_open(int fd)
{
    if (fd < 0)
        return errno;
    (void)close(fd);
    return 0;
}

static void answer(struct nest *nest, char ask, struct canary_answer *ret_answer)
{
    uint64_t start = clock_boot_ns();
    int error = 0;
    uint64_t number = 0;

    if (ask == CANARY_FORK)
        error = try_fork();
    if (ask == CANARY_CPU)
        number = try_cpu();
    if (ask == CANARY_WRITE)
        error = try_write(nest->directory);
    if (ask == CANARY_INOTIFY)
        error = try_open(inotify_init1(IN_CLOEXEC));
    if (ask == CANARY_PIPE)
        error = try_pipe();
    if (ask == CANARY_FILE)
        error = try_open(open("/dev/null", O_RDONLY | O_CLOEXEC));
    *ret_answer = (struct canary_answer){
        .error = error,
        .pid = getpid(),
        .signals = (uint32_t)signals_seen,
        .connections = nest->connections,
        .late_us = nest->late_us,
        .number = number ? number : (clock_boot_ns() - start) / 1000,
        .address = (uint64_t)(uintptr_t)nest->secret,
        .pid_space = step_pid_space(),
        .secret_intact = memcmp(nest->secret, nest->wanted, sizeof(nest->wanted)) == 0,
        .bytes = nest->service.bytes,
        .arrived = nest->service.arrived,
        .guests = count_guests(&nest->service),
        .port = nest->service.port,
    };
    nest->late_us = 0;
}

/* Takes connections that nobody should have made. */
static void count_connections(struct nest *nest)
{
    int peer;

    while (nest->listener >= 0 && (peer = accept4(nest->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        nest->connections++;
        (void)close(peer);
    }
}

/* One beat: waits for a question or for the time to pass. Return: 0; -errno at the end */
static int beat(struct nest *nest, int in, int out)
{
    struct pollfd fds = {.fd = in, .events = POLLIN};
    uint64_t start = clock_boot_ns();
    int ready = poll(&fds, 1, HEARTBEAT_MS);
    uint64_t took_us = (clock_boot_ns() - start) / 1000;
    struct canary_answer said;
    char ask;

    count_connections(nest);
    serve_network(&nest->service);
    if (ready <= 0) {
        if (took_us > HEARTBEAT_MS * 1000 && took_us - HEARTBEAT_MS * 1000 > nest->late_us)
            nest->late_us = took_us - HEARTBEAT_MS * 1000;
        return 0;
    }
    if (read(in, &ask, 1) != 1)
        return -EPIPE;
    answer(nest, ask, &said);
    return fd_write_full(out, &said, sizeof(said));
}

int canary_serve(const char *socket, const char *directory, int in, int out)
{
    static struct nest nest;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    if (fd_read_full(in, nest.secret, CANARY_SECRET_LEN) != CANARY_SECRET_LEN)
        return 1;
    memcpy(nest.wanted, nest.secret, sizeof(nest.wanted));
    nest.directory = directory;
    (void)sigaction(SIGUSR1, &action, NULL);
    nest.listener = listen_abstract(socket);
    service_open(&nest.service);
    while (beat(&nest, in, out) == 0)
        ;
    fd_close(&nest.listener);
    return 0;
}

int canary_name(struct canary *canary, const char *who)
{
    uint8_t random[CANARY_SECRET_LEN / 2 + 4];
    char tail[9];

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -EIO;
    str_hex(random, CANARY_SECRET_LEN / 2, canary->secret);
    str_hex(random + CANARY_SECRET_LEN / 2, 4, tail);
    return str_format(canary->socket, sizeof(canary->socket), "croft-prove-%s-%s", who, tail);
}

int canary_greet(struct canary *canary)
{
    int error = fd_write_full(canary->child.in, canary->secret, CANARY_SECRET_LEN);

    if (error < 0)
        return error;
    return canary_question(canary, CANARY_STATE, 5000, &canary->start);
}

int canary_question(struct canary *canary, enum canary_ask ask, unsigned timeout_ms,
                    struct canary_answer *ret_answer)
{
    char byte = (char)ask;
    int error = fd_write_full(canary->child.in, &byte, 1);

    if (error < 0)
        return error;
    return child_bytes(&canary->child, ret_answer, sizeof(*ret_answer), timeout_ms);
}
