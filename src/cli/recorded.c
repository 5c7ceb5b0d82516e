/* SPDX-License-Identifier: Apache-2.0 */
/* recorded - what a record's payload says, in words that its owner and the other side both read */
#include "cli/recorded.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/account.h"
#include "cli/granted.h"
#include "cli/say.h"
#include "cli/when.h"

#define PERSON_SIZE 64

static char *person(uint32_t uid, char buf[PERSON_SIZE])
{
    (void)snprintf(buf, PERSON_SIZE, "%s", account_name(uid));
    return buf;
}

/* "db.alice:5432" */
static char *thing(const struct grant_terms *terms, const char machine[NAME_SIZE],
                   uint32_t owner_uid, char buf[TARGET_TEXT_SIZE])
{
    char name[NAME_SIZE];

    memcpy(name, machine, sizeof(name));
    name[sizeof(name) - 1] = '\0';
    (void)snprintf(buf, TARGET_TEXT_SIZE, "%s.%.40s:%u%s", name, account_name(owner_uid),
                   terms->port, terms->protocol == IPPROTO_UDP ? "/udp" : "");
    return buf;
}

static char *end(const struct grant_terms *terms, char buf[PERSON_SIZE])
{
    char text[32];

    if (terms->end == GRANT_FOR)
        (void)snprintf(buf, PERSON_SIZE, "for %s", when_text(terms->for_ns, text, sizeof(text)));
    else if (terms->end == GRANT_UNTIL)
        (void)snprintf(buf, PERSON_SIZE, "until %s",
                       say_time(terms->until_wall_ns, text, sizeof(text)));
    else
        (void)snprintf(buf, PERSON_SIZE, "for ever");
    return buf;
}

static void put_grant(const struct record *record, const struct grant *grant, char *buf)
{
    char what[TARGET_TEXT_SIZE];
    char who[PERSON_SIZE];
    char until[PERSON_SIZE];
    bool anew = record->phase == RECORD_OUTCOME && record->actor_uid != grant->owner_uid;

    (void)snprintf(buf, RECORDED_TEXT_SIZE, "grant %" PRIu64 ": %s may use %s %s%s", grant->id,
                   person(grant->grantee_uid, who),
                   thing(&grant->terms, grant->machine, grant->owner_uid, what),
                   end(&grant->terms, until), anew ? "; it goes on in the host's next boot" : "");
}

static const char *reason(uint32_t over)
{
    static const char *const text[] = {
        [GRANT_REVOKED] = "its owner took it back",
        [GRANT_GIVEN_BACK] = "it was given back",
        [GRANT_EXPIRED] = "its time was over",
        [GRANT_MACHINE_GONE] = "the machine was removed",
        [GRANT_USER_GONE] = "one of the two was removed",
    };

    return over < ARRAY_LEN(text) && text[over] != NULL ? text[over] : "it ended";
}

static void put_grant_end(const struct record *record, const struct grant *grant, char *buf)
{
    char what[TARGET_TEXT_SIZE];
    char who[PERSON_SIZE];
    char cut[PERSON_SIZE] = "";

    if (record->phase == RECORD_OUTCOME)
        (void)snprintf(cut, sizeof(cut), "; %" PRIu32 " connection%s cut", grant->cut,
                       grant->cut == 1 ? "" : "s");
    (void)snprintf(buf, RECORDED_TEXT_SIZE, "grant %" PRIu64 ": %s may no longer use %s: %s%s",
                   grant->id, person(grant->grantee_uid, who),
                   thing(&grant->terms, grant->machine, grant->owner_uid, what),
                   reason(grant->over), cut);
}

static void put_ask(const struct record *record, const struct ask *ask, char *buf)
{
    char what[TARGET_TEXT_SIZE];
    char who[PERSON_SIZE];
    char until[PERSON_SIZE];
    char why[ASK_WHY_SIZE];

    memcpy(why, ask->why, sizeof(why));
    why[sizeof(why) - 1] = '\0';
    (void)person(ask->asker_uid, who);
    (void)thing(&ask->terms, ask->machine, ask->owner_uid, what);
    if (record->type == RECORD_ASK)
        (void)snprintf(buf, RECORDED_TEXT_SIZE, "ask %" PRIu64 ": %s asks for %s %s%s%s", ask->id,
                       who, what, end(&ask->terms, until), why[0] != '\0' ? ": " : "", why);
    else
        (void)snprintf(buf, RECORDED_TEXT_SIZE, "ask %" PRIu64 " of %s for %s: %.127s", ask->id,
                       who, what, record->text);
}

static void put_network(const struct order_network *network, char *buf)
{
    size_t used = 0;

    for (uint32_t i = 0; i < network->count && i < NETWORK_SERVICES_MAX; i++) {
        const struct net_target *service = &network->service[i];
        struct target target = {
            .ipv6 = (service->flags & NET_IPV6) != 0,
            .protocol = service->protocol,
            .port = service->port,
        };
        char text[TARGET_TEXT_SIZE];

        memcpy(target.address, service->address, sizeof(target.address));
        if (str_format(buf + used, RECORDED_TEXT_SIZE - used, "%s%s",
                       i == 0 ? "every machine may use " : ", ", target_text(&target, text)) < 0) {
            buf[used] = '\0';
            return;
        }
        used += strlen(buf + used);
    }
    if (used == 0)
        (void)snprintf(buf, RECORDED_TEXT_SIZE, "machines may use no service of the host");
}

char *recorded_words(const struct record *record, const uint8_t *payload, size_t size,
                     char buf[RECORDED_TEXT_SIZE])
{
    union {
        struct grant grant;
        struct ask ask;
        struct order_network network;
    } of;
    size_t wanted = 0;

    buf[0] = '\0';
    if (record->type == RECORD_GRANT || record->type == RECORD_GRANT_END)
        wanted = sizeof(of.grant);
    else if (record->type == RECORD_ASK || record->type == RECORD_DENY)
        wanted = sizeof(of.ask);
    else if (record->type == RECORD_HOST_NETWORK)
        wanted = sizeof(of.network);
    /* A failure has no payload, and its sentence says all. */
    if (wanted == 0 || size != wanted)
        return buf;
    memcpy(&of, payload, wanted);
    if (record->type == RECORD_GRANT)
        put_grant(record, &of.grant, buf);
    else if (record->type == RECORD_GRANT_END)
        put_grant_end(record, &of.grant, buf);
    else if (record->type == RECORD_HOST_NETWORK)
        put_network(&of.network, buf);
    else
        put_ask(record, &of.ask, buf);
    str_printable(buf);
    return buf;
}
