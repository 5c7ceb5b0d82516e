/* SPDX-License-Identifier: Apache-2.0 */
/* cli - the verbs of croft; each is a row of the table in main.c */
#ifndef CROFT_CLI_CLI_H
#define CROFT_CLI_CLI_H

#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

/*
 * gate: this client was started by croft-gate: files come from standard input only, since the
 *       host's files are not what its user means
 * started_boot_ns: when this client began: what `grant --json` and others say took so long
 */
struct cli {
    bool gate;
    uint64_t started_boot_ns;
};

/**
 * A verb: reads the words after its name, does its work, prints its result.
 * @argv: NULL-terminated; may be reordered
 * Return: exit status; with @err set main() prints its sentence and chooses the status
 */
typedef int verb_fn(const struct cli *cli, int argc, char **argv, struct err *err);

verb_fn verb_host_start, verb_host_stop, verb_host_status;
verb_fn verb_user_add, verb_user_set, verb_user_ls, verb_user_info, verb_user_rm;
verb_fn verb_image_import, verb_image_ls, verb_image_rm, verb_image_build;
verb_fn verb_launch, verb_run;
verb_fn verb_ls, verb_info, verb_start, verb_stop, verb_rm;
verb_fn verb_exec, verb_shell, verb_login;
verb_fn verb_logs;
verb_fn verb_grant, verb_grants, verb_revoke;
verb_fn verb_ask, verb_asks, verb_approve, verb_deny;
verb_fn verb_why;
verb_fn verb_audit, verb_audit_verify, verb_audit_head;
verb_fn verb_prove, verb_doctor;
verb_fn verb_help, verb_version;

#endif
