/* SPDX-License-Identifier: Apache-2.0 */
/* attack - runs a step inside the attacker's machine, or as host root for the positive control */
#ifndef CROFT_PROVE_ATTACK_H
#define CROFT_PROVE_ATTACK_H

#include "prove/child.h"
#include "prove/scene.h"
#include "prove/step.h"

/* What is thrown away around a step on the host. */
enum attack_room {
    ROOM_PLAIN = 0,
    ROOM_MOUNTS = 1U << 0,  /* own mount namespace, nothing propagates */
    ROOM_SCRATCH = 1U << 1, /* chroot to the scratch directory: a root that is only that */
    ROOM_NETWORK = 1U << 2, /* own network and host name */
    ROOM_HIDDEN = 1U << 3,  /* own mount namespace with a read-only, nosuid, nodev play mount */
    ROOM_NOBODY = 1U << 4,  /* as uid 65534: a user without Croft around her */
    ROOM_LEAK = 1U << 5,    /* with a directory of the host left open */
    ROOM_WIRE = 1U << 6,    /* in the network of the attacker's machine, as root of the host */
};

/* Whom a step on the host runs as when no wall stands around it. */
enum attack_as {
    AS_ROOM = 0,       /* as the room says */
    AS_VICTIM_ROOT,    /* the host id of the victim's root */
    AS_VICTIM_KEEPER,  /* the id that made the victim's namespaces */
    AS_VICTIM_MACHINE, /* not on the host at all: in the victim's own machine */
};

/* host_pid: of the step's process as the host sees it; 0: not found */
struct attack {
    struct child child;
    pid_t host_pid;
};

/**
 * attack_inside() - starts a step as root inside @party's machine and takes its fact
 *
 * The effect stands until attack_end().
 * Return: 0; -EPROTO no fact came, @why says what came instead; -errno
 */
nodiscard int attack_inside(const struct party *party, const char *step, int argc,
                            const char *const *argv, struct attack *ret_attack,
                            struct fact *ret_fact, char *why, size_t size);

/** attack_host() - the same step on the host, without confinement, in @room */
nodiscard int attack_host(struct scene *scene, const char *step, int argc, const char *const *argv,
                          unsigned room, enum attack_as as, struct attack *ret_attack,
                          struct fact *ret_fact, char *why, size_t size);

/** attack_end() - lets the step undo what it did, and ends it */
void attack_end(struct attack *attack);

#endif
