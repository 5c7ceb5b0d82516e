/* SPDX-License-Identifier: Apache-2.0 */
/* api - one call to croftd (wire/control.h) */
#include "cli/api.h"
#include "croft-paths.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/say.h"
#include "wire/control.h"

#define ANSWER_FIRST (16U * 1024U)
/* All machines of all users of a full host; anything longer is not an answer. */
#define ANSWER_MAX (256U * 1024U * 1024U)

static unsigned int call_timeout_ms;

static int api_connect(int *ret_sock, struct err *err);
static int send_all(int sock, const char *text, size_t size);
static int receive_answer(int sock, char **ret_text, size_t *ret_size, struct err *err);
static int open_answer(const char *text, size_t size, json_t **ret_answer, struct err *err);

void api_timeout(unsigned int timeout_ms)
{
    call_timeout_ms = timeout_ms;
}

void api_json_cleanup(json_t **reference)
{
    json_decref(*reference);
}

int api_call(const char *method, json_t *parameters, json_t **ret_answer, struct err *err)
{
    auto_json *call = json_pack("{s:s, s:o}", "method", method, "parameters",
                                parameters != NULL ? parameters : json_object());
    auto_free char *question = NULL;
    auto_free char *answer = NULL;
    auto_close sock = -1;
    size_t size = 0;
    int r;

    if (call == NULL)
        return err_set(err, OUTCOME_USAGE, "an argument is not UTF-8 text");
    r = api_connect(&sock, err);
    if (r != 0)
        return r;
    question = control_text(call);
    r = send_all(sock, question, strlen(question) + 1);
    if (r < 0)
        return err_errno(err, OUTCOME_FAILED, r, "asking croftd");
    r = receive_answer(sock, &answer, &size, err);
    if (r != 0)
        return r;
    return open_answer(answer, size, ret_answer, err);
}

static int api_connect(int *ret_sock, struct err *err)
{
    auto_close sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_un address = {AF_UNIX, CROFT_RUN_DIR "/api"};

    if (sock < 0)
        return err_errno(err, OUTCOME_FAILED, -errno, "no socket");
    if (call_timeout_ms != 0) {
        const struct timeval limit = {
            .tv_sec = call_timeout_ms / 1000,
            .tv_usec = (suseconds_t)(call_timeout_ms % 1000) * 1000,
        };

        if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
            return err_errno(err, OUTCOME_FAILED, -errno, "no time limit");
    }
    if (connect(sock, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR)
            return err_set(err, OUTCOME_HOST_CANNOT, SAY_NOT_RUNNING);
        return err_errno(err, OUTCOME_FAILED, -errno, "croftd's socket %s", address.sun_path);
    }
    *ret_sock = take_fd(&sock);
    return 0;
}

static int send_all(int sock, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(sock, text, size, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        /* Whoever refuses us may say why and close before it has read everything. */
        if (sent < 0 && errno == EPIPE)
            return 0;
        if (sent < 0)
            return -errno;
        text += sent;
        size -= (size_t)sent;
    }
    return 0;
}

static int receive_answer(int sock, char **ret_text, size_t *ret_size, struct err *err)
{
    size_t room = ANSWER_FIRST;
    size_t size = 0;
    auto_free char *text = mem_new(room, 1);

    for (;;) {
        ssize_t got;

        if (size == room) {
            if (room >= ANSWER_MAX)
                return err_set(err, OUTCOME_FAILED, "croftd's answer does not end");
            room *= 2;
            text = mem_grow(text, room, 1);
        }
        got = recv(sock, text + size, room - size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return err_set(err, OUTCOME_HOST_CANNOT, "croftd does not answer: see %s/croft.log",
                           CROFT_LOG_DIR);
        if (got < 0 && errno != ECONNRESET)
            return err_errno(err, OUTCOME_FAILED, -errno, "waiting for croftd");
        if (got <= 0)
            return err_set(err, OUTCOME_FAILED,
                           "croftd ended before it answered: it is restarted, try again");
        size += (size_t)got;
        if (text[size - 1] == '\0')
            break;
    }
    *ret_size = size - 1;
    *ret_text = take_ptr(text);
    return 0;
}

static int open_answer(const char *text, size_t size, json_t **ret_answer, struct err *err)
{
    auto_json *answer = control_parse(text, size, err);
    json_t *parameters;
    int64_t number;

    if (answer == NULL)
        return err_set(err, OUTCOME_FAILED, "croftd's answer is none: see %s/croft.log",
                       CROFT_LOG_DIR);
    number = api_signed(answer, "outcome", OUTCOME_OK);
    if (number != OUTCOME_OK) {
        bool known = number > OUTCOME_OK && number <= OUTCOME_HOST_CANNOT;
        const char *sentence = api_text(answer, "text");

        return err_set(err, known ? (enum outcome)number : OUTCOME_FAILED, "%s",
                       sentence[0] != '\0' ? sentence : "refused");
    }
    parameters = json_object_get(answer, "parameters");
    if (!json_is_object(parameters))
        return err_set(err, OUTCOME_FAILED, "croftd's answer is empty: see %s/croft.log",
                       CROFT_LOG_DIR);
    *ret_answer = json_incref(parameters);
    return 0;
}

const char *api_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

uint64_t api_number(const json_t *object, const char *key)
{
    int64_t number = api_signed(object, key, 0);

    return number > 0 ? (uint64_t)number : 0;
}

int64_t api_signed(const json_t *object, const char *key, int64_t absent)
{
    const json_t *number = json_object_get(object, key);

    return json_is_integer(number) ? json_integer_value(number) : absent;
}
