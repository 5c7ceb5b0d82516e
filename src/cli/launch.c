/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch - from an image to a running instance
 *
 * croftd turns words into a plan; the plan is held against the words and then ordered from the
 * monitor in person, which holds it against its own records. The server's images come into her
 * own disk the first time she names one: they are imported like any other, by her.
 */
#include "cli/launch.h"
#include "croft-paths.h"

#include <jansson.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/api.h"
#include "cli/attach.h"
#include "cli/cli.h"
#include "cli/door.h"
#include "cli/image.h"
#include "cli/option.h"
#include "cli/say.h"
#include "cli/wish.h"
#include "wire/control.h"

#define ENV_MAX 256
/* What `image build debian` makes, under its default name. */
#define BUILT_IMAGE "debian"

struct planned {
    size_t size;
    char name[NAME_SIZE];
    union {
        struct plan plan;
        uint8_t bytes[PLAN_SIZE_MAX];
    };
};

static int make_plan(const struct wish *wish, struct planned *planned, struct err *err);
static int launch_wish(const struct wish *wish, struct planned *planned, struct err *err);

#define WISH_OPTIONS(wish)                                                                         \
    {'e', OPTION_LIST, "env", &(wish).env, 0, 0, NULL},                                            \
        {'u', OPTION_TEXT, "user", &(wish).user, 0, 0, NULL},                                      \
        {'w', OPTION_TEXT, "workdir", &(wish).workdir, 0, 0, NULL},                                \
        {0, OPTION_ANY, "entrypoint", &(wish).entrypoint, 0, 0, NULL},                             \
        {0, OPTION_TEXT, "network", &(wish).network, 0, 0, NULL},                                  \
        {0, OPTION_SIZE, "memory", &(wish).memory_bytes, MEMORY_MIN_BYTES, UINT64_MAX / 2, NULL},  \
        {0, OPTION_COUNT, "pids", &(wish).pids, 1, UINT32_MAX, NULL},                              \
    {                                                                                              \
        0, OPTION_CPUS, "cpus", &(wish).cpu_milli, 0, 0, NULL                                      \
    }

int verb_launch(const struct cli *cli, int argc, char **argv, struct err *err)
{
    static struct planned planned;
    static const char *env[ENV_MAX];
    struct wish wish = {.kind = "machine", .env = {env, ENV_MAX, 0}};
    bool json = false;
    const struct option options[] = {
        WISH_OPTIONS(wish),
        {0, OPTION_FLAG, "json", &json, 0, 0, NULL},
    };
    struct operands words;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    (void)cli;
    if (r != 0)
        return r;
    if (words.count != 2)
        return err_set(err, OUTCOME_USAGE, "give an image, a name, and a command after --");
    wish.image = words.item[0];
    wish.name = words.item[1];
    wish.command = words.rest_count > 0 ? words.rest : NULL;
    r = launch_wish(&wish, &planned, err);
    if (r != 0)
        return r;
    if (json) {
        auto_json *answer = json_pack("{s:s, s:s}", "name", wish.name, "image", wish.image);

        say_json(answer);
    } else {
        say_line("%s runs", wish.name);
    }
    return OUTCOME_OK;
}

int launch_default(const char *name, struct err *err)
{
    static struct planned planned;
    struct wish wish = {.kind = "machine", .name = name};
    auto_json *status = NULL;
    int r = api_call("Status", NULL, &status, err);

    if (r != 0)
        return r;
    wish.image = api_text(status, "default_image");
    if (wish.image[0] != '\0')
        return launch_wish(&wish, &planned, err);
    wish.image = image_on_server(BUILT_IMAGE) ? BUILT_IMAGE : BUILT_IN_IMAGE;
    r = launch_wish(&wish, &planned, err);
    if (r != OUTCOME_OVER_LIMIT || strcmp(wish.image, BUILT_IN_IMAGE) == 0)
        return r;
    /* Nobody chose the image: a small disk must not keep her from logging in. */
    fprintf(stderr, "croft: %s is made of %s: %s\n", name, BUILT_IN_IMAGE, err->text);
    *err = (struct err){.outcome = OUTCOME_OK};
    wish.image = BUILT_IN_IMAGE;
    return launch_wish(&wish, &planned, err);
}

int launch_system_job(const char *image, char **command, int *ret_status, struct err *err)
{
    static struct planned planned;
    const struct wish wish = {
        .owner = SYSTEM_USER,
        .kind = "job",
        .image = image,
        .command = command,
        .remove = true,
        .network = "none",
    };
    struct attach attach = {.program = command[0]};
    struct order order;
    int r = make_plan(&wish, &planned, err);

    if (r == 0)
        r = door_order(&order, ORDER_RUN, NULL, NULL, err);
    if (r != 0)
        return r;
    order.flags = ORDER_SYSTEM;
    return attach_run(&attach, -1, &order, planned.bytes, planned.size, ret_status, err);
}

static int launch_wish(const struct wish *wish, struct planned *planned, struct err *err)
{
    struct door_reply reply;
    struct order order;
    auto_close sock = -1;
    int r = make_plan(wish, planned, err);

    if (r == 0)
        r = door_open(&sock, err);
    if (r == 0)
        r = door_order(&order, ORDER_LAUNCH, NULL, NULL, err);
    if (r == 0)
        r = door_call(sock, &order, planned->bytes, planned->size, &reply, err);
    return r;
}

int verb_run(const struct cli *cli, int argc, char **argv, struct err *err)
{
    static struct planned planned;
    static const char *env[ENV_MAX];
    struct wish wish = {.kind = "job", .env = {env, ENV_MAX, 0}};
    const struct option options[] = {
        WISH_OPTIONS(wish),
        {'i', OPTION_FLAG, "interactive", &wish.input, 0, 0, NULL},
        {'t', OPTION_FLAG, "tty", &wish.tty, 0, 0, NULL},
        {0, OPTION_FLAG, "rm", &wish.remove, 0, 0, NULL},
        {0, OPTION_TEXT, "name", &wish.name, 0, 0, NULL},
    };
    struct attach attach;
    struct operands words;
    struct order order;
    int status = EXIT_CROFT;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 1, &words, err);

    if (r != 0)
        return r;
    if (words.count != 1)
        return err_set(err, OUTCOME_USAGE, "give an image and a command");
    wish.image = words.item[0];
    wish.command = words.rest_count > 0 ? words.rest : NULL;
    attach = (struct attach){
        .tty = wish.tty,
        .input = wish.input,
        .remote = cli->gate,
        .program = wish.command != NULL ? wish.command[0] : wish.image,
    };
    r = attach_check(&attach, err);
    if (r == 0)
        r = make_plan(&wish, &planned, err);
    if (r == 0)
        r = door_order(&order, ORDER_RUN, NULL, NULL, err);
    if (r == 0)
        r = attach_run(&attach, -1, &order, planned.bytes, planned.size, &status, err);
    return r == 0 ? status : EXIT_CROFT;
}

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text != NULL)
        (void)json_object_set_new(object, key, json_string(text));
}

static void set_number(json_t *object, const char *key, uint64_t number)
{
    if (number != 0)
        (void)json_object_set_new(object, key, json_integer((json_int_t)number));
}

static void set_flag(json_t *object, const char *key, bool flag)
{
    if (flag)
        (void)json_object_set_new(object, key, json_true());
}

/* Adds a list of texts. Return: whether all of them are UTF-8, as JSON wants it */
static bool set_list(json_t *object, const char *key, const char *const *item, size_t count)
{
    json_t *list = json_array();
    bool good = list != NULL;

    for (size_t i = 0; i < count; i++)
        good = json_array_append_new(list, json_string(item[i])) == 0 && good;
    return json_object_set_new(object, key, list) == 0 && good;
}

static json_t *wish_json(const struct wish *wish, struct err *err)
{
    json_t *object = json_object();
    size_t count = 0;

    set_text(object, "owner", wish->owner);
    set_text(object, "kind", wish->kind);
    set_text(object, "image", wish->image);
    set_text(object, "name", wish->name);
    set_text(object, "user", wish->user);
    set_text(object, "workdir", wish->workdir);
    set_text(object, "entrypoint", wish->entrypoint);
    set_flag(object, "tty", wish->tty);
    set_flag(object, "stdin", wish->input);
    set_flag(object, "remove", wish->remove);
    set_flag(object, "offline", wish->network != NULL);
    set_number(object, "memory", wish->memory_bytes);
    set_number(object, "pids", wish->pids);
    set_number(object, "cpu_milli", wish->cpu_milli);
    while (wish->command != NULL && wish->command[count] != NULL)
        count++;
    if ((wish->command == NULL ||
         set_list(object, "command", (const char *const *)wish->command, count)) &&
        (wish->env.count == 0 || set_list(object, "env", wish->env.item, wish->env.count)))
        return object;
    json_decref(object);
    (void)err_set(err, OUTCOME_USAGE,
                  "the command or a variable is not UTF-8 text: pass such bytes by standard input");
    return NULL;
}

static int check_wish(const struct wish *wish, struct err *err)
{
    if (!str_is_name(wish->image))
        return say_no_name("an image", wish->image, err);
    if (wish->name != NULL && !str_is_name(wish->name))
        return say_no_name("a machine", wish->name, err);
    if (wish->network != NULL && strcmp(wish->network, "none") != 0)
        return err_set(
            err, OUTCOME_USAGE,
            "--network %.40s: give none, or leave it out: what a machine may reach is up "
            "to grants",
            wish->network);
    for (size_t i = 0; i < wish->env.count; i++) {
        const char *equals = strchr(wish->env.item[i], '=');

        if (equals == NULL || equals == wish->env.item[i])
            return err_set(err, OUTCOME_USAGE, "-e %.40s: give NAME=VALUE", wish->env.item[i]);
    }
    return 0;
}

/* Imports an image of the server's. Return: 0; outcome: as before, when there is none */
static int bring_image(const struct wish *wish, int outcome, struct err *err)
{
    if (outcome != OUTCOME_NOT_FOUND || wish->owner != NULL || !image_on_server(wish->image))
        return outcome;
    return image_import_server(wish->image, err);
}

/* Return: 0; OUTCOME_NOT_FOUND */
static int find_owner(const struct wish *wish, uint32_t *ret_uid, struct err *err)
{
    const struct passwd *account = wish->owner != NULL ? getpwnam(wish->owner) : NULL;

    if (wish->owner != NULL && account == NULL)
        return err_set(err, OUTCOME_NOT_FOUND, "no account %s", wish->owner);
    *ret_uid = account != NULL ? account->pw_uid : getuid();
    return 0;
}

static int make_plan(const struct wish *wish, struct planned *planned, struct err *err)
{
    auto_json *answer = NULL;
    json_t *question;
    uint32_t owner_uid = 0;
    int r = check_wish(wish, err);

    if (r == 0)
        r = find_owner(wish, &owner_uid, err);
    if (r != 0)
        return r;
    question = wish_json(wish, err);
    if (question == NULL)
        return OUTCOME_USAGE;
    r = api_call("Plan", json_incref(question), &answer, err);
    if (r == OUTCOME_NOT_FOUND) {
        r = bring_image(wish, r, err);
        if (r == 0)
            r = api_call("Plan", json_incref(question), &answer, err);
    }
    json_decref(question);
    if (r != 0)
        return r;
    err->outcome = OUTCOME_OK;
    if (control_unbase64(api_text(answer, "plan"), planned->bytes, sizeof(planned->bytes),
                         &planned->size) < 0 ||
        planned->size < sizeof(planned->plan))
        return err_set(err, OUTCOME_FAILED, "croftd's plan is none: see %s/croft.log",
                       CROFT_LOG_DIR);
    return wish_check_plan(wish, owner_uid, &planned->plan, planned->size, err);
}
