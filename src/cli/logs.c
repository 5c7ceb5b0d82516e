/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs - what a machine's main process printed, as croft-init keeps it (wire/logfile.h)
 *
 * The monitor hands over the two files, read-only. They are rewritten in turn while we read, so
 * each piece is believed only when the header behind it still has the number of the file we are in.
 * A reader that is two files behind loses what was overwritten, never the order.
 */
#include "wire/logfile.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/door.h"
#include "cli/option.h"
#include "cli/say.h"

#define FILES         2
#define PIECE_SIZE    (64U * 1024U)
#define LOOK_EVERY_MS 100
#define ASK_EVERY_MS  500U

struct reader {
    int fd[FILES]; /* borrowed */
    unsigned int current;
    uint64_t seq; /* 0: none found yet */
    off_t offset;
    bool plain;  /* standard output is a terminal: nothing may move its cursor */
    char before; /* the last byte that was shown */
};

static int show(struct reader *reader, const char *name, bool follow, struct err *err);

int verb_logs(const struct cli *cli, int argc, char **argv, struct err *err)
{
    bool follow = false;
    const struct option options[] = {{'f', OPTION_FLAG, "follow", &follow, 0, 0, NULL}};
    struct door_reply reply = {.fds = {.count = 0}};
    struct reader reader = {.plain = isatty(STDOUT_FILENO)};
    struct operands words;
    struct order order;
    auto_close sock = -1;
    int r = option_parse(options, ARRAY_LEN(options), argc, argv, 0, &words, err);

    (void)cli;
    if (r != 0)
        return r;
    if (words.count != 1 || words.rest_count != 0)
        return err_set(err, OUTCOME_USAGE, "give the name of one machine");
    r = door_order(&order, ORDER_LOGS, "a machine", words.item[0], err);
    if (r == 0)
        r = door_open(&sock, err);
    if (r == 0)
        r = door_call(sock, &order, NULL, 0, &reply, err);
    if (r != 0)
        return r;
    if (reply.fds.count == FILES) {
        memcpy(reader.fd, reply.fds.fd, sizeof(reader.fd));
        fd_close(&sock);
        r = show(&reader, words.item[0], follow, err);
    } else {
        r = err_set(err, OUTCOME_FAILED, "the monitor sent no log");
    }
    frame_fds_cleanup(&reply.fds);
    return r;
}

/* The number of file @i; 0: it holds nothing. */
static uint64_t file_seq(const struct reader *reader, unsigned int i)
{
    struct logfile_header header;
    ssize_t got = pread(reader->fd[i], &header, sizeof(header), 0);

    if (got != (ssize_t)sizeof(header) || !logfile_valid(&header, (size_t)got))
        return 0;
    return header.seq;
}

/* Moves to the older of the files that are newer than what was read. Return: whether there is one
 */
static bool move_on(struct reader *reader)
{
    uint64_t best = 0;

    for (unsigned int i = 0; i < FILES; i++) {
        uint64_t seq = file_seq(reader, i);

        if (seq > reader->seq && (best == 0 || seq < best)) {
            best = seq;
            reader->current = i;
        }
    }
    if (best == 0)
        return false;
    reader->seq = best;
    reader->offset = (off_t)sizeof(struct logfile_header);
    return true;
}

/* C0 but line breaks and tabs, DEL, and C1 in its two-byte form. */
static void make_plain(struct reader *reader, char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        bool c0 = byte < 0x20 && byte != '\n' && byte != '\t' && byte != '\r';
        bool c1 = byte >= 0x80 && byte < 0xa0 && (unsigned char)reader->before == 0xc2;

        reader->before = bytes[i];
        if (c0 || c1 || byte == 0x7f)
            bytes[i] = '?';
    }
}

/* Writes all there is. Return: 0; OUTCOME_FAILED standard output does not take it */
static int drain(struct reader *reader, struct err *err)
{
    static char piece[PIECE_SIZE];

    while (reader->seq != 0 || move_on(reader)) {
        bool newer = file_seq(reader, reader->current ^ 1U) > reader->seq;
        ssize_t got = pread(reader->fd[reader->current], piece, sizeof(piece), reader->offset);
        int r;

        if (file_seq(reader, reader->current) != reader->seq || (got <= 0 && newer)) {
            if (move_on(reader))
                continue;
            return 0;
        }
        if (got <= 0)
            return 0;
        reader->offset += got;
        if (reader->plain)
            make_plain(reader, piece, (size_t)got);
        r = fd_write_full(STDOUT_FILENO, piece, (size_t)got);
        if (r < 0)
            return err_errno(err, OUTCOME_FAILED, r, "writing to standard output");
    }
    return 0;
}

static bool runs(const char *name)
{
    auto_json *answer = NULL;
    struct err ignored;
    const char *state;
    int r = api_call("Info", json_pack("{s:s}", "name", name), &answer, &ignored);

    if (r != 0)
        return r != OUTCOME_NOT_FOUND;
    state = api_text(json_object_get(answer, "machine"), "state");
    return strcmp(state, "stopped") != 0 && strcmp(state, "failed") != 0;
}

static int show(struct reader *reader, const char *name, bool follow, struct err *err)
{
    const struct timespec pause = {.tv_nsec = LOOK_EVERY_MS * 1000000L};
    uint64_t ask_boot_ns = 0;
    bool last = !follow;

    for (;;) {
        uint64_t now = clock_boot_ns();
        bool ask = now >= ask_boot_ns;
        int r;

        /* Asked before it is drained: what came before the end is never missed. */
        if (follow && ask) {
            last = !runs(name);
            ask_boot_ns = now + ASK_EVERY_MS * NS_PER_MS;
        }
        r = drain(reader, err);
        if (r != 0 || last)
            return r;
        (void)nanosleep(&pause, NULL);
    }
}
