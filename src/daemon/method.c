/* SPDX-License-Identifier: Apache-2.0 */
/* method - the calls of wire/control.h: one table of name, handler and who may */
#include "daemon/method.h"

#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "base/str.h"
#include "daemon/params.h"
#include "daemon/planner.h"
#include "daemon/show.h"
#include "wire/control.h"

/*
 * One call: who asks, with what, and the object that answers.
 * own:   the caller as a Croft user; NULL when an admin is none
 * about: whose things are meant: own, or for an admin the user that was named
 */
struct call {
    const struct method_host *host;
    const struct method_caller *caller;
    const struct view_user *own;
    const struct view_user *about;
    const json_t *params;
    json_t *answer;
};

typedef int (*method_fn)(struct call *call, struct err *err);

static int call_list(struct call *call, struct err *err);
static int call_info(struct call *call, struct err *err);
static int call_images(struct call *call, struct err *err);
static int call_users(struct call *call, struct err *err);
static int call_plan(struct call *call, struct err *err);
static int call_status(struct call *call, struct err *err);

/* about: the parameter in which an admin may name another user; of Plan "user" is one inside */
static const struct method {
    const char *name;
    method_fn handle;
    const char *about;
} methods[] = {
    {"List", call_list, "user"},   {"Info", call_info, "user"},  {"Images", call_images, "user"},
    {"Users", call_users, "user"}, {"Plan", call_plan, "owner"}, {"Status", call_status, "user"},
};

static int dispatch(struct call *call, const json_t *message, struct err *err);
static char *answer_text(int rc, const struct call *call, const struct err *err);

bool method_may_ask(const struct method_host *host, const struct method_caller *caller)
{
    return caller->is_admin || view_user(host->view, caller->uid) != NULL;
}

char *method_call(const struct method_host *host, const struct method_caller *caller,
                  const char *text, size_t size)
{
    struct err err = {.outcome = OUTCOME_OK};
    struct call call = {
        .host = host,
        .caller = caller,
        .own = view_user(host->view, caller->uid),
        .answer = json_object(),
    };
    json_t *message = NULL;
    int rc = 0;

    if (!method_may_ask(host, caller)) {
        rc = err_set(&err, OUTCOME_NOT_PERMITTED,
                     "you are no user of Croft here: an admin adds you with `croft user add`");
    } else {
        message = control_parse(text, size, &err);
        rc = message != NULL ? dispatch(&call, message, &err) : (int)err.outcome;
    }
    char *answer = answer_text(rc, &call, &err);
    json_decref(call.answer);
    json_decref(message);
    return answer;
}

/* Whose things: her own, or those of whom an admin named. */
static int find_about(struct call *call, const char *key, struct err *err)
{
    const char *name = NULL;
    int rc = params_text(call->params, key, &name, err);
    if (rc != 0)
        return rc;
    call->about = call->own;
    if (name == NULL)
        return 0;
    /* The same answer whether there is such a user or not. */
    if (!call->caller->is_admin && (call->own == NULL || strcmp(call->own->name, name) != 0))
        return err_set(err, OUTCOME_NOT_PERMITTED, "only an admin may ask about another user");
    call->about = view_user_named(call->host->view, name);
    if (call->about == NULL)
        return err_set(err, OUTCOME_NOT_FOUND, "no user named %.40s; `croft user ls` shows all",
                       name);
    return 0;
}

static int dispatch(struct call *call, const json_t *message, struct err *err)
{
    const char *name = NULL;
    int rc = params_text(message, "method", &name, err);
    if (rc != 0)
        return rc;
    if (name == NULL)
        return err_set(err, OUTCOME_USAGE, "method is missing");
    call->params = json_object_get(message, "parameters");
    if (call->params != NULL && !json_is_object(call->params))
        return err_set(err, OUTCOME_USAGE, "parameters must be an object");
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (strcmp(methods[i].name, name) != 0)
            continue;
        rc = find_about(call, methods[i].about, err);
        return rc != 0 ? rc : methods[i].handle(call, err);
    }
    return err_set(err, OUTCOME_USAGE, "no method named %.40s", name);
}

static char *answer_text(int rc, const struct call *call, const struct err *err)
{
    json_t *whole = NULL;
    if (rc == 0) {
        whole = json_pack("{s:O}", "parameters", call->answer);
    } else {
        /* A sentence may quote the asker, cut in the middle of a character. */
        json_t *sentence = json_string(err->text);
        whole = json_pack("{s:i, s:o}", "outcome", rc, "text",
                          sentence != NULL ? sentence : json_string("refused"));
    }
    if (whole == NULL)
        croft_bug("an answer could not be made");
    char *text = control_text(whole);
    json_decref(whole);
    return text;
}

static void append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) < 0)
        croft_bug("a JSON value could not be made");
}

static void answer_with(struct call *call, const char *key, json_t *value)
{
    if (json_object_set_new(call->answer, key, value) < 0)
        croft_bug("a JSON value could not be made");
}

static void append_machines(const struct call *call, const struct view_user *user, json_t *array)
{
    for (size_t i = 0; i < user->instance_count; i++) {
        const struct view_instance *instance = &user->instances[i];
        struct usage_now now = usage_read(call->host->usage, user->uid, instance->name);
        append(array, show_machine(user, instance, &now));
    }
}

static int call_list(struct call *call, struct err *err)
{
    bool all = false;
    int rc = params_flag(call->params, "all", &all, err);
    if (rc != 0)
        return rc;
    if (all && !call->caller->is_admin)
        return err_set(err, OUTCOME_NOT_PERMITTED, "only an admin may ask about all users");
    json_t *machines = json_array();
    const struct view *view = call->host->view;
    for (size_t i = 0; all && i < view->user_count; i++)
        append_machines(call, &view->users[i], machines);
    if (!all && call->about != NULL)
        append_machines(call, call->about, machines);
    answer_with(call, "machines", machines);
    return 0;
}

static int call_info(struct call *call, struct err *err)
{
    const char *name = NULL;
    int rc = params_text(call->params, "name", &name, err);
    if (rc != 0)
        return rc;
    if (name == NULL || !str_is_name(name))
        return err_set(err, OUTCOME_USAGE, "give the name of a machine: a-z, 0-9 and -");
    const struct view_instance *instance =
        call->about != NULL ? view_instance(call->about, name) : NULL;
    if (instance == NULL)
        return err_set(err, OUTCOME_NOT_FOUND, "no machine named %s; `croft ls` shows yours", name);
    struct usage_now now = usage_read(call->host->usage, call->about->uid, name);
    answer_with(call, "machine", show_machine(call->about, instance, &now));
    return 0;
}

static int call_images(struct call *call, struct err *err)
{
    (void)err;
    json_t *images = json_array();
    for (size_t i = 0; call->about != NULL && i < call->about->image_count; i++)
        append(images, show_image(&call->about->images[i]));
    answer_with(call, "images", images);
    return 0;
}

static void append_user(const struct call *call, const struct view_user *user, json_t *array)
{
    struct usage_now now = usage_read(call->host->usage, user->uid, NULL);
    append(array, show_user(user, &now));
}

/* An admin who names nobody sees everybody. */
static int call_users(struct call *call, struct err *err)
{
    (void)err;
    json_t *users = json_array();
    const struct view *view = call->host->view;
    bool named = call->params != NULL && json_is_string(json_object_get(call->params, "user"));
    bool everybody = call->caller->is_admin && !named;
    for (size_t i = 0; everybody && i < view->user_count; i++)
        append_user(call, &view->users[i], users);
    if (!everybody && call->about != NULL)
        append_user(call, call->about, users);
    answer_with(call, "users", users);
    return 0;
}

/* How many others there are, and what they run, is theirs and the admin's to know. */
static int call_status(struct call *call, struct err *err)
{
    (void)err;
    const struct view *view = call->host->view;
    json_int_t users = 0;
    json_int_t machines = 0;
    json_int_t running = 0;
    for (size_t i = 0; i < view->user_count; i++) {
        const struct view_user *user = &view->users[i];
        if (!call->caller->is_admin && user != call->own)
            continue;
        users++;
        machines += (json_int_t)user->instance_count;
        for (size_t k = 0; k < user->instance_count; k++)
            running += user->instances[k].state == INSTANCE_RUNNING;
    }
    answer_with(call, "default_image", json_string(call->host->config->default_image));
    answer_with(call, "users", json_integer(users));
    answer_with(call, "machines", json_integer(machines));
    answer_with(call, "running", json_integer(running));
    return 0;
}

static int wish_read(const json_t *params, const char **words, const char **env, struct wish *wish,
                     struct err *err)
{
    const char *kind = "";
    uint64_t pids = 0;
    uint64_t cpu_milli = 0;
    int rc = params_text(params, "kind", &kind, err);

    if (rc == 0)
        rc = params_text(params, "image", &wish->image, err);
    if (rc == 0)
        rc = params_text(params, "name", &wish->name, err);
    if (rc == 0)
        rc = params_text(params, "user", &wish->user, err);
    if (rc == 0)
        rc = params_text(params, "workdir", &wish->workdir, err);
    if (rc == 0)
        rc = params_text(params, "entrypoint", &wish->entrypoint, err);
    if (rc == 0)
        rc = params_list(params, "command", PLAN_ARGS_MAX, words, &wish->command_count, err);
    if (rc == 0)
        rc = params_list(params, "env", PLAN_ARGS_MAX, env, &wish->env_count, err);
    if (rc == 0)
        rc = params_flag(params, "tty", &wish->tty, err);
    if (rc == 0)
        rc = params_flag(params, "stdin", &wish->stdin_open, err);
    if (rc == 0)
        rc = params_flag(params, "remove", &wish->remove, err);
    if (rc == 0)
        rc = params_flag(params, "offline", &wish->offline, err);
    if (rc == 0)
        rc = params_number(params, "memory", INT64_MAX, &wish->memory_bytes, err);
    if (rc == 0)
        rc = params_number(params, "pids", UINT32_MAX, &pids, err);
    if (rc == 0)
        rc = params_number(params, "cpu_milli", UINT32_MAX, &cpu_milli, err);
    if (rc != 0)
        return rc;
    wish->pids = (uint32_t)pids;
    wish->cpu_milli = (uint32_t)cpu_milli;
    wish->kind = strcmp(kind, "machine") == 0 ? PLAN_MACHINE : PLAN_JOB;
    if (wish->kind == PLAN_JOB && strcmp(kind, "job") != 0)
        return err_set(err, OUTCOME_USAGE, "kind must be \"machine\" or \"job\"");
    if (wish->kind == PLAN_MACHINE && wish->name == NULL)
        return err_set(err, OUTCOME_USAGE, "a machine needs a name");
    return 0;
}

static int call_plan(struct call *call, struct err *err)
{
    static union plan_buffer buffer;
    static const char *words[PLAN_ARGS_MAX];
    static const char *env[PLAN_ARGS_MAX];
    char job_name[NAME_SIZE];
    uint8_t random[4];
    struct wish wish = {
        .image = "",
        .user = "",
        .workdir = "",
        .command = words,
        .env = env,
    };
    if (call->about == NULL)
        return err_set(err, OUTCOME_NOT_PERMITTED,
                       "you have no machines: `croft user add` makes you a user of Croft");
    if (call->about != call->own && strcmp(call->about->name, SYSTEM_USER) != 0)
        return err_set(err, OUTCOME_NOT_PERMITTED, "machines of %s are hers to start",
                       call->about->name);
    int rc = wish_read(call->params, words, env, &wish, err);
    if (rc != 0)
        return rc;
    if (wish.name == NULL) {
        if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
            return err_set(err, OUTCOME_FAILED, "the host has no random bytes");
        planner_job_name(random, job_name);
        wish.name = job_name;
    }
    rc = planner_make(&wish, call->about, &buffer, err);
    if (rc != 0)
        return rc;
    auto_free char *text = control_base64(&buffer, plan_size(&buffer.plan));
    answer_with(call, "plan", json_string(text));
    answer_with(call, "name", json_string(wish.name));
    return 0;
}
