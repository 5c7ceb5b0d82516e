/* SPDX-License-Identifier: Apache-2.0 */
/* prove - hands over to croft-prove, which makes its own users and attacks them */
#include "croft-paths.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"

int verb_prove(const struct cli *cli, int argc, char **argv, struct err *err)
{
    static const char program[] = CROFT_LIB_DIR "/croft-prove";

    char **words;

    (void)cli;
    if (geteuid() != 0)
        return err_set(err, OUTCOME_NOT_PERMITTED,
                       "prove makes and removes users of this host: run it as root");
    words = mem_new((size_t)argc + 2, sizeof(*words));
    words[0] = (char *)(uintptr_t)program;
    memcpy(&words[1], argv, (size_t)argc * sizeof(*words));
    execv(program, words);
    free(words);
    return err_errno(err, OUTCOME_HOST_CANNOT, -errno, "%s", program);
}
