/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_login - S rows: what a user of the server asks of its sshd
 *
 * Each row asks twice: as an ordinary account of a plain sshd, where it must work, and as the
 * attacker of the one with Croft's settings. Before that the attacker's ordinary login must work,
 * or a refusal would prove nothing. Verdicts come from the host: a port that listens, a file that
 * appears or comes back, an environment.
 */
#include "prove/row.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "linux/path.h"
#include "prove/hostproc.h"
#include "prove/login.h"

#define WAIT_MS     4000U
#define MARK        "croft-prove-mark"
#define ENVIRON_MAX 65536

static struct login login; /* of the row that runs */

/* Starts both daemons and logs in once. */
static bool prepare_login(struct scene *scene, struct trial *trial)
{
    struct err err;
    char output[1024];
    int outcome = login_open(scene, &login, &err);

    if (outcome == OUTCOME_HOST_CANNOT)
        row_verdict(trial, VERDICT_NA, "%.150s", err.text);
    else if (outcome)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "%.150s", err.text);
    else if (login_run(scene, &login, true, NULL, "true", output, sizeof(output)) != 0)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the ordinary login fails: %.140s", output);
    else if (login_run(scene, &login, false, NULL, "true", output, sizeof(output)) != 0)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the plain login fails: %.140s", output);
    return trial->verdict == 0;
}

static void clean_login(struct scene *scene, struct trial *trial)
{
    auto_close open_dir = path_root(scene->open_path, O_RDONLY | O_DIRECTORY);
    auto_close scratch = path_root(scene->scratch, O_RDONLY | O_DIRECTORY);
    static const char *const names[] = {MARK, "readable", "socket"};

    (void)trial;
    login_close(&login);
    for (size_t i = 0; open_dir >= 0 && i < ARRAY_LEN(names); i++)
        (void)unlinkat(open_dir, names[i], 0);
    if (scratch >= 0)
        (void)unlinkat(scratch, "got", 0);
}

static bool port_listens(uint16_t port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    auto_close sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return sock >= 0 && connect(sock, (const struct sockaddr *)&at, sizeof(at)) == 0;
}

/* Whether, while @client lives, the port listens (or, with port 0, the path appears). */
static bool opens(struct child *client, uint16_t port, const char *path)
{
    uint64_t end = clock_boot_ns() + WAIT_MS * NS_PER_MS;
    const struct timespec pause = {.tv_nsec = 50 * (long)NS_PER_MS};
    bool open_now = false;
    siginfo_t gone = {0};

    while (!open_now && clock_boot_ns() < end) {
        open_now = port ? port_listens(port) : access(path, F_OK) == 0;
        if (waitid(P_PID, (id_t)client->pid, &gone, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            gone.si_pid)
            break;
        (void)nanosleep(&pause, NULL);
    }
    (void)child_end(client, 0);
    return open_now;
}

/* Tries one way of forwarding. Return: whether the host's network opened */
static bool forwards(const struct scene *scene, bool walled, const char *how)
{
    char spec[PATH_MAX + 64], path[PATH_MAX];
    uint16_t port = login_free_port();
    const char *options[] = {"-N", how, spec, NULL};
    struct child client = CHILD_NONE;
    bool to_socket = strcmp(how, "-R/") == 0;

    if (to_socket)
        options[1] = "-R";
    if (str_format(path, sizeof(path), "%s/socket", scene->open_path) < 0)
        return false;
    if (to_socket ? str_format(spec, sizeof(spec), "%s:127.0.0.1:9", path)
                  : str_format(spec, sizeof(spec), "127.0.0.1:%u:127.0.0.1:9", port))
        return false;
    (void)unlink(path);
    if (login_client(scene, &login, walled, options, NULL, &client) < 0)
        return false;
    return opens(&client, to_socket ? 0 : port, path);
}

/* Asks sshd to connect to a listener of ours in the host's network. Return: whether it came */
static bool reaches_listener(const struct scene *scene, bool walled)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    char spec[64];
    const char *options[] = {"-W", spec, NULL};
    struct child client = CHILD_NONE;

    auto_close listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (const struct sockaddr *)&at, size) < 0 ||
        listen(listener, 4) < 0 || getsockname(listener, (struct sockaddr *)&at, &size) < 0 ||
        str_format(spec, sizeof(spec), "127.0.0.1:%u", ntohs(at.sin_port)) < 0 ||
        login_client(scene, &login, walled, options, NULL, &client) < 0)
        return false;
    struct pollfd fds = {.fd = listener, .events = POLLIN};
    bool came = poll(&fds, 1, WAIT_MS) > 0;
    (void)child_end(&client, 0);
    return came;
}

static void perform_forwarding(struct scene *scene, struct trial *trial)
{
    static const char *const ways[] = {"-R", "-R/"};
    unsigned control = 0, attack = 0;
    bool walled = !scene->unwalled;

    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        control += forwards(scene, false, ways[i]);
        attack += forwards(scene, walled, ways[i]);
    }
    control += reaches_listener(scene, false);
    attack += reaches_listener(scene, walled);
    row_control(trial, "opened %u of 3", control);
    if (control < 3)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the control did not open all");
    else if (attack)
        row_verdict(trial, VERDICT_LEAKED, "%u of 3 ways into the host's network", attack);
    else
        row_verdict(trial, VERDICT_BLOCKED, "port, socket and connect refused");
}

/* Runs @command and looks on the host for the file it would make there. */
static bool marks(const struct scene *scene, bool walled, const char *command)
{
    char path[PATH_MAX], output[1024];

    if (str_format(path, sizeof(path), "%s/" MARK, scene->open_path) < 0)
        return false;
    (void)unlink(path);
    int status = login_run(scene, &login, walled, NULL, command, output, sizeof(output));
    return status != -ENOENT && access(path, F_OK) == 0;
}

static void perform_command(struct scene *scene, struct trial *trial)
{
    static const char *const forms[] = {"true; touch %s/" MARK,
                                        "$(touch %s/" MARK ")",
                                        "`touch %s/" MARK "`",
                                        "true\ntouch %s/" MARK,
                                        "croft ls; touch %s/" MARK,
                                        "croft ls $(touch %s/" MARK ")",
                                        "croft --user=prove-a ls & touch %s/" MARK,
                                        "exec /bin/sh -c 'touch %s/" MARK "'"};
    unsigned control = 0, attack = 0;

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        char command[PATH_MAX];
        const char *at = strstr(forms[i], "%s");

        if (str_format(command, sizeof(command), "%.*s%s%s", (int)(at - forms[i]), forms[i],
                       scene->open_path, at + 2) < 0)
            continue;
        control += marks(scene, false, command);
        attack += marks(scene, !scene->unwalled, command);
    }
    row_control(trial, "ran %u of %zu", control, ARRAY_LEN(forms));
    if (control < 6)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the control ran too few");
    else if (attack)
        row_verdict(trial, VERDICT_LEAKED, "%u of %zu commands ran on the host", attack,
                    ARRAY_LEN(forms));
    else
        row_verdict(trial, VERDICT_BLOCKED, "0 of %zu ran on the host", ARRAY_LEN(forms));
}

/* Fetches the host's readable file by @program. Return: whether the secret came */
static bool fetches(const struct scene *scene, bool walled, const char *program, const char *flag)
{
    char port[16], from[PATH_MAX], got[PATH_MAX], output[1024], bytes[64] = "";
    const char *argv[] = {program, flag,
                          "-F",    "/dev/null",
                          "-i",    scene->key_path,
                          "-P",    port,
                          "-o",    "StrictHostKeyChecking=no",
                          "-o",    "UserKnownHostsFile=/dev/null",
                          "-o",    "BatchMode=yes",
                          "-o",    "IdentitiesOnly=yes",
                          from,    got,
                          NULL};

    if (str_format(port, sizeof(port), "%u", walled ? login.walled_port : login.plain_port) < 0 ||
        str_format(from, sizeof(from), "%s@127.0.0.1:%s/readable",
                   walled ? scene->attacker.name : LOGIN_PLAIN, scene->open_path) < 0 ||
        str_format(got, sizeof(got), "%s/got", scene->scratch) < 0)
        return false;
    (void)unlink(got);
    int status = child_run(argv, 0, 0, NULL, 0, output, sizeof(output), 30000);
    auto_close fd = path_root(got, O_RDONLY);
    if (fd < 0 || fd_read_full(fd, bytes, sizeof(bytes) - 1) <= 0)
        return false;
    return status == 0 && strstr(bytes, scene->secret);
}

static void perform_copy(struct scene *scene, struct trial *trial)
{
    static const struct {
        const char *program;
        const char *flag;
    } ways[] = {{"/usr/bin/scp", "-q"}, {"/usr/bin/scp", "-O"}, {"/usr/bin/sftp", "-q"}};
    unsigned control = 0, attack = 0;

    auto_close dir = path_root(scene->open_path, O_RDONLY | O_DIRECTORY);
    auto_close file = dir < 0 ? dir : path_create(dir, "readable", O_WRONLY, 0644);
    if (file < 0 || fd_write_full(file, scene->secret, CANARY_SECRET_LEN) < 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        control += fetches(scene, false, ways[i].program, ways[i].flag);
        attack += fetches(scene, !scene->unwalled, ways[i].program, ways[i].flag);
    }
    row_control(trial, "fetched %u of %zu", control, ARRAY_LEN(ways));
    if (control < 2)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the control fetched too few");
    else if (attack)
        row_verdict(trial, VERDICT_LEAKED, "%u ways fetched a file of the host", attack);
    else
        row_verdict(trial, VERDICT_BLOCKED, "scp, scp -O and sftp saw no host file");
}

/* Whether some process of @uid has the mark in its environment, other than the client. */
static bool environment_has_mark(uid_t uid, pid_t client)
{
    auto_free char *text = mem_new(ENVIRON_MAX, 1);
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    uint64_t pid, owner;
    bool found = false;

    while (proc && !found && (entry = readdir(proc))) {
        if (str_u64(entry->d_name, 2, INT32_MAX, &pid) < 0 || (pid_t)pid == client ||
            hostproc_field((pid_t)pid, "Uid:", false, &owner) < 0 || owner != uid)
            continue;
        ssize_t length = hostproc_text((pid_t)pid, "environ", text, ENVIRON_MAX);
        found = length > 0 && memmem(text, (size_t)length, MARK, strlen(MARK));
    }
    if (proc)
        (void)closedir(proc);
    return found;
}

/* Keeps a session open and looks at what its processes on the host were given. */
static bool environment_passes(const struct scene *scene, bool walled)
{
    const char *const options[] = {"-o",
                                   "SetEnv LD_PRELOAD=/" MARK " BASH_ENV=/" MARK " ENV=/" MARK
                                   " PATH=/bin:/" MARK " LC_ALL=" MARK,
                                   NULL};
    struct child client = CHILD_NONE;
    bool found = false;

    if (login_client(scene, &login, walled, options, "sleep 3", &client) < 0)
        return false;
    for (int i = 0; i < 20 && !found; i++) {
        found = environment_has_mark(walled ? scene->attacker.uid : login.plain_uid, client.pid);
        (void)usleep(100000);
    }
    (void)child_end(&client, 0);
    return found;
}

static void perform_environment(struct scene *scene, struct trial *trial)
{
    bool control = environment_passes(scene, false);
    bool attack = environment_passes(scene, !scene->unwalled);

    row_control(trial, control ? "the variables arrived" : "no variable arrived");
    if (!control)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the control's variables did not arrive");
    else if (attack)
        row_verdict(trial, VERDICT_LEAKED, "a process of the login on the host has them");
    else
        row_verdict(trial, VERDICT_BLOCKED, "no process of the login on the host has them");
}

const struct row rows_login[] = {
    {
        "S-02",
        SEVERITY_CRITICAL,
        "NET",
        "forward a port, a socket, a connection into the host's network",
        "DisableForwarding for the group",
        .lane = LANE_ASIDE,
        .prepare = prepare_login,
        .perform = perform_forwarding,
        .clean = clean_login,
    },
    {
        "S-03",
        SEVERITY_CRITICAL,
        "NET",
        "a command that a shell of the host would take apart",
        "the gate parses nothing and runs no shell",
        .lane = LANE_ASIDE,
        .prepare = prepare_login,
        .perform = perform_command,
        .clean = clean_login,
    },
    {
        "S-04",
        SEVERITY_CRITICAL,
        "NET",
        "scp and sftp of a file of the host",
        "the server program runs inside",
        .lane = LANE_ASIDE,
        .prepare = prepare_login,
        .perform = perform_copy,
        .clean = clean_login,
    },
    {
        "S-05",
        SEVERITY_CRITICAL,
        "NET",
        "LD_PRELOAD, PATH, BASH_ENV by SetEnv",
        "AcceptEnv TERM and LANG only",
        .lane = LANE_ASIDE,
        .prepare = prepare_login,
        .perform = perform_environment,
        .clean = clean_login,
    },
};
const size_t rows_login_count = ARRAY_LEN(rows_login);
