/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_method - a user's call at croftd with the whole way to a plan behind it: what comes out is
 * JSON, and a plan that the monitor's check would take
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../unit/test_daemon.h"
#include "daemon/method.h"
#include "wire/control.h"

static const struct plan_owner owner = {
    .uid = ALICE,
    .block_first = ID_RANGE_FIRST,
    .keeper_id = ID_RANGE_LAST,
    .memory_bytes = GIB,
    .pids = 100,
    .cpu_milli = 1500,
};

static void plan_is_taken(const char *text)
{
    static union {
        struct plan plan;
        char bytes[PLAN_SIZE_MAX];
    } buffer;
    struct err err;
    size_t size = 0;
    PROMISE(control_unbase64(text, &buffer, sizeof(buffer), &size) == 0);
    PROMISE(plan_check(&buffer.plan, size, &owner, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct view view;
    static const struct config config = {.default_image = "busybox"};
    static const struct usage usage = {.memory = -1, .pids = -1};
    static const struct method_host host = {.view = &view, .config = &config, .usage = &usage};
    static const struct method_caller alice = {.uid = ALICE};
    json_error_t why;

    if (!view.synced)
        PROMISE(daemon_view(&view) == 0);
    char *answer = method_call(&host, &alice, (const char *)bytes, size);
    json_t *object = json_loads(answer, JSON_REJECT_DUPLICATES, &why);
    PROMISE(json_is_object(object));
    PROMISE(strstr(answer, "secret") == NULL || memmem(bytes, size, "secret", 6) != NULL);
    const json_t *parameters = json_object_get(object, "parameters");
    const char *plan = json_string_value(json_object_get(parameters, "plan"));
    if (plan != NULL)
        plan_is_taken(plan);
    json_decref(object);
    free(answer);
    return 0;
}
