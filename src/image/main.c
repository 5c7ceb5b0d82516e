/* SPDX-License-Identifier: Apache-2.0 */
/*
 * croft-image - unpacks an archive into "/", or deletes everything beneath "/"
 *
 *   croft-image unpack   0: the archive   1: struct image_report
 *   croft-image remove                    1: struct image_report
 *
 * Runs as: root of a user namespace made of the user's own block of ids, started by croft-runtime
 * in mount, pid, network, ipc and cgroup namespaces of its own; "/" is the staging directory or
 * the trash in her volume, there is no /proc. Filter: tools/filters/unpack.list.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/remove.h"
#include "image/unpack.h"
#include "linux/path.h"
#include "wire/limits.h"

#define INPUT_FD  0
#define OUTPUT_FD 1
/* zstd's largest window (128 MiB) twice, and room for the rest. */
#define MEMORY_MAX (384ULL * MIB)

/* Lowers a limit; one that is lower already stays. Return: 0; -1 */
static int limit(int resource, uint64_t soft, uint64_t hard)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)resource, &now) < 0)
        return -1;
    if (now.rlim_max > hard)
        now.rlim_max = hard;
    if (now.rlim_cur > soft)
        now.rlim_cur = soft;
    return setrlimit((__rlimit_resource_t)resource, &now);
}

/* What an archive may use up while it is parsed. */
static int limit_self(void)
{
    if (limit(RLIMIT_AS, MEMORY_MAX, MEMORY_MAX) < 0 ||
        limit(RLIMIT_CPU, IMAGE_CPU_SECONDS, IMAGE_CPU_SECONDS + 1) < 0 ||
        limit(RLIMIT_CORE, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int main(int argc, char **argv)
{
    umask(0);
    if (argc != 2 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return 2;
    auto_close root = path_root("/", O_PATH | O_DIRECTORY);
    if (root < 0)
        return 1;
    if (strcmp(argv[1], "remove") == 0)
        return remove_all(root, OUTPUT_FD);
    if (strcmp(argv[1], "unpack") != 0)
        return 2;
    if (limit_self() < 0)
        return 1;
    return unpack(INPUT_FD, OUTPUT_FD, root);
}
