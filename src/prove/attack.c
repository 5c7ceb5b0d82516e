/* SPDX-License-Identifier: Apache-2.0 */
/* attack - runs a step inside the attacker's machine, or as host root for the positive control */
#include "prove/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "croft-paths.h"
#include "prove/hostproc.h"
#include "prove/text.h"

#define FACT_WAIT_MS (STEP_SECONDS * 1000U)
#define LINE_SIZE    2048
#define NOBODY       65534U
#define HIDDEN_PLAY  "/croft-prove-mount"

/* Everything a forked step needs to know. */
struct host_step {
    const struct scene *scene;
    const struct step *step;
    int argc;
    const char *const *argv;
    unsigned room;
    enum attack_as as;
};

static int take_fact(struct attack *attack, struct fact *ret_fact, char *why, size_t size);
static int become(const struct host_step *host);

int attack_inside(const struct party *party, const char *step, int argc, const char *const *argv,
                  struct attack *ret_attack, struct fact *ret_fact, char *why, size_t size)
{
    const char *words[STEP_ARGS_MAX + 10] = {scene_client,  "exec",     "-i", party->machine, "--",
                                             PROVE_PROGRAM, "--inside", step};
    struct attack attack = {.child = CHILD_NONE};
    int error;

    for (int i = 0; i < argc && i < STEP_ARGS_MAX; i++)
        words[8 + i] = argv[i];
    error = child_exec(words, party->uid, party->gid, &attack.child);
    if (error < 0) {
        text_set(why, size, "croft could not be started: %s", strerrorname_np(-error));
        return error;
    }
    error = take_fact(&attack, ret_fact, why, size);
    if (error < 0) {
        attack_end(&attack);
        return error;
    }
    attack.host_pid = hostproc_find(ret_fact->pid, ret_fact->pid_space);
    *ret_attack = attack;
    return 0;
}

static int host_body(void *data, int in, int out)
{
    const struct host_step *host = data;

    if (become(host) < 0)
        return 126;
    return step_serve(host->step, host->argc, (char **)(uintptr_t)host->argv, in, out);
}

int attack_host(struct scene *scene, const char *step, int argc, const char *const *argv,
                unsigned room, enum attack_as as, struct attack *ret_attack, struct fact *ret_fact,
                char *why, size_t size)
{
    struct host_step host = {.scene = scene,
                             .step = step_find(step),
                             .argc = argc,
                             .argv = argv,
                             .room = room,
                             .as = as};
    struct attack attack = {.child = CHILD_NONE};
    int error = host.step ? child_fork(host_body, &host, &attack.child) : -ENOENT;

    if (error < 0) {
        text_set(why, size, "step %s: %s", step, strerrorname_np(-error));
        return error;
    }
    error = take_fact(&attack, ret_fact, why, size);
    if (error < 0) {
        attack_end(&attack);
        return error;
    }
    attack.host_pid = attack.child.pid;
    *ret_attack = attack;
    return 0;
}

void attack_end(struct attack *attack)
{
    (void)child_end(&attack->child, 10000);
    attack->host_pid = 0;
}

/* What is no fact is somebody's complaint: kept as the reason. */
static int take_fact(struct attack *attack, struct fact *ret_fact, char *why, size_t size)
{
    char line[LINE_SIZE];
    ssize_t length;

    why[0] = '\0';
    while ((length = child_line(&attack->child, line, sizeof(line), FACT_WAIT_MS)) > 0) {
        if (fact_parse(line, ret_fact) == 0)
            return 0;
        line[strcspn(line, "\n")] = '\0';
        text_set(why, size, "it said: %s", line);
    }
    if (!why[0])
        child_error(&attack->child, why, size);
    if (!why[0])
        text_set(why, size, length < 0 ? "no answer within its time" : "it ended without a word");
    return -EPROTO;
}

/* Makes the play mount that a remount or an unmount may hit. */
static int hide(void)
{
    (void)mkdir(HIDDEN_PLAY, 0700);
    return mount("croft-prove", HIDDEN_PLAY, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, "size=64k");
}

static int enter_wire(const struct party *party)
{
    char path[64];

    if (str_format(path, sizeof(path), "/proc/%d/ns/net", party->init) < 0)
        return -ENAMETOOLONG;
    auto_close ns = open(path, O_RDONLY | O_CLOEXEC);
    return ns < 0 || setns(ns, CLONE_NEWNET) < 0 ? -errno : 0;
}

static int make_room(const struct host_step *host)
{
    if (host->room & ROOM_WIRE)
        return enter_wire(&host->scene->attacker);
    if (host->room & (ROOM_MOUNTS | ROOM_SCRATCH | ROOM_HIDDEN)) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
            return -errno;
    }
    if ((host->room & ROOM_HIDDEN) && hide() < 0)
        return -errno;
    if ((host->room & ROOM_LEAK) &&
        open(host->scene->scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0)
        return -errno;
    if ((host->room & ROOM_NETWORK) && unshare(CLONE_NEWNET | CLONE_NEWUTS) < 0)
        return -errno;
    if ((host->room & ROOM_SCRATCH) && (chroot(host->scene->scratch) < 0 || chdir("/") < 0))
        return -errno;
    return 0;
}

/* Becomes whom the step runs as, in its room. Return: 0; -errno */
static int become(const struct host_step *host)
{
    uid_t uid = host->room & ROOM_NOBODY ? NOBODY : 0;
    uint64_t keeper = 0;
    int error = make_room(host);

    if (error < 0)
        return error;
    if (host->as == AS_VICTIM_ROOT)
        uid = host->scene->victim.root;
    if (host->as == AS_VICTIM_KEEPER) {
        error = scene_keeper(&host->scene->victim, &keeper);
        if (error < 0)
            return error;
        uid = (uid_t)keeper;
    }
    if (uid &&
        (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
        return -errno;
    return 0;
}
