/* SPDX-License-Identifier: Apache-2.0 */
/* images - a user's images: unpacked into her own volume, named, removed */
#ifndef CROFT_MONITOR_IMAGES_H
#define CROFT_MONITOR_IMAGES_H

#include "base/sha256.h"
#include "monitor/events.h"
#include "wire/limits.h"
#include <stdbool.h>
#include <stdint.h>

struct image_config;
struct request;
struct user;

/*
 * A name for a layer. Several names may stand for one layer; layers/DIGEST goes with the last.
 * bytes, entries: as unpacked, for people
 * config: what it says about how it wants to be started; NULL: nothing. config_event tells of it
 */
struct image {
    struct user *user;
    struct image *next;
    struct event_item event;
    struct event_item config_event;
    char name[NAME_SIZE];
    uint8_t digest[SHA256_SIZE];
    uint64_t bytes;
    uint64_t entries;
    uint64_t wall_ns;
    struct image_config *config;
    size_t config_size;
};

#define IMAGE_BUILT_IN "busybox"

struct image *images_by_name(const struct user *user, const char *name);
bool images_have_layer(const struct user *user, const uint8_t digest[SHA256_SIZE]);
size_t images_count(const struct user *user);

/** image_set() - gives @name to a layer, new or instead of another. Never NULL */
struct image *image_set(struct user *user, const char *name, const uint8_t digest[SHA256_SIZE]);

/** image_set_config() - what @image says about itself: @size bytes, copied; 0, or malformed:
 * nothing
 */
void image_set_config(struct image *image, const void *config, size_t size);

/** image_mark() - croftd is told of it, new or changed */
void image_mark(struct image *image);

/** image_drop() - takes it out of the list and frees it */
void image_drop(struct image *image);

/* Called once: @err NULL: it is there. */
typedef void (*image_done_fn)(void *data, const struct err *err);

/** images_forget_layer() - moves a layer that no image and no instance uses any more to the trash
 */
void images_forget_layer(struct user *user, const uint8_t digest[SHA256_SIZE]);

/** images_sweep() - moves layers that no record knows to the trash: what a crash left behind */
void images_sweep(struct user *user);

/** images_cancel() - ends her imports; nobody hears of them */
void images_cancel(struct user *user);

/** image_import_built_in() - imports CROFT_LIB_DIR/images/busybox.tar into her volume */
void image_import_built_in(struct user *user, image_done_fn done, void *data);

/* The orders; each returns 0, an outcome with @err set, or REQUEST_PENDING. */
nodiscard int image_order_import(struct request *request, struct user *user, struct err *err);
nodiscard int image_order_remove(struct request *request, struct user *user, struct err *err);

#endif
