/* SPDX-License-Identifier: Apache-2.0 */
/* test_frame - messages and descriptors over a socket pair, and what a hostile sender tries */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "wire/frame.h"

static int pair[2];

static int setup(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int teardown(void **state)
{
    (void)state;
    fd_close(&pair[0]);
    fd_close(&pair[1]);
    return 0;
}

static size_t open_count(void)
{
    size_t count = 0;
    int fd;

    for (fd = 0; fd < 256; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            count++;
    return count;
}

static void head_and_body_arrive_as_one(void **state)
{
    char buf[16] = "";

    (void)state;
    assert_int_equal(frame_send(pair[0], "head", 4, "body", 4, NULL, 0), 0);
    assert_int_equal(frame_send(pair[0], "x", 1, NULL, 0, NULL, 0), 0);
    assert_int_equal(frame_recv(pair[1], buf, sizeof(buf), NULL), 8);
    assert_string_equal(buf, "headbody");
    assert_int_equal(frame_recv(pair[1], buf, sizeof(buf), NULL), 1);
    fd_close(&pair[0]);
    assert_int_equal(frame_recv(pair[1], buf, sizeof(buf), NULL), 0);
}

static void descriptors_arrive_close_on_exec(void **state)
{
    auto_frame_fds fds = {.count = 0};
    char buf[4] = "";
    int pipes[2];

    (void)state;
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_int_equal(frame_send(pair[0], "m", 1, NULL, 0, pipes, 2), 0);
    fd_close(&pipes[0]);
    fd_close(&pipes[1]);
    assert_int_equal(frame_recv(pair[1], buf, sizeof(buf), &fds), 1);
    assert_int_equal(fds.count, 2);
    assert_true(fcntl(fds.fd[0], F_GETFD) & FD_CLOEXEC);
    assert_int_equal(fd_write_full(fds.fd[1], "ok", 2), 0);
    assert_int_equal(fd_read_full(fds.fd[0], buf, 2), 2);
    assert_memory_equal(buf, "ok", 2);
}

static void the_largest_message_passes(void **state)
{
    static char big[MESSAGE_SIZE_MAX + 1];
    static char back[MESSAGE_SIZE_MAX];
    int zero[MESSAGE_FDS_MAX] = {0};
    auto_frame_fds fds = {.count = 0};

    (void)state;
    assert_int_equal(
        frame_send(pair[0], big, 100, big + 100, MESSAGE_SIZE_MAX - 100, zero, MESSAGE_FDS_MAX), 0);
    assert_int_equal(frame_recv(pair[1], back, sizeof(back), &fds), MESSAGE_SIZE_MAX);
    assert_int_equal(fds.count, MESSAGE_FDS_MAX);
    assert_int_equal(frame_send(pair[0], big, 100, big, MESSAGE_SIZE_MAX - 99, NULL, 0), -EMSGSIZE);
    assert_int_equal(frame_send(pair[0], big, sizeof(big), NULL, 0, NULL, 0), -EMSGSIZE);
    assert_int_equal(frame_send(pair[0], big, 1, NULL, 0, zero, MESSAGE_FDS_MAX + 1), -EMSGSIZE);
}

static void too_long_is_refused_and_closed(void **state)
{
    struct frame_fds fds = {.count = 0};
    int zero[1] = {0};
    size_t before = open_count();
    char buf[4];

    (void)state;
    assert_int_equal(frame_send(pair[0], "12345", 5, NULL, 0, zero, 1), 0);
    assert_int_equal(frame_recv(pair[1], buf, sizeof(buf), &fds), -EPROTO);
    assert_int_equal(fds.count, 0);
    assert_int_equal(open_count(), before);
}

static void unwanted_descriptors_are_refused_and_closed(void **state)
{
    int zero[3] = {0};
    size_t before = open_count();
    char buf[4];

    (void)state;
    assert_int_equal(frame_send(pair[0], "m", 1, NULL, 0, zero, 3), 0);
    assert_int_equal(frame_recv(pair[1], buf, sizeof(buf), NULL), -EPROTO);
    assert_int_equal(open_count(), before);
}

/* Not by frame_send(), which would not send it: a stranger's own sendmsg(2). */
static void send_many(size_t count, size_t size)
{
    char control[CMSG_SPACE(sizeof(int) * 253)] = "";
    struct iovec part = {.iov_base = control, .iov_len = size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
    struct cmsghdr *item = CMSG_FIRSTHDR(&message);

    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memset(CMSG_DATA(item), 0, sizeof(int) * count);
    assert_int_equal(sendmsg(pair[0], &message, 0), (int)size);
}

static void more_descriptors_than_fit_are_refused_and_closed(void **state)
{
    struct frame_fds fds = {.count = 0};
    size_t before = open_count();
    char buf[4];

    (void)state;
    send_many(MESSAGE_FDS_MAX + 1, 1);
    assert_int_equal(frame_recv(pair[1], buf, sizeof(buf), &fds), -EPROTO);
    send_many(253, 1);
    assert_int_equal(frame_recv(pair[1], buf, sizeof(buf), &fds), -EPROTO);
    assert_int_equal(open_count(), before);
}

static void descriptors_with_an_empty_message_are_closed(void **state)
{
    struct frame_fds fds = {.count = 0};
    size_t before = open_count();
    char buf[4];

    (void)state;
    send_many(2, 0);
    assert_int_equal(frame_recv(pair[1], buf, sizeof(buf), &fds), -EPROTO);
    assert_int_equal(open_count(), before);
}

/* The receiver is out of descriptors: the kernel delivers some of them. */
static void a_full_table_is_refused_and_closed(void **state)
{
    struct frame_fds fds = {.count = 0};
    struct rlimit old;
    struct rlimit few;
    size_t before = open_count();
    int zero[4] = {0};
    char buf[4];

    (void)state;
    assert_int_equal(frame_send(pair[0], "m", 1, NULL, 0, zero, 4), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = old;
    few.rlim_cur = (rlim_t)pair[1] + 2;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_int_equal(frame_recv(pair[1], buf, sizeof(buf), &fds), -EPROTO);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(open_count(), before);
}

static void a_full_socket_says_again(void **state)
{
    static char big[MESSAGE_SIZE_MAX];
    int r = 0;
    int i;

    (void)state;
    assert_int_equal(fd_set_nonblock(pair[0]), 0);
    for (i = 0; i < 1000 && r == 0; i++)
        r = frame_send(pair[0], big, sizeof(big), NULL, 0, NULL, 0);
    assert_int_equal(r, -EAGAIN);
    assert_int_equal(fd_set_nonblock(pair[1]), 0);
    while (frame_recv(pair[1], big, sizeof(big), NULL) > 0)
        continue;
    assert_int_equal(frame_recv(pair[1], big, sizeof(big), NULL), -EAGAIN);
}

static void a_closed_peer_raises_no_signal(void **state)
{
    (void)state;
    fd_close(&pair[1]);
    assert_int_equal(frame_send(pair[0], "m", 1, NULL, 0, NULL, 0), -EPIPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(head_and_body_arrive_as_one, setup, teardown),
        cmocka_unit_test_setup_teardown(descriptors_arrive_close_on_exec, setup, teardown),
        cmocka_unit_test_setup_teardown(the_largest_message_passes, setup, teardown),
        cmocka_unit_test_setup_teardown(too_long_is_refused_and_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(unwanted_descriptors_are_refused_and_closed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(more_descriptors_than_fit_are_refused_and_closed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(descriptors_with_an_empty_message_are_closed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_full_table_is_refused_and_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_socket_says_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_closed_peer_raises_no_signal, setup, teardown),
    };

    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
