/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_grants - N rows about what a grant opens, what it does not, and how it is taken back
 *
 * Everything is granted by the victim herself, by `croft grant`, and used by the attacker from his
 * machine. The control of each is that what is granted works. With --unwalled nothing is taken back
 * and nothing ends, so that what a row waits for does not come.
 */
#include "prove/row.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "prove/granting.h"

#define ASK_MS        5000U
#define CUT_US        60000 /* what is in her server's buffers has been read by then */
#define WATCH_US      250000
#define FAMILIES      2
#define IDLE_US       1300000
#define SECOND        "second"
#define SECOND_PORT   7000U
#define SPARE_PORT    6000U
#define REFUSALS_BACK 8U /* a reset or an error for each try of hers, and its repetitions */

/* -- N-30 -----------------------------------------------------------------------------------------
 */

static const struct {
    const char *what;
    bool tcp, udp; /* granted at that time */
} decisions[] = {{"nothing granted", false, false},
                 {"TCP granted", true, false},
                 {"both granted", true, true},
                 {"UDP granted", false, true},
                 {"both taken back", false, false}};

static unsigned count_bits(unsigned bits)
{
    return (unsigned)__builtin_popcount(bits);
}

static void perform_decisions(struct scene *scene, struct trial *trial)
{
    bool tcp = false, udp = false;
    unsigned opened = 0, closed = 0, families = 1;

    if (!granting_look(scene, trial))
        return;
    families = granting.victim.ipv6[0] ? 2 : 1;
    for (size_t i = 0; i < ARRAY_LEN(decisions) && !trial->verdict; i++) {
        unsigned wanted = (decisions[i].tcp ? 1U : 0U) | (decisions[i].udp ? 2U : 0U);

        wanted |= families == 2 ? wanted << 2 : 0;
        if (decisions[i].tcp && !tcp)
            tcp = granting_give(scene, trial, scene->attacker.name, scene->victim.machine,
                                granting.port, true, "60s");
        if (decisions[i].udp && !udp)
            udp = granting_give(scene, trial, scene->attacker.name, scene->victim.machine,
                                granting.port, false, "60s");
        if (!decisions[i].tcp && tcp && !scene->unwalled)
            tcp = !granting_take_back(scene, scene->attacker.name, scene->victim.machine,
                                      granting.port, true);
        if (!decisions[i].udp && udp && !scene->unwalled)
            udp = !granting_take_back(scene, scene->attacker.name, scene->victim.machine,
                                      granting.port, false);
        unsigned seen = granting_all_talks(&scene->attacker);
        if (seen & ~wanted)
            row_verdict(trial, VERDICT_LEAKED, "%s: %x of 0xf open, 0x%x should be",
                        decisions[i].what, seen, wanted);
        else if (seen != wanted && !trial->verdict)
            row_verdict(trial, VERDICT_INCONCLUSIVE, "%s: %x of 0xf open, 0x%x should be",
                        decisions[i].what, seen, wanted);
        opened += count_bits(seen);
        closed += 2 * families - count_bits(seen);
    }
    row_control(trial, "%u open as granted", opened);
    if (tcp)
        (void)granting_take_back(scene, scene->attacker.name, scene->victim.machine, granting.port,
                                 true);
    if (udp)
        (void)granting_take_back(scene, scene->attacker.name, scene->victim.machine, granting.port,
                                 false);
    if (!trial->verdict)
        row_verdict(trial, VERDICT_BLOCKED,
                    "%u decisions over both families, all as granted: %u "
                    "open, %u closed",
                    opened + closed, opened, closed);
}

/* -- N-33 -----------------------------------------------------------------------------------------
 */

/* A second machine of the victim's that greets who connects. Return: whether it stands */
static bool second_open(struct scene *scene, struct trial *trial, struct netside *ret_side)
{
    static const char serve[] = "while :; do nc -l -p 7000 -e /bin/echo hello || sleep 1; done";
    const char *const launch[] = {"launch",  PROVE_IMAGE, SECOND, "--",
                                  "/bin/sh", "-c",        serve,  NULL};
    struct party second = scene->victim;
    char output[512];
    struct err err;

    second.machine = SECOND;
    if (granting_order(&scene->victim, launch, output, sizeof(output)) != 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "no second machine: %.120s", output);
        return false;
    }
    if (scene_put_program(&second) == 0 && scene_look(&second, &err) == 0 &&
        netside_look(second.init, ret_side) == 0)
        return true;
    row_verdict(trial, VERDICT_INCONCLUSIVE, "the second machine has no network");
    return false;
}

static void second_close(struct scene *scene, struct trial *trial)
{
    const char *const remove[] = {"rm", "--force", SECOND, NULL};
    char output[512];

    if (granting_order(&scene->victim, remove, output, sizeof(output)) != 0 && !trial->verdict)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the second machine stays: %.120s", output);
}

static void perform_reuse(struct scene *scene, struct trial *trial)
{
    struct netside before, after;
    char output[8192];

    if (!granting_look(scene, trial) || !second_open(scene, trial, &before))
        return;
    bool opened =
        granting_give(scene, trial, scene->attacker.name, SECOND, SECOND_PORT, true, "60s") &&
        granting_talks(&scene->attacker, true, before.ipv4, SECOND_PORT, "");
    row_control(trial, opened ? "the granted port was open" : "the granted port was closed");
    if (!scene->unwalled)
        second_close(scene, trial);
    if (opened && !scene->unwalled && !second_open(scene, trial, &after))
        opened = false;
    if (scene->unwalled)
        after = before;
    if (!opened)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the granted port was not open");
    else if (granting_talks(&scene->attacker, true, after.ipv4, SECOND_PORT, "") ||
             (after.ipv6[0] && granting_talks(&scene->attacker, true, after.ipv6, SECOND_PORT, "")))
        row_verdict(trial, VERDICT_LEAKED, "the new machine of that name is open to him");
    else if (strcmp(before.ipv4, after.ipv4) == 0)
        row_verdict(trial, VERDICT_LEAKED, "the new machine has the address of the old one");
    else if (granting_given(scene, output, sizeof(output)) != 0)
        row_verdict(trial, VERDICT_LEAKED, "the grant outlived its machine");
    else
        row_verdict(trial, VERDICT_BLOCKED, "%s, then %s under the same name: closed", before.ipv4,
                    after.ipv4);
    second_close(scene, trial);
}

/* -- N-34 -----------------------------------------------------------------------------------------
 */

/* The granted port is a way to nothing else, and no way back. */
static void perform_beyond(struct scene *scene, struct trial *trial)
{
    char back[96];
    struct canary_answer before;
    unsigned open = 0;

    if (!granting_look(scene, trial) ||
        !granting_give(scene, trial, scene->attacker.name, scene->victim.machine, granting.port,
                       true, "60s"))
        return;
    if (!granting_give(scene, trial, scene->attacker.name, scene->victim.machine, SPARE_PORT, false,
                       "60s") ||
        !granting_talks(&scene->attacker, true, granting.victim.ipv4, granting.port, "")) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the granted port is not open");
        goto closed;
    }
    row_control(trial, "the granted port was open");
    (void)usleep(CUT_US);
    before = granting_server(scene);
    uint64_t hers = granting_frames(&granting.victim, scene->victim.init);
    uint64_t his = granting_frames(&granting.attacker, scene->attacker.init);
    const uint32_t others[] = {21, 22, 80, 5432, granting.port - 1, granting.port + 1};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        open += granting_talks(&scene->attacker, true, granting.victim.ipv4, others[i], "");
    open +=
        granting_talks(&scene->attacker, scene->unwalled, granting.victim.ipv4, granting.port, "");
    open += granting.victim.ipv6[0] && granting_talks(&scene->attacker, scene->unwalled,
                                                      granting.victim.ipv6, granting.port, "");
    /* She comes from a port that she granted: his side of it is no one's business. */
    if (str_format(back, sizeof(back), "%s %u", granting.victim.ipv4, SPARE_PORT) == 0)
        open += granting_talks(&scene->victim, false, granting.attacker.ipv4, 22, back);
    if (str_format(back, sizeof(back), "%s %u", granting.victim.ipv4, SPARE_PORT) == 0)
        open += granting_talks(&scene->victim, true, granting.attacker.ipv4, 22, back);
    (void)usleep(CUT_US);
    uint64_t to_her = granting_frames(&granting.victim, scene->victim.init) - hers;
    uint64_t to_him = granting_frames(&granting.attacker, scene->attacker.init) - his;
    struct canary_answer after = granting_server(scene);
    /* Every refusal comes back to who tried. */
    if (open || after.arrived != before.arrived)
        row_verdict(trial, VERDICT_LEAKED, "%u other ports were answered, %u came to her service",
                    open, after.arrived - before.arrived);
    else if (to_her > REFUSALS_BACK)
        row_verdict(trial, VERDICT_LEAKED, "%ju frames went down her link", (uintmax_t)to_her);
    else
        row_verdict(trial, VERDICT_BLOCKED,
                    "8 other ways in and 2 back are closed (%ju answers to "
                    "him)",
                    (uintmax_t)to_him);
closed:
    (void)granting_take_back(scene, scene->attacker.name, scene->victim.machine, granting.port,
                             true);
    (void)granting_take_back(scene, scene->attacker.name, scene->victim.machine, SPARE_PORT, false);
}

/* -- N-35 -----------------------------------------------------------------------------------------
 */

static void judge_cut(struct scene *scene, struct trial *trial, uint64_t took_us, unsigned held)
{
    (void)usleep(CUT_US);
    struct canary_answer cut = granting_server(scene);
    (void)usleep(WATCH_US);
    struct canary_answer later = granting_server(scene);

    if (later.error)
        row_verdict(trial, VERDICT_LEAKED, "her service does not answer");
    else if (later.bytes != cut.bytes)
        row_verdict(trial, VERDICT_LEAKED, "%ju bytes came after the end",
                    (uintmax_t)(later.bytes - cut.bytes));
    else if (later.guests)
        row_verdict(trial, VERDICT_LEAKED, "her server was not told of the end of %u",
                    later.guests);
    else if (granting_all_talks(&scene->attacker))
        row_verdict(trial, VERDICT_LEAKED, "a new connection was taken after the end");
    else
        row_verdict(trial, VERDICT_BLOCKED,
                    "%u busy connections cut by a revoke of %ju ms, both "
                    "ends told",
                    held, (uintmax_t)(took_us / 1000));
}

static void perform_cut(struct scene *scene, struct trial *trial)
{
    struct attack other = {.child = CHILD_NONE};
    uint64_t took_us = 0;
    unsigned held = 0;

    if (!granting_look(scene, trial) ||
        !granting_give(scene, trial, scene->attacker.name, scene->victim.machine, granting.port,
                       true, "60s"))
        return;
    (void)usleep(CUT_US);
    held += granting_hold(scene, granting.victim.ipv4, &trial->live);
    held += granting.victim.ipv6[0] && granting_hold(scene, granting.victim.ipv6, &other);
    (void)usleep(CUT_US);
    struct canary_answer first = granting_server(scene);
    (void)usleep(CUT_US);
    struct canary_answer second = granting_server(scene);
    if (held == 0 || second.guests < held || second.bytes == first.bytes) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "%u connections stand, %u at her server", held,
                    second.guests);
    } else {
        row_control(trial, "%u connections carried %ju bytes", held,
                    (uintmax_t)(second.bytes - first.bytes));
        uint64_t start = clock_boot_ns();
        bool cut =
            scene->unwalled || granting_take_back(scene, scene->attacker.name,
                                                  scene->victim.machine, granting.port, true);
        took_us = (clock_boot_ns() - start) / 1000;
        if (cut)
            judge_cut(scene, trial, took_us, held);
        else
            row_verdict(trial, VERDICT_LEAKED, "revoke failed");
    }
    attack_end(&other);
    attack_end(&trial->live);
    (void)granting_take_back(scene, scene->attacker.name, scene->victim.machine, granting.port,
                             true);
}

/* -- N-16, N-19 -----------------------------------------------------------------------------------
 */

/* The grant with limits of its own. */
static bool give_limited(struct scene *scene, struct trial *trial, const char *connections,
                         const char *rate)
{
    char target[64], output[1024];
    const char *const words[] = {"grant", scene->attacker.name, "port",      target,   "--for",
                                 "60s",   "--connections",      connections, "--rate", rate,
                                 NULL};

    if (granting_target(target, sizeof(target), scene->victim.machine, granting.port, false) &&
        granting_order(&scene->victim, words, output, sizeof(output)) == 0)
        return true;
    row_verdict(trial, VERDICT_INCONCLUSIVE, "%s could not be granted: %.120s", target, output);
    return false;
}

/*
 * What a flood may come to. limit: connections at one time; together: over both families, as they
 * are of one user; else over each, as the grant's are
 */
struct flood {
    const char *connections;
    unsigned limit;
    bool together;
    const char *whose;
};

/* Flows at once, from the attacker's machine or (control) from her own: over IPv4 so few that IPv6
 * still gets some. ret_taken: by family, of how many she was heard. */
static bool flows(const struct party *from, struct attack live[FAMILIES],
                  uint64_t ret_taken[FAMILIES])
{
    const char *const addresses[FAMILIES] = {granting.victim.ipv4, granting.victim.ipv6};
    const char *const counts[FAMILIES] = {addresses[1][0] ? "100" : "400", "400"};
    char target[96], why[TRIAL_WHY_SIZE];
    struct fact fact;

    for (size_t i = 0; i < FAMILIES; i++) {
        const char *argv[] = {target, counts[i]};

        ret_taken[i] = 0;
        if (!addresses[i][0])
            continue;
        if (str_format(target, sizeof(target), "%s %u", addresses[i], granting.port) < 0 ||
            attack_inside(from, "N-16", 2, argv, &live[i], &fact, why, sizeof(why)) < 0)
            return false;
        ret_taken[i] = fact.number[0];
    }
    return true;
}

static void flows_end(struct attack live[FAMILIES])
{
    for (size_t i = 0; i < FAMILIES; i++)
        attack_end(&live[i]);
}

static void judge_flows(struct scene *scene, struct trial *trial, const struct flood *flood,
                        const uint64_t taken[FAMILIES])
{
    struct canary_answer said = {0};
    const uint64_t most = taken[0] > taken[1] ? taken[0] : taken[1];

    if (canary_question(&scene->victim_canary, CANARY_FORK, ASK_MS, &said) < 0 || said.error)
        row_verdict(trial, VERDICT_LEAKED, "the victim cannot fork meanwhile");
    else if ((flood->together ? taken[0] + taken[1] : most) > flood->limit)
        row_verdict(trial, VERDICT_LEAKED,
                    "%ju connections over IPv4 and %ju over IPv6, limit %u of %s",
                    (uintmax_t)taken[0], (uintmax_t)taken[1], flood->limit, flood->whose);
    else if (taken[0] == 0 || (granting.victim.ipv6[0] && taken[1] == 0))
        row_verdict(trial, VERDICT_INCONCLUSIVE, "%ju were taken over IPv4, %ju over IPv6",
                    (uintmax_t)taken[0], (uintmax_t)taken[1]);
    else
        row_verdict(trial, VERDICT_CONTAINED,
                    "%ju at once over IPv4 and %ju over IPv6, limit %u of %s; she forks in %ju us",
                    (uintmax_t)taken[0], (uintmax_t)taken[1], flood->limit, flood->whose,
                    (uintmax_t)said.number);
}

static void perform_flood(struct scene *scene, struct trial *trial, const struct flood *flood)
{
    struct attack live[FAMILIES] = {{.child = CHILD_NONE}, {.child = CHILD_NONE}};
    uint64_t taken[FAMILIES];

    if (!granting_look(scene, trial))
        return;
    bool began = flows(&scene->victim, live, taken);
    flows_end(live);
    if (!began || taken[0] + taken[1] <= PROVE_CONNECTIONS) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "her own machine was not answered so often");
        return;
    }
    row_control(trial, "%ju over IPv4 and %ju over IPv6 of her own were answered",
                (uintmax_t)taken[0], (uintmax_t)taken[1]);
    if (!give_limited(scene, trial, flood->connections, "100000/s"))
        return;
    /* What counts the grant's may have been cleared away while there was nothing to count. */
    if (!flood->together)
        (void)usleep(IDLE_US);
    if (scene->unwalled || flows(&scene->attacker, live, taken))
        judge_flows(scene, trial, flood, taken);
    else
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the flood did not begin");
    flows_end(live);
    (void)granting_take_back(scene, scene->attacker.name, scene->victim.machine, granting.port,
                             false);
}

static void perform_tracking(struct scene *scene, struct trial *trial)
{
    const struct flood flood = {"4000", PROVE_CONNECTIONS, true, "his own"};

    perform_flood(scene, trial, &flood);
}

static void perform_storm(struct scene *scene, struct trial *trial)
{
    const struct flood flood = {"8", 8, false, "the grant"};

    perform_flood(scene, trial, &flood);
}

const struct row rows_grants[] = {
    {
        "N-16",
        SEVERITY_HIGH,
        "AC",
        "fill the host's connection tracking",
        "connections per user: the table inet croft",
        .lane = LANE_ALONE,
        .perform = perform_tracking,
    },
    {
        "N-19",
        SEVERITY_HIGH,
        "AC",
        "flood a granted port",
        "connections and rate per grant",
        .lane = LANE_ALONE,
        .perform = perform_storm,
    },
    {
        "N-30",
        SEVERITY_CRITICAL,
        "DMN",
        "families, protocols, grants: each decision that there is",
        "grants are elements; no rule is made for one",
        .perform = perform_decisions,
    },
    {
        "N-33",
        SEVERITY_HIGH,
        "AC",
        "the granted machine removed and made again",
        "addresses are not reused; a grant ends with its machine",
        .perform = perform_reuse,
    },
    {
        "N-34",
        SEVERITY_MEDIUM,
        "AC",
        "from the granted port to others, and back",
        "a grant is one port in one direction; no helpers",
        .perform = perform_beyond,
    },
    {
        "N-35",
        SEVERITY_CRITICAL,
        "AC",
        "keep connections busy while the grant is taken back",
        "no blanket accept; tracking and sockets ended",
        .perform = perform_cut,
    },
};
const size_t rows_grants_count = ARRAY_LEN(rows_grants);
