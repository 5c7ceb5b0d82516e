/* SPDX-License-Identifier: Apache-2.0 */
/* corpus - runs a fuzz target once over each file named, as an ordinary test: TAP on stdout */
#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

#define INPUT_MAX (128U * 1024U)

static int run_file(const char *path)
{
    auto_close fd = open(path, O_RDONLY | O_CLOEXEC);
    auto_free uint8_t *bytes = mem_new(INPUT_MAX, 1);
    ssize_t size = fd < 0 ? -1 : fd_read_full(fd, bytes, INPUT_MAX);
    uint8_t *exact;

    if (size < 0)
        return 1;
    exact = malloc(size ? (size_t)size : 1);
    if (!exact)
        return 1;
    memcpy(exact, bytes, (size_t)size);
    LLVMFuzzerTestOneInput(exact, (size_t)size);
    free(exact);
    return 0;
}

int main(int argc, char **argv)
{
    int i;

    printf("1..%d\n", argc - 1);
    for (i = 1; i < argc; i++) {
        printf("%s %d %s\n", run_file(argv[i]) == 0 ? "ok" : "not ok", i, argv[i]);
        fflush(stdout);
    }
    return 0;
}
