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

/* What only a user has: her machines share one network. */
static json_t *show_envelope(const struct user_limits *limits)
{
    json_t *object = show_limits(limits);
    put(object, "net_bytes_per_s", number(limits->net_bytes_per_s));
    put(object, "net_packets_per_s", number(limits->net_packets_per_s));
    put(object, "net_connections", number(limits->net_connections));
    put(object, "lan", json_boolean(limits->lan != 0));
    return object;
}

static json_t *show_address(uint32_t slot)
{
    const struct net_prefix prefix = {.ipv4 = NETWORK_IPV4};
    uint32_t address = slot != 0 ? net_address4(&prefix, slot) : 0;
    char shown[sizeof("255.255.255.255")] = "";

    if (slot != 0 && str_format(shown, sizeof(shown), "%u.%u.%u.%u", address >> 24,
                                address >> 16 & 0xff, address >> 8 & 0xff, address & 0xff) < 0)
        croft_bug("an address that does not fit");
    return text(shown);
}

/* The lesser of its own limit and its owner's; 0 is none of its own. */
static uint64_t lesser(uint64_t own, uint64_t envelope)
{
    return own != 0 && own < envelope ? own : envelope;
}

/* Of the disk that all of her machines share; nobody may have looked yet. */
static void put_disk(json_t *object, const struct view_user *user)
{
    if (!user->disk_known)
        return;
    put(object, "disk_used_bytes", number(user->disk_bytes));
    put(object, "inodes_used", number(user->inodes));
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
    put(object, "memory_limit_bytes",
        number(lesser(instance->limits.memory_bytes, owner->limits.memory_bytes)));
    put(object, "address", show_address(instance->slot));
    put(object, "user", text(owner->name));
    put_disk(object, owner);
    put(object, "disk_limit_bytes", number(owner->limits.disk_bytes));
    return object;
}

json_t *show_user(const struct view_user *user, const struct usage_now *now)
{
    json_t *object = new_object();
    put(object, "name", text(user->name));
    put(object, "uid", number(user->uid));
    put(object, "limits", show_envelope(&user->limits));
    put(object, "block_first", number(user->block_first));
    put(object, "keeper_id", number(user->keeper_id));
    put(object, "memory_bytes", number(now->memory_bytes));
    put(object, "pids", number(now->pids));
    put_disk(object, user);
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
