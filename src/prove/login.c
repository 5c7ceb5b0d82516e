/* SPDX-License-Identifier: Apache-2.0 */
/* login - a private sshd with Croft's own settings, one without them, and ssh clients */
#include "prove/login.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "linux/path.h"

#define SSHD         "/usr/sbin/sshd"
#define SSH          "/usr/bin/ssh"
#define KEYGEN       "/usr/bin/ssh-keygen"
#define USERADD      "/usr/sbin/useradd"
#define USERDEL      "/usr/sbin/userdel"
#define RUN_DIR      "/run/sshd"
#define START_MS     5000U
#define RUN_MS       30000U
#define OPTIONS_MAX  16
#define REMOVE_TRIES 60

static int bind_loopback(uint16_t port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    auto_close sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock < 0 || bind(sock, (const struct sockaddr *)&at, sizeof(at)) < 0)
        return -errno;
    return take_fd(&sock);
}

uint16_t login_free_port(void)
{
    struct sockaddr_in at = {0};
    socklen_t size = sizeof(at);

    auto_close sock = bind_loopback(0);
    if (sock < 0 || getsockname(sock, (struct sockaddr *)&at, &size) < 0)
        return 0;
    return ntohs(at.sin_port);
}

static bool answers(uint16_t port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    auto_close sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return sock >= 0 && connect(sock, (const struct sockaddr *)&at, sizeof(at)) == 0;
}

/* sshd reads a key file as the user it is for, so what is written here may be read. */
static int write_file(int dir, const char *name, const char *text)
{
    auto_close fd = path_create(dir, name, O_WRONLY | O_TRUNC, 0644);

    return fd < 0 ? fd : fd_write_full(fd, text, strlen(text));
}

/* Writes one configuration and starts an sshd with it. */
static int start(const struct scene *scene, int dir, const char *name, uint16_t port,
                 const char *settings, struct child *ret_child)
{
    char text[2048], path[PATH_MAX], log[PATH_MAX];
    const char *const argv[] = {SSHD, "-D", "-f", path, "-E", log, NULL};
    const struct timespec pause = {.tv_nsec = 20 * (long)NS_PER_MS};
    uint64_t end = clock_boot_ns() + START_MS * NS_PER_MS;
    int error =
        str_format(text, sizeof(text),
                   "%s\nPort %u\nListenAddress 127.0.0.1\nHostKey %s/hostkey\n"
                   "PidFile none\nUsePAM yes\nSubsystem sftp /usr/lib/openssh/sftp-server\n",
                   settings, port, scene->scratch);

    if (error == 0)
        error = write_file(dir, name, text);
    if (error == 0)
        error = str_format(path, sizeof(path), "%s/%s", scene->scratch, name);
    if (error == 0)
        error = str_format(log, sizeof(log), "%s/sshd.log", scene->scratch);
    if (error == 0)
        error = child_exec(argv, 0, 0, ret_child);
    if (error < 0)
        return error;
    while (!answers(port)) {
        if (clock_boot_ns() > end)
            return -ETIMEDOUT;
        (void)nanosleep(&pause, NULL);
    }
    return 0;
}

/* The host key, and a key file that lets the attacker's key in on the plain one. */
static int make_keys(const struct scene *scene, int dir)
{
    char path[PATH_MAX], public[PATH_MAX], text[1024];
    const char *const argv[] = {KEYGEN, "-q",          "-t", "ed25519", "-N", "",
                                "-C",   "croft-prove", "-f", path,      NULL};
    struct stat meta;

    if (path_stat(dir, "hostkey", &meta) == 0)
        return 0;
    if (str_format(path, sizeof(path), "%s/hostkey", scene->scratch) < 0 ||
        str_format(public, sizeof(public), "%s.pub", scene->key_path) < 0)
        return -ENAMETOOLONG;
    if (child_run(argv, 0, 0, NULL, 0, NULL, 0, RUN_MS) != 0)
        return -EIO;
    auto_close key = path_root(public, O_RDONLY);
    ssize_t length = key < 0 ? key : fd_read_full(key, text, sizeof(text) - 1);
    if (length <= 0)
        return -EIO;
    text[length] = '\0';
    return write_file(dir, "authorized", text);
}

/* userdel waits for nobody, and what ran in the last session may take a moment to end. */
static int remove_plain_user(void)
{
    const char *const argv[] = {USERDEL, LOGIN_PLAIN, NULL};
    const struct timespec pause = {.tv_nsec = 100 * (long)NS_PER_MS};

    for (int i = 0; i < REMOVE_TRIES; i++) {
        if (child_run(argv, 0, 0, NULL, 0, NULL, 0, RUN_MS) == 0)
            return 0;
        (void)nanosleep(&pause, NULL);
    }
    return -EBUSY;
}

/* An account as hosts had them before Croft: a shell, and what it can reach. */
static int add_plain_user(const struct scene *scene, uid_t *ret_uid)
{
    const char *const add[] = {USERADD,
                               "-K",
                               "SUB_UID_COUNT=0",
                               "-K",
                               "SUB_GID_COUNT=0",
                               "-M",
                               "-N",
                               "-d",
                               scene->open_path,
                               "-s",
                               "/bin/sh",
                               "-p",
                               "*",
                               LOGIN_PLAIN,
                               NULL};
    gid_t gid;

    if (scene_account(LOGIN_PLAIN, ret_uid, &gid) == 0 && remove_plain_user() < 0)
        return -EBUSY;
    if (child_run(add, 0, 0, NULL, 0, NULL, 0, RUN_MS) != 0)
        return -EIO;
    return scene_account(LOGIN_PLAIN, ret_uid, &gid);
}

static const char *missing(const struct scene *scene)
{
    if (access(SSHD, X_OK) < 0 || access(SSH, X_OK) < 0 || !scene->key_path[0])
        return "openssh is not installed";
    if (access(scene->sshd, R_OK) < 0)
        return "Croft's settings for sshd are not installed";
    return NULL;
}

int login_open(struct scene *scene, struct login *ret_login, struct err *err)
{
    struct login login = {.walled = CHILD_NONE, .plain = CHILD_NONE};
    const char *lacks = missing(scene);
    char plain[1024], settings[PATH_MAX];
    int error = 0;

    if (lacks)
        return err_set(err, OUTCOME_HOST_CANNOT, "%s", lacks);
    auto_close dir = path_root(scene->scratch, O_RDONLY | O_DIRECTORY);
    login.made_run_dir = mkdir(RUN_DIR, 0755) == 0;
    login.walled_port = login_free_port();
    error = dir < 0 ? dir : make_keys(scene, dir);
    if (error == 0)
        error = add_plain_user(scene, &login.plain_uid);
    if (error == 0)
        error = str_format(settings, sizeof(settings), "Include %s", scene->sshd);
    if (error == 0)
        error = start(scene, dir, "sshd_config", login.walled_port, settings, &login.walled);
    login.plain_port = login_free_port();
    if (error == 0)
        error = str_format(plain, sizeof(plain),
                           "AuthorizedKeysFile %s/authorized\nPermitRootLogin no\n"
                           "AllowUsers " LOGIN_PLAIN "\nStrictModes no\nPasswordAuthentication no\n"
                           "AllowTcpForwarding yes\nAllowStreamLocalForwarding yes\nAcceptEnv *",
                           scene->scratch);
    if (error == 0)
        error = start(scene, dir, "sshd_plain", login.plain_port, plain, &login.plain);
    *ret_login = login;
    if (error < 0)
        return err_errno(err, OUTCOME_FAILED, error, "a private sshd");
    return 0;
}

void login_close(struct login *login)
{
    struct child *const daemons[] = {&login->walled, &login->plain};

    for (size_t i = 0; i < ARRAY_LEN(daemons); i++)
        if (daemons[i]->pid > 0)
            (void)child_end(daemons[i], 0);
    if (login->plain_uid && remove_plain_user() < 0)
        (void)fprintf(stderr, "croft-prove: user " LOGIN_PLAIN " is left behind\n");
    login->plain_uid = 0;
    if (login->made_run_dir)
        (void)rmdir(RUN_DIR);
    login->made_run_dir = false;
}

/* Puts the words of one ssh together in @argv; @room holds those that are made here. */
static int client_words(const struct scene *scene, const struct login *login, bool walled,
                        const char *const *options, const char *command, char room[2][64],
                        const char **argv)
{
    const char *const first[] = {SSH,
                                 "-F",
                                 "/dev/null",
                                 "-i",
                                 scene->key_path,
                                 "-o",
                                 "StrictHostKeyChecking=no",
                                 "-o",
                                 "UserKnownHostsFile=/dev/null",
                                 "-o",
                                 "BatchMode=yes",
                                 "-o",
                                 "LogLevel=ERROR",
                                 "-o",
                                 "IdentitiesOnly=yes",
                                 "-o",
                                 "ExitOnForwardFailure=yes",
                                 "-o",
                                 "ConnectTimeout=10",
                                 "-p"};
    size_t count = 0;
    int error = str_format(room[0], 64, "%u", walled ? login->walled_port : login->plain_port);

    if (error == 0)
        error =
            str_format(room[1], 64, "%s@127.0.0.1", walled ? scene->attacker.name : LOGIN_PLAIN);
    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        argv[count++] = first[i];
    argv[count++] = room[0];
    for (size_t i = 0; options && options[i] && i < OPTIONS_MAX; i++)
        argv[count++] = options[i];
    argv[count++] = room[1];
    if (command)
        argv[count++] = command;
    argv[count] = NULL;
    return error;
}

int login_client(const struct scene *scene, const struct login *login, bool walled,
                 const char *const *options, const char *command, struct child *ret_child)
{
    const char *argv[OPTIONS_MAX + 28];
    char room[2][64];
    int error = client_words(scene, login, walled, options, command, room, argv);

    return error < 0 ? error : child_exec(argv, 0, 0, ret_child);
}

int login_run(const struct scene *scene, const struct login *login, bool walled,
              const char *const *options, const char *command, char *output, size_t size)
{
    const char *argv[OPTIONS_MAX + 28];
    char room[2][64];
    int error = client_words(scene, login, walled, options, command, room, argv);

    return error < 0 ? error : child_run(argv, 0, 0, NULL, 0, output, size, RUN_MS);
}
