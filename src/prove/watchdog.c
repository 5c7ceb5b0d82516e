/* SPDX-License-Identifier: Apache-2.0 */
/* watchdog - a process that ends a storm when the host suffers */
#include "prove/watchdog.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

/* pid 0: disarm */
struct watchdog_order {
    int32_t pid;
    uint32_t seconds;
};

struct watch {
    struct watchdog_order order;
    uint64_t end_boot_ns;
    struct watchdog_answer answer;
};

/* Whether the host can still fork. Return: microseconds it took; UINT64_MAX it could not */
static uint64_t fork_us(void)
{
    uint64_t start = clock_boot_ns();
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    if (child < 0 || waitpid(child, NULL, 0) < 0)
        return UINT64_MAX;
    return (clock_boot_ns() - start) / 1000;
}

static void beat(struct watch *watch, uint64_t waited_us)
{
    uint64_t worst = waited_us > WATCHDOG_BEAT_MS * 1000 ? waited_us - WATCHDOG_BEAT_MS * 1000 : 0;
    uint64_t took = fork_us();

    if (took > worst)
        worst = took;
    if (worst > watch->answer.worst_us)
        watch->answer.worst_us = worst;
    if (worst > WATCHDOG_LATE_MS * 1000ULL)
        watch->answer.late = 1;
    if (clock_boot_ns() > watch->end_boot_ns)
        watch->answer.over = 1;
    if ((watch->answer.late || watch->answer.over) && watch->order.pid > 1)
        (void)kill(watch->order.pid, SIGKILL);
}

static int watch_body(void *data, int in, int out)
{
    struct watch watch = {0};

    (void)data;
    (void)mlockall(MCL_CURRENT | MCL_FUTURE);
    for (;;) {
        struct pollfd fds = {.fd = in, .events = POLLIN};
        uint64_t start = clock_boot_ns();
        int ready = poll(&fds, 1, watch.order.pid ? WATCHDOG_BEAT_MS : -1);

        if (watch.order.pid)
            beat(&watch, (clock_boot_ns() - start) / 1000);
        if (ready <= 0)
            continue;
        if (fd_read_full(in, &watch.order, sizeof(watch.order)) != sizeof(watch.order))
            return 0;
        watch.end_boot_ns = clock_boot_ns() + watch.order.seconds * NS_PER_S;
        if (watch.order.pid == 0 && fd_write_full(out, &watch.answer, sizeof(watch.answer)) < 0)
            return 1;
        memset(&watch.answer, 0, sizeof(watch.answer));
    }
}

int watchdog_start(struct watchdog *dog)
{
    return child_fork(watch_body, NULL, &dog->child);
}

void watchdog_stop(struct watchdog *dog)
{
    (void)child_end(&dog->child, 1000);
}

int watchdog_arm(struct watchdog *dog, pid_t storm_pid, unsigned seconds)
{
    struct watchdog_order order = {.pid = storm_pid, .seconds = seconds};

    return fd_write_full(dog->child.in, &order, sizeof(order));
}

int watchdog_disarm(struct watchdog *dog, struct watchdog_answer *ret_answer)
{
    struct watchdog_order order = {0};
    int error = fd_write_full(dog->child.in, &order, sizeof(order));

    if (error < 0)
        return error;
    return child_bytes(&dog->child, ret_answer, sizeof(*ret_answer), 30000);
}
