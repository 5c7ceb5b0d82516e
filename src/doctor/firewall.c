/* SPDX-License-Identifier: Apache-2.0 */
/* firewall - whether tables of others (Docker's, ufw's, libvirt's, firewalld's) drop what Croft
 * allows, and the rule that lets it pass */
#include <string.h>

#include "base/mem.h"
#include "doctor/controls.h"
#include "doctor/look.h"
#include "doctor/ruleset.h"
#include "wire/limits.h"
#include "wire/net.h"

#define LINK    NET_LINK_PREFIX "0002"
#define OTHER   NET_LINK_PREFIX "0003"
#define OUTSIDE "eth0"
#define WORLD   0x08080808U
#define OUR(n)  (NETWORK_IPV4 + (n))
#define PATTERN "\"" NET_LINK_PREFIX "*\""

/* What Croft may allow: out, between machines, and back in. */
static const struct {
    const char *what;
    const char *side; /* of the rule that helps */
    struct ruleset_packet packet;
} ways[] = {
    {"from machines outwards", "iifname", {LINK, OUTSIDE, OUR(2), WORLD, false}},
    {"from outside to machines", "oifname", {OUTSIDE, LINK, WORLD, OUR(2), false}},
    {"between machines", "iifname", {LINK, OTHER, OUR(2), OUR(3), false}},
    {"from machines outwards (IPv6)", "iifname", {LINK, OUTSIDE, 0, 0, true}},
    {"between machines (IPv6)", "iifname", {LINK, OTHER, 0, 0, true}},
};

static bool has_chain(const json_t *objects, const struct ruleset_end *end, const char *name);
static char *repair(const json_t *objects, const struct ruleset_end *end, const char *side);

void controls_firewall(struct controls *controls, const char *ruleset)
{
    static const char *const hooks[] = {"prerouting", "forward", "postrouting"};
    json_t *whole = NULL;
    const json_t *objects = ruleset == NULL ? NULL : ruleset_load(ruleset, &whole);
    size_t found = 0;

    if (objects == NULL) {
        controls_add(controls, CONTROL_ADVICE, "other firewalls",
                     look_format("`nft -j list ruleset` said nothing that can be read"),
                     look_format("apt-get install nftables"));
        json_decref(whole);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        for (size_t j = 0; j < ARRAY_LEN(hooks); j++) {
            struct ruleset_end end;
            if (!ruleset_drops(objects, hooks[j], &ways[i].packet, &end))
                continue;
            found++;
            controls_add(controls, CONTROL_ADVICE, "another firewall drops",
                         end.handle == 0
                             ? look_format("%s: the policy of %s %s %s", ways[i].what, end.family,
                                           end.table, end.chain)
                             : look_format("%s: a rule of %s %s %s (handle %lld)", ways[i].what,
                                           end.family, end.table, end.chain, (long long)end.handle),
                         repair(objects, &end, ways[i].side));
            break;
        }
    }
    if (found == 0)
        controls_add(controls, CONTROL_PRESENT, "other firewalls",
                     look_format("their rules, walked with packets of machines, let them pass"),
                     NULL);
    json_decref(whole);
}

/* Docker keeps a chain for rules of others; elsewhere a rule before all others does it. */
static char *repair(const json_t *objects, const struct ruleset_end *end, const char *side)
{
    bool has_docker = has_chain(objects, end, "DOCKER-USER");
    bool is_iptables = strcmp(end->table, "filter") == 0 && strcmp(end->family, "inet") != 0;
    auto_free char *family = look_quoted(end->family);
    auto_free char *table = look_quoted(end->table);
    auto_free char *chain = look_quoted(has_docker ? "DOCKER-USER" : end->chain);

    if (is_iptables && (has_docker || strcmp(end->chain, "FORWARD") == 0))
        return look_format("%s -I %s %s " NET_LINK_PREFIX "+ -j ACCEPT, and where that firewall "
                           "keeps its rules",
                           strcmp(end->family, "ip6") == 0 ? "ip6tables" : "iptables", chain,
                           side[0] == 'i' ? "-i" : "-o");
    return look_format("nft insert rule %s %s %s %s " PATTERN " accept, and where that firewall "
                       "keeps its rules",
                       family, table, chain, side);
}

static bool has_chain(const json_t *objects, const struct ruleset_end *end, const char *name)
{
    const json_t *object;
    size_t i;

    json_array_foreach(objects, i, object)
    {
        const json_t *chain = json_object_get(object, "chain");
        const char *table = json_string_value(json_object_get(chain, "table"));
        const char *family = json_string_value(json_object_get(chain, "family"));
        const char *found = json_string_value(json_object_get(chain, "name"));
        if (table != NULL && family != NULL && found != NULL && strcmp(found, name) == 0 &&
            strcmp(table, end->table) == 0 && strcmp(family, end->family) == 0)
            return true;
    }
    return false;
}

void controls_legacy(struct controls *controls)
{
    static const char *const lists[] = {"/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"};
    bool filters = false;

    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        auto_free char *text = NULL;
        filters |= look_file(lists[i], &text) == 0 && strstr(text, "filter") != NULL;
    }
    if (filters)
        controls_add(controls, CONTROL_ADVICE, "iptables-legacy",
                     look_format("the old tables filter too, which nft does not show"),
                     look_format("iptables-legacy -I FORWARD -i " NET_LINK_PREFIX
                                 "+ -j ACCEPT; iptables-legacy -I FORWARD -o " NET_LINK_PREFIX
                                 "+ -j ACCEPT, if its FORWARD drops"));
}
