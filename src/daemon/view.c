/* SPDX-License-Identifier: Apache-2.0 */
/* view - users, images and instances as the monitor's events tell them */
#include "daemon/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static bool event_is_sound(const struct event *event, size_t size);
static int apply_user(struct view *view, const struct event *event);
static void remove_user(struct view *view, uint32_t uid);
static int apply_disk(struct view *view, const struct event *event);
static int apply_image(struct view *view, const struct event *event);
static int apply_image_config(struct view *view, const struct event *event, size_t size);
static int remove_image(struct view *view, const struct event *event);
static int apply_instance(struct view *view, const struct event *event);
static int remove_instance(struct view *view, const struct event *event);

static void free_user(struct view_user *user)
{
    for (size_t i = 0; i < user->image_count; i++)
        free(user->images[i].config);
    free(user->images);
    free(user->instances);
}

void view_free(struct view *view)
{
    for (size_t i = 0; i < view->user_count; i++)
        free_user(&view->users[i]);
    free(view->users);
    *view = (struct view){0};
}

int view_apply(struct view *view, const struct event *event, size_t size)
{
    if (!event_is_sound(event, size))
        return -EPROTO;
    switch ((enum event_type)event->type) {
    case EVENT_USER:
        return apply_user(view, event);
    case EVENT_USER_GONE:
        remove_user(view, event->uid);
        return 0;
    case EVENT_IMAGE:
        return apply_image(view, event);
    case EVENT_IMAGE_GONE:
        return remove_image(view, event);
    case EVENT_INSTANCE:
        return apply_instance(view, event);
    case EVENT_INSTANCE_GONE:
        return remove_instance(view, event);
    case EVENT_SYNCED:
        view->synced = true;
        return 0;
    case EVENT_DISK:
        return apply_disk(view, event);
    case EVENT_IMAGE_CONFIG:
        return apply_image_config(view, event, size);
    }
    return -EPROTO;
}

static bool event_is_sound(const struct event *event, size_t size)
{
    bool right_size =
        size == sizeof(*event) || (size > sizeof(*event) && event->type == EVENT_IMAGE_CONFIG);
    return right_size && event->version == EVENT_VERSION &&
           str_terminated(event->name, sizeof(event->name)) &&
           str_terminated(event->image, sizeof(event->image)) &&
           memchr(event->text, '\0', sizeof(event->text)) != NULL;
}

static struct view_user *find_user(const struct view *view, uint32_t uid)
{
    for (size_t i = 0; i < view->user_count; i++)
        if (view->users[i].uid == uid)
            return &view->users[i];
    return NULL;
}

const struct view_user *view_user(const struct view *view, uint32_t uid)
{
    return find_user(view, uid);
}

const struct view_user *view_user_named(const struct view *view, const char *name)
{
    for (size_t i = 0; i < view->user_count; i++)
        if (strcmp(view->users[i].name, name) == 0)
            return &view->users[i];
    return NULL;
}

static struct view_image *find_image(const struct view_user *user, const char *name)
{
    for (size_t i = 0; i < user->image_count; i++)
        if (strcmp(user->images[i].name, name) == 0)
            return &user->images[i];
    return NULL;
}

const struct view_image *view_image(const struct view_user *user, const char *name)
{
    return find_image(user, name);
}

static struct view_instance *find_instance(const struct view_user *user, const char *name)
{
    for (size_t i = 0; i < user->instance_count; i++)
        if (strcmp(user->instances[i].name, name) == 0)
            return &user->instances[i];
    return NULL;
}

const struct view_instance *view_instance(const struct view_user *user, const char *name)
{
    return find_instance(user, name);
}

static int apply_user(struct view *view, const struct event *event)
{
    struct view_user *user = find_user(view, event->uid);
    if (!order_is_user(event->name))
        return -EPROTO;
    if (user == NULL) {
        view->users = mem_grow(view->users, view->user_count + 1, sizeof(*view->users));
        user = &view->users[view->user_count++];
        *user = (struct view_user){.uid = event->uid};
    }
    user->gid = event->gid;
    user->block_first = event->block_first;
    user->keeper_id = event->keeper_id;
    user->limits = event->limits;
    memcpy(user->name, event->name, sizeof(user->name));
    return 0;
}

static void remove_user(struct view *view, uint32_t uid)
{
    struct view_user *user = find_user(view, uid);
    if (user == NULL)
        return;
    free_user(user);
    view->user_count--;
    *user = view->users[view->user_count];
}

static int apply_disk(struct view *view, const struct event *event)
{
    struct view_user *user = find_user(view, event->uid);
    if (user == NULL)
        return -EPROTO;
    user->disk_known = true;
    user->disk_bytes = event->limits.disk_bytes;
    user->inodes = event->limits.inodes;
    return 0;
}

static int apply_image(struct view *view, const struct event *event)
{
    struct view_user *user = find_user(view, event->uid);
    if (user == NULL || !str_is_name(event->name))
        return -EPROTO;
    struct view_image *image = find_image(user, event->name);
    if (image == NULL) {
        user->images = mem_grow(user->images, user->image_count + 1, sizeof(*user->images));
        image = &user->images[user->image_count++];
    } else {
        free(image->config);
    }
    *image = (struct view_image){.bytes = event->number, .created_wall_ns = event->wall_ns};
    memcpy(image->name, event->name, sizeof(image->name));
    memcpy(image->digest, event->digest, sizeof(image->digest));
    return 0;
}

static int apply_image_config(struct view *view, const struct event *event, size_t size)
{
    const struct image_config *config = (const struct image_config *)(const void *)(event + 1);
    struct view_user *user = find_user(view, event->uid);
    struct view_image *image = user != NULL ? find_image(user, event->name) : NULL;
    size -= sizeof(*event);
    if (image == NULL || image_config_check(config, size) < 0)
        return -EPROTO;
    free(image->config);
    image->config = mem_new(size, 1);
    memcpy(image->config, config, size);
    return 0;
}

static int remove_image(struct view *view, const struct event *event)
{
    struct view_user *user = find_user(view, event->uid);
    struct view_image *image = user != NULL ? find_image(user, event->name) : NULL;
    if (image != NULL) {
        free(image->config);
        user->image_count--;
        *image = user->images[user->image_count];
    }
    return 0;
}

static int apply_instance(struct view *view, const struct event *event)
{
    struct view_user *user = find_user(view, event->uid);
    bool known_kind = event->kind == PLAN_MACHINE || event->kind == PLAN_JOB;
    bool known_state = event->state >= INSTANCE_STOPPED && event->state <= INSTANCE_FAILED;
    bool known_slot =
        event->slot == 0 || (event->slot >= NET_SLOT_FIRST && event->slot <= NET_SLOT_LAST);
    if (user == NULL || !known_kind || !known_state || !known_slot || !str_is_name(event->name) ||
        !str_is_name(event->image))
        return -EPROTO;
    struct view_instance *instance = find_instance(user, event->name);
    if (instance == NULL) {
        user->instances =
            mem_grow(user->instances, user->instance_count + 1, sizeof(*user->instances));
        instance = &user->instances[user->instance_count++];
    }
    *instance = (struct view_instance){
        .kind = event->kind,
        .state = event->state,
        .exit_code = event->exit_code,
        .exit_signal = event->exit_signal,
        .oom_kills = event->oom_kills,
        .slot = event->slot,
        .since_wall_ns = event->wall_ns,
        .limits = event->limits,
    };
    memcpy(instance->name, event->name, sizeof(instance->name));
    memcpy(instance->image, event->image, sizeof(instance->image));
    memcpy(instance->text, event->text, sizeof(instance->text));
    return 0;
}

static int remove_instance(struct view *view, const struct event *event)
{
    struct view_user *user = find_user(view, event->uid);
    struct view_instance *instance = user != NULL ? find_instance(user, event->name) : NULL;
    if (instance != NULL) {
        user->instance_count--;
        *instance = user->instances[user->instance_count];
    }
    return 0;
}
