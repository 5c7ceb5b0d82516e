/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_grants - N and D rows about what a grant opens, what it does not, and how it ends
 *
 * Everything is granted by the victim herself, by `croft grant`, and used by the attacker from his
 * machine. The control of each is that what is granted works. With --unwalled nothing is taken back
 * and nothing ends, so that what a row waits for does not come.
 */
#include "prove/row.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "prove/hostproc.h"
#include "prove/netside.h"
#include "prove/speaker.h"

#define ASK_MS        5000U
#define HOLD_MS       "15000"
#define CUT_US        60000 /* what is in her server's buffers has been read by then */
#define WATCH_US      250000
#define RACE_ROUNDS   20
#define RACE_MS       "4000"
#define RACE_OPEN_US  4000
#define RACE_SHUT_US  15000
#define FLOWS         400U
#define FLOWS_TEXT    "400"
#define IDLE_US       1300000
#define FLOOD_LIMIT   8U
#define SECOND        "second"
#define SECOND_PORT   7000U
#define GUEST         "prove-d"
#define SPARE_PORT    6000U
#define REFUSALS_BACK 8U /* a reset or an error for each try of hers, and its repetitions */

/* Where both are, and what the victim serves. */
static struct {
    struct netside victim;
    struct netside attacker;
    uint32_t port;
} net;

static bool look(struct scene *scene, struct trial *trial)
{
    struct canary_answer said;

    if (netside_look(scene->victim.init, &net.victim) == 0 &&
        netside_look(scene->attacker.init, &net.attacker) == 0 &&
        canary_question(&scene->victim_canary, CANARY_STATE, ASK_MS, &said) == 0 && said.port) {
        net.port = said.port;
        return true;
    }
    row_verdict(trial, VERDICT_INCONCLUSIVE, "a machine has no network");
    return false;
}

static struct canary_answer ask_server(struct scene *scene)
{
    struct canary_answer said = {0};

    if (canary_question(&scene->victim_canary, CANARY_STATE, ASK_MS, &said) < 0)
        said.error = EPIPE;
    return said;
}

/* Frames that went down the victim's link so far. */
static uint64_t frames_to(const struct netside *side, pid_t init)
{
    return netside_state(side, init).to_machine;
}

static int order(const struct party *party, const char *const *words, char *output, size_t size)
{
    return scene_croft(party, words, NULL, 0, output, size);
}

/* What of whose is granted: "victim:5432" or "victim:53/udp". */
static bool target_text(char *text, size_t size, const char *machine, uint32_t port, bool tcp)
{
    return str_format(text, size, "%s:%u%s", machine, port, tcp ? "" : "/udp") == 0;
}

/* The victim grants @whom. Return: whether it was done; else the verdict is set */
static bool give(struct scene *scene, struct trial *trial, const char *whom, const char *machine,
                 uint32_t port, bool tcp, const char *for_text)
{
    char target[64], output[1024];
    const char *const words[] = {"grant", whom, "port", target, "--for", for_text, NULL};

    if (target_text(target, sizeof(target), machine, port, tcp) &&
        order(&scene->victim, words, output, sizeof(output)) == 0)
        return true;
    row_verdict(trial, VERDICT_INCONCLUSIVE, "%s could not be granted: %.120s", target, output);
    return false;
}

static bool take_back(struct scene *scene, const char *whom, const char *machine, uint32_t port,
                      bool tcp)
{
    char target[64], output[1024];
    const char *const words[] = {"revoke", whom, "port", target, NULL};

    return target_text(target, sizeof(target), machine, port, tcp) &&
           order(&scene->victim, words, output, sizeof(output)) == 0;
}

/* Whether @party's machine is answered there. */
static bool talks(const struct party *party, bool tcp, const char *address, uint32_t port,
                  const char *from)
{
    char target[96], why[TRIAL_WHY_SIZE];
    const char *argv[] = {tcp ? "tcp" : "udp", target, from};
    struct attack live = {.child = CHILD_NONE};
    struct fact fact = {0};

    if (str_format(target, sizeof(target), "%s %u", address, port) < 0 ||
        attack_inside(party, "N-talk", 3, argv, &live, &fact, why, sizeof(why)) < 0)
        return false;
    attack_end(&live);
    return fact.number[0] > 0;
}

/* By all of IPv4 and IPv6, TCP and UDP: one bit each. */
static unsigned all_talks(const struct party *party)
{
    const char *const addresses[] = {net.victim.ipv4, net.victim.ipv6};
    unsigned bits = 0;

    for (unsigned i = 0; i < 4; i++)
        if (addresses[i / 2][0] && talks(party, i % 2 == 0, addresses[i / 2], net.port, ""))
            bits |= 1U << i;
    return bits;
}

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

    if (!look(scene, trial))
        return;
    families = net.victim.ipv6[0] ? 2 : 1;
    for (size_t i = 0; i < ARRAY_LEN(decisions) && !trial->verdict; i++) {
        unsigned wanted = (decisions[i].tcp ? 1U : 0U) | (decisions[i].udp ? 2U : 0U);

        wanted |= families == 2 ? wanted << 2 : 0;
        if (decisions[i].tcp && !tcp)
            tcp = give(scene, trial, scene->attacker.name, scene->victim.machine, net.port, true,
                       "60s");
        if (decisions[i].udp && !udp)
            udp = give(scene, trial, scene->attacker.name, scene->victim.machine, net.port, false,
                       "60s");
        if (!decisions[i].tcp && tcp && !scene->unwalled)
            tcp = !take_back(scene, scene->attacker.name, scene->victim.machine, net.port, true);
        if (!decisions[i].udp && udp && !scene->unwalled)
            udp = !take_back(scene, scene->attacker.name, scene->victim.machine, net.port, false);
        unsigned seen = all_talks(&scene->attacker);
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
        (void)take_back(scene, scene->attacker.name, scene->victim.machine, net.port, true);
    if (udp)
        (void)take_back(scene, scene->attacker.name, scene->victim.machine, net.port, false);
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
    if (order(&scene->victim, launch, output, sizeof(output)) != 0) {
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

    if (order(&scene->victim, remove, output, sizeof(output)) != 0 && !trial->verdict)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the second machine stays: %.120s", output);
}

/* How many grants the victim has given, by her own list. */
static int grants_given(const struct scene *scene, char *output, size_t size)
{
    const char *const words[] = {"grants", "--json", NULL};
    int count = 0;

    if (scene_croft_all(&scene->victim, words, output, size) != 0)
        return -1;
    for (const char *at = output; (at = strstr(at, "\"id\"")); at++)
        count++;
    return count;
}

static void perform_reuse(struct scene *scene, struct trial *trial)
{
    struct netside before, after;
    char output[8192];

    if (!look(scene, trial) || !second_open(scene, trial, &before))
        return;
    bool opened = give(scene, trial, scene->attacker.name, SECOND, SECOND_PORT, true, "60s") &&
                  talks(&scene->attacker, true, before.ipv4, SECOND_PORT, "");
    row_control(trial, opened ? "the granted port was open" : "the granted port was closed");
    if (!scene->unwalled)
        second_close(scene, trial);
    if (opened && !scene->unwalled && !second_open(scene, trial, &after))
        opened = false;
    if (scene->unwalled)
        after = before;
    if (!opened)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the granted port was not open");
    else if (talks(&scene->attacker, true, after.ipv4, SECOND_PORT, "") ||
             (after.ipv6[0] && talks(&scene->attacker, true, after.ipv6, SECOND_PORT, "")))
        row_verdict(trial, VERDICT_LEAKED, "the new machine of that name is open to him");
    else if (strcmp(before.ipv4, after.ipv4) == 0)
        row_verdict(trial, VERDICT_LEAKED, "the new machine has the address of the old one");
    else if (grants_given(scene, output, sizeof(output)) != 0)
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

    if (!look(scene, trial) ||
        !give(scene, trial, scene->attacker.name, scene->victim.machine, net.port, true, "60s"))
        return;
    if (!give(scene, trial, scene->attacker.name, scene->victim.machine, SPARE_PORT, false,
              "60s") ||
        !talks(&scene->attacker, true, net.victim.ipv4, net.port, "")) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the granted port is not open");
        goto closed;
    }
    row_control(trial, "the granted port was open");
    (void)usleep(CUT_US);
    before = ask_server(scene);
    uint64_t hers = frames_to(&net.victim, scene->victim.init);
    uint64_t his = frames_to(&net.attacker, scene->attacker.init);
    const uint32_t others[] = {21, 22, 80, 5432, net.port - 1, net.port + 1};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        open += talks(&scene->attacker, true, net.victim.ipv4, others[i], "");
    open += talks(&scene->attacker, scene->unwalled, net.victim.ipv4, net.port, "");
    open += net.victim.ipv6[0] &&
            talks(&scene->attacker, scene->unwalled, net.victim.ipv6, net.port, "");
    /* She comes from a port that she granted: his side of it is no one's business. */
    if (str_format(back, sizeof(back), "%s %u", net.victim.ipv4, SPARE_PORT) == 0)
        open += talks(&scene->victim, false, net.attacker.ipv4, 22, back);
    if (str_format(back, sizeof(back), "%s %u", net.victim.ipv4, SPARE_PORT) == 0)
        open += talks(&scene->victim, true, net.attacker.ipv4, 22, back);
    (void)usleep(CUT_US);
    uint64_t to_her = frames_to(&net.victim, scene->victim.init) - hers;
    uint64_t to_him = frames_to(&net.attacker, scene->attacker.init) - his;
    struct canary_answer after = ask_server(scene);
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
    (void)take_back(scene, scene->attacker.name, scene->victim.machine, net.port, true);
    (void)take_back(scene, scene->attacker.name, scene->victim.machine, SPARE_PORT, false);
}

/* -- N-35 -----------------------------------------------------------------------------------------
 */

static bool hold(struct scene *scene, const char *address, struct attack *live)
{
    char target[96], why[TRIAL_WHY_SIZE];
    const char *argv[] = {target, HOLD_MS};
    struct fact fact = {0};

    return str_format(target, sizeof(target), "%s %u", address, net.port) == 0 &&
           attack_inside(&scene->attacker, "N-35", 2, argv, live, &fact, why, sizeof(why)) == 0 &&
           fact.number[0] > 0;
}

static void judge_cut(struct scene *scene, struct trial *trial, uint64_t took_us, unsigned held)
{
    (void)usleep(CUT_US);
    struct canary_answer cut = ask_server(scene);
    (void)usleep(WATCH_US);
    struct canary_answer later = ask_server(scene);

    if (later.error)
        row_verdict(trial, VERDICT_LEAKED, "her service does not answer");
    else if (later.bytes != cut.bytes)
        row_verdict(trial, VERDICT_LEAKED, "%ju bytes came after the end",
                    (uintmax_t)(later.bytes - cut.bytes));
    else if (later.guests)
        row_verdict(trial, VERDICT_LEAKED, "her server was not told of the end of %u",
                    later.guests);
    else if (all_talks(&scene->attacker))
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

    if (!look(scene, trial) ||
        !give(scene, trial, scene->attacker.name, scene->victim.machine, net.port, true, "60s"))
        return;
    (void)usleep(CUT_US);
    held += hold(scene, net.victim.ipv4, &trial->live);
    held += net.victim.ipv6[0] && hold(scene, net.victim.ipv6, &other);
    (void)usleep(CUT_US);
    struct canary_answer first = ask_server(scene);
    (void)usleep(CUT_US);
    struct canary_answer second = ask_server(scene);
    if (held == 0 || second.guests < held || second.bytes == first.bytes) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "%u connections stand, %u at her server", held,
                    second.guests);
    } else {
        row_control(trial, "%u connections carried %ju bytes", held,
                    (uintmax_t)(second.bytes - first.bytes));
        uint64_t start = clock_boot_ns();
        bool cut = scene->unwalled ||
                   take_back(scene, scene->attacker.name, scene->victim.machine, net.port, true);
        took_us = (clock_boot_ns() - start) / 1000;
        if (cut)
            judge_cut(scene, trial, took_us, held);
        else
            row_verdict(trial, VERDICT_LEAKED, "revoke failed");
    }
    attack_end(&other);
    attack_end(&trial->live);
    (void)take_back(scene, scene->attacker.name, scene->victim.machine, net.port, true);
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

    if (target_text(target, sizeof(target), scene->victim.machine, net.port, false) &&
        order(&scene->victim, words, output, sizeof(output)) == 0)
        return true;
    row_verdict(trial, VERDICT_INCONCLUSIVE, "%s could not be granted: %.120s", target, output);
    return false;
}

/* So many flows at once, from the attacker's machine or (control) from her own. */
static bool flows(const struct party *from, struct fact *ret_fact, struct attack *live)
{
    char target[96], why[TRIAL_WHY_SIZE];
    const char *argv[] = {target, FLOWS_TEXT};

    return str_format(target, sizeof(target), "%s %u", net.victim.ipv4, net.port) == 0 &&
           attack_inside(from, "N-16", 2, argv, live, ret_fact, why, sizeof(why)) == 0;
}

static void judge_flows(struct scene *scene, struct trial *trial, unsigned limit, const char *whose)
{
    struct canary_answer said = {0};
    uint64_t taken = trial->attack.number[0];

    if (canary_question(&scene->victim_canary, CANARY_FORK, ASK_MS, &said) < 0 || said.error)
        row_verdict(trial, VERDICT_LEAKED, "the victim cannot fork meanwhile");
    else if (taken > limit)
        row_verdict(trial, VERDICT_LEAKED, "%ju connections of %s, limit %u", (uintmax_t)taken,
                    whose, limit);
    else if (taken == 0)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "not one of %u was taken", FLOWS);
    else
        row_verdict(trial, VERDICT_CONTAINED,
                    "%ju of %u at once, limit %u of %s; she forks in %ju "
                    "us",
                    (uintmax_t)taken, FLOWS, limit, whose, (uintmax_t)said.number);
}

static void perform_flood(struct scene *scene, struct trial *trial, const char *connections,
                          const char *rate, unsigned limit, const char *whose)
{
    if (!look(scene, trial))
        return;
    if (!flows(&scene->victim, &trial->control, &trial->live) ||
        trial->control.number[0] <= PROVE_CONNECTIONS) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "her own machine was answered %ju times",
                    (uintmax_t)trial->control.number[0]);
        return;
    }
    row_control(trial, "%ju of %u of her own were answered", (uintmax_t)trial->control.number[0],
                FLOWS);
    attack_end(&trial->live);
    if (!give_limited(scene, trial, connections, rate))
        return;
    /* What counts the grant's may have been cleared away while there was nothing to count. */
    if (limit == FLOOD_LIMIT)
        (void)usleep(IDLE_US);
    trial->attack = trial->control;
    if (scene->unwalled || flows(&scene->attacker, &trial->attack, &trial->live))
        judge_flows(scene, trial, limit, whose);
    else
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the flood did not begin");
    attack_end(&trial->live);
    (void)take_back(scene, scene->attacker.name, scene->victim.machine, net.port, false);
}

static void perform_tracking(struct scene *scene, struct trial *trial)
{
    perform_flood(scene, trial, "4000", "100000/s", PROVE_CONNECTIONS, "his own");
}

static void perform_storm(struct scene *scene, struct trial *trial)
{
    perform_flood(scene, trial, "8", "100000/s", FLOOD_LIMIT, "the grant");
}

/* -- D-17, D-18, D-19 -----------------------------------------------------------------------------
 */

static void perform_namesake(struct scene *scene, struct trial *trial)
{
    struct party guest = {.name = GUEST, .machine = "guest"};
    struct id_range ranges[2][ID_RANGES_MAX] = {{{0, 0}}, {{0, 0}}};
    char output[8192];
    struct err err;
    bool opened = look(scene, trial) && scene_guest_open(scene, &guest, &err) == 0 &&
                  hostproc_id_map(guest.init, ranges[0]) > 0 &&
                  give(scene, trial, GUEST, scene->victim.machine, net.port, true, "60s") &&
                  talks(&guest, true, net.victim.ipv4, net.port, "");

    if (!opened && !trial->verdict)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the first of that name got nowhere");
    row_control(trial, "the first of that name used her grant");
    if (opened && !scene->unwalled) {
        scene_guest_close(&guest);
        opened = scene_guest_open(scene, &guest, &err) == 0 &&
                 hostproc_id_map(guest.init, ranges[1]) > 0;
    }
    if (trial->verdict)
        opened = false;
    else if (!opened)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "no second of that name: %.120s", err.text);
    else if (talks(&guest, true, net.victim.ipv4, net.port, "") ||
             (net.victim.ipv6[0] && talks(&guest, true, net.victim.ipv6, net.port, "")))
        row_verdict(trial, VERDICT_LEAKED, "the second of that name uses the first one's grant");
    else if (ranges[0][0].first == ranges[1][0].first)
        row_verdict(trial, VERDICT_LEAKED, "the second of that name has the first one's ids");
    else if (grants_given(scene, output, sizeof(output)) != 0)
        row_verdict(trial, VERDICT_LEAKED, "the grant outlived its grantee");
    else
        row_verdict(trial, VERDICT_BLOCKED, "ids %ju, then %ju; no grant, no way in",
                    (uintmax_t)ranges[0][0].first, (uintmax_t)ranges[1][0].first);
    scene_guest_close(&guest);
}

/* New connections all the time, while she grants and takes back. */
static void perform_race(struct scene *scene, struct trial *trial)
{
    char target4[96], target6[96];
    const char *const argv[] = {scene_client, "exec",        "-i",       scene->attacker.machine,
                                "--",         PROVE_PROGRAM, "--inside", "D-18",
                                RACE_MS,      target4,       target6,    NULL};
    struct child racer = CHILD_NONE;
    uint64_t while_open = 0, after = 0;
    unsigned rounds = 0;

    if (!look(scene, trial) ||
        str_format(target4, sizeof(target4), "%s %u", net.victim.ipv4, net.port) < 0 ||
        str_format(target6, sizeof(target6), "%s %u", net.victim.ipv6, net.port) < 0 ||
        child_exec(argv, scene->attacker.uid, scene->attacker.gid, &racer) < 0)
        return;
    (void)usleep(50000);
    for (; rounds < RACE_ROUNDS && !trial->verdict; rounds++) {
        uint64_t before = frames_to(&net.victim, scene->victim.init);

        if (!give(scene, trial, scene->attacker.name, scene->victim.machine, net.port, true, "60s"))
            break;
        (void)usleep(RACE_OPEN_US);
        bool shut = scene->unwalled ||
                    take_back(scene, scene->attacker.name, scene->victim.machine, net.port, true);
        uint64_t shut_at = frames_to(&net.victim, scene->victim.init);
        (void)usleep(RACE_SHUT_US);
        after += frames_to(&net.victim, scene->victim.init) - shut_at;
        while_open += shut_at - before;
        if (!shut)
            row_verdict(trial, VERDICT_LEAKED, "a revoke failed");
        if (scene->unwalled)
            break;
    }
    (void)child_end(&racer, 0);
    (void)take_back(scene, scene->attacker.name, scene->victim.machine, net.port, true);
    row_control(trial, "%ju frames while it was open", (uintmax_t)while_open);
    if (trial->verdict)
        return;
    if (while_open == 0)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "nothing came while it was open");
    else if (after)
        row_verdict(trial, VERDICT_LEAKED, "%ju frames after revoke had returned",
                    (uintmax_t)after);
    else
        row_verdict(trial, VERDICT_BLOCKED, "%u times granted and taken back: no frame after it",
                    rounds);
}

/* Ends that are none: in words, and in an order that no client would write. */
static unsigned odd_ends(struct scene *scene, unsigned *taken)
{
    static const char *const words[][2] = {{"--for", "0"},
                                           {"--for", "-1h"},
                                           {"--for", "1e9h"},
                                           {"--for", "9223372036854775808s"},
                                           {"--for", ""},
                                           {"--until", "2020-01-01 00:00"},
                                           {"--until", "2107-01-01 00:00"},
                                           {"--until", "tomorrow?"},
                                           {"--for", "99999999999999999999999h"}};
    const struct grant_terms terms[] = {{.end = GRANT_FOR, .for_ns = 0},
                                        {.end = GRANT_FOR, .for_ns = UINT64_MAX},
                                        {.end = GRANT_UNTIL, .until_wall_ns = 1},
                                        {.end = GRANT_UNTIL, .until_wall_ns = UINT64_MAX},
                                        {.end = 0},
                                        {.end = 99},
                                        {.end = GRANT_FOREVER, .for_ns = 1}};
    char target[64], output[1024];
    unsigned tried = 0;

    if (!target_text(target, sizeof(target), scene->victim.machine, SPARE_PORT, true))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(words); i++, tried++) {
        const char *const argv[] = {"grant",     scene->attacker.name, "port", target,
                                    words[i][0], words[i][1],          NULL};
        *taken += order(&scene->victim, argv, output, sizeof(output)) == 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(terms); i++, tried++) {
        struct order_grant body = {.terms = terms[i]};
        const struct speech speech = {.type = ORDER_GRANT,
                                      .name = scene->victim.machine,
                                      .body = &body,
                                      .body_size = sizeof(body)};
        struct reply reply;

        body.terms.kind = GRANT_PORT;
        body.terms.protocol = IPPROTO_TCP;
        body.terms.port = SPARE_PORT;
        if (str_copy(body.user, sizeof(body.user), scene->attacker.name) == 0)
            *taken += speaker_say(scene->victim.uid, scene->victim.gid, &speech, &reply) == 0;
    }
    return tried;
}

static void perform_ends(struct scene *scene, struct trial *trial)
{
    const char *lasts = scene->unwalled ? "60s" : "1s";
    struct canary_answer said;
    unsigned taken = 0;

    if (!look(scene, trial) ||
        !give(scene, trial, scene->attacker.name, scene->victim.machine, net.port, true, lasts))
        return;
    uint64_t end = clock_boot_ns() + NS_PER_S;
    bool held = hold(scene, net.victim.ipv4, &trial->live);
    unsigned tried = odd_ends(scene, &taken);
    row_control(trial, held ? "open for its second" : "closed");
    while (clock_boot_ns() < end + 150 * NS_PER_MS)
        (void)usleep(10000);
    said = ask_server(scene);
    if (!held)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the grant of a second was not open");
    else if (taken)
        row_verdict(trial, VERDICT_LEAKED, "%u of %u ends that are none were taken", taken, tried);
    else if (all_talks(&scene->attacker) || said.guests)
        row_verdict(trial, VERDICT_LEAKED, "open after its end");
    else
        row_verdict(trial, VERDICT_BLOCKED,
                    "%u ends that are none refused; one second was one, and "
                    "what stood was cut",
                    tried);
    attack_end(&trial->live);
    (void)take_back(scene, scene->attacker.name, scene->victim.machine, net.port, true);
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
    {
        "D-17",
        SEVERITY_CRITICAL,
        "API",
        "be removed and made again under the same name",
        "ids are never reused; a grant ends with its user",
        .perform = perform_namesake,
    },
    {
        "D-18",
        SEVERITY_CRITICAL,
        "API",
        "connect without a pause while grants come and go",
        "revoke returns when no packet passes any more",
        .perform = perform_race,
    },
    {
        "D-19",
        SEVERITY_HIGH,
        "API",
        "ends of zero, the past, beyond all clocks; outlive an end",
        "boot time, checked ends; a timer and the element's own",
        .perform = perform_ends,
    },
};
const size_t rows_grants_count = ARRAY_LEN(rows_grants);
