/* SPDX-License-Identifier: Apache-2.0 */
/* show - what is in the view as JSON, in the words of wire/control.h */
#include "daemon/show.h"

#include "base/str.h"

static const char *state_name(uint32_t state)
{
    switch ((enum instance_state)state) {
    case INSTANCE_STOPPED:
        return "stopped";
    case INSTANCE_STARTING:
        return "starting";
    case INSTANCE_RUNNING:
        return "running";
    case INSTANCE_STOPPING:
        return "stopping";
    case INSTANCE_FAILED:
        return "failed";
    }
    return "unknown";
}

static json_t *number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

/* A value that could not be made is left out; only memory can be short. */
static void put(json_t *object, const char *key, json_t *value)
{
    if (value == NULL || json_object_set_new(object, key, value) < 0)
        croft_bug("a JSON value could not be made");
}

static json_t *new_object(void)
{
    json_t *object = json_object();
    if (object == NULL)
        croft_bug("a JSON value could not be made");
    return object;
}

/* Text of the monitor's may hold a name from a stranger's archive: bytes, not always UTF-8. */
static json_t *text(const char *bytes)
{
    json_t *string = json_string(bytes);
    return string != NULL ? string : json_string("?");
}

static json_t *show_limits(const struct user_limits *limits)
{
    json_t *object = new_object();
    put(object, "memory_bytes", number(limits->memory_bytes));
    put(object, "memory_min_bytes", number(limits->memory_min_bytes));
    put(object, "disk_bytes", number(limits->disk_bytes));
    put(object, "inodes", number(limits->inodes));
    put(object, "pids", number(limits->pids));
    put(object, "cpu_milli", number(limits->cpu_milli));
    return object;
}

json_t *show_machine(const struct view_user *owner, const struct view_instance *instance,
                     const struct usage_now *now)
{
    json_t *object = new_object();
    put(object, "name", text(instance->name));
    put(object, "image", text(instance->image));
    put(object, "kind", text(instance->kind == PLAN_MACHINE ? "machine" : "job"));
    put(object, "state", text(state_name(instance->state)));
    put(object, "since", number(instance->since_wall_ns));
    put(object, "exit_code", json_integer(instance->exit_code));
    put(object, "exit_signal", json_integer(instance->exit_signal));
    put(object, "oom_kills", number(instance->oom_kills));
    put(object, "text", text(instance->text));
    put(object, "memory_bytes", number(now->memory_bytes));
    put(object, "pids", number(now->pids));
    put(object, "limits", show_limits(&instance->limits));
    put(object, "user", text(owner->name));
    return object;
}

json_t *show_user(const struct view_user *user, const struct usage_now *now)
{
    json_t *object = new_object();
    put(object, "name", text(user->name));
    put(object, "uid", number(user->uid));
    put(object, "limits", show_limits(&user->limits));
    put(object, "block_first", number(user->block_first));
    put(object, "keeper_id", number(user->keeper_id));
    put(object, "memory_bytes", number(now->memory_bytes));
    put(object, "pids", number(now->pids));
    if (user->disk_known) {
        put(object, "disk_used_bytes", number(user->disk_bytes));
        put(object, "inodes_used", number(user->inodes));
    }
    put(object, "machines", number(user->instance_count));
    return object;
}

json_t *show_image(const struct view_image *image)
{
    char digest[2 * SHA256_SIZE + 1];
    json_t *object = new_object();
    str_hex(image->digest, sizeof(image->digest), digest);
    put(object, "name", text(image->name));
    put(object, "digest", text(digest));
    put(object, "bytes", number(image->bytes));
    put(object, "created", number(image->created_wall_ns));
    return object;
}
