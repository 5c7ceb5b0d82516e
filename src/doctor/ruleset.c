/* SPDX-License-Identifier: Apache-2.0 */
/* ruleset - what the nftables rules of others do with a packet of ours */
#include "doctor/ruleset.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/str.h"

#define OWN_TABLE "croft"
#define DEPTH_MAX 16 /* as the kernel: NFT_JUMP_STACK_SIZE */

enum verdict { VERDICT_NONE, VERDICT_ACCEPT, VERDICT_DROP, VERDICT_RETURN };

struct walk {
    const json_t *objects;
    const struct ruleset_packet *packet;
    struct ruleset_end end;
};

static const char *text_of(const json_t *object, const char *key);
static enum verdict walk_chain(struct walk *walk, const char *family, const char *table,
                               const char *chain, int depth);
static enum verdict walk_rule(struct walk *walk, const json_t *rule, int depth);
static bool matches(const struct walk *walk, const json_t *match);
static bool matches_value(const struct walk *walk, const json_t *left, const json_t *right);
static bool matches_name(const char *name, const char *pattern);
static bool matches_address(uint32_t address, const json_t *right);
static bool sees(const char *family, const struct ruleset_packet *packet);

const json_t *ruleset_load(const char *text, json_t **ret_whole)
{
    *ret_whole = json_loads(text, 0, NULL);
    const json_t *objects = json_object_get(*ret_whole, "nftables");
    return json_is_array(objects) ? objects : NULL;
}

bool ruleset_drops(const json_t *objects, const char *hook, const struct ruleset_packet *packet,
                   struct ruleset_end *ret_end)
{
    const json_t *object;
    size_t i;

    json_array_foreach(objects, i, object)
    {
        const json_t *chain = json_object_get(object, "chain");
        const char *family = text_of(chain, "family");
        const char *table = text_of(chain, "table");
        const char *name = text_of(chain, "name");
        if (strcmp(text_of(chain, "hook"), hook) != 0 || strcmp(table, OWN_TABLE) == 0 ||
            !sees(family, packet))
            continue;
        struct walk walk = {.objects = objects, .packet = packet};
        enum verdict verdict = walk_chain(&walk, family, table, name, 0);
        bool is_policy = verdict == VERDICT_NONE || verdict == VERDICT_RETURN;
        if (is_policy && strcmp(text_of(chain, "policy"), "drop") == 0) {
            walk.end = (struct ruleset_end){family, table, name, 0};
            verdict = VERDICT_DROP;
        }
        if (verdict != VERDICT_DROP)
            continue;
        *ret_end = walk.end;
        return true;
    }
    return false;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static enum verdict walk_chain(struct walk *walk, const char *family, const char *table,
                               const char *chain, int depth)
{
    const json_t *object;
    size_t i;

    if (depth > DEPTH_MAX)
        return VERDICT_NONE;
    json_array_foreach(walk->objects, i, object)
    {
        const json_t *rule = json_object_get(object, "rule");
        if (strcmp(text_of(rule, "chain"), chain) != 0 ||
            strcmp(text_of(rule, "table"), table) != 0 ||
            strcmp(text_of(rule, "family"), family) != 0)
            continue;
        enum verdict verdict = walk_rule(walk, rule, depth);
        if (verdict == VERDICT_RETURN)
            return VERDICT_NONE;
        if (verdict != VERDICT_NONE)
            return verdict;
    }
    return VERDICT_NONE;
}

/* Its statements in order; the first that does not match ends it. */
static enum verdict walk_rule(struct walk *walk, const json_t *rule, int depth)
{
    const json_t *statements = json_object_get(rule, "expr");
    const json_t *statement;
    size_t i;

    json_array_foreach(statements, i, statement)
    {
        const json_t *match = json_object_get(statement, "match");
        const json_t *jump = json_object_get(statement, "jump");
        const json_t *go = json_object_get(statement, "goto");
        if (match != NULL && !matches(walk, match))
            return VERDICT_NONE;
        if (json_object_get(statement, "accept") != NULL)
            return VERDICT_ACCEPT;
        if (json_object_get(statement, "return") != NULL)
            return VERDICT_RETURN;
        if (json_object_get(statement, "drop") != NULL ||
            json_object_get(statement, "reject") != NULL) {
            walk->end = (struct ruleset_end){text_of(rule, "family"), text_of(rule, "table"),
                                             text_of(rule, "chain"),
                                             json_integer_value(json_object_get(rule, "handle"))};
            return VERDICT_DROP;
        }
        if (jump != NULL || go != NULL) {
            enum verdict verdict =
                walk_chain(walk, text_of(rule, "family"), text_of(rule, "table"),
                           text_of(jump != NULL ? jump : go, "target"), depth + 1);
            if (verdict != VERDICT_NONE)
                return verdict;
            if (go != NULL)
                return VERDICT_RETURN;
        }
        /* A limit, a set looked up, a verdict map, xt: not understood, so it does not match. */
        if (match == NULL && jump == NULL && json_object_get(statement, "counter") == NULL &&
            json_object_get(statement, "log") == NULL &&
            json_object_get(statement, "mangle") == NULL)
            return VERDICT_NONE;
    }
    return VERDICT_NONE;
}

static bool matches(const struct walk *walk, const json_t *match)
{
    const char *operation = text_of(match, "op");
    const json_t *left = json_object_get(match, "left");
    const json_t *right = json_object_get(match, "right");
    bool is_not = strcmp(operation, "!=") == 0;

    if (!is_not && strcmp(operation, "==") != 0 && strcmp(operation, "in") != 0)
        return false;
    const json_t *meta = json_object_get(left, "meta");
    const json_t *payload = json_object_get(left, "payload");
    const char *key = text_of(meta, "key");
    /* "is not" of what is not understood does not match either. */
    bool is_known = strcmp(key, "iifname") == 0 || strcmp(key, "oifname") == 0 ||
                    strcmp(key, "nfproto") == 0 ||
                    (strcmp(text_of(payload, "protocol"), "ip") == 0 && !walk->packet->ipv6 &&
                     (strcmp(text_of(payload, "field"), "saddr") == 0 ||
                      strcmp(text_of(payload, "field"), "daddr") == 0)) ||
                    strcmp(text_of(json_object_get(left, "ct"), "key"), "state") == 0;
    if (!is_known || (json_is_string(right) && json_string_value(right)[0] == '@'))
        return false;
    return matches_value(walk, left, right) != is_not;
}

/* The packet is the first of its connection. */
static bool matches_value(const struct walk *walk, const json_t *left, const json_t *right)
{
    const struct ruleset_packet *packet = walk->packet;
    const json_t *members = json_is_array(right) ? right : json_object_get(right, "set");
    const json_t *member;
    size_t i;

    if (members != NULL) {
        json_array_foreach(members, i, member)
        {
            if (!json_is_array(member) && json_object_get(member, "set") == NULL &&
                matches_value(walk, left, member))
                return true;
        }
        return false;
    }
    const char *value = json_is_string(right) ? json_string_value(right) : "";
    const char *key = text_of(json_object_get(left, "meta"), "key");
    if (strcmp(key, "iifname") == 0)
        return matches_name(packet->in, value);
    if (strcmp(key, "oifname") == 0)
        return matches_name(packet->out, value);
    if (strcmp(key, "nfproto") == 0)
        return strcmp(value, packet->ipv6 ? "ipv6" : "ipv4") == 0;
    if (json_object_get(left, "ct") != NULL)
        return strcmp(value, "new") == 0;
    bool is_from = strcmp(text_of(json_object_get(left, "payload"), "field"), "saddr") == 0;
    return matches_address(is_from ? packet->from : packet->to, right);
}

static bool matches_name(const char *name, const char *pattern)
{
    size_t length = strlen(pattern);

    if (length > 0 && pattern[length - 1] == '*')
        return strncmp(name, pattern, length - 1) == 0;
    return length > 0 && strcmp(name, pattern) == 0;
}

/* "192.0.2.1" or {"prefix": {"addr": ..., "len": ...}} */
static bool matches_address(uint32_t address, const json_t *right)
{
    const json_t *prefix = json_object_get(right, "prefix");
    const char *text = json_is_string(right) ? json_string_value(right) : text_of(prefix, "addr");
    int64_t length = prefix == NULL ? 32 : json_integer_value(json_object_get(prefix, "len"));
    struct in_addr wanted;

    if (length < 0 || length > 32 || inet_pton(AF_INET, text, &wanted) != 1)
        return false;
    uint32_t mask = length == 0 ? 0 : UINT32_MAX << (32 - length);
    return ((ntohl(wanted.s_addr) ^ address) & mask) == 0;
}

static bool sees(const char *family, const struct ruleset_packet *packet)
{
    return strcmp(family, "inet") == 0 || strcmp(family, packet->ipv6 ? "ip6" : "ip") == 0;
}
