/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network - the host's resolvers and apt proxies, told to the monitor by root
 *
 * Theory of operation
 *
 * resolv.conf and what apt-config prints are texts that other programs write, and a proxy's name
 * is looked up by the C library: none of it is for root. A child becomes the account croft, for
 * good, reads and looks up, and writes one struct of numbers into a pipe. It was root and executes
 * nothing, so croftd, which has that uid, cannot trace it. The monitor looks at that struct as at
 * every order.
 *
 * Runs as: root; its child: croft
 */
#include "cli/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/door.h"
#include "cli/hostnet.h"

#define ACCOUNT     "croft"
#define RESOLV_CONF "/etc/resolv.conf"
/* Where systemd-resolved, which itself listens on loopback, says what it asks. */
#define RESOLVED_CONF "/run/systemd/resolve/resolv.conf"
#define APT_CONFIG    "/usr/bin/apt-config"
#define TEXT_MAX      (1024U * 1024U)
#define READ_WAIT_S   5U

static void say_left_out(const struct hostnet *net);

static void read_resolvers(struct hostnet *net, const char *path, char *text)
{
    auto_close file = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t size = file < 0 ? -1 : fd_read_full(file, text, TEXT_MAX);

    if (size > 0)
        hostnet_resolvers(net, text, (size_t)size);
}

/*
 * Safe as root: a fixed program with root's own configuration and an empty environment; what it
 * prints goes to the child. As the account croft it would be a process that croftd may trace, and
 * so croftd would say what proxy the host has.
 *
 * Return: its pid, and @ret_output to read from; -errno
 */
static pid_t start_apt(int *ret_output)
{
    static char name[] = "apt-config";
    static char dump[] = "dump";
    static char locale[] = "LC_ALL=C";
    char *const argv[] = {name, dump, NULL};
    char *const envp[] = {locale, NULL};
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pid = fork();
    if (pid == 0) {
        (void)alarm(READ_WAIT_S);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && dup2(ends[1], STDOUT_FILENO) >= 0)
            execve(APT_CONFIG, argv, envp);
        _exit(OUTCOME_FAILED);
    }
    if (pid < 0)
        pid = -errno;
    fd_close(&ends[1]);
    if (pid < 0)
        fd_close(&ends[0]);
    else
        *ret_output = ends[0];
    return pid;
}

static void add_proxy(struct hostnet *net, const struct hostnet_proxy *proxy)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;

    if (getaddrinfo(proxy->host, NULL, &hints, &found) != 0) {
        net->left_out |= HOSTNET_UNKNOWN_PROXY;
        return;
    }
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        if (at->ai_family == AF_INET) {
            const struct sockaddr_in *four = (const void *)at->ai_addr;

            hostnet_add_proxy(net, (const uint8_t *)&four->sin_addr, false, proxy->port);
        } else if (at->ai_family == AF_INET6) {
            const struct sockaddr_in6 *six = (const void *)at->ai_addr;

            hostnet_add_proxy(net, six->sin6_addr.s6_addr, true, proxy->port);
        }
    }
    freeaddrinfo(found);
}

static int drop_to(const struct passwd *account)
{
    int null = openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);

    /* No supplementary group, no way back, no end without us. */
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup2(null, STDERR_FILENO) < 0 || chdir("/") < 0 || setgroups(0, NULL) < 0 ||
        setresgid(account->pw_gid, account->pw_gid, account->pw_gid) < 0 ||
        setresuid(account->pw_uid, account->pw_uid, account->pw_uid) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -errno;
    return setresuid(0, 0, 0) == 0 ? -EPERM : 0;
}

/* The child: @apt, or -1, is what apt-config prints. Never returns. */
static noreturn_fn void read_host(const struct passwd *account, int apt, int to)
{
    struct hostnet_proxy proxy[HOSTNET_PROXIES_MAX];
    struct hostnet net = {.left_out = 0};
    ssize_t apt_size;
    char *text;
    size_t count;

    (void)alarm(READ_WAIT_S);
    if (drop_to(account) < 0)
        _exit(OUTCOME_FAILED);
    text = mem_new(TEXT_MAX, 1);
    read_resolvers(&net, RESOLV_CONF, text);
    if (net.network.resolver_count == 0)
        read_resolvers(&net, RESOLVED_CONF, text);
    apt_size = apt < 0 ? 0 : fd_read_full(apt, text, TEXT_MAX);
    count = hostnet_proxies(text, apt_size < 0 ? 0 : (size_t)apt_size, proxy);
    for (size_t i = 0; i < count; i++)
        add_proxy(&net, &proxy[i]);
    _exit(fd_write_full(to, &net, sizeof(net)) < 0 ? OUTCOME_FAILED : OUTCOME_OK);
}

static int ask_child(struct hostnet *ret_net, struct err *err)
{
    const struct passwd *account = getpwnam(ACCOUNT);
    struct hostnet net = {.left_out = 0};
    auto_close apt_output = -1;
    int ends[2];
    ssize_t size;
    pid_t apt;
    pid_t pid;

    if (account == NULL || account->pw_uid == 0)
        return err_set(err, OUTCOME_HOST_CANNOT,
                       "no account " ACCOUNT ", as which the host's resolvers would be read");
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "no pipe");
    (void)fflush(stdout);
    apt = start_apt(&apt_output);
    pid = fork();
    if (pid == 0)
        read_host(account, apt_output, ends[1]);
    fd_close(&ends[1]);
    size = pid < 0 ? -1 : fd_read_full(ends[0], &net, sizeof(net));
    fd_close(&ends[0]);
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
    if (apt > 0 && waitpid(apt, NULL, WNOHANG) == 0) {
        (void)kill(apt, SIGKILL);
        (void)waitpid(apt, NULL, 0);
    }
    if (size != (ssize_t)sizeof(net))
        return err_set(err, OUTCOME_FAILED,
                       "the host's resolvers and apt's proxy could not be read within %u s: "
                       "machines keep those they had; `croft host start` tries again",
                       READ_WAIT_S);
    *ret_net = net;
    return 0;
}

int network_tell(struct err *err)
{
    struct door_reply reply;
    struct hostnet net = {.left_out = 0};
    struct order order;
    auto_close sock = -1;
    int r = ask_child(&net, err);

    if (r == 0)
        r = door_order(&order, ORDER_HOST_NETWORK, NULL, NULL, err);
    if (r == 0)
        r = door_open(&sock, err);
    if (r == 0)
        r = door_call(sock, &order, &net.network, sizeof(net.network), &reply, err);
    if (r == 0)
        say_left_out(&net);
    return r;
}

static void say_left_out(const struct hostnet *net)
{
    if (net->network.resolver_count == 0 && net->left_out & HOSTNET_LOOPBACK_RESOLVER)
        fprintf(stderr, "warning: machines have no resolver: the host's listens on loopback only, "
                        "where they cannot reach it; put a `nameserver` that listens on another "
                        "address into " RESOLV_CONF ", then `croft host start` again\n");
    else if (net->network.resolver_count == 0)
        fprintf(stderr, "warning: machines have no resolver: " RESOLV_CONF
                        " names none that they can reach; put a `nameserver` line there, then "
                        "`croft host start` again\n");
    if (net->left_out & HOSTNET_LOOPBACK_PROXY)
        fprintf(stderr, "warning: machines cannot use apt's proxy: it listens on loopback only; "
                        "let it listen on an address of the host, and name that in apt's "
                        "Acquire::http::Proxy\n");
    if (net->left_out & HOSTNET_UNKNOWN_PROXY)
        fprintf(stderr, "warning: the name of an apt proxy is not found, so machines cannot use "
                        "it: look at `apt-config dump`\n");
}
