/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_door - D rows about who speaks at the door, and what a plan or an order in his mouth may do
 *
 * The attacker is a client who says whatever bytes he likes (API), or a croftd in foreign hands
 * (DMN): a process with its uid. What the monitor carried out is what leaks; a refusal must leave
 * the victim's machine as it was. With --unwalled the attack speaks as the victim herself.
 */
#include "prove/row.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "prove/hostproc.h"
#include "prove/speaker.h"
#include "wire/frame.h"

#define DAEMON_ACCOUNT "croft"
#define TIMED          41
#define SLOWER_US      400 /* noise of a busy host; a look into records or a mount is more */
#define JOB_SECONDS    30U

/* Counts an order that was carried out, and remembers the last refusal. */
static void heard(struct fact *fact, int outcome, const char *what)
{
    fact->number[1]++;
    if (outcome == 0) {
        fact->number[0]++;
        fact_note(fact, "%.40s", what);
    } else {
        fact->error = outcome < 0 ? -outcome : EPERM;
    }
}

/* What of all that was said was carried out. */
static void judge_heard(struct trial *trial, const char *refused)
{
    const struct fact *fact = &trial->attack;

    if (trial->verdict)
        return;
    if (fact->number[0])
        row_verdict(trial, VERDICT_LEAKED, "%ju of %ju orders were carried out: %.100s",
                    (uintmax_t)fact->number[0], (uintmax_t)fact->number[1], fact->text);
    else
        row_verdict(trial, VERDICT_BLOCKED, "0 of %ju orders were carried out; %s",
                    (uintmax_t)fact->number[1], refused);
}

static int read_logs(uid_t uid, gid_t gid, const char *machine, struct reply *ret_reply)
{
    const struct speech speech = {.type = ORDER_LOGS, .name = machine};

    return speaker_say(uid, gid, &speech, ret_reply);
}

/* Who says what the attack says. */
static const struct party *who_speaks(const struct scene *scene)
{
    return scene->unwalled ? &scene->victim : &scene->attacker;
}

/* The control of most of them: the victim herself is obeyed. */
static bool victim_is_obeyed(struct scene *scene, struct trial *trial)
{
    struct reply reply;
    int outcome = read_logs(scene->victim.uid, scene->victim.gid, scene->victim.machine, &reply);

    if (outcome != 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the victim herself was refused: %.100s",
                    outcome < 0 ? strerrorname_np(-outcome) : reply.text);
        return false;
    }
    row_control(trial, "the victim's own order was carried out");
    return true;
}

/* Whether two refusals differ in nothing but the name. */
static bool same_answer(const char *one, const char *name, const char *other, const char *none)
{
    const char *at = strstr(one, name);
    const char *to = strstr(other, none);

    if (!at || !to)
        return strcmp(one, other) == 0;
    return at - one == to - other && strncmp(one, other, (size_t)(at - one)) == 0 &&
           strcmp(at + strlen(name), to + strlen(none)) == 0;
}

static int by_value(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

    return (one > other) - (one < other);
}

/* Medians of the time that a refusal takes, of her machine's name and of nobody's, interleaved. */
static void time_refusals(const struct scene *scene, const char *none, uint64_t ret_us[2])
{
    uint64_t us[2][TIMED];
    const char *const names[] = {scene->victim.machine, none};
    auto_close sock = speaker_connect("door", scene->attacker.uid, scene->attacker.gid);

    for (size_t i = 0; i < TIMED; i++)
        for (size_t j = 0; j < 2; j++) {
            const struct speech speech = {.type = ORDER_LOGS, .name = names[j]};
            struct reply reply;
            uint64_t start = clock_boot_ns();

            if (speaker_send(sock, &speech) < 0 || speaker_hear(sock, &reply) < 0)
                us[j][i] = 0;
            else
                us[j][i] = (clock_boot_ns() - start) / 1000;
        }
    for (size_t j = 0; j < 2; j++) {
        qsort(us[j], TIMED, sizeof(us[j][0]), by_value);
        ret_us[j] = us[j][TIMED / 2];
    }
}

/* Every order about a machine, by every name that might mean hers. */
static void name_her_machine(struct scene *scene, struct trial *trial, const char *none)
{
    static const uint32_t types[] = {ORDER_LOGS, ORDER_EXEC,   ORDER_START,
                                     ORDER_STOP, ORDER_REMOVE, ORDER_IMAGE_REMOVE};
    /* In her own mouth the others would be obeyed. */
    const size_t most = scene->unwalled ? 2 : ARRAY_LEN(types);
    const struct party *speaker = who_speaks(scene);
    const char *const names[] = {scene->victim.machine,
                                 "prove-a/victim",
                                 "../prove-a/victim",
                                 "VICTIM",
                                 "victim.",
                                 "v\xd1\x96"
                                 "ctim",
                                 "victim.prove-a",
                                 "victim\n",
                                 "vict"};
    uint8_t command[128];
    size_t command_size = speaker_command("/bin/true", command, sizeof(command));

    for (size_t i = 0; i < most; i++)
        for (size_t j = 0; j < ARRAY_LEN(names); j++) {
            bool exec = types[i] == ORDER_EXEC;
            struct speech speech = {.type = types[i],
                                    .flags = exec ? ORDER_TTY : 0,
                                    .number = types[i] == ORDER_STOP ? 1000 : 0,
                                    .name = names[j],
                                    .body = exec ? command : NULL,
                                    .body_size = exec ? command_size : 0};
            struct reply hers, nobodys;
            int outcome = speaker_say(speaker->uid, speaker->gid, &speech, &hers);

            heard(&trial->attack, outcome, order_name(types[i]));
            speech.name = none;
            int absent = speaker_say(speaker->uid, speaker->gid, &speech, &nobodys);
            if (j == 0 && !scene->unwalled &&
                (outcome != absent || !same_answer(hers.text, names[0], nobodys.text, none)))
                row_verdict(trial, VERDICT_LEAKED, "%s of hers: '%.60s', of nobody's: '%.60s'",
                            order_name(types[i]), hers.text, nobodys.text);
        }
}

static void perform_names(struct scene *scene, struct trial *trial)
{
    static const char none[] = "nobody"; /* as long as hers */
    static const char *const calls[] = {
        "{\"method\":\"Info\",\"parameters\":{\"name\":\"victim\",\"user\":\"prove-a\"}}",
        "{\"method\":\"Info\",\"parameters\":{\"name\":\"victim\"}}",
        "{\"method\":\"List\",\"parameters\":{\"user\":\"prove-a\"}}",
        "{\"method\":\"Images\",\"parameters\":{\"user\":\"prove-a\"}}",
        "{\"method\":\"Users\",\"parameters\":{}}"};
    char answer[4096];
    uint64_t us[2] = {0, 0};

    if (!victim_is_obeyed(scene, trial))
        return;
    name_her_machine(scene, trial, none);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        int error =
            speaker_ask(scene->attacker.uid, scene->attacker.gid, calls[i], answer, sizeof(answer));
        /* A refusal may repeat the name that he said himself. */
        bool told = error == 0 && !strstr(answer, "\"outcome\"") && strstr(answer, "prove-a");
        heard(&trial->attack, told ? 0 : EPERM, calls[i]);
    }
    time_refusals(scene, none, us);
    if (!trial->verdict && us[0] > 2 * us[1] + SLOWER_US)
        row_verdict(trial, VERDICT_LEAKED, "a refusal takes %ju us for hers, %ju for nobody's",
                    (uintmax_t)us[0], (uintmax_t)us[1]);
    judge_heard(trial, "the same answer for hers and nobody's, in the same time");
}

/* The same connection in another's hand, and another's name in the message. */
static void perform_passed(struct scene *scene, struct trial *trial)
{
    struct speech speech = {.type = ORDER_LOGS, .name = scene->victim.machine};
    const struct ucred claim = {
        .pid = getpid(), .uid = scene->victim.uid, .gid = scene->victim.gid};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(struct ucred))];
    } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(claim)),
                          .cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_CREDENTIALS}};
    struct order order = {.version = ORDER_VERSION, .type = ORDER_LOGS};
    struct iovec piece = {.iov_base = &order, .iov_len = sizeof(order)};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    struct reply reply;

    if (!victim_is_obeyed(scene, trial))
        return;
    auto_close sock = speaker_connect("door", who_speaks(scene)->uid, who_speaks(scene)->gid);
    int error = speaker_as(scene->victim.uid, scene->victim.gid);
    if (error == 0)
        error = speaker_send(sock, &speech);
    speaker_back();
    heard(&trial->attack, error < 0 ? error : speaker_hear(sock, &reply),
          "over his connection, by a process of hers");
    /* As root the kernel lets any name through: the monitor must not look at it. */
    memcpy(CMSG_DATA(&control.head), &claim, sizeof(claim));
    memcpy(order.name, scene->victim.machine, strlen(scene->victim.machine));
    error = sendmsg(sock, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
    heard(&trial->attack, error < 0 ? error : speaker_hear(sock, &reply), "with her credentials");
    judge_heard(trial, "whose connection it is decides, not who writes to it");
}

/* Connects as the attacker in a process that ends. Return: the connection; -errno */
static int connect_and_end(const struct scene *scene, pid_t *ret_pid)
{
    int pair[2];
    char byte;
    struct frame_fds fds = {.count = 0};

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0) {
        int sock = speaker_connect("door", who_speaks(scene)->uid, who_speaks(scene)->gid);
        _exit(sock < 0 || frame_send(pair[1], "s", 1, NULL, 0, &sock, 1) < 0);
    }
    (void)close(pair[1]);
    ssize_t got = pid < 0 ? -1 : frame_recv(pair[0], &byte, 1, &fds);
    (void)close(pair[0]);
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
    *ret_pid = pid;
    return got == 1 && fds.count == 1 ? fds.fd[0] : -EIO;
}

/* A process of hers with exactly this number. Return: whether there is one now */
static bool be_number(pid_t pid, uid_t uid, gid_t gid)
{
    pid_t numbers[] = {pid};
    struct clone_args args = {
        .exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)numbers, .set_tid_size = 1};
    long made = syscall(SYS_clone3, &args, sizeof(args));

    if (made == 0) {
        if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
            _exit(1);
        (void)alarm(20);
        (void)pause();
        _exit(0);
    }
    (void)usleep(20000);
    uint64_t owner = 0;
    return made == pid && hostproc_field(pid, "Uid:", false, &owner) == 0 && owner == uid;
}

static void perform_number(struct scene *scene, struct trial *trial)
{
    const struct speech login = {.type = ORDER_LOGIN};
    struct reply reply;
    pid_t pid = 0;
    char group[128] = "", line[128] = "";

    if (!victim_is_obeyed(scene, trial))
        return;
    auto_close sock = connect_and_end(scene, &pid);
    if (sock < 0 || !be_number(pid, scene->victim.uid, scene->victim.gid)) {
        row_verdict(trial, VERDICT_NA, "this kernel gives no process a chosen number");
        return;
    }
    struct speech speech = {.type = ORDER_LOGS, .name = scene->victim.machine};
    int error = speaker_send(sock, &speech);
    heard(&trial->attack, error < 0 ? error : speaker_hear(sock, &reply), "her logs");
    error = speaker_send(sock, &login);
    heard(&trial->attack, error < 0 ? error : speaker_hear(sock, &reply), "login");
    if (str_format(group, sizeof(group), CROFT_CGROUP "/%u", scene->attacker.uid) == 0 &&
        hostproc_in_group(pid, group, line, sizeof(line)))
        row_verdict(trial, VERDICT_LEAKED, "a process of hers was put into his groups");
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    judge_heard(trial, "a process of hers had the number of the one that had connected");
}

/* Ids of machines, keepers and of croftd are nobody at the door. */
static void perform_ids(struct scene *scene, struct trial *trial)
{
    static const char *const paths[] = {CROFT_RUN_DIR "/door", CROFT_RUN_DIR "/api",
                                        "/proc/1/root" CROFT_RUN_DIR "/door"};
    const char *argv[] = {paths[0], paths[1], paths[2]};
    uint64_t keepers[2] = {0, 0};
    uid_t uids[] = {scene->attacker.root, scene->victim.root, 0, 0, scene->victim.root + 65534};
    char why[TRIAL_WHY_SIZE];
    struct fact inside;
    struct reply reply;

    if (!victim_is_obeyed(scene, trial))
        return;
    if (scene_keeper(&scene->attacker, &keepers[0]) < 0 ||
        scene_keeper(&scene->victim, &keepers[1]) < 0)
        return;
    uids[2] = (uid_t)keepers[0];
    uids[3] = (uid_t)keepers[1];
    if (scene->unwalled)
        uids[0] = scene->victim.uid;
    for (size_t i = 0; i < ARRAY_LEN(uids); i++) {
        heard(&trial->attack, read_logs(uids[i], uids[i], scene->victim.machine, &reply),
              "an id of a machine");
        heard(&trial->attack, read_logs(uids[i], uids[i], scene->attacker.machine, &reply),
              "an id of a machine");
    }
    if (attack_inside(&scene->attacker, "D-05", ARRAY_LEN(argv), argv, &trial->live, &inside, why,
                      sizeof(why)) < 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "attack: %.120s", why);
        return;
    }
    trial->attack.number[0] += inside.number[0];
    trial->attack.number[1] += inside.number[1];
    judge_heard(trial, "ids of machines and keepers are strangers, inside is no socket");
}

/* What a plan of the attacker's shall have at one place: a value, or what is the victim's there. */
static const struct spoil {
    const char *what;
    size_t offset;
    size_t size;
    bool hers;
    uint64_t value;
} spoils[] = {
    {"her uid", offsetof(struct plan, owner_uid), 4, true, 0},
    {"uid 0", offsetof(struct plan, owner_uid), 4, false, 0},
    {"her block", offsetof(struct plan, block_first), 4, true, 0},
    {"block 0", offsetof(struct plan, block_first), 4, false, 0},
    {"two blocks", offsetof(struct plan, block_count), 4, false, 2ULL * BLOCK_COUNT},
    {"her keeper", offsetof(struct plan, keeper_id), 4, true, 0},
    {"keeper 0", offsetof(struct plan, keeper_id), 4, false, 0},
    {"a layer he has not", offsetof(struct plan, layer), 8, false, 4711},
    {"a mount", offsetof(struct plan, mount_count), 4, false, 1},
    {"a device", offsetof(struct plan, device_count), 4, false, 1},
    {"the unpacker's filter", offsetof(struct plan, filter), 4, false, PLAN_FILTER_UNPACK},
    {"no filter", offsetof(struct plan, filter), 4, false, 0},
    {"all memory", offsetof(struct plan, memory_bytes), 8, false, UINT64_MAX},
    {"all processes", offsetof(struct plan, pids), 4, false, UINT32_MAX},
    {"her whole plan", 0, offsetof(struct plan, command), true, 0},
};

static void say_spoiled(struct scene *scene, struct trial *trial, const union spoken_plan *good,
                        const union spoken_plan *hers, const struct spoil *spoil)
{
    union spoken_plan plan = *good;
    const void *from =
        spoil->hers ? (const char *)hers + spoil->offset : (const void *)&spoil->value;
    struct reply reply;

    if (!scene->unwalled)
        memcpy((char *)&plan + spoil->offset, from, spoil->size);
    auto_close sock = speaker_connect("door", scene->attacker.uid, scene->attacker.gid);
    heard(&trial->attack, sock < 0 ? sock : speaker_run(sock, &plan, &reply), spoil->what);
}

/* With the uid of a croftd in foreign hands: what only users, admins and root may say. */
static void say_as_daemon(struct scene *scene, struct trial *trial, const union spoken_plan *hers)
{
    const struct order_user limits = {.fields = USER_PIDS, .limits = {.pids = 100000}};
    const struct speech orders[] = {
        {.type = ORDER_STOP, .name = scene->victim.machine, .number = 1000},
        {.type = ORDER_USER_SET,
         .name = scene->victim.name,
         .body = &limits,
         .body_size = sizeof(limits)},
        {.type = ORDER_USER_REMOVE, .name = scene->victim.name, .flags = ORDER_PURGE},
        {.type = ORDER_HOST_STOP}};
    struct reply reply;
    uid_t uid = 0;
    gid_t gid = 0;

    if (scene_account(DAEMON_ACCOUNT, &uid, &gid) < 0 || uid == 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "croftd has no account");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(orders); i++)
        heard(&trial->attack, speaker_say(uid, gid, &orders[i], &reply),
              order_name(orders[i].type));
    auto_close sock = speaker_connect("door", uid, gid);
    heard(&trial->attack, sock < 0 ? sock : speaker_run(sock, hers, &reply), "run, as croftd");
}

/* The plan is good: it runs. Leaves the connection, with which the job ends. */
static bool run_good(struct scene *scene, struct trial *trial, const char *name,
                     union spoken_plan *ret_plan, int *ret_sock)
{
    struct reply reply = {.text = ""};
    int error = speaker_plan(&scene->attacker, name, JOB_SECONDS, ret_plan);

    *ret_sock = error < 0 ? -1 : speaker_connect("door", scene->attacker.uid, scene->attacker.gid);
    if (error == 0)
        error = *ret_sock < 0 ? *ret_sock : speaker_run(*ret_sock, ret_plan, &reply);
    if (error == 0)
        row_control(trial, "the unspoiled plan was started");
    else
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the unspoiled plan was refused: %.100s",
                    error < 0 ? strerrorname_np(-error) : reply.text);
    return error == 0;
}

static void perform_plans(struct scene *scene, struct trial *trial)
{
    union spoken_plan good, hers;
    int running = -1;
    bool started = run_good(scene, trial, "prove-good", &good, &running);

    fd_close(&running);
    if (!started)
        return;
    if (speaker_plan(&scene->victim, "prove-hers", JOB_SECONDS, &hers) < 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "no plan of hers");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(spoils); i++) {
        if (str_format(good.plan.name, sizeof(good.plan.name), "prove-spoiled-%zu", i) < 0)
            return;
        say_spoiled(scene, trial, &good, &hers, &spoils[i]);
    }
    say_as_daemon(scene, trial, &hers);
    judge_heard(trial, "the monitor's own records decide");
}

/* The same bytes again, orders that do not fit what is running, and in another's mouth. */
static void perform_replay(struct scene *scene, struct trial *trial)
{
    union spoken_plan good, second;
    struct reply reply;
    int running = -1;
    uid_t uid = 0;
    gid_t gid = 0;

    if (!run_good(scene, trial, "prove-replayed", &good, &running)) {
        fd_close(&running);
        return;
    }
    auto_close sock = running;
    auto_close other = speaker_connect("door", scene->attacker.uid, scene->attacker.gid);
    second = good;
    memset(second.plan.name, 0, sizeof(second.plan.name)); /* nothing may follow a name's end */
    if (str_format(second.plan.name, sizeof(second.plan.name), "prove-second") < 0)
        return;
    heard(&trial->attack, speaker_run(other, scene->unwalled ? &second : &good, &reply),
          "the same job twice");
    heard(&trial->attack, speaker_run(sock, &second, &reply), "two jobs on one connection");
    const struct speech kill_it = {.type = ORDER_SIGNAL, .number = SIGKILL};
    heard(&trial->attack, speaker_say(scene->attacker.uid, scene->attacker.gid, &kill_it, &reply),
          "a signal to what another connection runs");
    heard(&trial->attack, speaker_say(scene->victim.uid, scene->victim.gid, &kill_it, &reply),
          "a signal to what another user runs");
    if (scene_account(DAEMON_ACCOUNT, &uid, &gid) == 0) {
        auto_close daemon = speaker_connect("door", uid, gid);
        heard(&trial->attack, daemon < 0 ? daemon : speaker_run(daemon, &good, &reply),
              "the same bytes from croftd");
    }
    if (speaker_send(sock, &kill_it) < 0 || speaker_hear(sock, &reply) != 0 ||
        speaker_hear(sock, &reply) < 0)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the job could not be ended: %.100s", reply.text);
    int error = speaker_send(sock, &kill_it);
    heard(&trial->attack, error < 0 ? error : speaker_hear(sock, &reply), "a signal after its end");
    const struct speech again = {.type = ORDER_REMOVE, .name = good.plan.name};
    heard(&trial->attack, speaker_say(scene->attacker.uid, scene->attacker.gid, &again, &reply),
          "removed a second time");
    judge_heard(trial, "each order fits one state, once");
}

const struct row rows_door[] = {
    {
        "D-01",
        SEVERITY_CRITICAL,
        "API",
        "orders about the victim's machine, by every name for it",
        "an order reaches the peer's own objects only",
        .perform = perform_names,
    },
    {
        "D-02",
        SEVERITY_HIGH,
        "API",
        "a connection in another's hand, credentials in a message",
        "who connected speaks, as the kernel said then",
        .perform = perform_passed,
    },
    {
        "D-04",
        SEVERITY_CRITICAL,
        "API",
        "connect, end, let a process of the victim's have the number",
        "SO_PEERCRED's uid decides; a pid only with its pidfd",
        .perform = perform_number,
    },
    {
        "D-05",
        SEVERITY_CRITICAL,
        "API",
        "speak with ids of machines and keepers, and from inside",
        "no id of a block is a user; no socket of Croft inside",
        .perform = perform_ids,
    },
    {
        "D-13",
        SEVERITY_CRITICAL,
        "DMN",
        "forged plans, and orders with croftd's uid",
        "the monitor's own records decide, not who wrote a plan",
        .perform = perform_plans,
    },
    {
        "D-14",
        SEVERITY_CRITICAL,
        "DMN",
        "orders replayed, out of turn, after the end",
        "each order fits one state; a connection runs one command",
        .perform = perform_replay,
    },
};
const size_t rows_door_count = ARRAY_LEN(rows_door);
