/* SPDX-License-Identifier: Apache-2.0 */
/* test_planner - from a wish to a plan: golden texts, and every refusal with its outcome */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "daemon/planner.h"
#include "test_daemon.h"

static struct view view;
static union plan_buffer buffer;

static int set_up(void **state)
{
    (void)state;
    return daemon_view(&view);
}

static int tear_down(void **state)
{
    (void)state;
    view_free(&view);
    return 0;
}

static struct wish new_wish(uint32_t kind)
{
    return (struct wish){
        .kind = kind, .name = "web", .image = "busybox", .user = "", .workdir = ""};
}

static int make(const struct wish *wish, struct err *err)
{
    return planner_make(wish, view_user(&view, ALICE), &buffer, err);
}

/* A plan as text: every field that is not 0, then the strings, each on a line. */
static char *plan_text(const struct plan *plan)
{
    static const char *argv[PLAN_ARGS_MAX + 1];
    static const char *envp[PLAN_ARGS_MAX + 1];
    char digest[2 * SHA256_SIZE + 1];
    const char *workdir = NULL;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    str_hex(plan->layer[0], SHA256_SIZE, digest);
    digest[8] = '\0';
    fprintf(out, "version %u kind %u flags %u filter %u\n", plan->version, plan->kind, plan->flags,
            plan->filter);
    fprintf(out, "owner %u block %u+%u keeper %u\n", plan->owner_uid, plan->block_first,
            plan->block_count, plan->keeper_id);
    fprintf(out, "layers %u %s mounts %u devices %u stop %u\n", plan->layer_count, digest,
            plan->mount_count, plan->device_count, plan->stop_signal);
    fprintf(out, "memory %llu pids %u cpu %u\n", (unsigned long long)plan->memory_bytes, plan->pids,
            plan->cpu_milli);
    fprintf(out, "name %s image %s user '%s'\n", plan->name, plan->image, plan->command.user);
    command_strings(&plan->command, &workdir, argv, envp);
    fprintf(out, "in '%s'\n", workdir);
    for (size_t i = 0; argv[i] != NULL; i++)
        fprintf(out, "arg %s\n", argv[i]);
    for (size_t i = 0; envp[i] != NULL; i++)
        fprintf(out, "env %s\n", envp[i]);
    fclose(out);
    return text;
}

static void assert_plan(const struct wish *wish, const char *golden)
{
    struct err err = {.text = ""};
    int rc = make(wish, &err);
    if (rc != 0)
        fail_msg("%d %s", rc, err.text);
    char *text = plan_text(&buffer.plan);
    assert_string_equal(text, golden);
    free(text);
}

static void machine_without_command_idles(void **state)
{
    const struct wish wish = new_wish(PLAN_MACHINE);
    (void)state;
    assert_plan(&wish, "version 1 kind 1 flags 0 filter 1\n"
                       "owner 1001 block 1879048192+65536 keeper 2147352575\n"
                       "layers 1 abababab mounts 0 devices 0 stop 15\n"
                       "memory 0 pids 0 cpu 0\n"
                       "name web image busybox user ''\n"
                       "in ''\n"
                       "arg -\n"
                       "env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
                       "env HOME=/root\n"
                       "env HOSTNAME=web\n"
                       "env CROFT_OWNER=alice\n");
}

static void job_with_everything(void **state)
{
    static const char *const command[] = {"/bin/sh", "-c", ""};
    static const char *const env[] = {"A=1", "HOME=/home", "A=2", "AA=3"};
    struct wish wish = new_wish(PLAN_JOB);
    (void)state;
    wish.user = "www";
    wish.workdir = "/srv";
    wish.command = command;
    wish.command_count = ARRAY_LEN(command);
    wish.env = env;
    wish.env_count = ARRAY_LEN(env);
    wish.tty = true;
    wish.stdin_open = true;
    wish.remove = true;
    wish.memory_bytes = GIB;
    wish.pids = 100;
    wish.cpu_milli = 1500;
    assert_plan(&wish, "version 1 kind 2 flags 7 filter 1\n"
                       "owner 1001 block 1879048192+65536 keeper 2147352575\n"
                       "layers 1 abababab mounts 0 devices 0 stop 15\n"
                       "memory 1073741824 pids 100 cpu 1500\n"
                       "name web image busybox user 'www'\n"
                       "in '/srv'\n"
                       "arg /bin/sh\n"
                       "arg -c\n"
                       "arg \n"
                       "env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
                       "env TERM=xterm\n"
                       "env HOSTNAME=web\n"
                       "env CROFT_OWNER=alice\n"
                       "env HOME=/home\n"
                       "env A=2\n"
                       "env AA=3\n");
}

static void job_without_command_is_a_shell(void **state)
{
    const struct wish wish = new_wish(PLAN_JOB);
    struct err err = {.text = ""};
    (void)state;
    assert_int_equal(make(&wish, &err), 0);
    assert_string_equal(buffer.plan.command.strings + 1, "/bin/sh");
}

#define S(text) text "\0"

/* Gives the image busybox settings; strings: workdir, entry point, command, environment. */
static void set_image(uint32_t entry, uint32_t cmd, uint32_t env, const char *user,
                      uint32_t stop_signal, const char *strings, size_t size)
{
    static union {
        struct event event;
        char bytes[sizeof(struct event) + IMAGE_CONFIG_SIZE_MAX];
    } message;
    struct image_config *config = (struct image_config *)(void *)(&message.event + 1);
    memset(&message, 0, sizeof(message));
    message.event = daemon_event(EVENT_IMAGE_CONFIG, ALICE, "busybox");
    *config = (struct image_config){
        .entry_count = entry,
        .cmd_count = cmd,
        .env_count = env,
        .stop_signal = stop_signal,
        .strings_len = (uint32_t)size,
    };
    memcpy(config->user, user, strlen(user));
    memcpy(config->strings, strings, size);
    assert_int_equal(
        view_apply(&view, &message.event, sizeof(struct event) + sizeof(*config) + size), 0);
}

/* The words of the plan, each in brackets. */
static const char *words_of(const struct wish *wish)
{
    static const char *argv[PLAN_ARGS_MAX + 1];
    static const char *envp[PLAN_ARGS_MAX + 1];
    static char text[1024];
    const char *workdir = NULL;
    struct err err = {.text = ""};
    size_t used = 0;
    if (make(wish, &err) != 0)
        return "refused";
    command_strings(&buffer.plan.command, &workdir, argv, envp);
    text[0] = '\0';
    for (size_t i = 0; argv[i] != NULL; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "[%s]", argv[i]);
    return text;
}

/* What people who come from Docker expect: its reference, "Understand how CMD and ENTRYPOINT
 * interact", and --entrypoint, which leaves the image's CMD out. */
static void entry_point_and_command(void **state)
{
    static const char *const args[] = {"a", "b c"};
    static const struct {
        uint32_t kind;
        bool has_entry;
        bool has_cmd;
        const char *entrypoint;
        size_t args;
        const char *words;
    } table[] = {
        {PLAN_JOB, false, false, NULL, 0, "[/bin/sh]"},
        {PLAN_JOB, false, false, NULL, 2, "[a][b c]"},
        {PLAN_JOB, false, true, NULL, 0, "[cmd][x]"},
        {PLAN_JOB, false, true, NULL, 1, "[a]"},
        {PLAN_JOB, true, false, NULL, 0, "[/entry][-e]"},
        {PLAN_JOB, true, false, NULL, 2, "[/entry][-e][a][b c]"},
        {PLAN_JOB, true, true, NULL, 0, "[/entry][-e][cmd][x]"},
        {PLAN_JOB, true, true, NULL, 1, "[/entry][-e][a]"},
        {PLAN_JOB, true, true, "/other", 0, "[/other]"},
        {PLAN_JOB, true, true, "/other", 1, "[/other][a]"},
        {PLAN_JOB, true, true, "", 1, "[a]"},
        {PLAN_JOB, true, true, "", 0, "[/bin/sh]"},
        {PLAN_MACHINE, false, false, NULL, 0, "[-]"},
        {PLAN_MACHINE, false, true, NULL, 0, "[cmd][x]"},
        {PLAN_MACHINE, true, true, NULL, 0, "[/entry][-e][cmd][x]"},
        {PLAN_MACHINE, true, true, NULL, 1, "[/entry][-e][a]"},
        {PLAN_MACHINE, true, true, "", 0, "[-]"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        static const char both[] = S("") S("/entry") S("-e") S("cmd") S("x");
        static const char entry[] = S("") S("/entry") S("-e");
        static const char cmd[] = S("") S("cmd") S("x");
        struct wish wish = new_wish(table[i].kind);

        if (table[i].has_entry && table[i].has_cmd)
            set_image(2, 2, 0, "", 0, both, sizeof(both) - 1);
        else if (table[i].has_entry)
            set_image(2, 0, 0, "", 0, entry, sizeof(entry) - 1);
        else if (table[i].has_cmd)
            set_image(0, 2, 0, "", 0, cmd, sizeof(cmd) - 1);
        else
            set_image(0, 0, 0, "", 0, S(""), 1);
        wish.entrypoint = table[i].entrypoint;
        wish.command = args;
        wish.command_count = table[i].args;
        const char *words = words_of(&wish);
        if (strcmp(words, table[i].words) != 0)
            fail_msg("row %zu: %s instead of %s", i, words, table[i].words);
    }
}

static void the_image_says_and_the_wish_says_otherwise(void **state)
{
    static const char strings[] =
        S("/srv") S("/entry") S("PATH=/image") S("A=image") S("B=image") S("HOME=/image");
    static const char *const env[] = {"A=wish", "CROFT_OWNER=me"};
    struct wish wish = new_wish(PLAN_MACHINE);
    (void)state;
    set_image(1, 0, 4, "www:adm", 3, strings, sizeof(strings) - 1);
    wish.env = env;
    wish.env_count = 1;
    assert_plan(&wish, "version 1 kind 1 flags 0 filter 1\n"
                       "owner 1001 block 1879048192+65536 keeper 2147352575\n"
                       "layers 1 abababab mounts 0 devices 0 stop 3\n"
                       "memory 0 pids 0 cpu 0\n"
                       "name web image busybox user 'www:adm'\n"
                       "in '/srv'\n"
                       "arg /entry\n"
                       "env HOSTNAME=web\n"
                       "env CROFT_OWNER=alice\n"
                       "env PATH=/image\n"
                       "env B=image\n"
                       "env HOME=/image\n"
                       "env A=wish\n");
    wish.user = "root";
    wish.workdir = "/";
    wish.env_count = 2;
    struct err err = {.text = ""};
    assert_int_equal(make(&wish, &err), 0);
    assert_string_equal(buffer.plan.command.user, "root");
    assert_string_equal(buffer.plan.command.strings, "/");
}

/* What passes the form of a config and is no sense costs nothing but a sentence. */
static void strange_settings(void **state)
{
    static char strings[IMAGE_CONFIG_STRINGS_MAX];
    const struct wish wish = new_wish(PLAN_JOB);
    struct err err = {.text = ""};
    (void)state;
    memset(strings, 0, sizeof(strings));
    set_image(0, 0, sizeof(strings) - 1, "", 0, strings, sizeof(strings));
    assert_int_equal(make(&wish, &err), OUTCOME_USAGE);
    set_image(0, sizeof(strings) - 1, 0, "", 0, strings, sizeof(strings));
    assert_int_equal(make(&wish, &err), OUTCOME_USAGE);
    set_image(1, 0, 0, "", 0, S("") S(""), 2);
    assert_int_equal(make(&wish, &err), OUTCOME_USAGE);
    set_image(0, 0, 0, "a/b", 0, S(""), 1);
    assert_int_equal(make(&wish, &err), OUTCOME_USAGE);
    set_image(0, 0, 0, "", 0, S("relative"), 9);
    assert_int_equal(make(&wish, &err), OUTCOME_USAGE);
}

static void assert_refused(const struct wish *wish, int outcome, const char *says)
{
    struct err err = {.text = ""};
    int rc = make(wish, &err);
    if (rc != outcome || strstr(err.text, says) == NULL)
        fail_msg("%d instead of %d, \"%s\" does not say \"%s\"", rc, outcome, err.text, says);
}

static void names_are_refused(void **state)
{
    static const char *const bad[] = {"", "..", "a/b", "A", "-a", "a\nb", "a\033[2J"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct wish wish = new_wish(PLAN_JOB);
        wish.name = bad[i];
        assert_refused(&wish, OUTCOME_USAGE, "machine");
        wish = new_wish(PLAN_JOB);
        wish.image = bad[i];
        assert_refused(&wish, OUTCOME_USAGE, "image");
    }
    struct wish wish = new_wish(PLAN_JOB);
    wish.image = "nope";
    assert_refused(&wish, OUTCOME_NOT_FOUND, "`croft image ls`");
    wish = new_wish(PLAN_JOB);
    wish.user = "a-name-that-is-longer-than-any-user-can-have";
    assert_refused(&wish, OUTCOME_USAGE, "too long");
    wish.user = "1x";
    assert_refused(&wish, OUTCOME_USAGE, "1x");
}

/* The same sentence for what another user has and for what nobody has. */
static void foreign_is_not_found(void **state)
{
    struct wish wish = new_wish(PLAN_JOB);
    struct err err = {.text = ""};
    (void)state;
    assert_int_equal(planner_make(&wish, view_user(&view, BOB), &buffer, &err), OUTCOME_NOT_FOUND);
    assert_string_equal(err.text, "no image named busybox; `croft image ls` shows yours");
}

static void limits_are_held(void **state)
{
    struct wish wish = new_wish(PLAN_JOB);
    (void)state;
    wish.memory_bytes = GIB + 1;
    assert_refused(&wish, OUTCOME_OVER_LIMIT, "1 GiB");
    wish.memory_bytes = MEMORY_MIN_BYTES - 1;
    assert_refused(&wish, OUTCOME_USAGE, "16 MiB");
    wish.memory_bytes = MEMORY_MIN_BYTES;
    wish.pids = 101;
    assert_refused(&wish, OUTCOME_OVER_LIMIT, "100");
    wish.pids = PIDS_MIN - 1;
    assert_refused(&wish, OUTCOME_USAGE, "16");
    wish.pids = PIDS_MIN;
    wish.cpu_milli = 1501;
    assert_refused(&wish, OUTCOME_OVER_LIMIT, "1.500");
    wish.cpu_milli = 1;
    assert_refused(&wish, OUTCOME_USAGE, "CPU");
}

static void too_much_is_refused(void **state)
{
    static const char *words[PLAN_ARGS_MAX + 1];
    static char long_word[PLAN_STRINGS_MAX + 1];
    struct wish wish = new_wish(PLAN_JOB);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        words[i] = "A=x";
    wish.command = words;
    wish.command_count = ARRAY_LEN(words);
    assert_refused(&wish, OUTCOME_USAGE, "1024");
    wish = new_wish(PLAN_JOB);
    wish.env = words;
    wish.env_count = ARRAY_LEN(words);
    assert_refused(&wish, OUTCOME_USAGE, "1024");
    memset(long_word, 'x', sizeof(long_word) - 1);
    words[0] = long_word;
    wish = new_wish(PLAN_JOB);
    wish.command = words;
    wish.command_count = 1;
    assert_refused(&wish, OUTCOME_USAGE, "49152");
    words[0] = "no variable";
    wish = new_wish(PLAN_JOB);
    wish.env = words;
    wish.env_count = 1;
    assert_refused(&wish, OUTCOME_USAGE, "NAME=VALUE");
}

static void job_names(void **state)
{
    char name[NAME_SIZE];
    (void)state;
    planner_job_name((const uint8_t[4]){0x01, 0x23, 0xab, 0xff}, name);
    assert_string_equal(name, "job-0123abff");
    assert_true(str_is_name(name));
    assert_true(str_terminated(name, sizeof(name)));
}

#define with_view(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_view(machine_without_command_idles),
        with_view(job_with_everything),
        with_view(job_without_command_is_a_shell),
        with_view(entry_point_and_command),
        with_view(the_image_says_and_the_wish_says_otherwise),
        with_view(strange_settings),
        with_view(names_are_refused),
        with_view(foreign_is_not_found),
        with_view(limits_are_held),
        with_view(too_much_is_refused),
        with_view(job_names),
    };
    return cmocka_run_group_tests_name("planner", tests, NULL, NULL);
}
