/* SPDX-License-Identifier: Apache-2.0 */
/* sockets - who may speak to daemons that do as root what they are told; who may open raw disks */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "doctor/look.h"
#include "doctor/people.h"
#include "doctor/tree.h"

static void judge_device(const char *path, const char *name, void *data);

void sockets_look(struct roads *roads)
{
    static const char *const sockets[] = {
        "/run/docker.sock",
        "/run/podman/podman.sock",
        "/run/containerd/containerd.sock",
        "/run/crio/crio.sock",
        "/run/k3s/containerd/containerd.sock",
        "/var/lib/lxd/unix.socket",
        "/var/snap/lxd/common/lxd/unix.socket",
        "/var/lib/incus/unix.socket",
        "/run/incus/unix.socket",
        "/run/buildkit/buildkitd.sock",
    };
    struct stat meta;

    for (size_t i = 0; i < ARRAY_LEN(sockets); i++)
        if (look_stat(sockets[i], &meta) == 0)
            tree_judge(roads, sockets[i], TREE_FILE, "who speaks to it is root", NULL);
    look_each("/dev", judge_device, roads);
}

static void judge_device(const char *path, const char *name, void *data)
{
    static const char *const memory[] = {"mem", "kmem", "port"};
    struct roads *roads = data;
    struct stat meta;

    if (look_stat(path, &meta) < 0)
        return;
    if (S_ISBLK(meta.st_mode))
        tree_judge(roads, path, TREE_FILE, "every file there is lies on it", NULL);
    for (size_t i = 0; i < ARRAY_LEN(memory); i++)
        if (strcmp(name, memory[i]) == 0)
            tree_judge(roads, path, TREE_FILE, "the kernel's memory is behind it", NULL);
}
