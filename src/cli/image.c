/* SPDX-License-Identifier: Apache-2.0 */
/* image - image import, ls, rm: a tar streamed into the user's own disk by her own order */
#include "cli/image.h"
#include "croft-paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/door.h"
#include "cli/file.h"
#include "cli/option.h"
#include "cli/pump.h"
#include "cli/say.h"

#define BUILT_IN_DIR CROFT_LIB_DIR "/images"
#define IMAGE_END    ".tar"
#define PIPE_BYTES   (1 << 20)

/* An import: @what is shown before how much was read; NULL: nothing is. */
struct import {
    const char *name;
    const char *what;
    uint32_t flags;
};

static int import_stream(int file, const struct import *import, struct door_reply *ret_reply,
                         struct err *err);

/* Return: whether there is such a file that the caller can read */
static bool find_in(const char *dir, const char *name, char *path, size_t size)
{
    return str_format(path, size, "%s/%s" IMAGE_END, dir, name) == 0 &&
           faccessat(AT_FDCWD, path, R_OK, 0) == 0;
}

static bool find_on_server(const char *name, char *path, size_t size)
{
    return find_in(BUILT_IN_DIR, name, path, size) || find_in(IMAGE_SERVER_DIR, name, path, size);
}

bool image_on_server(const char *name)
{
    char path[256];

    return find_on_server(name, path, sizeof(path));
}

bool image_is_built_in(const char *name)
{
    char path[256];

    return find_in(BUILT_IN_DIR, name, path, sizeof(path));
}

int image_import_server(const char *name, struct err *err)
{
    const struct cli cli = {.gate = false};
    /* She did not ask for it by name: one of hers that croftd says nothing of is not replaced. */
    const struct import import = {
        .name = name, .what = "copying the image into your disk: ", .flags = ORDER_NEW};
    struct door_reply reply;
    char path[256];
    auto_close file = -1;
    int r;

    if (!find_on_server(name, path, sizeof(path)))
        return err_set(err, OUTCOME_NOT_FOUND, "the server has no image %s", name);
    r = file_open(&cli, path, &file, err);
    if (r == 0)
        r = import_stream(file, &import, &reply, err);
    return r;
}

int image_import_file(int file, const char *name, uint32_t flags, struct err *err)
{
    const struct import import = {.name = name, .what = "importing: ", .flags = flags};
    struct door_reply reply;

    return import_stream(file, &import, &reply, err);
}

int verb_image_import(const struct cli *cli, int argc, char **argv, struct err *err)
{
    struct door_reply reply;
    struct operands words;
    auto_close file = -1;
    bool json = false;
    const struct option options[] = {{0, OPTION_FLAG, "json", &json, 0, 0, NULL}};
    char bytes[32];
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    if (r != 0)
        return r;
    if (words.count != 2 || words.rest_count != 0)
        return err_set(err, OUTCOME_USAGE, "give a tar (or -) and a name for the image");
    if (!str_is_name(words.item[1]))
        return say_no_name("an image", words.item[1], err);
    if (strcmp(words.item[0], "-") == 0 && isatty(STDIN_FILENO))
        return err_set(err, OUTCOME_USAGE, "standard input is a terminal: redirect a tar into it");
    r = file_open(cli, words.item[0], &file, err);
    if (r == 0)
        r = import_stream(file, &(struct import){.name = words.item[1], .what = ""}, &reply, err);
    if (r != 0)
        return r;
    if (json) {
        auto_json *object =
            json_pack("{s:s, s:I, s:I}", "name", words.item[1], "entries",
                      (json_int_t)reply.head.number[0], "bytes", (json_int_t)reply.head.number[1]);
        say_json(object);
        return OUTCOME_OK;
    }
    say_line("image %s: %" PRIu64 " entries, %s", words.item[1], reply.head.number[0],
             str_size_text(reply.head.number[1], bytes, sizeof(bytes)));
    return OUTCOME_OK;
}

/* The reader's end goes to the monitor, ours is non-blocking. */
static int order_import(int sock, const struct import *import, int *ret_pipe, struct err *err)
{
    struct order order;
    int ends[2];
    int r = door_order(&order, ORDER_IMAGE_IMPORT, "an image", import->name, err);

    if (r != 0)
        return r;
    order.flags = import->flags;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "no pipe");
    (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES); /* fewer turns; as it is will do */
    r = fd_set_nonblock(ends[1]);
    if (r < 0)
        r = err_errno(err, OUTCOME_FAILED, r, "no pipe");
    else
        r = door_send(sock, &order, NULL, 0, &ends[0], 1, err);
    fd_close(&ends[0]);
    if (r != 0)
        fd_close(&ends[1]);
    *ret_pipe = ends[1];
    return r;
}

static void show_progress(const char *what, uint64_t bytes, uint64_t *next_boot_ns)
{
    uint64_t now = clock_boot_ns();
    char text[80];
    char size[32];

    if (now < *next_boot_ns)
        return;
    *next_boot_ns = now + IMAGE_PROGRESS_MS * NS_PER_MS;
    if (str_format(text, sizeof(text), "%s%s read", what,
                   str_size_text(bytes, size, sizeof(size))) == 0)
        say_progress(text);
}

static int import_stream(int file, const struct import *import, struct door_reply *ret_reply,
                         struct err *err)
{
    static struct pump pump;
    struct pollfd polls[3];
    uint64_t next_boot_ns = 0;
    auto_close sock = -1;
    int to = -1;
    int r = door_open(&sock, err);

    if (r == 0)
        r = order_import(sock, import, &to, err);
    if (r != 0)
        return r;
    (void)signal(SIGPIPE, SIG_IGN);
    pump_init(&pump, file, false, to, true);
    /* The door is watched as well: a refusal must not wait for the end of a large file. */
    while (r == 0) {
        pump_watch(&pump, polls);
        polls[2] = (struct pollfd){sock, POLLIN, 0};
        if (poll(polls, ARRAY_LEN(polls), -1) < 0) {
            if (errno != EINTR)
                r = err_errno(err, OUTCOME_FAILED, -errno, "waiting");
            continue;
        }
        pump_work(&pump, polls);
        if (import->what != NULL)
            show_progress(import->what, pump.bytes_read, &next_boot_ns);
        if (polls[2].revents == 0)
            continue;
        r = door_receive(sock, ret_reply, err);
        if (r == 0 && ret_reply->head.type == REPLY_DONE)
            break;
    }
    pump_stop(&pump);
    say_progress(NULL);
    if (r == 0)
        r = door_outcome(&ret_reply->head, err);
    return r;
}

/* One image of the server's: @file is its tar. Return: new reference; NULL: it is none */
static json_t *server_image(int dir, const char *file)
{
    char name[NAME_SIZE];
    const char *end = strstr(file, IMAGE_END);
    struct stat st;

    if (end == NULL || end[sizeof(IMAGE_END) - 1] != '\0' ||
        str_format(name, sizeof(name), "%.*s", (int)(end - file), file) < 0 || !str_is_name(name) ||
        fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return NULL;
    return json_pack("{s:s, s:I, s:I}", "name", name, "bytes", (json_int_t)st.st_size, "created",
                     (json_int_t)st.st_mtim.tv_sec * (json_int_t)NS_PER_S);
}

static void list_server(const char *path, json_t *list)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        json_t *image = server_image(dirfd(dir), entry->d_name);

        if (image != NULL)
            (void)json_array_append_new(list, image);
    }
    if (dir != NULL)
        closedir(dir);
}

static void add_rows(struct table *table, const json_t *list, const char *whose)
{
    const json_t *image;
    size_t i;

    json_array_foreach(list, i, image)
    {
        char text[32];
        const char *digest = api_text(image, "digest");

        table_cell(table, api_text(image, "name"));
        table_cell(table, whose);
        table_cell(table, str_size_text(api_number(image, "bytes"), text, sizeof(text)));
        table_cell(table, say_time(api_number(image, "created"), text, sizeof(text)));
        table_format(table, "%.12s", digest);
    }
}

int verb_image_ls(const struct cli *cli, int argc, char **argv, struct err *err)
{
    static const char *const heads[] = {"NAME", "WHOSE", "SIZE", "CREATED", "DIGEST"};
    bool json = false;
    const struct option options[] = {{0, OPTION_FLAG, "json", &json, 0, 0, NULL}};
    auto_table table = {0};
    auto_json *answer = NULL;
    auto_json *server = json_array();
    struct operands words;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    (void)cli;
    if (r != 0)
        return r;
    if (words.count + words.rest_count != 0)
        return err_set(err, OUTCOME_USAGE, "image ls takes no words");
    r = api_call("Images", NULL, &answer, err);
    if (r != 0)
        return r;
    list_server(BUILT_IN_DIR, server);
    list_server(IMAGE_SERVER_DIR, server);
    if (json) {
        (void)json_object_set(answer, "server", server);
        say_json(answer);
        return OUTCOME_OK;
    }
    table_heads(&table, heads, ARRAY_LEN(heads));
    add_rows(&table, json_object_get(answer, "images"), "yours");
    add_rows(&table, server, "the server's");
    table_print(&table);
    return OUTCOME_OK;
}

int image_remove(const char *name, uint32_t flags, struct err *err)
{
    struct door_reply reply;
    struct order order;
    auto_close sock = -1;
    int r = door_order(&order, ORDER_IMAGE_REMOVE, "an image", name, err);

    if (r == 0)
        r = door_open(&sock, err);
    if (r != 0)
        return r;
    order.flags = flags;
    return door_call(sock, &order, NULL, 0, &reply, err);
}

int verb_image_rm(const struct cli *cli, int argc, char **argv, struct err *err)
{
    struct operands words;
    int r = option_parse(NULL, 0, argc, argv, 0, &words, err);

    (void)cli;
    if (r != 0)
        return r;
    if (words.count != 1 || words.rest_count != 0)
        return err_set(err, OUTCOME_USAGE, "give the name of one image");
    return image_remove(words.item[0], 0, err);
}
