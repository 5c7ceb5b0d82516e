/* SPDX-License-Identifier: Apache-2.0 */
/* granted - how a grant is said: what, until when, and what its grantee types */
#include "cli/granted.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/say.h"
#include "cli/when.h"

/*
 * What listens on a port as a rule. use: what a grantee types, with the machine's name at %s;
 * bind: how it is told to listen on more than loopback
 */
static const struct service {
    uint16_t port;
    uint16_t protocol;
    const char *use;
    const char *name;
    const char *bind;
} services[] = {
    {22, IPPROTO_TCP, "ssh ", "", NULL},
    {53, IPPROTO_UDP, "dig @", "", NULL},
    {80, IPPROTO_TCP, "curl http://", "/", NULL},
    {443, IPPROTO_TCP, "curl https://", "/", NULL},
    {3306, IPPROTO_TCP, "mysql -h ", "", "bind-address = 0.0.0.0 (MariaDB, MySQL)"},
    {5432, IPPROTO_TCP, "psql -h ", "",
     "listen_addresses = '*', and a host line in pg_hba.conf (PostgreSQL)"},
    {6379, IPPROTO_TCP, "redis-cli -h ", "", "bind 0.0.0.0 (Redis)"},
    {8000, IPPROTO_TCP, "curl http://", ":8000/", NULL},
    {8080, IPPROTO_TCP, "curl http://", ":8080/", NULL},
    {8888, IPPROTO_TCP, "curl http://", ":8888/", "--ip=0.0.0.0 (Jupyter)"},
    {27017, IPPROTO_TCP, "mongosh --host ", "", "net.bindIp: 0.0.0.0 (MongoDB)"},
};

static const struct service *find_service(const struct grant_terms *terms)
{
    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        if (services[i].port == terms->port && services[i].protocol == terms->protocol)
            return &services[i];
    }
    return NULL;
}

void granted_check(struct grant_view *view)
{
    view->grant.machine[sizeof(view->grant.machine) - 1] = '\0';
    view->owner[sizeof(view->owner) - 1] = '\0';
    view->grantee[sizeof(view->grantee) - 1] = '\0';
}

char *granted_what(const struct grant_terms *terms, const char *machine, const char *owner,
                   char buf[TARGET_TEXT_SIZE])
{
    struct target target = {.protocol = terms->protocol, .port = terms->port};

    if (str_copy(target.machine, sizeof(target.machine), machine) < 0 ||
        str_copy(target.owner, sizeof(target.owner), owner) < 0)
        croft_bug("a name that does not fit its field");
    return target_text(&target, buf);
}

uint64_t granted_end_wall(const struct grant_view *view)
{
    const struct grant_terms *terms = &view->grant.terms;
    uint64_t end_ns;

    if (__builtin_add_overflow(clock_wall_ns(), view->left_ns, &end_ns))
        return 0;
    /* It was a moment ago that the monitor looked. */
    return terms->end == GRANT_UNTIL && terms->until_wall_ns < end_ns ? terms->until_wall_ns
                                                                      : end_ns;
}

char *granted_end(const struct grant_view *view, char buf[GRANTED_TEXT_SIZE])
{
    char moment[32];
    char left[32];

    if (view->left_ns == UINT64_MAX)
        (void)snprintf(buf, GRANTED_TEXT_SIZE, "for ever");
    else
        (void)snprintf(buf, GRANTED_TEXT_SIZE, "until %s (%s)",
                       say_time(granted_end_wall(view), moment, sizeof(moment)),
                       when_text(view->left_ns, left, sizeof(left)));
    return buf;
}

char *granted_use(const struct grant_view *view, char buf[GRANTED_TEXT_SIZE])
{
    const struct grant *grant = &view->grant;
    const struct service *service = find_service(&grant->terms);

    if (service != NULL)
        (void)snprintf(buf, GRANTED_TEXT_SIZE, "%s%s.%s%s", service->use, grant->machine,
                       view->owner, service->name);
    else
        (void)snprintf(buf, GRANTED_TEXT_SIZE, "%s.%s port %u%s", grant->machine, view->owner,
                       grant->terms.port, grant->terms.protocol == IPPROTO_UDP ? " (udp)" : "");
    return buf;
}

json_t *granted_json(const struct grant_view *view)
{
    const struct grant *grant = &view->grant;
    const struct grant_terms *terms = &grant->terms;
    char use[GRANTED_TEXT_SIZE];
    json_t *object =
        json_pack("{s:I, s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:I, s:b, s:s}", "id",
                  (json_int_t)grant->id, "owner", view->owner, "grantee", view->grantee, "machine",
                  grant->machine, "protocol", terms->protocol == IPPROTO_UDP ? "udp" : "tcp",
                  "port", terms->port, "connections", (json_int_t)terms->connections, "rate",
                  (json_int_t)terms->rate, "made", (json_int_t)grant->made_wall_ns, "open",
                  (view->flags & GRANT_OPEN) != 0, "use", granted_use(view, use));

    if (object == NULL)
        croft_bug("a JSON value could not be made");
    /* Without an end there is neither. */
    if (view->left_ns != UINT64_MAX) {
        (void)json_object_set_new(object, "ends", json_integer((json_int_t)granted_end_wall(view)));
        (void)json_object_set_new(object, "left_ms",
                                  json_integer((json_int_t)(view->left_ns / NS_PER_MS)));
    }
    return object;
}

void granted_add_ms(json_t *object, uint64_t started_ns)
{
    double ms = (double)(clock_boot_ns() - started_ns) / (double)NS_PER_MS;

    (void)json_object_set_new(object, "ms", json_real(ms));
}

static const char *listening_name(uint32_t listening)
{
    static const char *const name[] = {
        [LISTENING_UNKNOWN] = "unknown",
        [LISTENING_NOTHING] = "nothing",
        [LISTENING_LOOPBACK] = "loopback",
        [LISTENING_YES] = "yes",
    };

    return listening < ARRAY_LEN(name) ? name[listening] : "unknown";
}

/* A grant that opens onto nothing is what people lose an afternoon with. */
static void warn(const struct reply_grant *reply)
{
    const struct grant *grant = &reply->view.grant;
    const struct service *service = find_service(&grant->terms);
    const char *bind = "let it listen on 0.0.0.0 or ::";
    char what[TARGET_TEXT_SIZE];

    (void)granted_what(&grant->terms, grant->machine, "", what);
    if (service != NULL && service->bind != NULL)
        bind = service->bind;
    if (!(reply->view.flags & GRANT_OPEN))
        fprintf(stderr, "warning: %s does not run: this opens when it does (`croft start %s`)\n",
                grant->machine, grant->machine);
    else if (reply->listening == LISTENING_NOTHING)
        fprintf(stderr, "warning: nothing listens on %s now\n", what);
    else if (reply->listening == LISTENING_LOOPBACK)
        fprintf(stderr,
                "warning: only loopback is listened on at %s, which nobody else reaches: "
                "set %s\n",
                what, bind);
}

void granted_print(struct reply_grant *reply, bool json, uint64_t started_ns)
{
    struct grant_view *view = &reply->view;
    char what[TARGET_TEXT_SIZE];
    char text[GRANTED_TEXT_SIZE];

    granted_check(view);
    if (json) {
        json_t *object = granted_json(view);

        (void)json_object_set_new(object, "listening",
                                  json_string(listening_name(reply->listening)));
        granted_add_ms(object, started_ns);
        say_json(object);
        json_decref(object);
        return;
    }
    (void)granted_what(&view->grant.terms, view->grant.machine, "", what);
    say_line("%s may use %s %s", view->grantee, what, granted_end(view, text));
    say_line("  use it    %s", granted_use(view, text));
    say_line("  close it  croft revoke %" PRIu64, view->grant.id);
    (void)fflush(stdout);
    warn(reply);
}
