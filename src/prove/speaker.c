/* SPDX-License-Identifier: Apache-2.0 */
/* speaker - a client of the door and of croftd's socket, under whichever id the proof gives it */
#include "prove/speaker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "croft-paths.h"
#include "prove/hostproc.h"
#include "wire/frame.h"

#define HEAR_SECONDS 10
#define STDIO_FDS    3

int speaker_as(uid_t uid, gid_t gid)
{
    if (setgroups(uid ? 1 : 0, &gid) < 0 || setresgid((gid_t)-1, gid, (gid_t)-1) < 0 ||
        setresuid((uid_t)-1, uid, (uid_t)-1) < 0)
        return -errno;
    return 0;
}

void speaker_back(void)
{
    if (setresuid((uid_t)-1, 0, (uid_t)-1) < 0 || setresgid((gid_t)-1, 0, (gid_t)-1) < 0 ||
        setgroups(0, NULL) < 0)
        croft_bug("root cannot be taken back");
}

int speaker_connect(const char *name, uid_t uid, gid_t gid)
{
    const struct timeval patience = {.tv_sec = HEAR_SECONDS};
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int kind = strcmp(name, "door") == 0 ? SOCK_SEQPACKET : SOCK_STREAM;
    int error = str_format(at.sun_path, sizeof(at.sun_path), CROFT_RUN_DIR "/%s", name);

    auto_close sock = socket(AF_UNIX, kind | SOCK_CLOEXEC, 0);
    if (error < 0 || sock < 0)
        return error < 0 ? error : -errno;
    error = speaker_as(uid, gid);
    if (error == 0 && connect(sock, (const struct sockaddr *)&at, sizeof(at)) < 0)
        error = -errno;
    speaker_back();
    if (error == 0 && (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
                       setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0))
        error = -errno;
    return error < 0 ? error : take_fd(&sock);
}

int speaker_send(int sock, const struct speech *speech)
{
    struct order order = {.version = ORDER_VERSION,
                          .type = speech->type,
                          .flags = speech->flags,
                          .number = speech->number,
                          .body_size = (uint32_t)speech->body_size};
    size_t length = speech->name ? strnlen(speech->name, sizeof(order.name)) : 0;

    if (length)
        memcpy(order.name, speech->name, length);
    return frame_send(sock, &order, sizeof(order), speech->body, speech->body_size, speech->fds,
                      speech->fd_count);
}

int speaker_hear(int sock, struct reply *ret_reply)
{
    static union {
        struct reply head;
        uint8_t bytes[MESSAGE_SIZE_MAX];
    } message;

    for (;;) {
        struct frame_fds fds = {.count = 0};
        ssize_t got = frame_recv(sock, &message, sizeof(message), &fds);

        frame_fds_cleanup(&fds);
        if (got == -EAGAIN)
            return -ETIMEDOUT;
        if (got < 0)
            return (int)got;
        if (got < (ssize_t)sizeof(message.head))
            return -EPIPE;
        *ret_reply = message.head;
        ret_reply->text[sizeof(ret_reply->text) - 1] = '\0';
        if (ret_reply->type != REPLY_NOTE)
            return (int)ret_reply->outcome;
    }
}

int speaker_say(uid_t uid, gid_t gid, const struct speech *speech, struct reply *ret_reply)
{
    auto_close sock = speaker_connect("door", uid, gid);
    int error = sock < 0 ? sock : speaker_send(sock, speech);

    memset(ret_reply, 0, sizeof(*ret_reply));
    /* Who was hung up on may have been told why. */
    if (error < 0 && error != -EPIPE && error != -ECONNRESET)
        return error;
    return speaker_hear(sock, ret_reply);
}

int speaker_ask(uid_t uid, gid_t gid, const char *json, char *answer, size_t size)
{
    size_t length = 0;

    auto_close sock = speaker_connect("api", uid, gid);
    int error = sock < 0 ? sock : fd_write_full(sock, json, strlen(json) + 1);
    answer[0] = '\0';
    while (error >= 0 && length + 1 < size) {
        ssize_t got = read(sock, answer + length, size - 1 - length);
        if (got <= 0)
            break;
        length += (size_t)got;
        answer[length] = '\0';
        if (answer[length - 1] == '\0')
            break;
    }
    return error < 0 ? error : length ? 0 : -EPIPE;
}

/* The digest of the only layer that @party has, as her volume names it. */
static int only_layer(const struct party *party, uint8_t digest[SHA256_SIZE])
{
    struct dirent *entry;
    char path[128];
    int error = str_format(path, sizeof(path), CROFT_RUN_DIR "/volumes/%u/layers", party->uid);
    DIR *dir = error < 0 ? NULL : opendir(path);

    error = -ENOENT;
    while (dir && error < 0 && (entry = readdir(dir)))
        if (strlen(entry->d_name) == (size_t)2 * SHA256_SIZE)
            error = str_unhex(entry->d_name, digest, SHA256_SIZE);
    if (dir)
        (void)closedir(dir);
    return error;
}

int speaker_plan(const struct party *party, const char *name, unsigned seconds,
                 union spoken_plan *ret_plan)
{
    union spoken_plan spoken = {.plan = {.version = PLAN_VERSION,
                                         .kind = PLAN_JOB,
                                         .flags = PLAN_REMOVE,
                                         .filter = PLAN_FILTER_DEFAULT,
                                         .owner_uid = party->uid,
                                         .block_count = BLOCK_COUNT,
                                         .layer_count = 1,
                                         .stop_signal = 15,
                                         .command = {.argc = 2}}};
    struct id_range ranges[ID_RANGES_MAX];
    uint64_t keeper = 0;
    char *strings = spoken.room + sizeof(spoken.plan);
    int error = scene_keeper(party, &keeper);

    if (error == 0 && hostproc_id_map(party->init, ranges) <= 0)
        error = -ESRCH;
    if (error == 0)
        error = only_layer(party, spoken.plan.layer[0]);
    if (error == 0)
        error = str_copy(spoken.plan.name, sizeof(spoken.plan.name), name);
    if (error == 0)
        error = str_copy(spoken.plan.image, sizeof(spoken.plan.image), PROVE_IMAGE);
    if (error == 0)
        error = str_format(strings, SPOKEN_STRINGS_MAX, "/%c/bin/sleep%c%u", 0, 0, seconds);
    if (error < 0)
        return error;
    spoken.plan.block_first = (uint32_t)ranges[0].first;
    spoken.plan.keeper_id = (uint32_t)keeper;
    /* What lies between three 0 bytes. */
    spoken.plan.command.strings_len =
        (uint32_t)(sizeof("/") + sizeof("/bin/sleep") + strlen(strings + 13) + 1);
    *ret_plan = spoken;
    return 0;
}

/* Three pipes as a command's standard descriptors; our ends are given up at once. */
static int three_pipes(int fds[STDIO_FDS])
{
    for (int i = 0; i < STDIO_FDS; i++) {
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
            return -errno;
        fds[i] = ends[i == 0 ? 0 : 1];
        (void)close(ends[i == 0 ? 1 : 0]);
    }
    return 0;
}

int speaker_send_run(int sock, const union spoken_plan *plan)
{
    int fds[STDIO_FDS] = {-1, -1, -1};
    struct speech speech = {.type = ORDER_RUN,
                            .body = plan,
                            .body_size = plan_size(&plan->plan),
                            .fds = fds,
                            .fd_count = STDIO_FDS};
    int error = three_pipes(fds);

    if (error == 0)
        error = speaker_send(sock, &speech);
    for (int i = 0; i < STDIO_FDS; i++)
        fd_close(&fds[i]);
    return error;
}

int speaker_run(int sock, const union spoken_plan *plan, struct reply *ret_reply)
{
    int error = speaker_send_run(sock, plan);

    if (error < 0 && error != -EPIPE && error != -ECONNRESET)
        return error;
    return speaker_hear(sock, ret_reply);
}

size_t speaker_command(const char *word, void *bytes, size_t size)
{
    struct command command = {.argc = 1};
    size_t length = strlen(word) + 1;

    if (size < sizeof(command) + 2 + length)
        croft_bug("no room for a command");
    command.strings_len = (uint32_t)(2 + length);
    memcpy(bytes, &command, sizeof(command));
    memcpy((char *)bytes + sizeof(command), "/", 2);
    memcpy((char *)bytes + sizeof(command) + 2, word, length);
    return sizeof(command) + 2 + length;
}

size_t speaker_files(void)
{
    pid_t monitor = hostproc_by_exe(CROFT_LIB_DIR "/croft-monitor");
    char path[64];
    struct dirent *entry;
    size_t count = 0;
    DIR *dir = str_format(path, sizeof(path), "/proc/%d/fd", monitor) < 0 ? NULL : opendir(path);

    while (dir && (entry = readdir(dir)))
        count += entry->d_name[0] != '.';
    if (dir)
        (void)closedir(dir);
    return count;
}
