/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach - the caller's standard streams joined to a command that runs inside an instance
 *
 * Theory of operation
 *
 * The monitor takes pipes only, never the caller's terminal or files: what goes inside are the
 * ends of three pipes made here (or, with a terminal, nothing: the reply brings the master of a
 * terminal made inside), and this process relays. It waits in one poll(2) for its signals, the
 * door and the streams; nothing is done by timer while the command runs.
 *
 * The end: REPLY_EXITED comes when the main process is gone, so all it wrote is already in the
 * pipes; FIONREAD says how much that is, and it is delivered however slow the reader. What
 * grandchildren that still hold the pipe write after that is waited for only briefly.
 */
#ifndef CROFT_CLI_ATTACH_H
#define CROFT_CLI_ATTACH_H

#include "base/err.h"
#include "wire/order.h"
#include <stdbool.h>

/* Croft itself failed; the program cannot be executed; it is not there: as Docker. */
#define EXIT_CROFT      125
#define EXIT_CANNOT_RUN 126
#define EXIT_NO_PROGRAM 127

/*
 * tty: -t; input: -i
 * remote:  the streams are sshd's: when nobody reads the output any more, the connection is lost
 * program: for the sentence when it cannot be executed
 * started: filled in: whether the command was running at any time
 */
struct attach {
    bool tty;
    bool input;
    bool remote;
    const char *program;
    bool started;
};

/** attach_check() - whether this process's streams allow -t. Return: 0; OUTCOME_USAGE */
nodiscard int attach_check(const struct attach *attach, struct err *err);

/**
 * attach_run() - sends @order (ORDER_RUN or ORDER_EXEC) and relays until it ended
 * @sock:       over this connection (borrowed); -1: one of its own, waiting for its turn when the
 *              caller has too many already
 * @order:      flags, rows and columns are filled in here
 * @body:       the plan or the command (borrowed)
 * @ret_status: exit status for the caller's shell: the command's, or 128 + its signal
 *
 * Return: 0 the command ran, or could not be executed (@err then has the sentence); an outcome with
 * a sentence when it did not start or was lost
 */
nodiscard int attach_run(struct attach *attach, int sock, struct order *order, const void *body,
                         size_t body_size, int *ret_status, struct err *err);

#endif
