/* SPDX-License-Identifier: Apache-2.0 */
/* test_loop - order of timers, removal from within a callback */
#include "unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/loop.h"

struct trace {
    struct loop *loop;
    char text[16];
    struct loop_source *source[2];
    struct loop_timer *again;
};

struct mark {
    struct trace *trace;
    char letter;
};

static void on_mark(void *data)
{
    struct mark *mark = data;

    mark->trace->text[strlen(mark->trace->text)] = mark->letter;
    if (mark->letter == 'z')
        loop_stop(mark->trace->loop);
}

static void timers_come_by_due_time(void **state)
{
    static const uint64_t due_ms[] = {30, 10, 20, 10, 40};
    struct trace trace = {.text = ""};
    struct mark mark[] = {
        {&trace, 'd'}, {&trace, 'a'}, {&trace, 'c'}, {&trace, 'b'}, {&trace, 'z'}};
    struct loop_timer timer[ARRAY_LEN(mark)] = {{0}};
    struct mark never = {&trace, 'x'};
    struct loop_timer disarmed = {.on_due = on_mark, .data = &never};
    uint64_t start = clock_boot_ns();
    size_t i;

    (void)state;
    assert_int_equal(loop_new(&trace.loop), 0);
    for (i = 0; i < ARRAY_LEN(mark); i++) {
        timer[i].on_due = on_mark;
        timer[i].data = &mark[i];
        loop_arm(trace.loop, &timer[i], start + due_ms[i] * NS_PER_MS);
    }
    loop_arm(trace.loop, &disarmed, start + 5 * NS_PER_MS);
    loop_disarm(trace.loop, &disarmed);
    loop_arm(trace.loop, &timer[0], start + 35 * NS_PER_MS); /* moves it, still after c */
    assert_int_equal(loop_run(trace.loop), 0);
    assert_string_equal(trace.text, "abcdz");
    assert_true(clock_boot_ns() - start >= 40 * NS_PER_MS);
    assert_false(timer[0].armed);
    loop_free(trace.loop);
}

static void on_past(void *data)
{
    struct trace *trace = data;

    trace->text[strlen(trace->text)] = 'p';
    if (strlen(trace->text) == 3)
        loop_stop(trace->loop);
    else
        loop_arm(trace->loop, trace->again, 0);
}

static void a_time_long_past_is_due_now(void **state)
{
    struct trace trace = {.text = ""};
    struct loop_timer timer = {.on_due = on_past, .data = &trace};

    (void)state;
    trace.again = &timer;
    assert_int_equal(loop_new(&trace.loop), 0);
    loop_arm(trace.loop, &timer, 0);
    assert_int_equal(loop_run(trace.loop), 0);
    assert_string_equal(trace.text, "ppp");
    loop_free(trace.loop);
}

static void on_ready(struct loop_source *source, uint32_t epoll_events, void *data)
{
    struct trace *trace = data;
    size_t i;

    (void)source;
    assert_true(epoll_events & EPOLLIN);
    trace->text[strlen(trace->text)] = 'r';
    for (i = 0; i < 2; i++)
        loop_remove(trace->loop, trace->source[i]);
    loop_stop(trace->loop);
}

/* Both are ready in one batch; the first callback removes both, the second must not run. */
static void a_removed_source_is_not_served(void **state)
{
    struct trace trace = {.text = ""};
    struct loop_source source[2];
    int pipes[2][2];
    size_t i;

    (void)state;
    assert_int_equal(loop_new(&trace.loop), 0);
    for (i = 0; i < 2; i++) {
        assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
        source[i] = (struct loop_source){.fd = pipes[i][0], .on_io = on_ready, .data = &trace};
        trace.source[i] = &source[i];
        assert_int_equal(loop_add(trace.loop, &source[i], EPOLLIN), 0);
        assert_int_equal(fd_write_full(pipes[i][1], "x", 1), 0);
    }
    assert_int_equal(loop_run(trace.loop), 0);
    assert_string_equal(trace.text, "r");
    for (i = 0; i < 2; i++) {
        fd_close(&pipes[i][0]);
        fd_close(&pipes[i][1]);
    }
    loop_free(trace.loop);
}

static void on_writable(struct loop_source *source, uint32_t epoll_events, void *data)
{
    struct trace *trace = data;

    (void)source;
    assert_true(epoll_events & EPOLLOUT);
    trace->text[0] = 'w';
    loop_stop(trace->loop);
}

static void change_watches_for_something_else(void **state)
{
    struct trace trace = {.text = ""};
    struct loop_source source;
    int pipes[2];

    (void)state;
    assert_int_equal(loop_new(&trace.loop), 0);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    source = (struct loop_source){.fd = pipes[1], .on_io = on_writable, .data = &trace};
    assert_int_equal(loop_add(trace.loop, &source, 0), 0);
    assert_int_equal(loop_change(trace.loop, &source, EPOLLOUT), 0);
    assert_int_equal(loop_run(trace.loop), 0);
    assert_string_equal(trace.text, "w");
    loop_remove(trace.loop, &source);
    loop_remove(trace.loop, &source);
    fd_close(&pipes[0]);
    fd_close(&pipes[1]);
    loop_free(trace.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_come_by_due_time),
        cmocka_unit_test(a_time_long_past_is_due_now),
        cmocka_unit_test(a_removed_source_is_not_served),
        cmocka_unit_test(change_watches_for_something_else),
    };

    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
