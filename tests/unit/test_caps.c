/* SPDX-License-Identifier: Apache-2.0 */
/* test_caps - capability sets end up exactly as asked; in a child, since nothing comes back */
#include "unit.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "linux/caps.h"

#define KEEP (CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_KILL) | CAPS_BIT(CAP_AUDIT_WRITE))

static bool drops_exactly(void)
{
    if (caps_bound(KEEP) < 0)
        return false;
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != ((KEEP & CAPS_BIT(cap)) != 0))
            return false;
    if (caps_set(KEEP) < 0 || caps_effective() != KEEP)
        return false;
    /* What is gone does not come back. */
    return caps_set(KEEP | CAPS_BIT(CAP_SYS_ADMIN)) == -EPERM && caps_effective() == KEEP &&
           caps_bound(0) == -EPERM;
}

/* In a user namespace of its own, anybody holds all of them. */
static void exact_sets(void **state)
{
    int status = 0;
    (void)state;
    pid_t pid = fork();
    if (pid == 0)
        _exit(unshare(CLONE_NEWUSER) < 0 ? 77 : drops_exactly() ? 0 : 1);
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(exact_sets)};
    return cmocka_run_group_tests_name("caps", tests, NULL, NULL);
}
