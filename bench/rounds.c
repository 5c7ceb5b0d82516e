/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rounds - times whole commands side by side: every round runs each of them once, in a rotated
 * order, so that what the machine does meanwhile falls on all alike and ratios can be taken round
 * by round
 *
 * usage: rounds [-r ROUNDS] [-w WARMUP] [-g GAP_MS] [-b BASE] < LIST
 * A line of LIST: NAME UID WORD... ; UID 0 is root, any other is what the command runs as. GAP_MS
 * of idling before each command make it a cold one. Standard input and outputs are /dev/null.
 * Prints per command: rounds, how many failed, median, p10, p90 in ms, and the median, p10, p90 of
 * its ratio to BASE (default: the first).
 *
 * Runs as: root
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMMANDS_MAX 32
#define WORDS_MAX    64
#define ROUNDS_MAX   2000
#define LINE_MAX_LEN 4096

struct command {
    char *name;
    uid_t uid;
    char *words[WORDS_MAX];
    double ms[ROUNDS_MAX];
    int failed;
};

struct options {
    int rounds;
    int warmup;
    int gap_ms;
    const char *base;
};

static struct command commands[COMMANDS_MAX];

static double now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int read_commands(void)
{
    static char lines[COMMANDS_MAX][LINE_MAX_LEN];
    int count = 0;

    while (count < COMMANDS_MAX && fgets(lines[count], LINE_MAX_LEN, stdin)) {
        struct command *command = &commands[count];
        char *rest = lines[count];
        char *word;
        int words = 0;

        rest[strcspn(rest, "\n")] = '\0';
        command->name = strsep(&rest, " ");
        if (!command->name || !*command->name || *command->name == '#' || !rest)
            continue;
        word = strsep(&rest, " ");
        command->uid = (uid_t)strtoul(word, NULL, 10);
        while (rest && words + 1 < WORDS_MAX && (word = strsep(&rest, " ")))
            if (*word)
                command->words[words++] = word;
        count += words > 0;
    }
    return count;
}

static void become(const struct command *command, int null)
{
    static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    char *const plain[] = {path, NULL};
    uid_t uid = command->uid;

    for (int fd = 0; fd < 3; fd++)
        (void)dup2(null, fd);
    if (uid &&
        (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
        _exit(126);
    (void)execvpe(command->words[0], command->words, plain);
    _exit(127);
}

/* Return: exit status; -1: it did not end by itself */
static int run(const struct command *command, int null, double *ret_ms)
{
    double start = now_ms();
    pid_t pid = fork();
    int status = -1;

    if (pid == 0)
        become(command, null);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return -1;
    *ret_ms = now_ms() - start;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void run_all(const struct options *options, int count)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct timespec gap = {.tv_sec = options->gap_ms / 1000,
                           .tv_nsec = options->gap_ms % 1000 * 1000000L};

    for (int round = -options->warmup; round < options->rounds; round++) {
        for (int i = 0; i < count; i++) {
            struct command *command = &commands[(i + round + options->warmup) % count];
            double ms = 0;

            if (options->gap_ms)
                (void)nanosleep(&gap, NULL);
            int status = run(command, null, &ms);
            if (round < 0)
                continue;
            command->ms[round] = ms;
            command->failed += status != 0;
        }
    }
    (void)close(null);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Prints median, p10 and p90, in columns of @width. */
static void print_spread(double *values, int count, int width)
{
    char spread[32];

    qsort(values, (size_t)count, sizeof(*values), compare);
    (void)snprintf(spread, sizeof(spread), "(%.2f .. %.2f)", values[count / 10],
                   values[count * 9 / 10]);
    printf("%*.2f  %-20s", width, values[count / 2], spread);
}

static void print_all(const struct options *options, int count)
{
    static double sorted[ROUNDS_MAX], ratio[ROUNDS_MAX];
    const struct command *base = &commands[0];

    for (int i = 0; i < count; i++)
        if (options->base && strcmp(commands[i].name, options->base) == 0)
            base = &commands[i];
    printf("%-24s %5s %6s  %8s  %-20s %6s  / %s\n", "command", "n", "failed", "ms", "(p10 .. p90)",
           "ratio", base->name);
    for (int i = 0; i < count; i++) {
        for (int round = 0; round < options->rounds; round++) {
            sorted[round] = commands[i].ms[round];
            ratio[round] = commands[i].ms[round] / base->ms[round];
        }
        printf("%-24s %5d %6d  ", commands[i].name, options->rounds, commands[i].failed);
        print_spread(sorted, options->rounds, 8);
        print_spread(ratio, options->rounds, 7);
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    struct options options = {.rounds = 40, .warmup = 3};
    int option, count;

    while ((option = getopt(argc, argv, "r:w:g:b:")) != -1) {
        int number = option == 'b' ? 0 : (int)strtol(optarg, NULL, 10);

        if (option == 'r')
            options.rounds = number;
        else if (option == 'w')
            options.warmup = number;
        else if (option == 'g')
            options.gap_ms = number;
        else if (option == 'b')
            options.base = optarg;
        else
            return 2;
    }
    count = read_commands();
    if (count == 0 || options.rounds < 1 || options.rounds > ROUNDS_MAX || options.warmup < 0) {
        (void)fprintf(stderr,
                      "usage: rounds [-r ROUNDS] [-w WARMUP] [-g GAP_MS] [-b BASE] < LIST\n");
        return 2;
    }
    run_all(&options, count);
    print_all(&options, count);
    return 0;
}
