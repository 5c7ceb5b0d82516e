/* SPDX-License-Identifier: Apache-2.0 */
/* test_view - events come, change, go; what is malformed is refused */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "test_daemon.h"

static int apply(struct view *view, uint32_t type, uint32_t uid, const char *name)
{
    struct event event = daemon_event(type, uid, name);
    if (type == EVENT_INSTANCE) {
        event.kind = PLAN_JOB;
        event.state = INSTANCE_STOPPED;
        memcpy(event.image, "busybox", sizeof("busybox"));
    }
    return view_apply(view, &event, sizeof(event));
}

static void holds_what_was_said(void **state)
{
    struct view view;
    (void)state;
    assert_int_equal(daemon_view(&view), 0);
    assert_true(view.synced);
    const struct view_user *alice = view_user(&view, ALICE);
    assert_non_null(alice);
    assert_ptr_equal(view_user_named(&view, "alice"), alice);
    assert_non_null(view_image(alice, "busybox"));
    assert_non_null(view_instance(alice, "db"));
    assert_null(view_instance(alice, "secret"));
    assert_null(view_image(view_user(&view, BOB), "busybox"));
    assert_null(view_user(&view, 0));
    assert_null(view_user_named(&view, ""));
    view_free(&view);
}

static void changes_and_goes(void **state)
{
    struct view view;
    (void)state;
    assert_int_equal(daemon_view(&view), 0);
    assert_int_equal(apply(&view, EVENT_INSTANCE, ALICE, "db"), 0);
    assert_int_equal(view_user(&view, ALICE)->instance_count, 1);
    assert_int_equal(view_instance(view_user(&view, ALICE), "db")->state, INSTANCE_STOPPED);
    assert_int_equal(apply(&view, EVENT_INSTANCE, ALICE, "web"), 0);
    assert_int_equal(apply(&view, EVENT_INSTANCE_GONE, ALICE, "db"), 0);
    assert_int_equal(apply(&view, EVENT_INSTANCE_GONE, ALICE, "db"), 0);
    assert_null(view_instance(view_user(&view, ALICE), "db"));
    assert_non_null(view_instance(view_user(&view, ALICE), "web"));
    assert_int_equal(apply(&view, EVENT_IMAGE_GONE, ALICE, "busybox"), 0);
    assert_null(view_image(view_user(&view, ALICE), "busybox"));
    assert_int_equal(apply(&view, EVENT_USER_GONE, ALICE, "alice"), 0);
    assert_null(view_user(&view, ALICE));
    assert_non_null(view_instance(view_user(&view, BOB), "secret"));
    assert_int_equal(apply(&view, EVENT_USER_GONE, ALICE, "alice"), 0);
    view_free(&view);
}

static void disk_is_known_when_said(void **state)
{
    struct event event = daemon_event(EVENT_DISK, ALICE, "");
    struct view view;
    (void)state;
    assert_int_equal(daemon_view(&view), 0);
    assert_false(view_user(&view, ALICE)->disk_known);
    event.limits.disk_bytes = 5;
    event.limits.inodes = 6;
    assert_int_equal(view_apply(&view, &event, sizeof(event)), 0);
    assert_true(view_user(&view, ALICE)->disk_known);
    assert_int_equal(view_user(&view, ALICE)->disk_bytes, 5);
    assert_int_equal(view_user(&view, ALICE)->inodes, 6);
    /* What the user may have is another thing than what she has. */
    assert_int_equal(view_user(&view, ALICE)->limits.disk_bytes, 0);
    view_free(&view);
}

static void malformed_is_refused(void **state)
{
    struct view view;
    (void)state;
    assert_int_equal(daemon_view(&view), 0);
    struct event good = daemon_event(EVENT_USER, 7, "carol");
    struct event bad = good;
    assert_int_equal(view_apply(&view, &good, sizeof(good) - 1), -EPROTO);
    bad.version++;
    assert_int_equal(view_apply(&view, &bad, sizeof(bad)), -EPROTO);
    bad = good;
    bad.type = 99;
    assert_int_equal(view_apply(&view, &bad, sizeof(bad)), -EPROTO);
    bad = good;
    memset(bad.name, 'a', sizeof(bad.name));
    assert_int_equal(view_apply(&view, &bad, sizeof(bad)), -EPROTO);
    bad = good;
    memset(bad.text, 'a', sizeof(bad.text));
    assert_int_equal(view_apply(&view, &bad, sizeof(bad)), -EPROTO);
    assert_int_equal(apply(&view, EVENT_USER, 7, "../x"), -EPROTO);
    assert_int_equal(apply(&view, EVENT_USER, 7, "_other"), -EPROTO);
    assert_int_equal(apply(&view, EVENT_IMAGE, 7, "x"), -EPROTO);
    assert_int_equal(apply(&view, EVENT_INSTANCE, 7, "x"), -EPROTO);
    assert_int_equal(apply(&view, EVENT_DISK, 7, ""), -EPROTO);
    bad = daemon_event(EVENT_INSTANCE, ALICE, "x");
    assert_int_equal(view_apply(&view, &bad, sizeof(bad)), -EPROTO);
    bad = daemon_event(EVENT_INSTANCE, ALICE, "x");
    bad.kind = PLAN_MACHINE;
    bad.state = INSTANCE_RUNNING;
    memcpy(bad.image, "i", 2);
    bad.slot = NET_SLOT_GATEWAY;
    assert_int_equal(view_apply(&view, &bad, sizeof(bad)), -EPROTO);
    bad.slot = NET_SLOT_LAST + 1;
    assert_int_equal(view_apply(&view, &bad, sizeof(bad)), -EPROTO);
    assert_int_equal(view.user_count, 2);
    view_free(&view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_what_was_said),
        cmocka_unit_test(changes_and_goes),
        cmocka_unit_test(disk_is_known_when_said),
        cmocka_unit_test(malformed_is_refused),
    };
    return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
