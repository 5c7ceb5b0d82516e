/* SPDX-License-Identifier: Apache-2.0 */
/*
 * login - a private sshd on loopback with Croft's own settings, one without them, and ssh clients
 *
 * Both listen on a port of their own choosing with a host key that is thrown away. The plain one
 * takes the same key for a third throw-away account, which has an ordinary shell and nothing of
 * Croft: it is where a request must work.
 */
#ifndef CROFT_PROVE_LOGIN_H
#define CROFT_PROVE_LOGIN_H

#include "prove/child.h"
#include "prove/scene.h"
#include <stdint.h>

#define LOGIN_PLAIN "prove-c"

/* plain_uid: of LOGIN_PLAIN; 0: not made */
struct login {
    struct child walled;
    struct child plain;
    uint16_t walled_port;
    uint16_t plain_port;
    uid_t plain_uid;
    bool made_run_dir;
};

/** login_open() - starts both. Return: 0; OUTCOME_HOST_CANNOT with what is missing here; outcome */
nodiscard int login_open(struct scene *scene, struct login *ret_login, struct err *err);

void login_close(struct login *login);

/**
 * login_client() - starts ssh against one of the two
 * @walled:  as the attacker with Croft's settings; else as LOGIN_PLAIN against the plain one
 * @options: more words before the destination, ends with NULL
 * @command: NULL: none
 * Return: 0; -errno (caller ends it with child_end())
 */
nodiscard int login_client(const struct scene *scene, const struct login *login, bool walled,
                           const char *const *options, const char *command,
                           struct child *ret_child);

/** login_run() - the same to its end. Return: exit status of ssh; -errno */
nodiscard int login_run(const struct scene *scene, const struct login *login, bool walled,
                        const char *const *options, const char *command, char *output, size_t size);

/** login_free_port() - a port of 127.0.0.1 that nobody listens on now. Return: port; 0 none */
uint16_t login_free_port(void);

#endif
