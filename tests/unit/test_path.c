/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_path - names that try to lead out of the directory they are given with, at rest and while
 * another process exchanges directory and link as fast as it can
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/path.h"

#define RACES 10000

/* TOP/secret/file must never be reached from TOP/tree. */
struct place {
    char top[64];
    int top_fd;
    int tree;
};

static void make_file(int dir, const char *name, const char *text)
{
    auto_close fd = path_create(dir, name, O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
}

static int make_place(void **state)
{
    static struct place place;
    snprintf(place.top, sizeof(place.top), "/tmp/croft-path.XXXXXX");
    assert_non_null(mkdtemp(place.top));
    place.top_fd = path_root(place.top, O_RDONLY | O_DIRECTORY);
    assert_true(place.top_fd >= 0);
    place.tree = path_mkdir_open(place.top_fd, "tree", 0755);
    assert_true(place.tree >= 0);
    auto_close secret = path_mkdir_open(place.top_fd, "secret", 0755);
    make_file(secret, "file", "secret");
    auto_close inner = path_mkdir_open(place.tree, "inner", 0755);
    make_file(inner, "file", "inner");
    *state = &place;
    return 0;
}

static int drop_place(void **state)
{
    struct place *place = *state;
    char command[128];
    pid_t pid = fork();
    snprintf(command, sizeof(command), "%s", place->top);
    if (pid == 0) {
        execl("/bin/rm", "rm", "-rf", command, NULL);
        _exit(1);
    }
    waitpid(pid, NULL, 0);
    close(place->tree);
    close(place->top_fd);
    return 0;
}

static void opens_what_is_beneath(void **state)
{
    const struct place *place = *state;
    char text[16];
    assert_int_equal(path_read_text(place->tree, "inner/file", text, sizeof(text)), 5);
    assert_string_equal(text, "inner");
    assert_int_equal(path_read_text(place->tree, "inner/file", text, 5), -EMSGSIZE);
    assert_int_equal(path_read_text(place->tree, "./inner/../inner/file", text, sizeof(text)), 5);
    assert_int_equal(path_open(place->tree, "nothing", O_RDONLY), -ENOENT);
}

static void refuses_every_way_out(void **state)
{
    const struct place *place = *state;
    static const char *const links[][2] = {
        {"absolute", "/etc/passwd"}, {"up", "../secret/file"}, {"here", "inner/file"},
        {"self", "/proc/self/root"}, {"dir", "../secret"},     {"loop", "loop"},
        {"fd", "/proc/self/fd/0"},
    };
    static const char *const names[] = {
        "..",          "../secret/file", "inner/../../secret/file", "/",
        "/etc/passwd", "dir/file",       "self/etc/passwd"};
    for (size_t i = 0; i < ARRAY_LEN(links); i++) {
        assert_int_equal(path_symlink(place->tree, links[i][0], links[i][1]), 0);
        assert_int_equal(path_open(place->tree, links[i][0], O_RDONLY), -ELOOP);
        assert_int_equal(path_open_xdev(place->tree, links[i][0], O_RDONLY), -ELOOP);
        assert_true(path_create(place->tree, links[i][0], O_WRONLY, 0600) < 0);
        assert_true(path_create(place->tree, links[i][0], O_WRONLY | O_TRUNC, 0600) < 0);
        assert_true(path_mkdir_open(place->tree, links[i][0], 0755) < 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        int rc = path_open(place->tree, names[i], O_RDONLY);
        assert_true(rc == -EXDEV || rc == -ELOOP);
    }
}

static void takes_one_component_only(void **state)
{
    const struct place *place = *state;
    static const char *const names[] = {"", ".", "..", "a/b", "/", "inner/file", "../secret"};
    struct stat found;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(path_mkdir(place->tree, names[i], 0755), -EINVAL);
        assert_int_equal(path_unlink(place->tree, names[i]), -EINVAL);
        assert_int_equal(path_rmdir(place->tree, names[i]), -EINVAL);
        assert_int_equal(path_stat(place->tree, names[i], &found), -EINVAL);
        assert_int_equal(path_symlink(place->tree, names[i], "x"), -EINVAL);
        assert_int_equal(path_mknod(place->tree, names[i], S_IFIFO | 0600, 0), -EINVAL);
        assert_int_equal(path_rename(place->tree, names[i], place->tree, "x", false), -EINVAL);
        assert_int_equal(path_rename(place->tree, "inner", place->tree, names[i], false), -EINVAL);
        assert_int_equal(path_is_mount_point(place->tree, names[i]), -EINVAL);
    }
}

static void opens_what_is_there_and_makes_what_is_not(void **state)
{
    const struct place *place = *state;
    struct stat first;
    struct stat second;
    auto_close made = path_open_or_create(place->tree, "kept", O_RDWR, 0640);
    auto_close again = path_open_or_create(place->tree, "kept", O_RDWR, 0600);
    assert_true(made >= 0 && again >= 0);
    assert_int_equal(fstat(made, &first), 0);
    assert_int_equal(fstat(again, &second), 0);
    assert_int_equal(first.st_ino, second.st_ino);
    assert_int_equal(second.st_mode & 07777, 0640);
    assert_int_equal(path_open_or_create(place->tree, "none/kept", O_RDWR, 0600), -ENOENT);
    assert_int_equal(path_unlink(place->tree, "kept"), 0);
}

static void renames_without_replacing(void **state)
{
    const struct place *place = *state;
    make_file(place->tree, "a", "a");
    make_file(place->tree, "b", "b");
    assert_int_equal(path_rename(place->tree, "a", place->tree, "b", false), -EEXIST);
    assert_int_equal(path_rename(place->tree, "a", place->tree, "b", true), 0);
    assert_int_equal(path_create(place->tree, "b", O_WRONLY, 0600), -EEXIST);
    assert_int_equal(path_mkdir(place->tree, "inner", 0755), -EEXIST);
    assert_int_equal(path_rmdir(place->tree, "inner"), -ENOTEMPTY);
    assert_int_equal(path_unlink(place->tree, "b"), 0);
}

static void reads_numbers(void **state)
{
    const struct place *place = *state;
    uint64_t value = 0;
    make_file(place->tree, "number", "42\n");
    make_file(place->tree, "max", "max\n");
    make_file(place->tree, "sign", "-1\n");
    assert_int_equal(path_read_u64(place->tree, "number", &value), 0);
    assert_int_equal(value, 42);
    assert_int_equal(path_read_u64(place->tree, "max", &value), 0);
    assert_true(value == UINT64_MAX);
    assert_int_equal(path_read_u64(place->tree, "sign", &value), -EINVAL);
    assert_int_equal(path_write_text(place->tree, "number", "7"), 0);
    assert_int_equal(path_write_text(place->tree, "absent", "7"), -ENOENT);
}

/* "swap" is a directory and then a link to the secret, back and forth, without a gap. */
static pid_t start_swapper(const struct place *place)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    if (symlinkat("../secret", place->tree, "bait") < 0)
        _exit(1);
    for (;;)
        if (renameat2(place->tree, "swap", place->tree, "bait", RENAME_EXCHANGE) < 0)
            _exit(1);
}

static void loses_no_race(void **state)
{
    const struct place *place = *state;
    unsigned int inside = 0;
    unsigned int refused = 0;
    struct stat found;
    auto_close swap = path_mkdir_open(place->tree, "swap", 0755);
    make_file(swap, "file", "inner");
    pid_t swapper = start_swapper(place);
    for (int i = 0; i < RACES; i++) {
        char text[16];
        ssize_t got = path_read_text(place->tree, "swap/file", text, sizeof(text));
        if (got > 0) {
            assert_string_equal(text, "inner");
            inside++;
        } else {
            assert_true(got == -ELOOP);
            refused++;
        }
        auto_close made = path_create(place->tree, "swap/made", O_WRONLY | O_TRUNC, 0600);
        auto_close opened = path_mkdir_open(place->tree, "swap", 0755);
        assert_true(made >= 0 || made == -ELOOP);
        assert_true(opened >= 0 || opened == -ELOOP || opened == -ENOTDIR);
    }
    kill(swapper, SIGKILL);
    waitpid(swapper, NULL, 0);
    auto_close secret = path_open(place->top_fd, "secret", O_RDONLY | O_DIRECTORY);
    assert_int_equal(path_stat(secret, "made", &found), -ENOENT);
    /* A race in which one side never ran would prove nothing. */
    assert_true(inside > 0);
    assert_true(refused > 0);
}

/* In a mount namespace of its own; without the right to make one there is nothing to see. */
static void stays_on_one_mount(void **state)
{
    const struct place *place = *state;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        char target[96];
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
            _exit(77);
        snprintf(target, sizeof(target), "%s/tree/inner", place->top);
        if (mount("tmpfs", target, "tmpfs", 0, NULL) < 0)
            _exit(77);
        /* The old descriptors lead to the mounts of the old namespace. */
        int top = path_root(place->top, O_RDONLY | O_DIRECTORY);
        int tree = path_open(top, "tree", O_RDONLY | O_DIRECTORY);
        bool right = path_open(tree, "inner", O_RDONLY) == -EXDEV &&
                     path_open_xdev(tree, "inner", O_RDONLY) >= 0 &&
                     path_is_mount_point(tree, "inner") == 1 &&
                     path_is_mount_point(top, "tree") == 0;
        _exit(right ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

static void own_namespaces(void **state)
{
    (void)state;
    auto_close ns = path_own_ns("mnt");
    assert_true(ns >= 0);
    assert_int_equal(path_own_ns("../exe"), -EINVAL);
    assert_int_equal(path_root("relative", O_RDONLY), -EINVAL);
}

int main(void)
{
#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, drop_place)
    const struct CMUnitTest tests[] = {
        IN_PLACE(opens_what_is_beneath),
        IN_PLACE(refuses_every_way_out),
        IN_PLACE(takes_one_component_only),
        IN_PLACE(opens_what_is_there_and_makes_what_is_not),
        IN_PLACE(renames_without_replacing),
        IN_PLACE(reads_numbers),
        IN_PLACE(loses_no_race),
        IN_PLACE(stays_on_one_mount),
        cmocka_unit_test(own_namespaces),
    };
    return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
