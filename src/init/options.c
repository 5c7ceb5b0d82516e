/* SPDX-License-Identifier: Apache-2.0 */
/* options - croft-init's own arguments */
#include "init/options.h"

#include <stddef.h>
#include <string.h>

bool options_parse(struct options *options, int argc, const char *const *argv)
{
    int i = 1;
    *options = (struct options){0};
    if (argc > 2 && strcmp(argv[1], "as") == 0) {
        options->as = true;
        options->user = argv[2];
        i = 3;
    }
    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "-t") == 0)
            options->terminal = true;
        else if (strcmp(argv[i], "-l") == 0)
            options->log = true;
        else if (strcmp(argv[i], "-u") == 0 && has_value)
            options->user = argv[++i];
        else if (strcmp(argv[i], "-w") == 0 && has_value)
            options->workdir = argv[++i];
        else
            return false;
    }
    if (i + 1 >= argc)
        return false;
    options->command = argv + i + 1;
    return true;
}
