/* SPDX-License-Identifier: Apache-2.0 */
/*
 * door - the two ends of what door.py measures; static, so that it runs in any machine
 *
 *   stream PORT            serves: sends to whoever connects until the connection ends
 *   sink PORT              serves: reads to the end, then answers with the number of bytes
 *   probe ADDRESS PORT     connects again and again until it succeeds
 *   drain ADDRESS PORT     reads until the connection ends
 *   send ADDRESS PORT MS   sends for so long to a sink; prints bytes and ns
 *   fsync FILE COUNT       4 KiB written and synced COUNT times; prints each in us
 *   storm FILE SECONDS     the same without an end, in four files at once
 *   knock PATH SECONDS     connects to a UNIX socket, says half a word, hangs up; 16 at a time
 *
 * Moments are CLOCK_MONOTONIC in ns, which is the same inside and outside a machine. A line
 * "ready" says that the first attempt was made; then the driver's clock starts.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES 65536
#define BLOCK_BYTES  4096
#define STORM_FILES  4
#define KNOCKERS     16
#define PROBE_GAP_NS 100000L

static char buffer[BUFFER_BYTES];

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "door: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int listener(const char *port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6,
                                   .sin6_port = htons((uint16_t)atoi(port))};
    const int yes = 1;
    const int no = 0;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)) < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 64) < 0)
        fail("listen");
    return fd;
}

static int connect_to(const char *host, const char *port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port))};
    int is_v6 = inet_pton(AF_INET, host, &v4.sin_addr) != 1;

    if (is_v6 && inet_pton(AF_INET6, host, &v6.sin6_addr) != 1)
        fail(host);
    int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail("socket");
    int rc = is_v6 ? connect(fd, (const struct sockaddr *)&v6, sizeof(v6))
                   : connect(fd, (const struct sockaddr *)&v4, sizeof(v4));
    if (rc == 0)
        return fd;
    rc = errno;
    (void)close(fd);
    errno = rc;
    return -1;
}

static void send_until_end(int fd)
{
    while (send(fd, buffer, sizeof(buffer), MSG_NOSIGNAL) > 0)
        continue;
    printf("end %llu %s\n", (unsigned long long)now_ns(), strerror(errno));
    (void)fflush(stdout);
}

static void count_to_end(int fd)
{
    uint64_t total = 0;
    ssize_t got;

    while ((got = recv(fd, buffer, sizeof(buffer), 0)) > 0)
        total += (uint64_t)got;
    (void)send(fd, &total, sizeof(total), MSG_NOSIGNAL);
}

static int serve(const char *port, void (*with)(int fd))
{
    int fd = listener(port);

    (void)signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (connection < 0)
            continue;
        if (fork() == 0) {
            with(connection);
            _exit(0);
        }
        (void)close(connection);
    }
}

static int probe(const char *host, const char *port)
{
    const struct timespec gap = {.tv_nsec = PROBE_GAP_NS};

    for (int first = 1;; first = 0) {
        int fd = connect_to(host, port);
        uint64_t now = now_ns();
        if (fd >= 0) {
            printf("open %llu\n", (unsigned long long)now);
            return 0;
        }
        if (first) {
            puts("ready");
            (void)fflush(stdout);
        }
        (void)nanosleep(&gap, NULL);
    }
}

static int drain(const char *host, const char *port)
{
    uint64_t last = 0;
    ssize_t got;
    int fd = connect_to(host, port);

    if (fd < 0)
        fail("connect");
    for (int first = 1; (got = recv(fd, buffer, sizeof(buffer), 0)) > 0; first = 0) {
        last = now_ns();
        if (first) {
            puts("ready");
            (void)fflush(stdout);
        }
    }
    int error = got < 0 ? errno : 0;
    printf("last %llu\nend %llu %s\n", (unsigned long long)last, (unsigned long long)now_ns(),
           error != 0 ? strerror(error) : "end of file");
    return 0;
}

static int send_for(const char *host, const char *port, const char *ms)
{
    uint64_t total = 0;
    int fd = connect_to(host, port);

    if (fd < 0)
        fail("connect");
    uint64_t begin = now_ns();
    uint64_t due = begin + (uint64_t)atoi(ms) * 1000000ULL;
    while (now_ns() < due)
        if (send(fd, buffer, sizeof(buffer), MSG_NOSIGNAL) <= 0)
            fail("send");
    if (shutdown(fd, SHUT_WR) < 0 ||
        recv(fd, &total, sizeof(total), MSG_WAITALL) != (ssize_t)sizeof(total))
        fail("the sink's answer");
    printf("%llu %llu\n", (unsigned long long)total, (unsigned long long)(now_ns() - begin));
    return 0;
}

static void write_and_sync(int fd)
{
    if (pwrite(fd, buffer, BLOCK_BYTES, 0) != BLOCK_BYTES || fsync(fd) < 0)
        fail("fsync");
}

static int open_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        fail(path);
    return fd;
}

static int time_fsync(const char *path, const char *count)
{
    int fd = open_file(path);

    for (int i = 0; i < atoi(count); i++) {
        uint64_t begin = now_ns();
        write_and_sync(fd);
        printf("%llu\n", (unsigned long long)((now_ns() - begin) / 1000));
    }
    return 0;
}

/* Several at once, which end with who started them. */
static int child(void)
{
    pid_t pid = fork();

    if (pid == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        fail("prctl");
    return pid == 0;
}

static int wait_for_children(void)
{
    puts("ready");
    (void)fflush(stdout);
    while (wait(NULL) > 0)
        continue;
    return 0;
}

static int storm(const char *path, const char *seconds)
{
    uint64_t due = now_ns() + (uint64_t)atoi(seconds) * 1000000000ULL;
    char name[256];

    for (int i = 0; i < STORM_FILES; i++) {
        if (!child())
            continue;
        (void)snprintf(name, sizeof(name), "%s.%d", path, i);
        int fd = open_file(name);
        while (now_ns() < due)
            write_and_sync(fd);
        _exit(0);
    }
    return wait_for_children();
}

static int knock(const char *path, const char *seconds)
{
    uint64_t due = now_ns() + (uint64_t)atoi(seconds) * 1000000000ULL;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *word = "{\"method\": \"List\", \"parameters\": {}}";

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    for (int i = 0; i < KNOCKERS; i++) {
        if (!child())
            continue;
        while (now_ns() < due) {
            int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
            if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
                (void)close(fd);
                fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
                (void)connect(fd, (const struct sockaddr *)&address, sizeof(address));
            }
            /* Every second one with its end, so that it is served; the rest hang up half-way. */
            (void)send(fd, word, strlen(word) + (size_t)(i & 1), MSG_NOSIGNAL);
            struct pollfd answer = {.fd = fd, .events = POLLIN};
            (void)poll(&answer, 1, i & 1 ? 100 : 0);
            (void)close(fd);
        }
        _exit(0);
    }
    return wait_for_children();
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "";

    if (argc == 3 && strcmp(what, "stream") == 0)
        return serve(argv[2], send_until_end);
    if (argc == 3 && strcmp(what, "sink") == 0)
        return serve(argv[2], count_to_end);
    if (argc == 4 && strcmp(what, "probe") == 0)
        return probe(argv[2], argv[3]);
    if (argc == 4 && strcmp(what, "drain") == 0)
        return drain(argv[2], argv[3]);
    if (argc == 5 && strcmp(what, "send") == 0)
        return send_for(argv[2], argv[3], argv[4]);
    if (argc == 4 && strcmp(what, "fsync") == 0)
        return time_fsync(argv[2], argv[3]);
    if (argc == 4 && strcmp(what, "storm") == 0)
        return storm(argv[2], argv[3]);
    if (argc == 4 && strcmp(what, "knock") == 0)
        return knock(argv[2], argv[3]);
    fputs("usage: door stream|sink PORT | probe|drain ADDRESS PORT | send ADDRESS PORT MS |\n"
          "       fsync FILE COUNT | storm FILE SECONDS | knock PATH SECONDS\n",
          stderr);
    return 2;
}
