/* SPDX-License-Identifier: Apache-2.0 */
/* test_pump - one direction of a relay: every byte in order, ends passed on, no busy waiting */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/pump.h"

static struct pump pump;

/* One turn. Return: how many of the two descriptors were ready */
static int turn(int timeout_ms)
{
    struct pollfd polls[2];
    int ready;

    pump_watch(&pump, polls);
    ready = poll(polls, 2, timeout_ms);
    assert_true(ready >= 0);
    pump_work(&pump, polls);
    return ready;
}

static void make_pipe(int ends[2])
{
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
}

static void passes_bytes_and_the_end(void **state)
{
    int in[2], out[2];
    char got[16];

    (void)state;
    make_pipe(in);
    make_pipe(out);
    assert_int_equal(fd_set_nonblock(out[1]), 0);
    pump_init(&pump, in[0], false, out[1], true);
    assert_int_equal(write(in[1], "hello", 5), 5);
    while (turn(0) > 0)
        ;
    assert_int_equal(read(out[0], got, sizeof(got)), 5);
    assert_memory_equal(got, "hello", 5);
    assert_int_equal(turn(0), 0); /* nothing to do is nothing to wake up for */
    fd_close(&in[1]);
    while (turn(0) > 0 && !pump_done(&pump))
        ;
    assert_true(pump_done(&pump));
    assert_int_equal(read(out[0], got, sizeof(got)), 0); /* the half-close arrived */
    fd_close(&in[0]);
    fd_close(&out[0]);
}

static void waits_for_a_slow_reader(void **state)
{
    static char block[4096];
    int in[2], out[2];
    size_t sent = 0, read_back = 0;
    ssize_t size;

    (void)state;
    make_pipe(in);
    make_pipe(out);
    assert_int_equal(fcntl(in[1], F_SETFL, O_NONBLOCK), 0);
    pump_init(&pump, in[0], true, out[1], false); /* a foreign end, which may block */
    do {
        size = write(in[1], block, sizeof(block));
        sent += size > 0 ? (size_t)size : 0;
    } while (turn(0) > 0 && sent < (1U << 20));
    assert_true(sent > 65536U && sent < (1U << 20)); /* it stopped, and did not block */
    fd_close(&in[1]);
    assert_int_equal(fcntl(out[0], F_SETFL, O_NONBLOCK), 0);
    while (!pump_done(&pump) || read_back < sent) {
        size = read(out[0], block, sizeof(block));
        read_back += size > 0 ? (size_t)size : 0;
        (void)turn(0);
    }
    assert_int_equal(read_back, sent);
    fd_close(&out[0]);
    fd_close(&out[1]);
}

static void a_reader_that_left_ends_the_writer(void **state)
{
    int in[2], out[2];

    (void)state;
    make_pipe(in);
    make_pipe(out);
    pump_init(&pump, in[0], true, out[1], false);
    fd_close(&out[0]);
    assert_true(turn(0) > 0);
    assert_true(pump_done(&pump));
    assert_true(pump.reader_gone);
    assert_int_equal(write(in[1], "x", 1), -1); /* closed, so the command learns it */
    assert_int_equal(errno, EPIPE);
    fd_close(&in[1]);
    fd_close(&out[1]);
}

static void a_socket_half_closed_is_still_read(void **state)
{
    int in[2], out[2];

    (void)state;
    make_pipe(in);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out), 0);
    pump_init(&pump, in[0], true, out[1], false);
    assert_int_equal(shutdown(out[0], SHUT_WR), 0); /* only its input ended: still there */
    assert_int_equal(turn(0), 0);
    fd_close(&out[0]);
    assert_true(turn(0) > 0);
    assert_true(pump.reader_gone);
    fd_close(&in[1]);
    fd_close(&out[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_bytes_and_the_end),
        cmocka_unit_test(waits_for_a_slow_reader),
        cmocka_unit_test(a_reader_that_left_ends_the_writer),
        cmocka_unit_test(a_socket_half_closed_is_still_read),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("pump", tests, NULL, NULL);
}
