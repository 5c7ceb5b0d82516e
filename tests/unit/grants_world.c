/* SPDX-License-Identifier: Apache-2.0 */
/* grants_world - what the grants of the monitor stand on, without a kernel */
#include "grants_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "monitor/allowance.h"
#include "monitor/names.h"

struct world world;

/* Only what the door gives to a handler. */
struct order_bytes {
    struct request request;
    uint8_t body[512];
};

static void keep(const struct chain *chain, const struct chain_entry *entry, uint32_t phase,
                 uint64_t intent_seq);
static void wall_speaks(void);
static void serve_timers(void);

/* -- the clocks ------------------------------------------------------------------------------- */

uint64_t clock_boot_ns(void)
{
    return world.boot_ns;
}

uint64_t clock_wall_ns(void)
{
    return world.wall_ns;
}

/* -- users ------------------------------------------------------------------------------------ */

struct user *users_by_uid(const struct monitor *monitor, uid_t uid)
{
    struct user *user = monitor->users.first;
    while (user != NULL && user->uid != uid)
        user = user->next;
    return user;
}

struct user *users_by_name(const struct monitor *monitor, const char *name)
{
    struct user *user = monitor->users.first;
    while (user != NULL && strcmp(user->name, name) != 0)
        user = user->next;
    return user;
}

void names_changed(struct user *user)
{
    user->names_changed = true;
}

void names_settle(struct user *user)
{
    world.names_written[user - world.users] += user->names_changed;
    user->names_changed = false;
}

/* -- records ---------------------------------------------------------------------------------- */

int deed_begin(struct monitor *monitor, struct user *user, const struct chain_entry *entry,
               struct deed *ret_deed, struct err *err)
{
    (void)monitor;
    if (world.records_fail)
        return err_set(err, OUTCOME_HOST_CANNOT, "the disk is full");
    keep(&user->chain, entry, RECORD_INTENT, 0);
    *ret_deed = (struct deed){
        .chain = &user->chain,
        .type = entry->type,
        .seq = user->chain.seq,
        .actor_uid = entry->actor_uid,
        .subject_uid = user->uid,
    };
    if (str_copy(ret_deed->name, sizeof(ret_deed->name), entry->name) < 0)
        abort();
    return 0;
}

int deed_end(struct monitor *monitor, struct deed *deed, enum durability durability,
             const struct err *failure, const struct chain_entry *entry)
{
    struct chain_entry outcome = {0};
    struct chain *chain = deed->chain;
    (void)monitor;

    deed->chain = NULL;
    if (world.records_fail || world.outcomes_fail)
        return -ENOSPC;
    if (entry != NULL)
        outcome = *entry;
    outcome.type = deed->type;
    outcome.actor_uid = deed->actor_uid;
    outcome.subject_uid = deed->subject_uid;
    outcome.name = deed->name;
    outcome.outcome = failure != NULL ? (uint32_t)failure->outcome : 0;
    keep(chain, &outcome, RECORD_OUTCOME, deed->seq);
    world.syncs += durability == DURABLE_NOW;
    return 0;
}

int records_outcome(struct monitor *monitor, struct chain *chain, const struct chain_entry *entry,
                    enum durability durability)
{
    (void)monitor;
    if (world.records_fail || world.outcomes_fail)
        return -ENOSPC;
    keep(chain, entry, RECORD_OUTCOME, 0);
    world.syncs += durability == DURABLE_NOW;
    return 0;
}

bool records_full(struct chain *chain)
{
    return chain->size_bytes > RECORD_FILE_MAX;
}

int chain_sync(struct chain *chain)
{
    (void)chain;
    return 0;
}

static void keep(const struct chain *chain, const struct chain_entry *entry, uint32_t phase,
                 uint64_t intent_seq)
{
    struct chain *written = (struct chain *)(uintptr_t)chain;
    struct world_record *kept = &world.records[world.record_count];

    if (world.record_count == 4U * WORLD_MANY || entry->payload_size > sizeof(kept->payload))
        return;
    world.record_count++;
    written->seq++;
    written->wall_ns = world.wall_ns;
    *kept = (struct world_record){
        .chain = chain,
        .record = {.seq = written->seq,
                   .intent_seq = intent_seq,
                   .wall_ns = world.wall_ns,
                   .boot_ns = world.boot_ns,
                   .type = entry->type,
                   .phase = phase,
                   .outcome = entry->outcome,
                   .actor_uid = entry->actor_uid,
                   .subject_uid = entry->subject_uid},
        .payload_size = entry->payload_size,
    };
    memcpy(kept->record.number, entry->number, sizeof(entry->number));
    if (entry->name != NULL && str_copy(kept->record.name, NAME_SIZE, entry->name) < 0)
        abort();
    if (entry->payload_size > 0)
        memcpy(kept->payload, entry->payload, entry->payload_size);
}

/* -- croft-net and the runtimes --------------------------------------------------------------- */

int network_ask(struct monitor *monitor, const struct net_request *request, int fd,
                network_done_fn done, void *data)
{
    (void)monitor;
    (void)fd;
    if (!world.net_is_there)
        return -ENOTCONN;
    if (world.net_count == WORLD_MANY)
        return -ENOBUFS;
    world.gone_count += request->type == NET_GRANT_GONE;
    world.net[world.net_count++] =
        (struct world_net){.request = *request, .done = done, .data = data};
    return 0;
}

void network_tell(struct monitor *monitor, const struct net_request *request, int fd,
                  network_done_fn done, void *data)
{
    if (network_ask(monitor, request, fd, done, data) == -ENOBUFS)
        network_resync(monitor, "full");
}

void network_forget(struct monitor *monitor, const void *data)
{
    (void)monitor;
    for (size_t i = 0; i < world.net_count; i++)
        if (world.net[i].data == data)
            world.net[i].done = NULL;
}

void network_resync(struct monitor *monitor, const char *why)
{
    (void)monitor;
    (void)why;
    world.resyncs++;
}

void world_net_goes(void)
{
    world.net_is_there = false;
    world.monitor.network.synced = false;
    world.net_count = 0;
}

void world_net_answers(int error, uint32_t cut)
{
    const struct net_reply reply = {.error = error, .cut = cut};

    while (world.net_count > 0) {
        const struct world_net first = world.net[0];
        memmove(world.net, world.net + 1, --world.net_count * sizeof(world.net[0]));
        if (first.done != NULL)
            first.done(first.data, &reply);
    }
}

int sockets_ask(struct instance *instance, struct user *payer, const struct job_sockets *what,
                sockets_done_fn done, void *data, struct sockets **list)
{
    if (world.job_count == WORLD_MANY)
        return -ENOBUFS;
    world.jobs[world.job_count++] = (struct world_job){
        .instance = instance,
        .payer = payer,
        .what = *what,
        .done = done,
        .data = data,
        .list = list,
    };
    /* The list only says whether one is at work. */
    *list = (struct sockets *)(void *)&world;
    return 0;
}

void sockets_forget(struct sockets **list)
{
    size_t kept = 0;

    for (size_t i = 0; i < world.job_count; i++)
        if (world.jobs[i].list != list)
            world.jobs[kept++] = world.jobs[i];
    world.job_count = kept;
    *list = NULL;
}

void world_jobs_answer(uint32_t first, uint32_t second)
{
    const uint32_t number[2] = {first, second};

    while (world.job_count > 0) {
        const struct world_job job = world.jobs[0];
        bool more = false;
        memmove(world.jobs, world.jobs + 1, --world.job_count * sizeof(world.jobs[0]));
        for (size_t i = 0; i < world.job_count; i++)
            more = more || world.jobs[i].list == job.list;
        if (!more)
            *job.list = NULL;
        job.done(job.data, job.what.what, number);
    }
}

/* -- the door --------------------------------------------------------------------------------- */

void request_park(struct request *request)
{
    request->parked = true;
}

void request_finish(struct request *request, const struct err *err)
{
    if (request == NULL)
        return;
    world.answers++;
    world.answer = (struct world_answer){.request = request};
    if (err != NULL) {
        world.answer.outcome = (uint32_t)err->outcome;
        memcpy(world.answer.text, err->text, sizeof(world.answer.text));
    }
    mem_cleanup(&request);
}

void request_finish_with(struct request *request, const uint64_t *numbers, const void *body,
                         size_t body_size, const int *fds, size_t fd_count)
{
    (void)fds;
    (void)fd_count;
    if (request == NULL)
        return;
    world.answers++;
    world.answer = (struct world_answer){.request = request, .body_size = body_size};
    if (numbers != NULL)
        memcpy(world.answer.number, numbers, sizeof(world.answer.number));
    if (body_size > 0)
        memcpy(world.answer.body, body, body_size);
    mem_cleanup(&request);
}

int world_order(enum world_user who, uint32_t type, const char *name, uint64_t number,
                const void *body, size_t body_size)
{
    static int (*const handlers[ORDER_TYPE_COUNT])(struct request *, struct user *,
                                                   struct err *) = {
        [ORDER_GRANT] = grant_order_grant, [ORDER_REVOKE] = grant_order_revoke,
        [ORDER_GRANTS] = grant_order_list, [ORDER_ASK] = ask_order_ask,
        [ORDER_ASKS] = ask_order_list,     [ORDER_APPROVE] = ask_order_approve,
        [ORDER_DENY] = ask_order_deny,     [ORDER_WHY] = why_order,
    };
    static int somebody;
    struct order_bytes *bytes = mem_new(1, sizeof(*bytes));
    struct err err = {.outcome = OUTCOME_OK};

    bytes->request = (struct request){
        .monitor = &world.monitor,
        .client = (struct client *)(void *)&somebody,
        .peer = {.uid = world.users[who].uid},
        .order = {.version = ORDER_VERSION,
                  .type = type,
                  .number = number,
                  .body_size = (uint32_t)body_size},
    };
    if (name != NULL && str_copy(bytes->request.order.name, NAME_SIZE, name) < 0)
        abort();
    if (body_size > 0)
        memcpy(&bytes->request.order + 1, body, body_size);
    struct request *request = &bytes->request;
    int rc = handlers[type](request, &world.users[who], &err);
    if (rc != REQUEST_PENDING)
        request_finish(request, rc == 0 ? NULL : &err);
    return rc;
}

/* -- the world -------------------------------------------------------------------------------- */

void world_make(void)
{
    static const char *const names[] = {"alice", "bob", "carol"};

    free(world.records);
    memset(&world, 0, sizeof(world));
    world.records = mem_new(4U * WORLD_MANY, sizeof(*world.records));
    world.wall_ns = WORLD_WALL;
    world.boot_ns = WORLD_BOOT;
    world.net_is_there = true;
    for (uint32_t i = 0; i < WORLD_USERS; i++) {
        struct user *user = &world.users[i];
        *user = (struct user){
            .monitor = &world.monitor,
            .next = world.monitor.users.first,
            .state = USER_ACTIVE,
            .uid = 1001 + i,
            .slot = i,
            .chain.fd = -1,
        };
        if (str_copy(user->name, NAME_SIZE, names[i]) < 0)
            abort();
        world.monitor.users.first = user;
    }
    world.monitor.boot_id[0] = 1;
    world.monitor.network.synced = true;
    world.monitor.network.prefix.ipv4 = NETWORK_IPV4;
    if (loop_new(&world.monitor.loop) < 0 || grants_init(&world.monitor) < 0)
        abort();
    world.monitor.grants.replaying = false;
    world_machine(ALICE, "db", 5);
    world_machine(BOB, "home", 6);
    world_machine(CAROL, "off", 0);
}

void world_end(void)
{
    for (struct granted *granted = world.monitor.grants.first; granted != NULL;
         granted = granted->next)
        while (granted->waiting != NULL) {
            struct request *request = granted->waiting;
            granted->waiting = request->next;
            mem_cleanup(&request);
        }
    for (uint32_t i = 0; i < WORLD_USERS; i++) {
        grants_user_dropped(&world.users[i]);
        asks_user_gone(&world.users[i]);
        allowance_free(&world.users[i]);
        while (world.users[i].instances != NULL) {
            struct instance *instance = world.users[i].instances;
            world.users[i].instances = instance->next;
            mem_cleanup(&instance);
        }
    }
    loop_remove(world.monitor.loop, &world.monitor.grants.wall);
    close(world.monitor.grants.wall.fd);
    loop_disarm(world.monitor.loop, &world.monitor.grants.timer);
    loop_disarm(world.monitor.loop, &world.monitor.grants.line);
    loop_disarm(world.monitor.loop, &world.monitor.grants.unwritten);
    loop_free(world.monitor.loop);
    free(world.records);
    world.records = NULL;
}

void world_restart(uint8_t boot)
{
    struct grants *grants = &world.monitor.grants;
    size_t count = world.record_count;

    /* It dies: nothing of this is recorded. */
    while (grants->first != NULL) {
        mem_cleanup(&grants->first->waiting); /* no test has two */
        granted_free(grants->first);
    }
    for (uint32_t i = 0; i < WORLD_USERS; i++) {
        allowance_free(&world.users[i]);
        world.users[i].allowance = (struct allowance){0};
    }
    grants->replaying = true;
    while (grants->asks != NULL)
        asks_answered(&world.monitor, grants->asks->ask.id);
    loop_remove(world.monitor.loop, &grants->wall);
    close(grants->wall.fd);
    loop_disarm(world.monitor.loop, &grants->timer);
    loop_disarm(world.monitor.loop, &grants->line);
    loop_disarm(world.monitor.loop, &grants->unwritten);
    world_net_goes();
    world.job_count = 0;
    world.monitor.boot_id[0] = boot;
    *grants = (struct grants){0};
    if (grants_init(&world.monitor) < 0)
        abort();
    for (uint32_t i = 0; i < WORLD_USERS; i++)
        for (size_t j = 0; j < count; j++)
            if (world.records[j].chain == &world.users[i].chain)
                grants_recorded(&world.users[i], &world.records[j].record, world.records[j].payload,
                                world.records[j].payload_size);
    grants->replaying = false;
    grants_replayed(&world.monitor);
}

struct instance *world_machine(enum world_user owner, const char *name, uint32_t slot)
{
    struct instance *instance = mem_new(1, sizeof(*instance));

    *instance = (struct instance){
        .user = &world.users[owner],
        .next = world.users[owner].instances,
        .kind = PLAN_MACHINE,
        .state = slot != 0 ? INSTANCE_RUNNING : INSTANCE_STOPPED,
        .slot = slot,
        .link = {.netns = -1, .linked = slot != 0},
    };
    if (str_copy(instance->name, NAME_SIZE, name) < 0)
        abort();
    world.users[owner].instances = instance;
    return instance;
}

void world_net_comes(void)
{
    world.net_is_there = true;
    world.net_count = 0;
    grants_tell_all(&world.monitor);
    world.monitor.network.synced = true;
    grants_synced(&world.monitor);
}

void world_time(uint64_t ns)
{
    world.wall_ns += ns;
    world.boot_ns += ns;
    if (world.monitor.grants.wall_due_ns <= world.wall_ns)
        wall_speaks();
    serve_timers();
}

void world_clock_set(uint64_t wall_ns)
{
    world.wall_ns = wall_ns;
    wall_speaks();
    serve_timers();
}

/* An expiration can be read from it. */
static void wall_speaks(void)
{
    const struct loop_source *wall = &world.monitor.grants.wall;
    struct loop_source told = *wall;

    told.fd = eventfd(1, EFD_CLOEXEC);
    wall->on_io(&told, 0, wall->data);
    close(told.fd);
}

static void serve_timers(void)
{
    struct grants *grants = &world.monitor.grants;
    struct loop_timer *timers[] = {&grants->timer, &grants->line, &grants->unwritten};
    struct granted *next;

    for (struct granted *granted = grants->first; granted != NULL; granted = next) {
        struct loop_timer *timer = &granted->timer;
        next = granted->next;
        if (!timer->armed || timer->due_boot_ns > world.boot_ns)
            continue;
        loop_disarm(world.monitor.loop, timer);
        timer->on_due(timer->data);
    }
    for (size_t i = 0; i < ARRAY_LEN(timers); i++) {
        if (!timers[i]->armed || timers[i]->due_boot_ns > world.boot_ns)
            continue;
        loop_disarm(world.monitor.loop, timers[i]);
        timers[i]->on_due(timers[i]->data);
    }
}
