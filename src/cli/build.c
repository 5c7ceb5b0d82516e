/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build - image build debian: an image of the server's, made of the host's own Debian packages
 *
 * Theory of operation
 * The host's apt chooses and fetches the packages, with its own sources and keys (fetch.sh); it is
 * trusted with that anyway. Their scripts are not: they run in a machine of the user _build, which
 * has no network, whose root is nothing but the packages' files, and which is as confined as every
 * machine (configure.sh). What it writes to its standard output is put into a file, and looked at
 * by nobody but croft-image, without privilege, when a user imports it.
 *
 * Runs as: root
 */
#include "croft-paths.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/door.h"
#include "cli/image.h"
#include "cli/launch.h"
#include "cli/option.h"
#include "cli/say.h"

#define BUILD_DIR  CROFT_STATE_DIR "/build"
#define SEED_FILE  BUILD_DIR "/work/seed.tar"
#define SEED_IMAGE "seed"
#define FETCH      CROFT_LIB_DIR "/debian-image/fetch.sh"
#define CONFIGURE  "/croft-build/configure.sh"
/* What a machine should have beyond the packages that Debian calls required. */
#define ALWAYS      "sudo ca-certificates less iproute2 procps"
#define INCLUDE_MAX 4096U
/* The packages, their files twice and what they make of them; far less is used by the default. */
#define BUILD_DISK (2 * GIB)

struct build {
    const char *name;
    const char *suite;
    const char *include;
    char packages[INCLUDE_MAX];
};

static int parse(struct build *build, int argc, char **argv, struct err *err);
static int list_packages(struct build *build, struct err *err);
static int lock_builds(int *ret_lock, struct err *err);
static int need_user(struct err *err);
static int fetch(const struct build *build, struct err *err);
static int import_seed(struct err *err);
static int configure(const struct build *build, uint64_t *ret_bytes, struct err *err);
static void remove_seed(void);

int verb_image_build(const struct cli *cli, int argc, char **argv, struct err *err)
{
    static struct build build = {.name = "debian", .suite = "", .include = ""};
    const uint64_t began = clock_boot_ns();
    auto_close lock = -1;
    uint64_t bytes = 0;
    char size[32];
    int r = parse(&build, argc, argv, err);

    (void)cli;
    if (r == 0)
        r = lock_builds(&lock, err);
    if (r == 0)
        r = need_user(err);
    if (r == 0)
        r = fetch(&build, err);
    if (r == 0)
        r = import_seed(err);
    if (r == 0) {
        r = configure(&build, &bytes, err);
        remove_seed();
    }
    if (r != 0)
        return r;
    say_line("image %s: %s in %" PRIu64 " s; every user can `croft launch %s NAME`", build.name,
             str_size_text(bytes, size, sizeof(size)),
             (uint64_t)((clock_boot_ns() - began) / NS_PER_S), build.name);
    return OUTCOME_OK;
}

static int parse(struct build *build, int argc, char **argv, struct err *err)
{
    const struct option options[] = {
        {0, OPTION_TEXT, "suite", &build->suite, 0, 0, NULL},
        {0, OPTION_TEXT, "include", &build->include, 0, 0, NULL},
        {0, OPTION_TEXT, "name", &build->name, 0, 0, NULL},
    };
    struct operands words;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    if (r != 0)
        return r;
    if (words.count != 1 || words.rest_count != 0 || strcmp(words.item[0], "debian") != 0)
        return err_set(err, OUTCOME_USAGE, "image build makes one thing: debian");
    if (!str_is_name(build->name))
        return say_no_name("an image", build->name, err);
    if (image_is_built_in(build->name))
        return err_set(err, OUTCOME_USAGE, "%s is Croft's own image: give another --name",
                       build->name);
    if (build->suite[0] != '\0' && !str_is_name(build->suite))
        return err_set(err, OUTCOME_USAGE, "--suite %.40s: give one such as bookworm",
                       build->suite);
    r = list_packages(build, err);
    if (r == 0 && geteuid() != 0)
        r = err_set(err, OUTCOME_NOT_PERMITTED,
                    "image build fetches packages with the host's apt: run it as root");
    return r;
}

/* Debian policy 5.6.1; more than that would be a pattern or an option to apt. */
static bool is_package(const char *name, size_t size)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

    return size >= 2 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789+.-") >= size &&
           strchr(letters, name[0]) != NULL && name[size - 1] != '-';
}

static int list_packages(struct build *build, struct err *err)
{
    const char *at = build->include;
    size_t used = sizeof(ALWAYS) - 1;

    memcpy(build->packages, ALWAYS, sizeof(ALWAYS));
    while (*at != '\0') {
        size_t size = strcspn(at, ",");

        if (!is_package(at, size))
            return err_set(err, OUTCOME_USAGE,
                           "--include %.60s: give names of packages with commas between", at);
        if (used + 1 + size >= sizeof(build->packages))
            return err_set(err, OUTCOME_USAGE, "--include: more than %u bytes", INCLUDE_MAX);
        build->packages[used++] = ' ';
        memcpy(build->packages + used, at, size);
        used += size;
        build->packages[used] = '\0';
        at += size + (at[size] == ',');
    }
    return 0;
}

static int lock_builds(int *ret_lock, struct err *err)
{
    int lock = openat(AT_FDCWD, BUILD_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (lock < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, -errno, "%s (`croft host start` makes it)",
                         BUILD_DIR);
    *ret_lock = lock;
    if (flock(lock, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, OUTCOME_FAILED, "another image is being built now");
    return 0;
}

/* _build is a user like others, without a key: nobody logs in as it. */
static int need_user(struct err *err)
{
    const struct order_user user = {.fields = USER_DISK, .limits = {.disk_bytes = BUILD_DISK}};
    auto_json *answer = NULL;
    struct door_reply reply;
    struct order order = {.version = ORDER_VERSION, .type = ORDER_USER_ADD};
    auto_close sock = -1;
    int r = api_call("Users", json_pack("{s:s}", "user", SYSTEM_USER), &answer, err);

    if (r != OUTCOME_NOT_FOUND)
        return r;
    fprintf(stderr, "making the user %s, in whose machines images are built\n", SYSTEM_USER);
    memcpy(order.name, SYSTEM_USER, sizeof(SYSTEM_USER));
    r = door_open(&sock, err);
    if (r == 0)
        r = door_call(sock, &order, &user, sizeof(user), &reply, err);
    return r;
}

/* fetch.sh says on standard error what it does, and what went wrong. */
static int fetch(const struct build *build, struct err *err)
{
    static char program[] = FETCH;
    static char dir[] = BUILD_DIR;
    char *const argv[] = {program, dir, (char *)(uintptr_t)build->suite,
                          (char *)(uintptr_t)build->packages, NULL};
    int status = 0;
    pid_t pid = fork();

    if (pid < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "no process");
    if (pid == 0) {
        int null = openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC);

        if (null >= 0 && dup2(null, STDIN_FILENO) == STDIN_FILENO &&
            dup2(STDERR_FILENO, STDOUT_FILENO) == STDOUT_FILENO)
            execv(program, argv);
        _exit(OUTCOME_HOST_CANNOT);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_errno(err, OUTCOME_FAILED, -errno, "waiting");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return err_set(err, OUTCOME_FAILED, "the packages could not be fetched: see above");
}

static int import_seed(struct err *err)
{
    auto_close seed = openat(AT_FDCWD, SEED_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int r = 0;

    if (seed < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "%s", SEED_FILE);
    r = image_import_file(seed, SEED_IMAGE, ORDER_SYSTEM, err);
    (void)unlinkat(AT_FDCWD, SEED_FILE, 0); /* the next build makes it anew */
    return r;
}

/* The job writes to our standard output, which is the file meanwhile. */
static int run_into(int file, struct err *err)
{
    static char shell[] = "/bin/sh";
    static char script[] = CONFIGURE;
    char *command[] = {shell, script, NULL};
    auto_close ours = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    /* What comes out of the machine is as long as its scripts want; the disk it goes to is the
     * host's. Beyond this a write fails, and so does the build. */
    struct rlimit limit;
    int status = 0;

    if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
        return err_errno(err, OUTCOME_FAILED, -errno, "cannot bound the image's size");
    limit.rlim_cur = BUILD_DISK;
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "cannot bound the image's size");
    if (ours < 0 || dup2(file, STDOUT_FILENO) < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "standard output");
    int r = launch_system_job(SEED_IMAGE, command, &status, err);
    if (dup2(ours, STDOUT_FILENO) < 0 && r == 0)
        r = err_errno(err, OUTCOME_FAILED, -errno, "standard output");
    if (r == 0 && status != 0)
        r = err_set(err, OUTCOME_FAILED, "the image could not be made (status %d): see above",
                    status);
    return r;
}

/* Complete on the disk before it has its name, so that no user ever sees half of it. */
static int keep(int dir, int file, const char *made, const char *name, struct err *err)
{
    if (fchmod(file, 0644) < 0 || fsync(file) < 0 || renameat(dir, made, dir, name) < 0 ||
        fsync(dir) < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "%s/%s", IMAGE_SERVER_DIR, name);
    return 0;
}

static int configure(const struct build *build, uint64_t *ret_bytes, struct err *err)
{
    static const char made[] = ".new";
    char name[NAME_SIZE + sizeof(".tar")];
    struct stat st;
    auto_close dir = openat(AT_FDCWD, IMAGE_SERVER_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_close file = -1;
    int r;

    if (str_format(name, sizeof(name), "%s.tar", build->name) < 0)
        return say_no_name("an image", build->name, err);
    if (dir >= 0)
        file = openat(dir, made, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "writing to %s", IMAGE_SERVER_DIR);
    r = run_into(file, err);
    if (r == 0 && fstat(file, &st) < 0)
        r = err_errno(err, OUTCOME_FAILED, -errno, "%s", name);
    if (r == 0)
        r = keep(dir, file, made, name, err);
    if (r == 0)
        *ret_bytes = (uint64_t)st.st_size;
    else
        (void)unlinkat(dir, made, 0);
    return r;
}

static void remove_seed(void)
{
    struct err ignored;

    if (image_remove(SEED_IMAGE, ORDER_SYSTEM, &ignored) != 0)
        fprintf(stderr, "croft: the image %s of %s stays: %s\n", SEED_IMAGE, SYSTEM_USER,
                ignored.text);
}
