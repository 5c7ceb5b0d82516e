/* SPDX-License-Identifier: Apache-2.0 */
/* trap - a machine that its owner has turned against who works on it from outside */
#include "prove/trap.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>

#include "base/fd.h"
#include "base/sha256.h"
#include "base/str.h"
#include "croft-paths.h"

bool trap_open(struct scene *scene, struct trial *trial)
{
    const char *const launch[] = {"launch", PROVE_IMAGE, TRAP_MACHINE, NULL};
    char output[512];

    if (trap_words(scene, launch, output, sizeof(output)) == 0)
        return true;
    row_verdict(trial, VERDICT_INCONCLUSIVE, "no machine to turn: %.120s", output);
    return false;
}

int trap_words(const struct scene *scene, const char *const *words, char *output, size_t size)
{
    return scene_croft(&scene->attacker, words, NULL, 0, output, size);
}

int trap_shell(const struct scene *scene, const char *script, char *output, size_t size)
{
    const char *const words[] = {"exec", TRAP_MACHINE, "--", "/bin/sh", "-c", script, NULL};

    return trap_words(scene, words, output, size);
}

bool trap_close(struct scene *scene, struct trial *trial)
{
    const char *const remove[] = {"rm", "--force", TRAP_MACHINE, NULL};
    char output[512];

    if (trap_words(scene, remove, output, sizeof(output)) == 0)
        return true;
    if (trial->verdict != VERDICT_LEAKED)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the machine cannot be removed: %.120s", output);
    return false;
}

size_t trap_entries(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    size_t count = 0;

    while (dir && (entry = readdir(dir)))
        count += entry->d_name[0] != '.';
    if (dir)
        (void)closedir(dir);
    return count;
}

bool trap_control(struct scene *scene, struct trial *trial)
{
    const char *argv[] = {scene->scratch, scene->open_path};
    char why[TRIAL_WHY_SIZE];
    size_t before = trap_entries(scene->open_path);

    if (attack_host(scene, "K-05", 2, argv, ROOM_PLAIN, AS_ROOM, &trial->live, &trial->control, why,
                    sizeof(why)) < 0 ||
        trap_entries(scene->open_path) == before) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the control did not follow the link");
        return false;
    }
    row_control(trial, "a file appeared behind the link");
    attack_end(&trial->live);
    if (!scene->unwalled)
        return true;
    row_verdict(trial, VERDICT_LEAKED, "a file appeared in a directory of the host");
    return false;
}

static struct sha256 *walk_hash; /* nftw(3) hands nothing through */

static int add_file(const char *path, const struct stat *meta, int type, struct FTW *at)
{
    char bytes[16384];
    ssize_t got;

    (void)at;
    sha256_add(walk_hash, path, strlen(path));
    sha256_add(walk_hash, &meta->st_mode, sizeof(meta->st_mode));
    if (type != FTW_F)
        return 0;
    auto_close fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    while (fd >= 0 && (got = fd_read_full(fd, bytes, sizeof(bytes))) > 0)
        sha256_add(walk_hash, bytes, (size_t)got);
    return 0;
}

uint64_t trap_layers_hash(const struct scene *scene)
{
    const struct party *const parties[] = {&scene->victim, &scene->attacker};
    struct sha256 hash;
    uint8_t digest[SHA256_SIZE];
    uint64_t first = 0;
    char path[128];

    sha256_init(&hash);
    walk_hash = &hash;
    for (size_t i = 0; i < ARRAY_LEN(parties); i++)
        if (str_format(path, sizeof(path), CROFT_RUN_DIR "/volumes/%u/layers", parties[i]->uid) <
                0 ||
            nftw(path, add_file, 16, FTW_PHYS) < 0)
            return 0;
    sha256_end(&hash, digest);
    memcpy(&first, digest, sizeof(first));
    return first;
}
