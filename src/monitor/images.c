/* SPDX-License-Identifier: Apache-2.0 */
/*
 * images - a user's images: unpacked into her own volume, named, removed
 *
 * Theory of operation
 * An archive is a stranger's bytes, so croft-image unpacks it with her ids, in namespaces of its
 * own, charged to her, into stage/ID of her volume, and says on a pipe what came of it. Only then
 * root acts, by one rename to layers/DIGEST. The digest comes from the process that parsed the
 * archive: a false one harms nobody but its owner, because layers are hers alone.
 *
 * An import lives no longer than the connection that ordered it, else each one that hangs up would
 * leave an unpacker waiting for bytes that never come.
 *
 * A layer lives as long as an image or an instance of hers names its digest.
 */
#include "monitor/images.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "linux/path.h"
#include "linux/volume.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"
#include "wire/image.h"

#define HEX_SIZE     (2 * SHA256_SIZE + 1)
#define NOTE_EVERY_S 5U
#define SIZE_TEXT    32U
#define LOOK_MS      1000U /* how soon it is seen that a client is gone */
#define REPORTS_MAX  64U   /* read in one turn: the others have theirs */

/*
 * An archive on its way. pipe: croft-image's standard output
 * done, data: who hears of it when there is no request
 * result:     the last report; type IMAGE_DONE: it is whole
 * config:     what it said about how it wants to be started, config_size bytes
 * nonsense:   it said what is no report, and is not listened to any more
 * look:       for a client that hung up; abandoned: one did
 */
struct import {
    struct user *user;
    struct import *next;
    struct request *request;
    image_done_fn done;
    void *data;
    char name[NAME_SIZE];
    char stage[STAGE_NAME_SIZE];
    struct deed deed;
    struct runner *runner;
    struct loop_source pipe;
    struct image_report result;
    _Alignas(struct image_config) uint8_t config[IMAGE_CONFIG_SIZE_MAX];
    size_t config_size;
    bool nonsense;
    struct loop_timer look;
    bool abandoned;
    uint64_t noted_boot_ns;
};

static int check_room(const struct user *user, const char *name, struct err *err);
static int import_begin(struct import *import, int archive, struct err *err);
static int import_start(struct import *import, int archive);
static void import_waiting(void *data, int *master);
static void import_failed(void *data, uint32_t stage, int error);
static void import_ended(void *data, struct exit_status status);
static void import_look_later(struct import *import);
static void on_look(void *data);
static void on_report(struct loop_source *source, uint32_t events, void *data);
static bool read_report(struct import *import);
static bool read_config(struct import *import);
static void note_progress(struct import *import);
static int import_result(const struct import *import, struct exit_status status, struct err *err);
static int import_keep(struct import *import, struct err *err);
static void import_end(struct import *import, const struct err *failure);
static void import_free(struct import *import);
static bool layer_is_used(const struct user *user, const uint8_t digest[SHA256_SIZE]);

static const struct runner_calls IMPORT_CALLS = {
    .waiting = import_waiting,
    .failed = import_failed,
    .ended = import_ended,
};

void images_forget_layer(struct user *user, const uint8_t digest[SHA256_SIZE])
{
    char hex[HEX_SIZE];

    if (user->volume.root < 0 || layer_is_used(user, digest))
        return;
    str_hex(digest, SHA256_SIZE, hex);
    int rc = volume_trash(user, "layers", hex);
    if (rc < 0 && rc != -ENOENT)
        log_line(LOG_LEVEL_WARNING, "layer %s of %s stays: %s", hex, user->name, strerror(-rc));
}

void images_sweep(struct user *user)
{
    struct dirent *entry;
    uint8_t digest[SHA256_SIZE];
    int layers = volume_dir(user, "layers");
    if (layers < 0)
        return;
    DIR *list = fdopendir(layers);
    if (list == NULL) {
        fd_close(&layers);
        return;
    }
    while ((entry = readdir(list)) != NULL)
        if (str_unhex(entry->d_name, digest, sizeof(digest)) == 0)
            images_forget_layer(user, digest);
    closedir(list);
}

void images_cancel(struct user *user)
{
    const struct err cancelled = {.outcome = OUTCOME_FAILED, .text = "the import was ended"};
    while (user->imports != NULL)
        import_end(user->imports, &cancelled);
}

void image_import_built_in(struct user *user, image_done_fn done, void *data)
{
    struct err err;
    struct import *import = mem_new(1, sizeof(*import));

    *import = (struct import){
        .user = user,
        .next = user->imports,
        .done = done,
        .data = data,
        .name = IMAGE_BUILT_IN,
        .pipe = {.fd = -1},
    };
    user->imports = import;
    auto_close archive =
        path_open(user->monitor->dirs.lib, "images/" IMAGE_BUILT_IN ".tar", O_RDONLY);
    int rc = archive >= 0 ? 0 : err_errno(&err, OUTCOME_HOST_CANNOT, archive, "cannot open it");
    if (rc == 0)
        rc = import_begin(import, archive, &err);
    if (rc != 0)
        import_end(import, &err);
}

/*
 * Safe for a stranger: the descriptor is an anonymous pipe, never a file of the host
 * that somebody else could not read; it is read by a process with her own ids only.
 */
int image_order_import(struct request *request, struct user *user, struct err *err)
{
    const char *name = request->order.name;

    if (fd_is_pipe(request->fds.fd[0]) != 1)
        return err_set(err, OUTCOME_USAGE,
                       "image %s: an archive comes through a pipe, not as a file or terminal",
                       name);
    if (request->order.flags & ORDER_NEW && images_by_name(user, name) != NULL)
        return 0;
    int rc = check_room(user, name, err);
    if (rc != 0)
        return rc;
    struct import *import = mem_new(1, sizeof(*import));
    *import = (struct import){
        .user = user,
        .next = user->imports,
        .request = request,
        .pipe = {.fd = -1},
        .look = {.on_due = on_look, .data = import},
    };
    memcpy(import->name, name, sizeof(import->name));
    user->imports = import;
    rc = import_begin(import, request->fds.fd[0], err);
    if (rc != 0) {
        import->request = NULL; /* the caller answers it */
        import_end(import, err);
        return rc;
    }
    /* Its end of the pipe must be the only one, so that she sees it when croft-image goes away. */
    frame_fds_cleanup(&request->fds);
    import_look_later(import);
    request_park(request);
    return REQUEST_PENDING;
}

/* Safe for a stranger: she names an image of hers, and what is deleted lies in her own volume. */
int image_order_remove(struct request *request, struct user *user, struct err *err)
{
    struct image *image = images_by_name(user, request->order.name);
    uint8_t digest[SHA256_SIZE];
    struct deed deed;

    if (image == NULL)
        return err_set(err, OUTCOME_NOT_FOUND, "no image named %s", request->order.name);
    const struct instance *used_by = instances_by_layer(user, image->digest);
    if (used_by != NULL)
        return err_set(err, OUTCOME_FAILED, "image %s is used by the machine %s: croft rm %s",
                       image->name, used_by->name, used_by->name);
    int rc = user_need(user, err);
    if (rc != 0)
        return rc;
    const struct chain_entry intent = {
        .type = RECORD_IMAGE_REMOVE, .actor_uid = request->peer.uid, .name = image->name};
    rc = deed_begin(user->monitor, user, &intent, &deed, err);
    if (rc != 0)
        return rc;
    memcpy(digest, image->digest, sizeof(digest));
    image_drop(image);
    rc = deed_done(user->monitor, &deed, NULL, err);
    images_forget_layer(user, digest);
    return rc;
}

/* What is on its way counts too: else many begun at once would all become images. */
static int check_room(const struct user *user, const char *name, struct err *err)
{
    size_t imports = 0;
    size_t images = images_count(user);

    for (const struct import *import = user->imports; import != NULL; import = import->next) {
        if (strcmp(import->name, name) == 0)
            return err_set(err, OUTCOME_FAILED, "image %s is being imported already", name);
        imports++;
        images += images_by_name(user, import->name) == NULL ? 1 : 0;
    }
    if (imports >= IMPORTS_PER_USER_MAX)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "%s imports %u images now, which is the limit; try again soon", user->name,
                       IMPORTS_PER_USER_MAX);
    if (images_by_name(user, name) == NULL && images >= IMAGES_PER_USER_MAX)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "%s has %u images, which is the limit: croft image rm", user->name,
                       IMAGES_PER_USER_MAX);
    return 0;
}

static int import_begin(struct import *import, int archive, struct err *err)
{
    struct user *user = import->user;
    const struct chain_entry intent = {
        .type = RECORD_IMAGE_IMPORT,
        .actor_uid = import->request != NULL ? import->request->peer.uid : user->uid,
        .name = import->name};

    int rc = user_need(user, err);
    if (rc == 0)
        rc = deed_begin(user->monitor, user, &intent, &import->deed, err);
    if (rc != 0)
        return rc;
    rc = volume_stage(user, import->stage);
    if (rc == 0)
        rc = import_start(import, archive);
    if (rc < 0)
        return err_errno(err, OUTCOME_FAILED, rc, "cannot unpack the image %s", import->name);
    return 0;
}

static int import_start(struct import *import, int archive)
{
    struct user *user = import->user;
    struct monitor *monitor = user->monitor;
    int ends[2];
    auto_job order;
    job_init(&order, JOB_UNPACK);

    int rc = runner_new(monitor, &IMPORT_CALLS, import, &import->runner);
    if (rc < 0)
        return rc;
    auto_close stage = volume_dir(user, "stage");
    if (stage < 0)
        return stage;
    auto_close tree = path_open(stage, import->stage, O_RDONLY | O_DIRECTORY);
    if (tree < 0)
        return tree;
    rc = order.fd[JOB_FD_VOLUME] = volume_clone(tree);
    if (rc >= 0)
        rc = order.fd[JOB_FD_EXEC] = path_open(monitor->dirs.lib, "croft-image", O_PATH);
    if (rc >= 0)
        rc = order.fd[JOB_FD_STDIN] = fcntl(archive, F_DUPFD_CLOEXEC, 3);
    if (rc >= 0)
        rc = user_job(user, &order, user_jobs_group(user), PLAN_FILTER_UNPACK);
    if (rc < 0)
        return rc;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    import->pipe = (struct loop_source){.fd = ends[0], .on_io = on_report, .data = import};
    order.fd[JOB_FD_STDOUT] = ends[1];
    order.job.flags = order.job.flags | JOB_STDIN_OPEN;
    rc = fd_set_nonblock(import->pipe.fd);
    if (rc == 0)
        rc = loop_add(monitor->loop, &import->pipe, EPOLLIN);
    if (rc == 0)
        rc = runner_send(import->runner, &order, NULL, 0);
    return rc;
}

static void import_waiting(void *data, int *master)
{
    struct import *import = data;
    (void)master;
    runner_go(import->runner);
}

static void import_failed(void *data, uint32_t stage, int error)
{
    struct import *import = data;
    struct err err;

    runner_sentence(&err, "unpack the image", import->name, stage, error);
    import_end(import, &err);
}

static void import_ended(void *data, struct exit_status status)
{
    struct import *import = data;
    struct err err;

    while (read_report(import)) /* the last ones may be unread */
        continue;
    int rc = import_result(import, status, &err);
    if (rc == 0)
        rc = import_keep(import, &err);
    import_end(import, rc == 0 ? NULL : &err);
}

static void import_look_later(struct import *import)
{
    loop_arm(import->user->monitor->loop, &import->look, clock_boot_ns() + LOOK_MS * NS_PER_MS);
}

/* Only killed here: its stage is cleared when it has ended, and so writes there no more. */
static void on_look(void *data)
{
    struct import *import = data;

    /* One that is not there yet, or ends already, is met at the next look or not at all. */
    if (import->request->client == NULL &&
        process_signal(runner_process(import->runner), SIGKILL) == 0)
        import->abandoned = true;
    import_look_later(import);
}

static void on_report(struct loop_source *source, uint32_t events, void *data)
{
    struct import *import = data;

    if (events & EPOLLIN)
        for (unsigned int i = 0; i < REPORTS_MAX && read_report(import); i++)
            continue;
    else
        loop_remove(import->user->monitor->loop, source); /* its end says the rest */
}

/* Return: false: there is none now, or none will be believed any more */
static bool read_report(struct import *import)
{
    struct image_report report;

    if (import->pipe.fd < 0 || import->nonsense)
        return false;
    ssize_t got = read(import->pipe.fd, &report, sizeof(report));
    if (got <= 0)
        return false;
    if (got != (ssize_t)sizeof(report) || report.version != IMAGE_VERSION ||
        import->result.type == IMAGE_DONE) {
        import->nonsense = true;
    } else if (report.type == IMAGE_CONFIG) {
        import->nonsense = !read_config(import);
    } else {
        report.text[sizeof(report.text) - 1] = '\0';
        str_printable(report.text);
        import->result = report;
        if (report.type == IMAGE_PROGRESS)
            note_progress(import);
    }
    if (import->nonsense)
        loop_remove(import->user->monitor->loop, &import->pipe);
    return !import->nonsense;
}

/* It came with the report, in one write. */
static bool read_config(struct import *import)
{
    const struct image_config *config = (const struct image_config *)(const void *)import->config;
    ssize_t got = read(import->pipe.fd, import->config, sizeof(*config));

    if (got != (ssize_t)sizeof(*config) || import->config_size != 0 ||
        config->strings_len > IMAGE_CONFIG_STRINGS_MAX)
        return false;
    got = read(import->pipe.fd, import->config + sizeof(*config), config->strings_len);
    if (got != (ssize_t)config->strings_len)
        return false;
    import->config_size = sizeof(*config) + config->strings_len;
    return image_config_check(config, import->config_size) == 0;
}

static void note_progress(struct import *import)
{
    uint64_t now = clock_boot_ns();
    char size[SIZE_TEXT];

    if (import->noted_boot_ns == 0)
        import->noted_boot_ns = now;
    if (now - import->noted_boot_ns < NOTE_EVERY_S * NS_PER_S)
        return;
    import->noted_boot_ns = now;
    str_size_text(import->result.bytes, size, sizeof(size));
    request_note(import->request, "%s: %" PRIu64 " files, %s so far", import->name,
                 import->result.entries, size);
}

/* What croft-image says is believed only as far as it can: an outcome it does not know is a
 * failure. */
static int import_result(const struct import *import, struct exit_status status, struct err *err)
{
    const struct image_report *result = &import->result;

    if (import->nonsense)
        return err_set(err, OUTCOME_FAILED, "image %s: unpacking said what cannot be understood",
                       import->name);
    if (result->type != IMAGE_DONE && import->abandoned)
        return err_set(err, OUTCOME_FAILED, "image %s: who imported it hung up", import->name);
    if (result->type != IMAGE_DONE && status.signal != 0)
        return err_set(err, OUTCOME_OVER_LIMIT,
                       "image %s: unpacking was killed (signal %d): it needs more memory or time "
                       "than %s may use",
                       import->name, status.signal, import->user->name);
    if (result->type != IMAGE_DONE)
        return err_set(err, OUTCOME_FAILED, "image %s: unpacking ended without a word",
                       import->name);
    if (result->outcome == OUTCOME_OK)
        return 0;
    return err_set(err,
                   result->outcome <= OUTCOME_HOST_CANNOT ? (enum outcome)result->outcome
                                                          : OUTCOME_FAILED,
                   "image %s: %s", import->name, result->text);
}

static int import_keep(struct import *import, struct err *err)
{
    struct user *user = import->user;
    const uint8_t *digest = import->result.digest;
    uint8_t payload[SHA256_SIZE + IMAGE_CONFIG_SIZE_MAX];
    char hex[HEX_SIZE];

    auto_close stage = volume_dir(user, "stage");
    auto_close layers = volume_dir(user, "layers");
    str_hex(digest, SHA256_SIZE, hex);
    int rc = stage < 0 ? stage : layers;
    if (rc >= 0)
        rc = path_rename(stage, import->stage, layers, hex, false);
    /* The same bytes again: the layer that is there stays, the new tree goes to the trash. */
    if (rc < 0 && rc != -EEXIST)
        return err_errno(err, OUTCOME_FAILED, rc, "cannot keep the image %s", import->name);

    struct image *old = images_by_name(user, import->name);
    uint8_t old_digest[SHA256_SIZE];
    if (old != NULL)
        memcpy(old_digest, old->digest, sizeof(old_digest));
    struct image *image = image_set(user, import->name, digest);
    image->bytes = import->result.bytes;
    image->entries = import->result.entries;
    image->wall_ns = clock_wall_ns();
    image_set_config(image, import->config, import->config_size);
    image_mark(image);
    memcpy(payload, image->digest, SHA256_SIZE);
    memcpy(payload + SHA256_SIZE, import->config, import->config_size);
    const struct chain_entry outcome = {
        .number = {image->entries, image->bytes},
        .payload = payload,
        .payload_size = SHA256_SIZE + import->config_size,
    };
    rc = deed_done(user->monitor, &import->deed, &outcome, err);
    if (old != NULL)
        images_forget_layer(user, old_digest);
    return rc;
}

static void import_end(struct import *import, const struct err *failure)
{
    struct user *user = import->user;
    const uint64_t numbers[4] = {import->result.entries, import->result.bytes,
                                 import->result.skipped, 0};

    if (failure != NULL)
        deed_end(user->monitor, &import->deed, DURABLE_NOW, failure, NULL);
    /* Gone already when it became the layer. */
    if (import->stage[0] != '\0' && user->volume.root >= 0) {
        int rc = volume_trash(user, "stage", import->stage);
        if (rc < 0 && rc != -ENOENT)
            log_line(LOG_LEVEL_WARNING, "cannot clear the stage of %s: %s", user->name,
                     strerror(-rc));
    }
    struct request *request = import->request;
    image_done_fn done = import->done;
    void *data = import->data;
    import_free(import);
    if (done != NULL)
        done(data, failure);
    else if (failure != NULL)
        request_finish(request, failure);
    else
        request_finish_with(request, numbers, NULL, 0, NULL, 0);
}

static void import_free(struct import *import)
{
    struct import **place = &import->user->imports;

    while (*place != import)
        place = &(*place)->next;
    *place = import->next;
    runner_free(import->runner);
    loop_disarm(import->user->monitor->loop, &import->look);
    loop_remove(import->user->monitor->loop, &import->pipe);
    fd_close(&import->pipe.fd);
    mem_cleanup(&import);
}

static bool layer_is_used(const struct user *user, const uint8_t digest[SHA256_SIZE])
{
    return images_have_layer(user, digest) || instances_by_layer(user, digest) != NULL;
}
