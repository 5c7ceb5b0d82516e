/* SPDX-License-Identifier: Apache-2.0 */
/* sample - well-formed messages, for tests to break in one place */
#include "sample.h"

#include <string.h>

#include "base/err.h"

static const char command_text[] = "/root\0/bin/true\0-x\0A=1\0B=2";

static void *sample_append(struct sample *sample, size_t size);
static void sample_fill_command(struct command *command);

struct plan_owner sample_owner(void)
{
    return (struct plan_owner){.uid = SAMPLE_UID,
                               .block_first = SAMPLE_BLOCK,
                               .keeper_id = SAMPLE_KEEPER,
                               .memory_bytes = GIB,
                               .pids = 100,
                               .cpu_milli = 1500};
}

struct plan *sample_plan(struct sample *sample, uint32_t kind)
{
    struct plan *plan = sample_append(sample, sizeof(*plan) + sizeof(command_text));

    plan->version = PLAN_VERSION;
    plan->kind = kind;
    plan->filter = PLAN_FILTER_DEFAULT;
    plan->owner_uid = SAMPLE_UID;
    plan->block_first = SAMPLE_BLOCK;
    plan->block_count = BLOCK_COUNT;
    plan->keeper_id = SAMPLE_KEEPER;
    plan->layer_count = 1;
    plan->stop_signal = 15;
    plan->pids = 50;
    plan->cpu_milli = 500;
    plan->memory_bytes = 64 * MIB;
    memcpy(plan->name, "db", sizeof("db"));
    memcpy(plan->image, "busybox", sizeof("busybox"));
    memset(plan->layer[0], 7, SHA256_SIZE);
    sample_fill_command(&plan->command);
    return plan;
}

struct command *sample_command(struct sample *sample)
{
    struct command *command = sample_append(sample, sizeof(*command) + sizeof(command_text));

    sample_fill_command(command);
    return command;
}

struct order *sample_order(struct sample *sample, uint32_t type)
{
    struct order *order;

    sample->size = 0;
    order = sample_append(sample, sizeof(*order));
    order->version = ORDER_VERSION;
    order->type = type;
    switch (type) {
    case ORDER_LAUNCH:
    case ORDER_RUN:
    case ORDER_LOGIN:
    case ORDER_HOST_STATUS:
    case ORDER_HOST_STOP:
    case ORDER_HOST_NETWORK:
    case ORDER_GRANTS:
    case ORDER_ASKS:
        break;
    case ORDER_APPROVE:
    case ORDER_DENY:
    case ORDER_SIGNAL:
        order->number = 15;
        break;
    default:
        memcpy(order->name, "db", sizeof("db"));
    }
    return order;
}

void sample_order_end(struct sample *sample)
{
    struct order *order = (void *)sample->bytes;

    order->body_size = (uint32_t)(sample->size - sizeof(*order));
}

struct record *sample_record(struct sample *sample, uint64_t seq,
                             const uint8_t previous[SHA256_SIZE], uint8_t ret_hash[SHA256_SIZE])
{
    static const char payload[8] = "payload";
    const size_t hashed = sizeof(struct record) + sizeof(payload);
    struct record *record = sample_append(sample, hashed + SHA256_SIZE);
    struct sha256 hash;

    record->magic = RECORD_MAGIC;
    record->size_bytes = (uint32_t)(hashed + SHA256_SIZE);
    record->seq = seq;
    record->type = RECORD_LAUNCH;
    record->phase = RECORD_INTENT;
    record->actor_uid = SAMPLE_UID;
    record->subject_uid = SAMPLE_UID;
    memcpy(record->name, "db", sizeof("db"));
    memcpy(record->previous, previous, SHA256_SIZE);
    memcpy(record + 1, payload, sizeof(payload));
    sha256_init(&hash);
    sha256_add(&hash, record, hashed);
    sha256_end(&hash, ret_hash);
    memcpy((uint8_t *)record + hashed, ret_hash, SHA256_SIZE);
    return record;
}

static void *sample_append(struct sample *sample, size_t size)
{
    void *place = sample->bytes + sample->size;

    if (size > sizeof(sample->bytes) - sample->size)
        croft_bug("a sample too long");
    memset(place, 0, size);
    sample->size += size;
    return place;
}

static void sample_fill_command(struct command *command)
{
    command->argc = 2;
    command->envc = 2;
    command->strings_len = sizeof(command_text);
    memcpy(command->user, "www", sizeof("www"));
    memcpy(command->strings, command_text, sizeof(command_text));
}
