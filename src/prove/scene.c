/* SPDX-License-Identifier: Apache-2.0 */
/* scene - the two throw-away users, their machines, the canaries and the host's own secret */
#include "prove/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "prove/hostproc.h"
#include "prove/text.h"

#define SCRATCH_PARENT   "/var/lib"
#define CROFT_TIMEOUT_MS 60000U
#define LATE_MAX_US      2000000ULL /* a heartbeat that is later than this was held up by somebody */
#define OUTPUT_SIZE      4096
#define WORDS_MAX        24
#define PROGRAM_SIZE_MAX (16U * 1024U * 1024U)

const char scene_client[] = CROFT_BIN_DIR "/croft";

static int need_croft(struct err *err);
static int be_alone(struct scene *scene, struct err *err);
static int make_scratch(struct scene *scene, struct err *err);
static void remove_scratch(struct scene *scene);
static int make_key(struct scene *scene, struct err *err);
static int add_party(struct scene *scene, struct party *party, struct err *err);
static int furnish(struct scene *scene, struct party *party, struct err *err);
static int start_canary(struct scene *scene, struct err *err);

int scene_open(struct scene *scene, bool unwalled, unsigned without, const char *sshd,
               struct err *err)
{
    int error;

    *scene = (struct scene){
        .victim = {.name = "prove-a", .machine = "victim"},
        .attacker = {.name = "prove-b", .machine = "attacker"},
        .victim_canary = {.child = CHILD_NONE},
        .host_canary = {.child = CHILD_NONE},
        .watchdog = {.child = CHILD_NONE},
        .alone = -1,
        .sshd = sshd,
        .unwalled = unwalled,
        .without = without,
    };
    error = need_croft(err);
    if (error == 0)
        error = be_alone(scene, err);
    if (error == 0)
        error = make_scratch(scene, err);
    if (error)
        return error;
    if (watchdog_start(&scene->watchdog) < 0)
        return err_set(err, OUTCOME_FAILED, "the watchdog could not be started");
    error = make_key(scene, err);
    if (!error)
        error = add_party(scene, &scene->victim, err);
    if (!error)
        error = add_party(scene, &scene->attacker, err);
    if (!error)
        error = cgroup_host_open(CROFT_CGROUP, &scene->cgroups, err);
    if (!error)
        error = furnish(scene, &scene->victim, err);
    if (!error)
        error = furnish(scene, &scene->attacker, err);
    return error ? error : start_canary(scene, err);
}

/* Two proofs at once would take each other's users away. */
static int be_alone(struct scene *scene, struct err *err)
{
    scene->alone = path_root(SCRATCH_PARENT, O_RDONLY | O_DIRECTORY);
    if (scene->alone >= 0 && flock(scene->alone, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return err_set(err, OUTCOME_FAILED, "another croft prove runs on this host: wait for its end");
}

static int need_croft(struct err *err)
{
    const char *const words[] = {"host", "status", NULL};
    char output[OUTPUT_SIZE];

    if (scene_croft(NULL, words, NULL, 0, output, sizeof(output)) == 0)
        return 0;
    return err_set(err, OUTCOME_HOST_CANNOT,
                   "Croft does not run on this host: start it by `croft host start`");
}

static void remove_party(struct party *party)
{
    const char *const words[] = {"user", "rm", "--purge", "--yes", party->name, NULL};
    char output[OUTPUT_SIZE];

    if (party->added && scene_croft(NULL, words, NULL, 0, output, sizeof(output)) != 0)
        (void)fprintf(stderr, "croft-prove: user %s is left behind: %s\n", party->name, output);
    party->added = false;
}

void scene_close(struct scene *scene)
{
    (void)child_end(&scene->victim_canary.child, 2000);
    (void)child_end(&scene->host_canary.child, 2000);
    watchdog_stop(&scene->watchdog);
    remove_party(&scene->attacker);
    remove_party(&scene->victim);
    if (scene->cgroups)
        cgroup_host_close(scene->cgroups);
    scene->cgroups = NULL;
    remove_scratch(scene);
    fd_close(&scene->alone);
}

/* All that it says. */
static int speak(const struct party *party, const char *const *words, const void *input,
                 size_t input_size, char *output, size_t size)
{
    const char *argv[WORDS_MAX + 2] = {scene_client};

    for (size_t i = 0; i < WORDS_MAX && words[i]; i++)
        argv[1 + i] = words[i];
    return child_run(argv, party ? party->uid : 0, party ? party->gid : 0, input, input_size,
                     output, size, CROFT_TIMEOUT_MS);
}

int scene_croft_all(const struct party *party, const char *const *words, char *output, size_t size)
{
    return speak(party, words, NULL, 0, output, size);
}

int scene_croft(const struct party *party, const char *const *words, const void *input,
                size_t input_size, char *output, size_t size)
{
    int status = speak(party, words, input, input_size, output, size);

    output[strcspn(output, "\n")] = '\0';
    return status;
}

int scene_put_program(const struct party *party)
{
    static const char receive[] = "cat > " PROVE_PROGRAM " && chmod 755 " PROVE_PROGRAM;
    const char *const words[] = {"exec",    "-i", party->machine, "--",
                                 "/bin/sh", "-c", receive,        NULL};
    char output[OUTPUT_SIZE];
    size_t size = 0;
    auto_free void *bytes = scene_program(&size);

    return bytes ? scene_croft(party, words, bytes, size, output, sizeof(output)) : -EIO;
}

static int draw_secret(char secret[CANARY_SECRET_LEN + 1])
{
    uint8_t random[CANARY_SECRET_LEN / 2];

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -EIO;
    str_hex(random, sizeof(random), secret);
    return 0;
}

static int make_scratch(struct scene *scene, struct err *err)
{
    auto_close parent = path_root(SCRATCH_PARENT, O_RDONLY | O_DIRECTORY);
    char name[64];
    int error = 0;

    if (draw_secret(scene->secret) < 0 || draw_secret(scene->victim_secret) < 0)
        return err_set(err, OUTCOME_FAILED, "no random bytes");
    if (str_format(name, sizeof(name), "croft-prove.%d", getpid()) < 0 ||
        str_format(scene->scratch, sizeof(scene->scratch), SCRATCH_PARENT "/%s", name) < 0)
        return err_set(err, OUTCOME_FAILED, "path too long");
    auto_close dir = parent < 0 ? parent : path_mkdir_open(parent, name, 0711);
    auto_close open_dir = dir < 0 ? dir : path_mkdir_open(dir, "open", 0777);
    auto_close file = open_dir < 0 ? open_dir : path_create(dir, "secret", O_WRONLY, 0600);
    error = file < 0 ? file : fd_write_full(file, scene->secret, CANARY_SECRET_LEN);
    if (error == 0 && fchmod(open_dir, 01777) < 0)
        error = -errno;
    if (error < 0)
        return err_errno(err, OUTCOME_FAILED, error, "scratch directory %s", scene->scratch);
    if (str_format(scene->secret_path[0], sizeof(scene->secret_path[0]), "%s/secret",
                   scene->scratch + 1) < 0 ||
        str_format(scene->open_path, sizeof(scene->open_path), "%s/open", scene->scratch) < 0)
        return err_set(err, OUTCOME_FAILED, "path too long");
    return 0;
}

static void remove_scratch(struct scene *scene)
{
    static const char *const names[] = {"secret",           "key",
                                        "key.pub",          "agent",
                                        "agent-ran",        "program",
                                        "device",           "hostkey",
                                        "hostkey.pub",      "sshd_config",
                                        "sshd_plain",       "authorized",
                                        "known_hosts",      "croft-prove-canary",
                                        "croft-prove-fill", "croft-prove-flag",
                                        "croft-prove-node", "sshd.log"};
    auto_close dir = path_root(scene->scratch, O_RDONLY | O_DIRECTORY);
    auto_close parent = path_root(SCRATCH_PARENT, O_RDONLY | O_DIRECTORY);

    for (size_t i = 0; dir >= 0 && i < ARRAY_LEN(names); i++)
        if (path_unlink(dir, names[i]) == -ENOENT)
            continue;
    if (dir >= 0 &&
        (path_rmdir(dir, "open") < 0 || path_rmdir(parent, strrchr(scene->scratch, '/') + 1) < 0))
        (void)fprintf(stderr, "croft-prove: %s is left behind\n", scene->scratch);
}

/* A key for the attacker's login. Without ssh-keygen there are no login rows, which say so. */
static int make_key(struct scene *scene, struct err *err)
{
    char path[sizeof(scene->key_path)];
    const char *const argv[] = {"/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C",
                                "croft-prove",         "-f", path, NULL};

    if (access(argv[0], X_OK) < 0)
        return 0;
    if (str_format(path, sizeof(path), "%s/key", scene->scratch) < 0 ||
        child_run(argv, 0, 0, NULL, 0, NULL, 0, CROFT_TIMEOUT_MS) != 0)
        return err_set(err, OUTCOME_FAILED, "ssh-keygen made no key in %s", scene->scratch);
    return str_copy(scene->key_path, sizeof(scene->key_path), path);
}

int scene_guest_open(struct scene *scene, struct party *guest, struct err *err)
{
    int error = add_party(scene, guest, err);

    return error ? error : furnish(scene, guest, err);
}

void scene_guest_close(struct party *guest)
{
    remove_party(guest);
}

int scene_account(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
    int fd = path_root("/etc/passwd", O_RDONLY);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    struct passwd *entry;
    int found = -ENOENT;

    while (file && found < 0 && (entry = fgetpwent(file))) {
        if (strcmp(entry->pw_name, name) != 0)
            continue;
        *ret_uid = entry->pw_uid;
        *ret_gid = entry->pw_gid;
        found = 0;
    }
    if (file)
        (void)fclose(file);
    return found;
}

static int add_party(struct scene *scene, struct party *party, struct err *err)
{
    char disk[16], memory[16], pids[16], connections[16], key[PATH_MAX / 2 + 4];
    const char *words[] = {"user",   "add", party->name,     "--disk",    disk, "--memory", memory,
                           "--pids", pids,  "--connections", connections, NULL, NULL,       NULL};
    char output[OUTPUT_SIZE];

    if (str_format(disk, sizeof(disk), "%uM", PROVE_DISK_MIB) < 0 ||
        str_format(memory, sizeof(memory), "%uM", PROVE_MEMORY_MIB) < 0 ||
        str_format(pids, sizeof(pids), "%u", PROVE_PIDS) < 0 ||
        str_format(connections, sizeof(connections), "%u", PROVE_CONNECTIONS) < 0 ||
        str_format(key, sizeof(key), "%s.pub", scene->key_path) < 0)
        return err_set(err, OUTCOME_FAILED, "numbers too long");
    if (scene->key_path[0] && party == &scene->attacker) {
        words[11] = "--key";
        words[12] = key;
    }
    if (scene_account(party->name, &party->uid, &party->gid) == 0) {
        party->added = true; /* an earlier run was cut short */
        remove_party(party);
    }
    if (scene_croft(NULL, words, NULL, 0, output, sizeof(output)) != 0)
        return err_set(err, OUTCOME_FAILED, "user %s could not be added: %s", party->name, output);
    party->added = true;
    if (scene_account(party->name, &party->uid, &party->gid) < 0)
        return err_set(err, OUTCOME_FAILED, "user %s has no account", party->name);
    return 0;
}

void *scene_program(size_t *ret_size)
{
    auto_close fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct stat meta;

    if (fd < 0 || fstat(fd, &meta) < 0 || meta.st_size > PROGRAM_SIZE_MAX)
        return NULL;
    auto_free void *bytes = mem_new((size_t)meta.st_size, 1);
    if (fd_read_full(fd, bytes, (size_t)meta.st_size) != meta.st_size)
        return NULL;
    *ret_size = (size_t)meta.st_size;
    return take_ptr(bytes);
}

/* Launches the party's machine and puts into it what the rows need. */
static int furnish(struct scene *scene, struct party *party, struct err *err)
{
    const char *const launch[] = {"launch", PROVE_IMAGE, party->machine, NULL};
    const char *const home[] = {"launch", PROVE_IMAGE, "home", NULL};
    const char *const secret[] = {
        "exec", "-i", party->machine, "--", "/bin/sh", "-c", "umask 077; cat > /secret", NULL};
    char output[OUTPUT_SIZE];

    /* Logins lead there; this host's own default image may be larger than their disks. */
    if (party == &scene->attacker && scene_croft(party, home, NULL, 0, output, sizeof(output)) != 0)
        return err_set(err, OUTCOME_FAILED, "the attacker's home does not start: %.200s", output);
    if (scene_croft(party, launch, NULL, 0, output, sizeof(output)) != 0)
        return err_set(err, OUTCOME_FAILED, "%s's machine: %s", party->name, output);
    if (scene_put_program(party) != 0)
        return err_set(err, OUTCOME_FAILED, "this program does not go into %s's machine",
                       party->name);
    if (party == &scene->victim && scene_croft(party, secret, scene->victim_secret,
                                               CANARY_SECRET_LEN, output, sizeof(output)) != 0)
        return err_set(err, OUTCOME_FAILED, "secret into %s's machine: %s", party->name, output);
    if (party == &scene->victim && str_format(scene->secret_path[1], sizeof(scene->secret_path[1]),
                                              "%s/volumes/%u/instances/%s/upper/secret",
                                              &CROFT_RUN_DIR[1], party->uid, party->machine) < 0)
        return err_set(err, OUTCOME_FAILED, "path too long");
    return scene_look(party, err);
}

int scene_look(struct party *party, struct err *err)
{
    const char *const argv[] = {scene_client, "exec",  "-i", party->machine, "--", PROVE_PROGRAM,
                                "--inside",   "stand", NULL};
    struct child child = CHILD_NONE;
    char line[2048], said[200] = "";
    struct fact fact;
    uint64_t uid = 0;
    pid_t pid = 0;

    party->init = 0;
    if (child_exec(argv, party->uid, party->gid, &child) == 0 &&
        child_line(&child, line, sizeof(line), CROFT_TIMEOUT_MS) > 0 &&
        fact_parse(line, &fact) == 0) {
        pid = hostproc_find(fact.pid, fact.pid_space);
        party->init = pid ? hostproc_init_of(pid) : 0;
    }
    if (pid && hostproc_field(pid, "Uid:", false, &uid) == 0)
        party->root = (uid_t)uid;
    child_error(&child, said, sizeof(said));
    (void)child_end(&child, 5000);
    if (party->init <= 1)
        return err_set(err, OUTCOME_FAILED, "pid 1 of %s's machine was not found: %s", party->name,
                       said);
    return 0;
}

static int host_canary_body(void *data, int in, int out)
{
    const struct scene *scene = data;

    return canary_serve(scene->host_canary.socket, scene->scratch, in, out);
}

static int start_victim_canary(struct scene *scene)
{
    struct canary *canary = &scene->victim_canary;
    const struct party *victim = &scene->victim;
    const char *const argv[] = {scene_client, "exec",        "-i",       victim->machine,
                                "--",         PROVE_PROGRAM, "--canary", canary->socket,
                                "/",          NULL};
    int error = canary_name(canary, "victim");

    if (error == 0)
        error = child_exec(argv, victim->uid, victim->gid, &canary->child);
    if (error == 0)
        error = canary_greet(canary);
    if (error == 0)
        canary->host_pid = hostproc_find((uint64_t)canary->start.pid, canary->start.pid_space);
    return error == 0 && canary->host_pid == 0 ? -ESRCH : error;
}

static int start_canary(struct scene *scene, struct err *err)
{
    struct canary *host = &scene->host_canary;
    int error = canary_name(host, "host");

    if (error == 0)
        error = child_fork(host_canary_body, scene, &host->child);
    if (error == 0)
        error = canary_greet(host);
    host->host_pid = host->child.pid;
    if (error == 0)
        error = start_victim_canary(scene);
    if (error < 0)
        return err_errno(err, OUTCOME_FAILED, error, "canaries");
    return 0;
}

int scene_ready(struct scene *scene, struct err *err)
{
    struct party *parties[] = {&scene->victim, &scene->attacker};

    if (scene->aside)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(parties); i++) {
        const char *const words[] = {"start", parties[i]->machine, NULL};
        char output[OUTPUT_SIZE];

        if (scene_look(parties[i], err) == 0)
            continue;
        if (scene_croft(parties[i], words, NULL, 0, output, sizeof(output)) != 0)
            return err_set(err, OUTCOME_FAILED, "%s's machine does not start again: %s",
                           parties[i]->name, output);
        int error = scene_look(parties[i], err);
        if (error)
            return error;
    }
    struct canary_answer said;
    if (canary_question(&scene->victim_canary, CANARY_STATE, 5000, &said) == 0)
        return 0;
    (void)child_end(&scene->victim_canary.child, 1000);
    int error = start_victim_canary(scene);
    return error < 0 ? err_errno(err, OUTCOME_FAILED, error, "the victim's canary") : 0;
}

static bool canary_intact(struct canary *canary, const char *who, char *why, size_t size)
{
    struct canary_answer said;

    if (canary_question(canary, CANARY_STATE, 10000, &said) < 0)
        text_set(why, size, "%s's canary no longer answers", who);
    else if (!said.secret_intact)
        text_set(why, size, "the secret in the memory of %s was changed", who);
    else if (said.signals != canary->start.signals)
        text_set(why, size, "%u signals reached %s", said.signals - canary->start.signals, who);
    else if (said.connections != canary->start.connections)
        text_set(why, size, "a connection reached %s's socket", who);
    else if (said.late_us > LATE_MAX_US)
        text_set(why, size, "the heartbeat of %s was %ju ms late", who,
                 (uintmax_t)(said.late_us / 1000));
    else
        return true;
    canary->start.signals = said.signals;
    canary->start.connections = said.connections;
    return false;
}

static bool file_intact(const char *path, const char *secret, const char *who, char *why,
                        size_t size)
{
    auto_close root = path_root("/", O_RDONLY | O_DIRECTORY);
    char bytes[CANARY_SECRET_LEN + 2] = "";

    auto_close fd = root < 0 ? root : path_open_xdev(root, path, O_RDONLY);
    if (fd >= 0 && fd_read_full(fd, bytes, sizeof(bytes) - 1) == CANARY_SECRET_LEN &&
        strcmp(bytes, secret) == 0)
        return true;
    text_set(why, size, "the secret file of %s is no longer what it was", who);
    return false;
}

bool scene_intact(struct scene *scene, char *why, size_t size)
{
    if (scene->aside)
        return true;
    return canary_intact(&scene->victim_canary, "the victim", why, size) &&
           canary_intact(&scene->host_canary, "the host", why, size) &&
           file_intact(scene->secret_path[0], scene->secret, "the host", why, size) &&
           file_intact(scene->secret_path[1], scene->victim_secret, "the victim", why, size);
}

void scene_group(const struct party *party, char *group, size_t size)
{
    text_set(group, size, "%u/all/%s", party->uid, party->machine);
}

int scene_keeper(const struct party *party, uint64_t *ret_uid)
{
    char path[64];
    uid_t uid = 0;

    if (str_format(path, sizeof(path), "/proc/%d/ns/user", party->init) < 0)
        return -ENAMETOOLONG;
    auto_close ns = open(path, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || ioctl(ns, NS_GET_OWNER_UID, &uid) < 0)
        return -errno;
    *ret_uid = uid;
    return 0;
}

struct cgroup_usage scene_usage(const struct scene *scene, const struct party *party)
{
    struct cgroup_usage usage = {0};
    char group[128];

    scene_group(party, group, sizeof(group));
    if (!scene->cgroups || cgroup_usage(scene->cgroups, group, &usage) < 0)
        return (struct cgroup_usage){0};
    return usage;
}

uint64_t scene_free_mib(void)
{
    auto_close dir = path_root(CROFT_STATE_DIR, O_RDONLY | O_DIRECTORY);
    struct statvfs room;

    if (dir < 0 || fstatvfs(dir, &room) < 0)
        return 0;
    return room.f_bavail * room.f_frsize / (1024 * 1024);
}
