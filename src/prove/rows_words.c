/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_words - D rows about what comes in as words and numbers, from which surroundings, and what
 * is written down about it: environment, escapes, parsers, records, orders that are given up
 */
#include "prove/row.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sha256.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "prove/census.h"
#include "prove/hostproc.h"
#include "prove/speaker.h"
#include "prove/trap.h"

#define HANGUPS        60
#define HANGUP_STEP_US 150
#define SETUID_COPY    "program"
#define LOG_FILE       CROFT_LOG_DIR "/croft.log"
#define RECORDS_DIR    CROFT_STATE_DIR "/records"

/* -- D-11 -----------------------------------------------------------------------------------------
 */

static unsigned privileged_files; /* nftw(3) hands nothing through */

static int count_privileged(const char *path, const struct stat *meta, int type, struct FTW *at)
{
    (void)at;
    if (type == FTW_F &&
        (meta->st_mode & (S_ISUID | S_ISGID) || getxattr(path, "security.capability", NULL, 0) > 0))
        privileged_files++;
    return 0;
}

/* What is started, by whom. */
struct surroundings {
    const struct scene *scene;
    const char *program;
    const char *word;
};

/* The worst surroundings that a caller can make for a program. */
static int surrounded_body(void *data, int in, int out)
{
    const struct surroundings *given = data;
    const struct party *caller = &given->scene->attacker;
    static const struct rlimit none = {0, 0};
    const char *const argv[] = {given->program, given->word, NULL};
    static const char *const environment[] = {"LD_PRELOAD=/proc/self/fd/9",
                                              "LD_LIBRARY_PATH=/tmp:.",
                                              "PATH=.:/tmp",
                                              "TMPDIR=/etc",
                                              "LOCPATH=/tmp",
                                              "GCONV_PATH=.",
                                              "MALLOC_TRACE=/etc/croft-prove",
                                              "HOME=/root",
                                              NULL};
    sigset_t all;

    (void)in;
    (void)out;
    (void)umask(0);
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    (void)signal(SIGCHLD, SIG_IGN);
    (void)setrlimit(RLIMIT_FSIZE, &none);
    if (chdir(given->scene->open_path) < 0 || setgroups(0, NULL) < 0 ||
        setresgid(caller->gid, caller->gid, caller->gid) < 0 ||
        setresuid(caller->uid, caller->uid, caller->uid) < 0)
        return 125;
    for (int fd = 0; fd < 3; fd++)
        (void)close(fd);
    (void)execve(argv[0], (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)environment);
    return 127;
}

/* Starts a program in them. Return: whether it became another's while it ran */
static bool rises(const struct scene *scene, const char *program, const char *word)
{
    struct surroundings given = {.scene = scene, .program = program, .word = word};
    struct child child = CHILD_NONE;
    bool risen = false;

    if (child_fork(surrounded_body, &given, &child) < 0)
        return false;
    for (int i = 0; i < 30 && !risen; i++) {
        uint64_t real = 0, last = 0;

        (void)usleep(5000);
        /* Before it executes the child is still root: only a real id of his counts. The last of the
         * four follows the effective one. */
        risen = hostproc_field(child.pid, "Uid:", false, &real) == 0 &&
                hostproc_field(child.pid, "Uid:", true, &last) == 0 &&
                real == scene->attacker.uid && last == 0;
    }
    (void)child_end(&child, 0);
    return risen;
}

static bool setuid_copy(const struct scene *scene)
{
    auto_close scratch = path_root(scene->scratch, O_RDONLY | O_DIRECTORY);
    auto_close from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    auto_close to = scratch < 0 ? scratch : path_create(scratch, SETUID_COPY, O_WRONLY, 0755);
    char bytes[16384];
    ssize_t got;

    while (from >= 0 && to >= 0 && (got = fd_read_full(from, bytes, sizeof(bytes))) > 0)
        if (fd_write_full(to, bytes, (size_t)got) < 0)
            return false;
    return to >= 0 && fchmod(to, 04755) == 0;
}

static void perform_surroundings(struct scene *scene, struct trial *trial)
{
    char copy[PATH_MAX];
    size_t before = trap_entries(scene->open_path);

    if (!setuid_copy(scene) ||
        str_format(copy, sizeof(copy), "%s/" SETUID_COPY, scene->scratch) < 0 ||
        !rises(scene, copy, "--sleep")) {
        row_verdict(trial, VERDICT_INCONCLUSIVE,
                    "the control's setuid program was no one's but his");
        return;
    }
    row_control(trial, "a setuid program ran as root");
    bool risen = rises(scene, scene->unwalled ? copy : scene_client, "--sleep");
    privileged_files = 0;
    (void)nftw(scene->unwalled ? scene->scratch : CROFT_LIB_DIR, count_privileged, 16, FTW_PHYS);
    (void)nftw(scene_client, count_privileged, 16, FTW_PHYS);
    if (risen)
        row_verdict(trial, VERDICT_LEAKED, "the program ran as root in his surroundings");
    else if (privileged_files)
        row_verdict(trial, VERDICT_LEAKED, "%u installed files give privileges", privileged_files);
    else if (trap_entries(scene->open_path) != before)
        row_verdict(trial, VERDICT_LEAKED, "a file appeared in a directory of the host");
    else
        row_verdict(trial, VERDICT_BLOCKED,
                    "no installed file gives a privilege; croft stayed his");
}

static void clean_copy(struct scene *scene, struct trial *trial)
{
    auto_close scratch = path_root(scene->scratch, O_RDONLY | O_DIRECTORY);

    (void)trial;
    if (scratch >= 0 && path_unlink(scratch, SETUID_COPY) < 0)
        return;
}

/* -- D-12 -----------------------------------------------------------------------------------------
 */

static bool is_raw(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < ' ' && text[i] != '\n')
            return true;
    return false;
}

static off_t log_size(void)
{
    auto_close log = path_root(LOG_FILE, O_RDONLY);
    struct stat meta;

    return log < 0 || fstat(log, &meta) < 0 ? 0 : meta.st_size;
}

/* Whether what was added to the log since @from can move a reader's cursor. */
static bool log_is_raw(off_t from)
{
    auto_close log = path_root(LOG_FILE, O_RDONLY);
    char bytes[8192];
    ssize_t got = log < 0 ? 0 : pread(log, bytes, sizeof(bytes), from);

    return got > 0 && is_raw(bytes, (size_t)got);
}

static void perform_escapes(struct scene *scene, struct trial *trial)
{
    static const char *const names[] = {"a\x1b[2J", "a\x1b]0;root\a",    "a\nroot ok", "%s%n%n",
                                        "a\",\"b",  "\xe2\x80\xae-root", "a\rb",       "--purge"};
    static const char *const calls[] = {
        "{\"method\":\"Info\",\"parameters\":{\"name\":\"\\u001b[2J\\n\"}}",
        "{\"method\":\"\\u001b[31m\",\"parameters\":{}}",
        "{\"method\":\"Plan\",\"parameters\":{\"kind\":\"job\",\"image\":\"\\u001b]0;x\\u0007\"}}"};
    static const uint32_t types[] = {ORDER_START, ORDER_LOGS, ORDER_IMAGE_REMOVE, ORDER_REMOVE};
    off_t logged = log_size();
    char answer[4096];
    unsigned raw = 0, said = 0;

    if (!is_raw(names[0], strlen(names[0]))) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "what is said is seen as harmless");
        return;
    }
    row_control(trial, "the detector sees the bytes that were said");
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        for (size_t j = 0; j < ARRAY_LEN(names); j++) {
            const struct speech speech = {.type = types[i], .name = names[j]};
            struct reply reply;

            int outcome = speaker_say(scene->attacker.uid, scene->attacker.gid, &speech, &reply);
            const char *text = scene->unwalled ? names[j] : reply.text;
            raw += outcome < 0 || is_raw(text, strlen(text)) || strchr(reply.text, '\n');
            said++;
        }
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        raw += speaker_ask(scene->attacker.uid, scene->attacker.gid, calls[i], answer,
                           sizeof(answer)) == 0 &&
               is_raw(answer, strlen(answer));
        said++;
    }
    if (raw)
        row_verdict(trial, VERDICT_LEAKED, "%u of %u answers carry raw bytes", raw, said);
    else if (log_is_raw(logged))
        row_verdict(trial, VERDICT_LEAKED, "the log carries raw bytes");
    else
        row_verdict(trial, VERDICT_BLOCKED, "%u answers and the log: one clean line each", said);
}

/* -- D-26 -----------------------------------------------------------------------------------------
 */

static uint64_t file_hash(const char *path)
{
    auto_close fd = open(path, O_RDONLY | O_CLOEXEC);
    struct sha256 hash;
    uint8_t digest[SHA256_SIZE];
    char bytes[16384];
    uint64_t first = 0;
    ssize_t got;

    sha256_init(&hash);
    while (fd >= 0 && (got = fd_read_full(fd, bytes, sizeof(bytes))) > 0)
        sha256_add(&hash, bytes, (size_t)got);
    sha256_end(&hash, digest);
    memcpy(&first, digest, sizeof(first));
    return first;
}

/* Whether the chains of all files hold. */
static bool records_verify(void)
{
    const char *const words[] = {"audit", "verify", NULL};
    char output[512];

    return scene_croft(NULL, words, NULL, 0, output, sizeof(output)) == 0;
}

/* What he may not: read hers; write, cut, rename, remove any. */
static void touch_records(struct fact *fact, const char *hers, const char *his)
{
    static const char spare[] = RECORDS_DIR "/croft-prove";
    const char *const files[] = {hers, his, RECORDS_DIR "/host"};

    auto_close seen = open(hers, O_RDONLY | O_CLOEXEC);
    (void)fact_tried(fact, seen);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        auto_close fd = open(files[i], O_WRONLY | O_APPEND | O_CLOEXEC);

        (void)fact_tried(fact, fd);
    }
    auto_close made = open(spare, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    (void)fact_tried(fact, made);
    if (made >= 0)
        (void)unlink(spare);
}

static void perform_records(struct scene *scene, struct trial *trial)
{
    const struct party *speaker = scene->unwalled ? NULL : &scene->attacker;
    char hers[128], his[128];
    struct fact control = {0};
    int refused = 0;

    if (str_format(hers, sizeof(hers), RECORDS_DIR "/%u", scene->victim.uid) < 0 ||
        str_format(his, sizeof(his), RECORDS_DIR "/%u", scene->attacker.uid) < 0)
        return;
    touch_records(&control, hers, his); /* as root, who may */
    if (control.number[0] < control.number[1] || !records_verify()) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "root could not open the files");
        return;
    }
    trial->control = control;
    row_control_fact(scene, trial);
    uint64_t before = file_hash(hers);
    int error = speaker ? speaker_as(speaker->uid, speaker->gid) : 0;
    if (error == 0)
        touch_records(&trial->attack, hers, his);
    speaker_back();
    for (int i = 0; i < 30; i++) {
        const struct speech forge = {
            .type = ORDER_STOP, .number = 1, .name = i % 2 ? scene->victim.machine : "x\nadmin"};
        struct reply reply;

        refused += speaker_say(scene->attacker.uid, scene->attacker.gid, &forge, &reply) > 0;
    }
    if (refused < 30)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "%d of 30 orders were refused", refused);
    else if (!records_verify())
        row_verdict(trial, VERDICT_LEAKED, "the chain of records no longer holds");
    else if (file_hash(hers) != before)
        row_verdict(trial, VERDICT_LEAKED, "what he did stands in her file");
    else
        row_judge_reach(scene, trial);
}

/* -- D-30 -----------------------------------------------------------------------------------------
 */

/* Gives an order and hangs up after @us, whatever has come of it by then. */
static void order_and_go(const struct scene *scene, unsigned number, unsigned us)
{
    union spoken_plan plan;
    char name[32];
    int sent = 0;

    if (str_format(name, sizeof(name), "prove-gone-%u", number) < 0 ||
        speaker_plan(&scene->attacker, name, 30, &plan) < 0)
        return;
    plan.plan.kind = number % 3 ? PLAN_JOB : PLAN_MACHINE;
    plan.plan.flags = number % 3 ? PLAN_REMOVE : 0;
    auto_close sock = speaker_connect("door", scene->attacker.uid, scene->attacker.gid);
    if (number % 3 == 0) {
        const struct speech launch = {
            .type = ORDER_LAUNCH, .body = &plan, .body_size = plan_size(&plan.plan)};
        sent = speaker_send(sock, &launch);
    } else {
        sent = speaker_send_run(sock, &plan);
    }
    if (sent == 0)
        (void)usleep(us);
}

static void perform_hangups(struct scene *scene, struct trial *trial)
{
    struct census before;
    char name[32], output[512];

    if (!census_control(scene, trial, &before))
        return;
    for (unsigned i = 0; i < HANGUPS; i++)
        order_and_go(scene, i, i * HANGUP_STEP_US);
    for (unsigned i = 0; i < HANGUPS; i += 3) {
        const char *const remove[] = {"rm", "--force", name, NULL};

        if (str_format(name, sizeof(name), "prove-gone-%u", i) == 0)
            (void)trap_words(scene, remove, output, sizeof(output));
    }
    const char *left = census_settled(scene, &before);
    if (left)
        row_verdict(trial, VERDICT_LEAKED, "%d orders given up left %s behind", HANGUPS, left);
    else
        row_verdict(trial, VERDICT_BLOCKED, "%d orders given up at as many moments left nothing",
                    HANGUPS);
}

/* -- D-31 -----------------------------------------------------------------------------------------
 */

static const char *const no_numbers[] = {" 16",   "16 ",  "+16",
                                         "0x10",  "1e3",  "-1",
                                         "",      "016",  "18446744073709551617",
                                         "1_000", "16\n", "\xef\xbc\x91\xef\xbc\x96",
                                         "16.0"};

static void perform_numbers(struct scene *scene, struct trial *trial)
{
    static const char *const calls[] = {"-1",   "1e3",  "\"16\"", "18446744073709551617",
                                        "16.5", "[16]", "true"};
    const char *number = "16";
    const char *const run[] = {"run",       "--rm", "--pids",    number,
                               PROVE_IMAGE, "--",   "/bin/true", NULL};
    char output[1024], call[256];
    struct fact *fact = &trial->attack;

    if (scene_croft(&scene->attacker, run, NULL, 0, output, sizeof(output)) != 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "a plain number was refused: %.100s", output);
        return;
    }
    row_control(trial, "a plain 16 was taken");
    for (size_t i = 0; i < ARRAY_LEN(no_numbers); i++) {
        number = scene->unwalled ? "16" : no_numbers[i];
        const char *const words[][8] = {
            {"run", "--rm", "--pids", number, PROVE_IMAGE, "--", "/bin/true", NULL},
            {"stop", "--timeout", number, "nobody", NULL}};

        for (size_t j = 0; j < ARRAY_LEN(words); j++) {
            int status = scene_croft(&scene->attacker, words[j], NULL, 0, output, sizeof(output));

            fact->number[1]++;
            /* `run` keeps 2 for its command. */
            if (status == OUTCOME_USAGE || status == 125)
                continue;
            fact->number[0]++;
            fact_note(fact, "%s %s: %d", words[j][0], number, status);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        if (str_format(call, sizeof(call),
                       "{\"method\":\"Plan\",\"parameters\":{\"kind\":\"job\",\"image\":\"%s\","
                       "\"command\":[\"/bin/true\"],\"pids\":%s}}",
                       PROVE_IMAGE, scene->unwalled ? "16" : calls[i]) < 0 ||
            speaker_ask(scene->attacker.uid, scene->attacker.gid, call, output, sizeof(output)) < 0)
            continue;
        fact->number[1]++;
        if (strstr(output, "\"outcome\": 2") || strstr(output, "\"outcome\":2"))
            continue;
        fact->number[0]++;
        fact_note(fact, "Plan %s: %.60s", calls[i], output);
    }
    fact->error = EINVAL;
    row_judge_reach(scene, trial);
}

const struct row rows_words[] = {
    {
        "D-11",
        SEVERITY_HIGH,
        "API",
        "LD_PRELOAD, no descriptors, blocked signals, no room for files",
        "nothing of Croft is setuid; the monitor reads no environment",
        .perform = perform_surroundings,
        .clean = clean_copy,
    },
    {
        "D-12",
        SEVERITY_HIGH,
        "API",
        "escapes, newlines and formats in names, back in answers and logs",
        "names are a-z, 0-9 and -; what is said is made printable",
        .perform = perform_escapes,
    },
    {
        "D-26",
        SEVERITY_HIGH,
        "API",
        "read the victim's records; write, cut, forge any",
        "one chained file per user, root's, readable by its user",
        .perform = perform_records,
    },
    {
        "D-30",
        SEVERITY_HIGH,
        "API",
        "give orders and hang up at every moment of them",
        "every object has one owner and one end",
        .lane = LANE_ALONE,
        .perform = perform_hangups,
    },
    {
        "D-31",
        SEVERITY_HIGH,
        "API",
        "numbers that parsers read differently",
        "one strict parser of numbers",
        .perform = perform_numbers,
    },
};
const size_t rows_words_count = ARRAY_LEN(rows_words);
