/* SPDX-License-Identifier: Apache-2.0 */
/*
 * canary - a process on the victim's side, and one on the host's, that feels an attack
 *
 * It keeps a secret in memory, listens on an abstract socket, counts signals and connections that
 * nobody should send it, keeps a heartbeat whose lateness it measures, serves one port by TCP and
 * UDP over IPv4 and IPv6, and does on demand what its owner would do: fork, compute, write and
 * sync, open an inotify instance, enlarge a pipe. What a row says about a victim is what her canary
 * says.
 */
#ifndef CROFT_PROVE_CANARY_H
#define CROFT_PROVE_CANARY_H

#include "prove/child.h"
#include <stdbool.h>
#include <stdint.h>

#define CANARY_SECRET_LEN 32 /* letters, terminated in memory */
#define CANARY_CPU_MS     800U

enum canary_ask {
    CANARY_STATE = 's',
    CANARY_FORK = 'f',  /* number: microseconds */
    CANARY_CPU = 'c',   /* number: microseconds of CPU it got in CANARY_CPU_MS */
    CANARY_WRITE = 'w', /* 1 MiB and fdatasync in its directory; number: microseconds */
    CANARY_INOTIFY = 'i',
    CANARY_PIPE = 'p', /* a pipe of 1 MiB */
    CANARY_FILE = 'o', /* opens a file */
};

/*
 * error:   errno of what was asked, 0: it worked
 * pid:     as the canary itself sees it, in pid_space (see struct fact)
 * signals: since it started; connections likewise
 * late_us: the latest heartbeat since the last question
 * address: of the secret in memory
 * port:    that it serves; arrived: connections and datagrams there since it started
 * guests:  connections that stand now; bytes: that came over all of them
 */
struct canary_answer {
    int32_t error;
    int32_t pid;
    uint32_t signals;
    uint32_t connections;
    uint64_t late_us;
    uint64_t number;
    uint64_t address;
    uint64_t pid_space;
    uint64_t secret_intact;
    uint64_t bytes;
    uint32_t arrived;
    uint32_t guests;
    uint32_t port;
    uint32_t reserved;
};

/* host_pid: 0 until the scene has found it */
struct canary {
    struct child child;
    pid_t host_pid;
    char socket[64];
    char secret[CANARY_SECRET_LEN + 1];
    struct canary_answer start; /* its state when it began */
};

/**
 * canary_serve() - the canary itself, until end of file on @in
 * @socket:    name of its abstract socket
 * @directory: where it writes
 * Return: exit status
 */
int canary_serve(const char *socket, const char *directory, int in, int out);

/** canary_name() - draws the secret and the socket's name, which begins with @who. Return: 0;
 * -errno */
nodiscard int canary_name(struct canary *canary, const char *who);

/** canary_greet() - gives the started child its secret and takes its first state. Return: 0; -errno
 */
nodiscard int canary_greet(struct canary *canary);

/** canary_question() - Return: 0; -ETIMEDOUT it does not answer; -errno */
nodiscard int canary_question(struct canary *canary, enum canary_ask ask, unsigned timeout_ms,
                              struct canary_answer *ret_answer);

#endif
