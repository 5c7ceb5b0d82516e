/* SPDX-License-Identifier: Apache-2.0 */
/* test_plan - every way a plan can lie, one at a time */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/attrs.h"
#include "sample.h"

struct broken_plan {
    const char *what;
    void (*spoil)(struct plan *plan, struct sample *sample);
    int outcome;
    const char *text; /* that the sentence must hold */
};

/* Checked in memory of exactly that size, so that ASan sees a byte read too far. */
static int check_plan(const struct sample *sample, size_t size, struct err *err)
{
    const struct plan_owner owner = sample_owner();
    void *exact = malloc(size ? size : 1);
    int r;

    assert_non_null(exact);
    memcpy(exact, sample->bytes, size);
    r = plan_check(exact, size, &owner, err);
    free(exact);
    return r;
}

static int check_command(const struct sample *sample, size_t size, struct err *err)
{
    void *exact = malloc(size ? size : 1);
    int r;

    assert_non_null(exact);
    memcpy(exact, sample->bytes, size);
    r = command_check(exact, size, err);
    free(exact);
    return r;
}

static void good_plans_pass(void **state)
{
    static struct sample sample;
    struct err err = {.text = ""};
    struct plan *plan;

    (void)state;
    sample.size = 0;
    plan = sample_plan(&sample, PLAN_MACHINE);
    assert_int_equal(plan_size(plan), sample.size);
    assert_int_equal(check_plan(&sample, sample.size, &err), 0);
    plan->kind = PLAN_JOB;
    plan->flags = PLAN_FLAGS_ALL;
    plan->memory_bytes = 0;
    plan->pids = 0;
    plan->cpu_milli = 0;
    plan->stop_signal = 64;
    plan->layer_count = PLAN_LAYERS_MAX;
    assert_int_equal(check_plan(&sample, sample.size, &err), 0);
    plan->memory_bytes = sample_owner().memory_bytes;
    plan->pids = sample_owner().pids;
    plan->cpu_milli = sample_owner().cpu_milli;
    assert_int_equal(check_plan(&sample, sample.size, &err), 0);
}

/* No limit of the owner's on CPU: any wish of the instance is within it. */
static void without_a_cpu_limit_any_share_passes(void **state)
{
    static struct sample sample;
    struct plan_owner owner = sample_owner();
    struct err err;
    struct plan *plan;

    (void)state;
    sample.size = 0;
    owner.cpu_milli = 0;
    plan = sample_plan(&sample, PLAN_JOB);
    plan->cpu_milli = 64000;
    assert_int_equal(plan_check(plan, sample.size, &owner, &err), 0);
}

static void spoil_name(struct plan *plan, struct sample *sample)
{
    (void)sample;
    memcpy(plan->name, "../etc", 7);
}

static void spoil_name_escape(struct plan *plan, struct sample *sample)
{
    (void)sample;
    memcpy(plan->name, "\033[2J", 5);
}

static void spoil_name_end(struct plan *plan, struct sample *sample)
{
    (void)sample;
    memset(plan->name, 'a', sizeof(plan->name));
}

static void spoil_name_tail(struct plan *plan, struct sample *sample)
{
    (void)sample;
    plan->name[NAME_SIZE - 1] = 'x';
}

static void spoil_image(struct plan *plan, struct sample *sample)
{
    (void)sample;
    plan->image[0] = '\0';
}

static void spoil_command(struct plan *plan, struct sample *sample)
{
    (void)sample;
    plan->command.argc = 0;
}

static void spoil_last_byte(struct plan *plan, struct sample *sample)
{
    (void)plan;
    sample->bytes[sample->size - 1] = 'x';
}

static void spoil_length(struct plan *plan, struct sample *sample)
{
    (void)plan;
    sample->size--;
}

static void spoil_tail(struct plan *plan, struct sample *sample)
{
    (void)plan;
    sample->bytes[sample->size++] = '\0';
}

static void spoil_big(struct plan *plan, struct sample *sample)
{
    (void)plan;
    sample->size = PLAN_SIZE_MAX + 1;
}

#define SPOIL_FIELD(function, field, value)                                                        \
    static void function(struct plan *plan, struct sample *sample)                                 \
    {                                                                                              \
        (void)sample;                                                                              \
        plan->field = (value);                                                                     \
    }

SPOIL_FIELD(spoil_version, version, 2)
SPOIL_FIELD(spoil_kind, kind, 3)
SPOIL_FIELD(spoil_no_kind, kind, 0)
SPOIL_FIELD(spoil_flags, flags, 16)
SPOIL_FIELD(spoil_filter, filter, PLAN_FILTER_UNPACK)
SPOIL_FIELD(spoil_no_filter, filter, 0)
SPOIL_FIELD(spoil_owner, owner_uid, SAMPLE_UID + 1)
SPOIL_FIELD(spoil_root, owner_uid, 0)
SPOIL_FIELD(spoil_block, block_first, SAMPLE_BLOCK + BLOCK_COUNT)
SPOIL_FIELD(spoil_host_block, block_first, 0)
SPOIL_FIELD(spoil_block_count, block_count, BLOCK_COUNT + 1)
SPOIL_FIELD(spoil_keeper, keeper_id, SAMPLE_KEEPER - 1)
SPOIL_FIELD(spoil_layers, layer_count, PLAN_LAYERS_MAX + 1)
SPOIL_FIELD(spoil_no_layers, layer_count, 0)
SPOIL_FIELD(spoil_mounts, mount_count, 1)
SPOIL_FIELD(spoil_devices, device_count, 1)
SPOIL_FIELD(spoil_no_signal, stop_signal, 0)
SPOIL_FIELD(spoil_signal, stop_signal, 65)
SPOIL_FIELD(spoil_memory, memory_bytes, GIB + 1)
SPOIL_FIELD(spoil_little_memory, memory_bytes, MEMORY_MIN_BYTES - 1)
SPOIL_FIELD(spoil_pids, pids, 101)
SPOIL_FIELD(spoil_few_pids, pids, PIDS_MIN - 1)
SPOIL_FIELD(spoil_cpu, cpu_milli, 1501)
SPOIL_FIELD(spoil_little_cpu, cpu_milli, CPU_MILLI_MIN - 1)

static const struct broken_plan broken_plans[] = {
    {"version", spoil_version, OUTCOME_USAGE, "version 2"},
    {"kind", spoil_kind, OUTCOME_USAGE, "kind 3"},
    {"no kind", spoil_no_kind, OUTCOME_USAGE, "kind 0"},
    {"flags", spoil_flags, OUTCOME_USAGE, "flags 0x10"},
    {"the image job's filter", spoil_filter, OUTCOME_NOT_PERMITTED, "filter 2"},
    {"no filter", spoil_no_filter, OUTCOME_NOT_PERMITTED, "filter 0"},
    {"another owner", spoil_owner, OUTCOME_NOT_PERMITTED, "uid 1002"},
    {"root as owner", spoil_root, OUTCOME_NOT_PERMITTED, "uid 0"},
    {"another's block", spoil_block, OUTCOME_NOT_PERMITTED, "block"},
    {"the host's ids", spoil_host_block, OUTCOME_NOT_PERMITTED, "block"},
    {"a longer block", spoil_block_count, OUTCOME_NOT_PERMITTED, "block"},
    {"another's keeper", spoil_keeper, OUTCOME_NOT_PERMITTED, "keeper"},
    {"layers", spoil_layers, OUTCOME_USAGE, "17 layers"},
    {"no layers", spoil_no_layers, OUTCOME_USAGE, "0 layers"},
    {"mounts", spoil_mounts, OUTCOME_NOT_PERMITTED, "1 mounts"},
    {"devices", spoil_devices, OUTCOME_NOT_PERMITTED, "1 devices"},
    {"no stop signal", spoil_no_signal, OUTCOME_USAGE, "signal 0"},
    {"stop signal", spoil_signal, OUTCOME_USAGE, "signal 65"},
    {"memory", spoil_memory, OUTCOME_OVER_LIMIT, "memory"},
    {"little memory", spoil_little_memory, OUTCOME_USAGE, "memory"},
    {"pids", spoil_pids, OUTCOME_OVER_LIMIT, "101 processes"},
    {"few pids", spoil_few_pids, OUTCOME_USAGE, "processes"},
    {"cpu", spoil_cpu, OUTCOME_OVER_LIMIT, "1501"},
    {"little cpu", spoil_little_cpu, OUTCOME_USAGE, "CPU"},
    {"a path for a name", spoil_name, OUTCOME_USAGE, "'../etc'"},
    {"an escape sequence for a name", spoil_name_escape, OUTCOME_USAGE, "'?[2J'"},
    {"a name without end", spoil_name_end, OUTCOME_USAGE, "cannot name a machine"},
    {"a name and more", spoil_name_tail, OUTCOME_USAGE, "cannot name a machine"},
    {"no image", spoil_image, OUTCOME_USAGE, "cannot name an image"},
    {"a broken command", spoil_command, OUTCOME_USAGE, "0 words"},
    {"the last string without end", spoil_last_byte, OUTCOME_USAGE, "no end"},
    {"a byte less", spoil_length, OUTCOME_USAGE, "announced"},
    {"a byte more", spoil_tail, OUTCOME_USAGE, "announced"},
    {"too big", spoil_big, OUTCOME_USAGE, "bytes"},
};

static void broken_plans_are_named(void **state)
{
    static struct sample sample;
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_LEN(broken_plans); i++) {
        const struct broken_plan *broken = &broken_plans[i];
        struct err err = {.text = ""};
        int r;

        sample.size = 0;
        broken->spoil(sample_plan(&sample, PLAN_MACHINE), &sample);
        r = check_plan(&sample, sample.size, &err);
        if (r != broken->outcome || (int)err.outcome != r || !strstr(err.text, broken->text))
            fail_msg("%s: outcome %d, \"%s\"", broken->what, r, err.text);
        if (strchr(err.text, '\n'))
            fail_msg("%s: more than a line", broken->what);
    }
}

static void every_shorter_plan_is_refused(void **state)
{
    static struct sample sample;
    struct err err;
    size_t size;

    (void)state;
    sample.size = 0;
    sample_plan(&sample, PLAN_MACHINE);
    for (size = 0; size < sample.size; size++)
        assert_int_equal(check_plan(&sample, size, &err), OUTCOME_USAGE);
}

static void user_table(void **state)
{
    static const char *const good[] = {
        "",         "0",     "33",          "65534",  "root",
        "www-data", "_apt",  "a_b1",        "?alice", "www-data:www-data",
        "33:33",    "0:adm", "Debian-exim", "a.b"};
    static const char *const bad[] = {
        "65535", "65536", "00",   "01",    "-1",   "+1",     "4294967295", "Ro+ot",
        "a b",   "a:B ",  "../x", ".b",    "1a",   "-a",     "\033c",      "?",
        "??a",   "a:",    ":a",   "a:b:c", "a:?b", "a:65535"};
    static struct sample sample;
    struct command *command;
    struct err err;
    size_t i;

    (void)state;
    sample.size = 0;
    command = sample_command(&sample);
    for (i = 0; i < ARRAY_LEN(good); i++) {
        memset(command->user, 0, sizeof(command->user));
        memcpy(command->user, good[i], strlen(good[i]));
        if (check_command(&sample, sample.size, &err) != 0)
            fail_msg("user '%s': %s", good[i], err.text);
    }
    for (i = 0; i < ARRAY_LEN(bad); i++) {
        memset(command->user, 0, sizeof(command->user));
        memcpy(command->user, bad[i], strlen(bad[i]));
        if (check_command(&sample, sample.size, &err) != OUTCOME_USAGE)
            fail_msg("user '%s' passed", bad[i]);
    }
    memset(command->user, 'a', sizeof(command->user));
    assert_int_equal(check_command(&sample, sample.size, &err), OUTCOME_USAGE);
}

static void spoil_and_check(size_t offset, uint32_t value)
{
    static struct sample sample;
    struct err err;

    sample.size = 0;
    sample_command(&sample);
    memcpy(sample.bytes + offset, &value, sizeof(value));
    assert_int_equal(check_command(&sample, sample.size, &err), OUTCOME_USAGE);
}

static void broken_commands_are_refused(void **state)
{
    (void)state;
    spoil_and_check(offsetof(struct command, argc), 0);
    spoil_and_check(offsetof(struct command, argc), 1);
    spoil_and_check(offsetof(struct command, argc), 3);
    spoil_and_check(offsetof(struct command, argc), PLAN_ARGS_MAX + 1);
    spoil_and_check(offsetof(struct command, argc), UINT32_MAX);
    spoil_and_check(offsetof(struct command, envc), 1);
    spoil_and_check(offsetof(struct command, envc), UINT32_MAX - 1);
    spoil_and_check(offsetof(struct command, strings_len), 0);
    spoil_and_check(offsetof(struct command, strings_len), UINT32_MAX);
    spoil_and_check(offsetof(struct command, strings_len), PLAN_STRINGS_MAX + 1);
    spoil_and_check(offsetof(struct command, reserved), 1);
    spoil_and_check(offsetof(struct command, strings), 0x746f6f72); /* a relative directory */
}

static void directory_and_program(void **state)
{
    static struct sample sample;
    struct command *command;
    struct err err;

    (void)state;
    sample.size = 0;
    command = sample_command(&sample);
    /* "" a 0 "-x" ...: the directory may be empty */
    memset(command->strings, 'x', command->strings_len);
    command->strings[0] = '\0';
    command->strings[4] = '\0';
    command->strings[8] = '\0';
    command->strings[12] = '\0';
    command->strings[command->strings_len - 1] = '\0';
    assert_int_equal(check_command(&sample, sample.size, &err), 0);
    /* an empty program is none */
    command->strings[1] = '\0';
    command->strings[4] = 'x';
    assert_int_equal(check_command(&sample, sample.size, &err), OUTCOME_USAGE);
    assert_non_null(strstr(err.text, "program"));
}

static void strings_are_walked(void **state)
{
    static struct sample sample;
    const char *workdir;
    const char *argv[PLAN_ARGS_MAX + 1];
    const char *envp[PLAN_ARGS_MAX + 1];

    (void)state;
    sample.size = 0;
    command_strings(sample_command(&sample), &workdir, argv, envp);
    assert_string_equal(workdir, "/root");
    assert_string_equal(argv[0], "/bin/true");
    assert_string_equal(argv[1], "-x");
    assert_null(argv[2]);
    assert_string_equal(envp[0], "A=1");
    assert_string_equal(envp[1], "B=2");
    assert_null(envp[2]);
}

static void the_most_words_pass(void **state)
{
    static struct sample sample;
    struct command *command;
    struct err err;

    (void)state;
    sample.size = 0;
    command = sample_command(&sample);
    command->argc = PLAN_ARGS_MAX;
    command->envc = 0;
    command->strings_len = 1 + 2 * PLAN_ARGS_MAX;
    memset(command->strings, 0, command->strings_len);
    for (size_t i = 0; i < PLAN_ARGS_MAX; i++)
        command->strings[1 + 2 * i] = 'w';
    assert_int_equal(check_command(&sample, sizeof(*command) + command->strings_len, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_plans_pass),
        cmocka_unit_test(without_a_cpu_limit_any_share_passes),
        cmocka_unit_test(broken_plans_are_named),
        cmocka_unit_test(every_shorter_plan_is_refused),
        cmocka_unit_test(user_table),
        cmocka_unit_test(broken_commands_are_refused),
        cmocka_unit_test(directory_and_program),
        cmocka_unit_test(strings_are_walked),
        cmocka_unit_test(the_most_words_pass),
    };

    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
