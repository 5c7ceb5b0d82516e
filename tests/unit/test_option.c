/* SPDX-License-Identifier: Apache-2.0 */
/* test_option - the client's command lines */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "cli/option.h"

#define WORDS_MAX 16

struct wish {
    bool tty, input, tty_given, lan, lan_given;
    const char *name;
    uint64_t pids, memory, cpus, net;
    const char *env[2];
    struct option_list list;
};

static struct wish wish;
static struct operands words;
static struct err err;

/* Parses words given as literals; argv is made of copies, as a real one may be written to. */
static int parse(size_t operand_max, const char *const *line)
{
    static char room[WORDS_MAX][64];
    static char *argv[WORDS_MAX + 1];
    const struct option options[] = {
        {'t', OPTION_FLAG, "tty", &wish.tty, 0, 0, &wish.tty_given},
        {'i', OPTION_FLAG, "interactive", &wish.input, 0, 0, NULL},
        {'n', OPTION_TEXT, "name", &wish.name, 0, 0, NULL},
        {0, OPTION_COUNT, "pids", &wish.pids, 16, 1000, NULL},
        {0, OPTION_SIZE, "memory", &wish.memory, 1024, 1ULL << 40, NULL},
        {0, OPTION_CPUS, "cpus", &wish.cpus, 0, 0, NULL},
        {0, OPTION_RATE, "net", &wish.net, 1024, 1ULL << 40, NULL},
        {0, OPTION_YES, "lan", &wish.lan, 0, 0, &wish.lan_given},
        {'e', OPTION_LIST, "env", &wish.list, 0, 0, NULL},
    };
    int argc = 0;

    wish = (struct wish){.name = NULL};
    wish.list = (struct option_list){wish.env, ARRAY_LEN(wish.env), 0};
    err = (struct err){.outcome = OUTCOME_OK};
    for (; line[argc] != NULL; argc++) {
        assert_true(argc < WORDS_MAX && strlen(line[argc]) < sizeof(room[0]));
        memcpy(room[argc], line[argc], strlen(line[argc]) + 1);
        argv[argc] = room[argc];
    }
    argv[argc] = NULL;
    return option_parse(options, ARRAY_LEN(options), argc, argv, operand_max, &words, &err);
}

#define PARSE(operand_max, ...) parse(operand_max, (const char *const[]){__VA_ARGS__, NULL})

static void forms(void **state)
{
    (void)state;
    assert_int_equal(PARSE(0, "-it", "--name=a", "x", "--pids", "20", "-eA=1", "-e", "B=2"), 0);
    assert_true(wish.tty && wish.input && wish.tty_given);
    assert_string_equal(wish.name, "a");
    assert_int_equal(wish.pids, 20);
    assert_int_equal(wish.list.count, 2);
    assert_string_equal(wish.env[0], "A=1");
    assert_string_equal(wish.env[1], "B=2");
    assert_int_equal(words.count, 1);
    assert_string_equal(words.item[0], "x");
    assert_int_equal(words.rest_count, 0);
    assert_int_equal(PARSE(0, "--memory=2K", "--cpus", "1.5", "-"), 0);
    assert_int_equal(wish.memory, 2048);
    assert_int_equal(wish.cpus, 1500);
    assert_string_equal(words.item[0], "-");
    assert_int_equal(PARSE(0, "--net", "100M", "--lan", "yes"), 0);
    assert_int_equal(wish.net, 100ULL << 20);
    assert_true(wish.lan && wish.lan_given);
    assert_int_equal(PARSE(0, "--net", "1M", "--net=none", "--lan=no"), 0);
    assert_int_equal(wish.net, 0);
    assert_true(!wish.lan && wish.lan_given);
}

static void command_follows_the_last_operand(void **state)
{
    (void)state;
    assert_int_equal(PARSE(1, "-i", "image", "ls", "-t", "--", "x"), 0);
    assert_false(wish.tty);
    assert_int_equal(words.count, 1);
    assert_int_equal(words.rest_count, 4);
    assert_string_equal(words.rest[0], "ls");
    assert_string_equal(words.rest[2], "--");
    assert_null(words.rest[4]);
    /* One border is the caller's, a second one the command's. */
    assert_int_equal(PARSE(1, "image", "--", "--", "x"), 0);
    assert_int_equal(words.rest_count, 2);
    assert_string_equal(words.rest[0], "--");
    assert_int_equal(PARSE(1, "--", "image", "-t"), 0);
    assert_string_equal(words.item[0], "image");
    assert_string_equal(words.rest[0], "-t");
}

static void command_follows_the_border(void **state)
{
    (void)state;
    assert_int_equal(PARSE(0, "a", "b", "-t", "--", "-i", "--"), 0);
    assert_true(wish.tty);
    assert_false(wish.input);
    assert_int_equal(words.count, 2);
    assert_int_equal(words.rest_count, 2);
    assert_string_equal(words.rest[0], "-i");
    assert_int_equal(PARSE(0, "a", "--"), 0);
    assert_int_equal(words.rest_count, 0);
}

static void refusals(void **state)
{
    static const char *const lines[][3] = {
        {"--what"},
        {"-x"},
        {"-ix"},
        {"--tty=1"},
        {"--name"},
        {"-n"},
        {"--name", ""},
        {"--pids", "15"},
        {"--pids", "-1"},
        {"--pids", "1001"},
        {"--pids", "0x20"},
        {"--pids", " 20"},
        {"--memory", "1"},
        {"--memory", "x"},
        {"--memory", "-1G"},
        {"--cpus", "0"},
        {"--cpus", ".5x"},
        {"--cpus", "1."},
        {"--cpus", "-1"},
        {"--cpus", "1e3"},
        {"--cpus", "0.0001"},
        {"--net", "0"},
        {"--net", "1023"},
        {"--net", "None"},
        {"--net", "fast"},
        {"--lan", "maybe"},
        {"--lan", "Yes"},
        {"--lan"},
        {"--nam", "a"},
        {"--pids="},
        {"--=x"},
        {"-\x1b"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        if (parse(0, lines[i]) != OUTCOME_USAGE || err.outcome != OUTCOME_USAGE ||
            err.text[0] == '\0' || strpbrk(err.text, "\n\x1b") != NULL)
            fail_msg("line %zu: %s", i, lines[i][0]);
    }
    assert_int_equal(PARSE(0, "-e1", "-e2", "-e3"), OUTCOME_USAGE);
}

static void cpus(void **state)
{
    static const struct {
        const char *text;
        int result;
        uint64_t milli;
    } table[] = {
        {"1", 0, 1000},        {"0.5", 0, 500},
        {"2.25", 0, 2250},     {"0.010", 0, 10},
        {"all", 0, 0},         {"0", -ERANGE, 7},
        {"0.009", -ERANGE, 7}, {"", -EINVAL, 7},
        {".5", -EINVAL, 7},    {"1.2345", -EINVAL, 7},
        {"1.", -EINVAL, 7},    {"01", -EINVAL, 7},
        {"5000", -ERANGE, 7},  {"1.-5", -EINVAL, 7},
        {"1,5", -EINVAL, 7},   {"99999999999999999999", -EINVAL, 7},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        uint64_t milli = 7;

        if (option_cpus(table[i].text, &milli) != table[i].result || milli != table[i].milli)
            fail_msg("option_cpus(\"%s\")", table[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(command_follows_the_last_operand),
        cmocka_unit_test(command_follows_the_border),
        cmocka_unit_test(refusals),
        cmocka_unit_test(cpus),
    };

    return cmocka_run_group_tests_name("option", tests, NULL, NULL);
}
