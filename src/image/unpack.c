/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack - the two halves of unpacking: one hashes and relays, its child parses
 *
 * Theory of operation
 * The digest names the layer in the records, so it must be right even if an archive takes over
 * the parser. The parent never looks into the bytes: it reads, hashes, hands on. The child gets
 * the bytes, the tree and a pipe for its reports; it has no way to the parent's report, and the
 * filter that both wear has no call by which one process reaches into another. A child that was
 * taken over can lie about counts and spoil a tree that was the attacker's to fill anyway.
 */
#include "image/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sha256.h"
#include "image/extract.h"
#include "image/report.h"
#include "wire/limits.h"

#define RELAY_SIZE (64U * 1024U)

/*
 * reports: from the child; to_child: closed at the end of the archive; said: its last words
 * configured: the image's settings have come, which they do once
 */
struct relay {
    int input;
    int to_child;
    int reports;
    struct sha256 hash;
    struct reporter reporter;
    struct image_report said;
    bool configured;
};

static int child_main(int archive, int reports, int root);
static void relay_all(struct relay *relay);
static bool take_report(struct relay *relay);
static void say_end(int status, struct err *err);

int unpack(int input, int output, int root)
{
    auto_close archive_in = -1;
    auto_close archive_out = -1;
    auto_close reports_in = -1;
    auto_close reports_out = -1;
    struct relay relay = {.input = input};
    struct err err = {.outcome = OUTCOME_OK};
    int ends[2];
    int status = 0;

    reporter_init(&relay.reporter, output);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return 1;
    archive_in = ends[0];
    archive_out = ends[1];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return 1;
    reports_in = ends[0];
    reports_out = ends[1];

    pid_t child = fork();
    if (child < 0)
        return 1;
    if (child == 0) {
        fd_close(&archive_out);
        fd_close(&reports_in);
        close(input);
        close(output);
        _exit(child_main(archive_in, reports_out, root));
    }
    fd_close(&archive_in);
    fd_close(&reports_out);
    sha256_init(&relay.hash);
    relay.to_child = take_fd(&archive_out);
    relay.reports = reports_in;
    relay_all(&relay);
    fd_close(&relay.to_child);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;

    if (relay.said.type != IMAGE_DONE) {
        say_end(status, &err);
    } else if (relay.said.outcome != OUTCOME_OK) {
        relay.said.text[sizeof(relay.said.text) - 1] = '\0';
        err_set(&err,
                relay.said.outcome <= OUTCOME_HOST_CANNOT ? relay.said.outcome : OUTCOME_FAILED,
                "%s", relay.said.text);
    }
    sha256_end(&relay.hash, relay.reporter.report.digest);
    const struct err *failure = err.outcome == OUTCOME_OK ? NULL : &err;
    return reporter_done(&relay.reporter, failure) < 0 || failure != NULL;
}

static int child_main(int archive, int reports, int root)
{
    struct reporter reporter;
    struct err err = {.outcome = OUTCOME_OK};
    reporter_init(&reporter, reports);
    int rc = extract(archive, root, &reporter, &err);
    return reporter_done(&reporter, rc == 0 ? NULL : &err) < 0 || rc != 0;
}

/* Return: false at the end of the archive, or when the child takes no more */
static bool relay_some(struct relay *relay)
{
    static char bytes[RELAY_SIZE];
    ssize_t got = read(relay->input, bytes, sizeof(bytes));
    if (got < 0 && errno == EINTR)
        return true;
    if (got <= 0)
        return false;
    sha256_add(&relay->hash, bytes, (size_t)got);
    relay->reporter.report.archive_bytes += (uint64_t)got;
    return fd_write_full(relay->to_child, bytes, (size_t)got) == 0;
}

/*
 * The child reads to the end of the archive, so that what follows its end mark is hashed as well.
 * A write to it may block while it works; its reports fit into the pipe meanwhile.
 */
static void relay_all(struct relay *relay)
{
    struct pollfd polls[2] = {
        {.fd = relay->reports, .events = POLLIN},
        {.fd = relay->input, .events = POLLIN},
    };
    bool talking = true;
    while (talking) {
        if (poll(polls, ARRAY_LEN(polls), -1) < 0 && errno != EINTR)
            return;
        if (polls[0].revents != 0)
            talking = take_report(relay);
        if (talking && polls[1].revents != 0 && !relay_some(relay)) {
            polls[1].fd = -1;
            fd_close(&relay->to_child);
        }
    }
}

/* The image's settings follow their report. Its size is the child's word, held against its form. */
static bool take_config(struct relay *relay)
{
    static union {
        struct image_config config;
        char bytes[IMAGE_CONFIG_SIZE_MAX];
    } came;
    struct err err;
    ssize_t got = fd_read_full(relay->reports, &came.config, sizeof(came.config));
    if (got != (ssize_t)sizeof(came.config) || came.config.strings_len > IMAGE_CONFIG_STRINGS_MAX)
        return false;
    size_t rest = came.config.strings_len;
    got = fd_read_full(relay->reports, came.bytes + sizeof(came.config), rest);
    return got == (ssize_t)rest &&
           image_config_check(&came.config, sizeof(came.config) + rest) == 0 &&
           reporter_config(&relay->reporter, &came.config, sizeof(came.config) + rest, &err) == 0;
}

/* Return: false when the child has said its last word */
static bool take_report(struct relay *relay)
{
    struct image_report *ours = &relay->reporter.report;
    ssize_t got = fd_read_full(relay->reports, &relay->said, sizeof(relay->said));
    if (got != (ssize_t)sizeof(relay->said) || relay->said.version != IMAGE_VERSION) {
        relay->said.type = 0;
        return false;
    }
    if (relay->said.type == IMAGE_CONFIG) {
        if (!relay->configured && take_config(relay)) {
            relay->configured = true;
            return true;
        }
        relay->said.type = 0;
        return false;
    }
    ours->entries = relay->said.entries;
    ours->bytes = relay->said.bytes;
    ours->skipped = relay->said.skipped;
    if (relay->said.type == IMAGE_DONE)
        return false;
    reporter_progress(&relay->reporter);
    return true;
}

static void say_end(int status, struct err *err)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
        err_set(err, OUTCOME_OVER_LIMIT, "unpacking took more than %u s of CPU time",
                IMAGE_CPU_SECONDS);
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        err_set(err, OUTCOME_OVER_LIMIT,
                "unpacking was killed: most likely it passed your memory limit");
    else if (WIFSIGNALED(status))
        err_set(err, OUTCOME_FAILED, "the archive broke the unpacker (signal %d)",
                WTERMSIG(status));
    else
        err_set(err, OUTCOME_FAILED, "the unpacker ended without a word (status %d)",
                WEXITSTATUS(status));
}
