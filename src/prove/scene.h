/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scene - the two throw-away users on this host, a machine each, the canaries, the scratch
 * directory with the host's own secret; made once, looked after between rows, removed whole
 */
#ifndef CROFT_PROVE_SCENE_H
#define CROFT_PROVE_SCENE_H

#include "base/err.h"
#include "linux/cgroup.h"
#include "prove/canary.h"
#include "prove/step.h"
#include "prove/watchdog.h"
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* What both users get; storms go a little beyond and never further. */
#define PROVE_DISK_MIB    128U
#define PROVE_MEMORY_MIB  256U
#define PROVE_PIDS        256U
#define PROVE_CONNECTIONS 256U
#define PROVE_IMAGE       "busybox"
#define PROVE_PROGRAM     "/prove" /* where the attacker's program lies inside */

/* The client that the scene and the rows run. */
extern const char scene_client[];

/*
 * machine: its name; init: host pid of its pid 1; root: host uid of its uid 0
 */
struct party {
    const char *name;
    const char *machine;
    uid_t uid;
    gid_t gid;
    pid_t init;
    uid_t root;
    bool added;
};

/*
 * scratch:     absolute path of a directory on the host, root's alone
 * secret_path: host paths of the two secret files, relative to the host's root: host, victim
 * open_path:   a directory beneath scratch that anyone may write to
 * key_path:    private key of the attacker's login; "" without ssh
 * alone:       locked while this proof runs
 * sshd:        file with Croft's settings for sshd; "" none
 * unwalled:    the attacks run as host root instead of inside (--unwalled)
 * aside:       this process runs rows beside another, which looks after machines and canaries
 */
struct scene {
    struct party victim;
    struct party attacker;
    struct canary victim_canary;
    struct canary host_canary;
    struct watchdog watchdog;
    struct cgroup_host *cgroups;
    char scratch[PATH_MAX / 2];
    char secret[CANARY_SECRET_LEN + 1];
    char victim_secret[CANARY_SECRET_LEN + 1];
    char secret_path[2][PATH_MAX / 2];
    char open_path[PATH_MAX / 2];
    char key_path[PATH_MAX / 2];
    const char *sshd;
    int alone;
    bool unwalled;
    bool aside;
    unsigned without;
};

/** scene_open() - makes it all. Runs as: root. Return: 0; outcome (scene_close() clears up) */
nodiscard int scene_open(struct scene *scene, bool unwalled, unsigned without, const char *sshd,
                         struct err *err);

/** scene_close() - removes everything that scene_open() made; says on stderr what it could not */
void scene_close(struct scene *scene);

/**
 * scene_ready() - both machines run and both canaries answer; starts again what an attack ended
 * Return: 0; outcome
 */
nodiscard int scene_ready(struct scene *scene, struct err *err);

/**
 * scene_intact() - what every row owes the victim and the host: secrets unchanged, canaries alive
 * and untouched, heartbeats on time
 * @why: receives what is not, when it is not
 */
bool scene_intact(struct scene *scene, char *why, size_t size);

/**
 * scene_croft() - runs croft with these words as @party's user (NULL: root)
 * @input:  fed to it
 * @output: the first line that it wrote
 * Return: as child_run()
 */
nodiscard int scene_croft(const struct party *party, const char *const *words, const void *input,
                          size_t input_size, char *output, size_t size);

/** scene_croft_all() - the same without input; @output: all that it wrote */
nodiscard int scene_croft_all(const struct party *party, const char *const *words, char *output,
                              size_t size);

/** scene_put_program() - puts this program into @party's machine, as PROVE_PROGRAM. Return: 0 done
 */
nodiscard int scene_put_program(const struct party *party);

/** scene_look() - finds pid 1 of @party's machine and its root's host id, by a process that only
 * stands there. Return: 0; outcome */
nodiscard int scene_look(struct party *party, struct err *err);

/** scene_guest_open() - one more user with a machine, as the two have, for one row. Return: 0;
 * outcome (caller ends it with scene_guest_close(), however it went) */
nodiscard int scene_guest_open(struct scene *scene, struct party *guest, struct err *err);

/** scene_guest_close() - removes her with all that is hers */
void scene_guest_close(struct party *guest);

/** scene_account() - the ids of an account of this host. Return: 0; -ENOENT */
nodiscard int scene_account(const char *name, uid_t *ret_uid, gid_t *ret_gid);

/** scene_program() - the bytes of this program. Return: heap (caller frees); NULL */
nodiscard void *scene_program(size_t *ret_size);

/** scene_group() - the control group of a party's machine, below Croft's top group */
void scene_group(const struct party *party, char *group, size_t size);

/** scene_keeper() - the host id that owns the user namespace of @party's machine. Return: 0; -errno
 */
nodiscard int scene_keeper(const struct party *party, uint64_t *ret_uid);

/** scene_free_mib() - on the file system that holds Croft's state. Return: MiB; 0 not known */
uint64_t scene_free_mib(void);

/** scene_usage() - of that group; zeroes when it has none */
struct cgroup_usage scene_usage(const struct scene *scene, const struct party *party);

#endif
