/* SPDX-License-Identifier: Apache-2.0 */
/* sample - well-formed messages, for tests to break in one place */
#ifndef CROFT_TESTS_SAMPLE_H
#define CROFT_TESTS_SAMPLE_H

#include "wire/order.h"
#include "wire/record.h"

/* A message whole, aligned as a socket's buffer would be. */
struct sample {
    _Alignas(8) uint8_t bytes[MESSAGE_SIZE_MAX];
    size_t size;
};

#define SAMPLE_UID    1001U
#define SAMPLE_BLOCK  (ID_RANGE_FIRST + 3U * BLOCK_COUNT)
#define SAMPLE_KEEPER (ID_RANGE_LAST - 3U)

/** sample_owner() - the owner whose plans sample_plan() makes: 1 GiB, 100 pids, 1.5 CPUs */
struct plan_owner sample_owner(void);

/** sample_plan() - appends `env A=1 B=2 /bin/true -x` in /root as user "www" of kind @kind */
struct plan *sample_plan(struct sample *sample, uint32_t kind);

/** sample_command() - appends the same command alone */
struct command *sample_command(struct sample *sample);

/** sample_order() - starts a message with an order of @type; name "db" where one is needed */
struct order *sample_order(struct sample *sample, uint32_t type);

/** sample_order_end() - sets the order's body_size to what was appended */
void sample_order_end(struct sample *sample);

/** sample_record() - appends the record @seq after @previous; its hash goes to @ret_hash */
struct record *sample_record(struct sample *sample, uint64_t seq,
                             const uint8_t previous[SHA256_SIZE], uint8_t ret_hash[SHA256_SIZE]);

#endif
