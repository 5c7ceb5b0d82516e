/* SPDX-License-Identifier: Apache-2.0 */
/* test_door - the client's side of the door against monitors that keep to the form, and that do not
 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/door.h"

#define ENTRY_SIZE sizeof(struct grant_view)

/* What the monitor of a test answers, one after the other; then it hangs up. */
struct answer {
    uint32_t outcome;
    uint64_t first_id;
    uint32_t count;
    size_t extra; /* bytes that make no whole entry */
    bool same;    /* every entry has first_id */
};

static struct err err;

static void play(int sock, const struct answer *answers, size_t count)
{
    static uint8_t in[MESSAGE_SIZE_MAX];
    static uint8_t body[MESSAGE_SIZE_MAX - sizeof(struct reply)];

    for (size_t i = 0; i < count; i++) {
        const struct answer *answer = &answers[i];
        struct reply head = {
            .version = ORDER_VERSION,
            .type = REPLY_DONE,
            .outcome = answer->outcome,
            .body_size = (uint32_t)(answer->count * ENTRY_SIZE + answer->extra),
        };

        if (frame_recv(sock, in, sizeof(in), NULL) <= 0)
            break;
        for (uint32_t k = 0; k < answer->count; k++) {
            struct grant_view view = {.grant.id = answer->first_id + (answer->same ? 0 : k)};

            memcpy(body + k * ENTRY_SIZE, &view, sizeof(view));
        }
        if (frame_send(sock, &head, sizeof(head), body, head.body_size, NULL, 0) < 0)
            break;
    }
    _exit(0);
}

/* Return: door_list()'s, against a monitor that gives @answers */
static int list(const struct answer *answers, size_t count, struct grant_view **ret_views,
                size_t *ret_count)
{
    int ends[2];
    pid_t pid;
    int r;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fd_close(&ends[0]);
        play(ends[1], answers, count);
    }
    fd_close(&ends[1]);
    err = (struct err){.outcome = OUTCOME_OK};
    r = door_list(ends[0], ORDER_GRANTS, ENTRY_SIZE, (void **)ret_views, ret_count, &err);
    fd_close(&ends[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return r;
}

#define LIST(views, count, ...)                                                                    \
    list((const struct answer[]){__VA_ARGS__},                                                     \
         sizeof((const struct answer[]){__VA_ARGS__}) / sizeof(struct answer), views, count)

static void lists_come_in_parts(void **state)
{
    struct grant_view *views = NULL;
    size_t count = 7;

    (void)state;
    assert_int_equal(LIST(&views, &count, {.count = 0}), 0);
    assert_int_equal(count, 0);
    assert_null(views);
    assert_int_equal(LIST(&views, &count, {.first_id = 5, .count = 200},
                          {.first_id = 900, .count = 1}, {.first_id = 901, .count = 99},
                          {.count = 0}),
                     0);
    assert_int_equal(count, 300);
    assert_int_equal(views[199].grant.id, 204);
    assert_int_equal(views[200].grant.id, 900);
    assert_int_equal(views[299].grant.id, 999);
    free(views);
}

static void malformed_lists_end(void **state)
{
    struct grant_view *views = NULL;
    size_t count = 0;

    (void)state;
    /* Half an entry; numbers that do not rise, so that there would be no end. */
    assert_int_equal(LIST(&views, &count, {.first_id = 1, .count = 1, .extra = 8}), OUTCOME_FAILED);
    assert_int_equal(LIST(&views, &count, {.extra = 4}), OUTCOME_FAILED);
    assert_int_equal(LIST(&views, &count, {.first_id = 0, .count = 1, .same = true}),
                     OUTCOME_FAILED);
    assert_int_equal(LIST(&views, &count, {.first_id = 3, .count = 4}, {.first_id = 3, .count = 4}),
                     OUTCOME_FAILED);
    /* A refusal and a hangup within the list are no shorter list. */
    assert_int_equal(LIST(&views, &count, {.first_id = 3, .count = 4}), OUTCOME_FAILED);
    assert_int_equal(
        LIST(&views, &count, {.first_id = 3, .count = 4}, {.outcome = OUTCOME_NOT_PERMITTED}),
        OUTCOME_NOT_PERMITTED);
    assert_true(err.text[0] != '\0');
    assert_null(views);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_come_in_parts),
        cmocka_unit_test(malformed_lists_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
