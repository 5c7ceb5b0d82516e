/* SPDX-License-Identifier: Apache-2.0 */
/* roster - the instances of a user: found, counted */
#include <string.h>

#include "monitor/instances.h"

struct instance *instances_by_name(const struct user *user, const char *name)
{
    struct instance *instance = user->instances;
    while (instance != NULL && strcmp(instance->name, name) != 0)
        instance = instance->next;
    return instance;
}

struct instance *instances_by_layer(const struct user *user, const uint8_t digest[SHA256_SIZE])
{
    for (struct instance *instance = user->instances; instance != NULL; instance = instance->next) {
        if (instance->plan == NULL)
            return instance; /* nobody knows what it needs */
        for (uint32_t i = 0; i < instance->plan->layer_count; i++)
            if (memcmp(instance->plan->layer[i], digest, SHA256_SIZE) == 0)
                return instance;
    }
    return NULL;
}

size_t instances_count(const struct user *user)
{
    size_t count = 0;
    for (const struct instance *instance = user->instances; instance != NULL;
         instance = instance->next)
        count++;
    return count;
}

bool instance_is_up(const struct instance *instance)
{
    return instance->state == INSTANCE_STARTING || instance->state == INSTANCE_RUNNING ||
           instance->state == INSTANCE_STOPPING;
}

bool instances_running(const struct user *user)
{
    const struct instance *instance = user->instances;
    while (instance != NULL && !instance_is_up(instance))
        instance = instance->next;
    return instance != NULL;
}
