/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_order - what a stranger may send to the door: order_check, then plan_check and the walk of
 * the command's strings
 *
 * Input: one byte, the number of descriptors; then the message.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "wire/order.h"

static void walk(const struct command *command, size_t size)
{
    const char *first = (const char *)command + sizeof(*command);
    const char *end = (const char *)command + size;
    const char *workdir;
    const char *argv[PLAN_ARGS_MAX + 1];
    const char *envp[PLAN_ARGS_MAX + 1];
    uint32_t argc;
    size_t i;

    memcpy(&argc, &command->argc, sizeof(argc));
    command_strings(command, &workdir, argv, envp);
    PROMISE(workdir == first);
    PROMISE(argv[0] && argv[0][0]);
    for (i = 0; argv[i]; i++)
        PROMISE(argv[i] > first && argv[i] + strlen(argv[i]) < end);
    PROMISE(i == argc);
    for (i = 0; envp[i]; i++)
        PROMISE(envp[i] > first && envp[i] + strlen(envp[i]) < end);
}

/* Against an owner who is whom the plan says, so that the checks behind are reached too. */
static void check_plan(const uint8_t *bytes, size_t size)
{
    struct plan_owner owner = {.memory_bytes = GIB, .pids = 1000, .cpu_milli = 2000};
    struct plan head;
    struct err err = {.text = ""};
    int r;

    memcpy(&head, bytes, sizeof(head));
    owner.uid = head.owner_uid;
    owner.block_first = head.block_first;
    owner.keeper_id = head.keeper_id;
    r = plan_check((const void *)bytes, size, &owner, &err);
    if (r != 0) {
        PROMISE((int)err.outcome == r && err.text[0] && !strchr(err.text, '\n'));
        return;
    }
    PROMISE(head.filter == PLAN_FILTER_DEFAULT && head.mount_count == 0 && head.device_count == 0);
    PROMISE(head.memory_bytes <= owner.memory_bytes && head.pids <= owner.pids);
    PROMISE(head.cpu_milli <= owner.cpu_milli);
    PROMISE(head.block_count == BLOCK_COUNT && head.layer_count <= PLAN_LAYERS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct err err = {.text = ""};
    struct order head;
    const uint8_t *body;
    uint8_t *message;
    size_t fd_count;

    if (size == 0)
        return 0;
    fd_count = bytes[0];
    size--;
    message = malloc(size ? size : 1);
    if (!message)
        return 0;
    memcpy(message, bytes + 1, size);
    if (order_check((const void *)message, size, fd_count, &err) != 0) {
        PROMISE(err.outcome == OUTCOME_USAGE && err.text[0] && !strchr(err.text, '\n'));
        free(message);
        return 0;
    }
    memcpy(&head, message, sizeof(head));
    body = message + sizeof(head);
    PROMISE(memchr(head.name, 0, sizeof(head.name)) != NULL);
    PROMISE(order_name(head.type)[0]);
    if (head.type == ORDER_EXEC)
        walk((const void *)body, head.body_size);
    if (head.type == ORDER_RUN || head.type == ORDER_LAUNCH) {
        walk((const void *)(body + offsetof(struct plan, command)),
             head.body_size - offsetof(struct plan, command));
        check_plan(body, head.body_size);
    }
    free(message);
    return 0;
}
