/* SPDX-License-Identifier: Apache-2.0 */
/* shelf - the images of a user: found, named, described */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "monitor/images.h"
#include "monitor/monitor.h"
#include "wire/image.h"

static void describe(const struct event_item *item, struct event *ret_event);
static void describe_config(const struct event_item *item, struct event *ret_event);

struct image *images_by_name(const struct user *user, const char *name)
{
    struct image *image = user->images;
    while (image != NULL && strcmp(image->name, name) != 0)
        image = image->next;
    return image;
}

bool images_have_layer(const struct user *user, const uint8_t digest[SHA256_SIZE])
{
    const struct image *image = user->images;
    while (image != NULL && memcmp(image->digest, digest, SHA256_SIZE) != 0)
        image = image->next;
    return image != NULL;
}

size_t images_count(const struct user *user)
{
    size_t count = 0;
    for (const struct image *image = user->images; image != NULL; image = image->next)
        count++;
    return count;
}

struct image *image_set(struct user *user, const char *name, const uint8_t digest[SHA256_SIZE])
{
    struct image *image = images_by_name(user, name);

    if (image == NULL) {
        image = mem_new(1, sizeof(*image));
        image->user = user;
        image->event.describe = describe;
        image->config_event.describe = describe_config;
        if (str_copy(image->name, sizeof(image->name), name) < 0)
            croft_bug("an image's name is longer than a name");
        image->next = user->images;
        user->images = image;
    }
    memcpy(image->digest, digest, SHA256_SIZE);
    return image;
}

void image_set_config(struct image *image, const void *config, size_t size)
{
    events_forget(image->user->monitor, &image->config_event);
    mem_cleanup(&image->config);
    image->config = NULL;
    image->config_size = 0;
    if (size > 0 && size <= IMAGE_CONFIG_SIZE_MAX && image_config_check(config, size) == 0) {
        image->config = mem_new(1, size);
        memcpy(image->config, config, size);
        image->config_size = size;
    }
    image->config_event.body = image->config;
    image->config_event.body_size = image->config_size;
}

void image_mark(struct image *image)
{
    /* Who gets the configuration must have heard of the image. */
    events_forget(image->user->monitor, &image->config_event);
    events_mark(image->user->monitor, &image->event);
    if (image->config != NULL)
        events_mark(image->user->monitor, &image->config_event);
}

void image_drop(struct image *image)
{
    struct image **place = &image->user->images;

    events_forget(image->user->monitor, &image->config_event);
    events_gone(image->user->monitor, &image->event, EVENT_IMAGE_GONE);
    while (*place != image)
        place = &(*place)->next;
    *place = image->next;
    mem_cleanup(&image->config);
    mem_cleanup(&image);
}

static void describe(const struct event_item *item, struct event *ret_event)
{
    const struct image *image = event_owner(item, struct image);

    *ret_event = (struct event){
        .type = EVENT_IMAGE,
        .uid = image->user->uid,
        .exit_code = -1,
        .wall_ns = image->wall_ns,
        .number = image->bytes,
    };
    memcpy(ret_event->name, image->name, sizeof(ret_event->name));
    memcpy(ret_event->digest, image->digest, sizeof(ret_event->digest));
}

static void describe_config(const struct event_item *item, struct event *ret_event)
{
    const struct image *image =
        (const struct image *)(const void *)((const char *)item -
                                             offsetof(struct image, config_event));

    *ret_event =
        (struct event){.type = EVENT_IMAGE_CONFIG, .uid = image->user->uid, .exit_code = -1};
    memcpy(ret_event->name, image->name, sizeof(ret_event->name));
}
