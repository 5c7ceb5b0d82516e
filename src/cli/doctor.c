/* SPDX-License-Identifier: Apache-2.0 */
/* doctor - hands over to croft-doctor, which looks at the host and changes nothing */
#include "croft-paths.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"

int verb_doctor(const struct cli *cli, int argc, char **argv, struct err *err)
{
    static const char program[] = CROFT_LIB_DIR "/croft-doctor";

    (void)cli;
    if (geteuid() != 0)
        return err_set(err, OUTCOME_NOT_PERMITTED,
                       "doctor reads what only root may read: run it as root");
    char **words = mem_new((size_t)argc + 2, sizeof(*words));
    words[0] = (char *)(uintptr_t)program;
    memcpy(&words[1], argv, (size_t)argc * sizeof(*words));
    execv(program, words);
    free(words);
    return err_errno(err, OUTCOME_HOST_CANNOT, -errno, "%s", program);
}
