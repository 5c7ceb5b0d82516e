/* SPDX-License-Identifier: Apache-2.0 */
/* handover - prove, doctor: verbs that are programs of their own, which croft becomes */
#include "croft-paths.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"

/* Return: only on failure */
static int hand_over(const char *program, int argc, char **argv, struct err *err)
{
    auto_free char **words = mem_new((size_t)argc + 2, sizeof(*words));

    words[0] = (char *)(uintptr_t)program;
    memcpy(&words[1], argv, (size_t)argc * sizeof(*words));
    execv(program, words);
    return err_errno(err, OUTCOME_HOST_CANNOT, -errno, "%s", program);
}

int verb_prove(const struct cli *cli, int argc, char **argv, struct err *err)
{
    (void)cli;
    if (geteuid() != 0)
        return err_set(err, OUTCOME_NOT_PERMITTED,
                       "prove makes and removes users of this host: run it as root");
    return hand_over(CROFT_LIB_DIR "/croft-prove", argc, argv, err);
}

int verb_doctor(const struct cli *cli, int argc, char **argv, struct err *err)
{
    (void)cli;
    if (geteuid() != 0)
        return err_set(err, OUTCOME_NOT_PERMITTED,
                       "doctor reads what only root may read: run it as root");
    return hand_over(CROFT_LIB_DIR "/croft-doctor", argc, argv, err);
}
