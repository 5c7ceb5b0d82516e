/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grants_world - what the grants of the monitor stand on, without a kernel: two clocks that a test
 * sets, croft-net, croft-super, records and the door as lists of what they were told
 *
 * It stands in for clock, users, records, network, sockets, door and names when a program is linked
 * with the monitor's library.
 */
#ifndef CROFT_TESTS_GRANTS_WORLD_H
#define CROFT_TESTS_GRANTS_WORLD_H

#include "base/clock.h"
#include "monitor/grants_internal.h"

#define HOUR       (3600ULL * NS_PER_S)
#define WORLD_WALL (1800000000ULL * NS_PER_S) /* some day in 2027 */
#define WORLD_BOOT (50ULL * HOUR)
#define WORLD_MANY 4096U

enum world_user { ALICE, BOB, CAROL, WORLD_USERS };

/* What stands in a file of records. */
struct world_record {
    const struct chain *chain;
    struct record record;
    uint8_t payload[256];
    size_t payload_size;
};

/* What croft-net, and what a runtime, was asked and has not answered. */
struct world_net {
    struct net_request request;
    network_done_fn done;
    void *data;
};
struct world_job {
    const struct instance *instance;
    const struct user *payer;
    struct job_sockets what;
    sockets_done_fn done;
    void *data;
    struct sockets **list;
};

/* An answered order. */
struct world_answer {
    const struct request *request;
    uint32_t outcome;
    uint64_t number[4];
    uint8_t body[MESSAGE_SIZE_MAX];
    size_t body_size;
    char text[ERR_TEXT_SIZE];
};

struct world {
    struct monitor monitor;
    struct user users[WORLD_USERS];
    uint64_t wall_ns;
    uint64_t boot_ns;
    bool net_is_there;
    bool records_fail;
    bool outcomes_fail;           /* what is begun can be written, and its end cannot */
    struct world_record *records; /* WORLD_MANY * 4 */
    size_t record_count;
    size_t syncs; /* records that somebody waited for */
    struct world_net net[WORLD_MANY];
    size_t net_count;
    size_t gone_count; /* how often croft-net was asked to close */
    struct world_job jobs[WORLD_MANY];
    size_t job_count;
    struct world_answer answer; /* the last one */
    size_t answers;
    size_t resyncs;
    size_t names_written[WORLD_USERS];
};

extern struct world world;

/** world_make() - alice with a machine db that runs in slot 5, bob with home in slot 6, carol with
 * stopped "off"; croft-net is there and knows all */
void world_make(void);
void world_end(void);

/** world_restart() - a new monitor reads what is in the records; @boot: of which boot */
void world_restart(uint8_t boot);

/** world_machine() - a machine more; @slot 0: it does not run */
struct instance *world_machine(enum world_user owner, const char *name, uint32_t slot);

/** world_order() - carries @type out as @user. Return: its outcome, REQUEST_PENDING when it waits;
 * world.answer has what was said */
int world_order(enum world_user user, uint32_t type, const char *name, uint64_t number,
                const void *body, size_t body_size);

/** world_net_answers() - croft-net answers all it was asked, each with @cut */
void world_net_answers(int error, uint32_t cut);

/** world_net_goes() - croft-net ends; world_net_comes() - another one is told all */
void world_net_goes(void);
void world_net_comes(void);

/** world_jobs_answer() - every runtime ends with @first and @second */
void world_jobs_answer(uint32_t first, uint32_t second);

/** world_time() - both clocks go on by @ns; timers that are due are served */
void world_time(uint64_t ns);

/** world_clock_set() - somebody sets the clock to @wall_ns */
void world_clock_set(uint64_t wall_ns);

#endif
