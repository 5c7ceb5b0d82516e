/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_network - N rows: one machine against another and against the host, over both families
 *
 * The victim serves a port by TCP and UDP, and so does the host. A row leaks when the attacker got
 * an answer, when something arrived at either service, when a frame went down the victim's link, or
 * when she or the host believe something else about neighbours and routes than before. The control
 * reaches her service from her own machine, where no wall lies between; that of forged frames
 * counts them at the other end of a wire without walls.
 */
#include "prove/row.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "prove/netside.h"
#include "prove/trap.h"

#define SETTLE_US    60000
#define ASK_MS       5000U
#define TARGETS_MAX  11
#define TARGET_SIZE  96
#define SHOT_MS      100U
#define SHOT_END_MS  200U
#define EARLY_STARTS 3
#define OUTSIDE4     "192.0.2.77"
#define OUTSIDE6     "2001:db8::77"
#define METADATA     "169.254.169.254"

/* Where both are, and what they had before the attack. */
static struct {
    struct netside victim;
    struct netside attacker;
    struct netside_state victim_before;
    struct netside_state attacker_before;
    struct canary_answer canary[2];
} net;

/* Addresses as a step wants them. */
struct targets {
    int count;
    char text[TARGETS_MAX][TARGET_SIZE];
};

static void add_target(struct targets *targets, const char *fmt, ...) printf_like(2, 3);

static void add_target(struct targets *targets, const char *fmt, ...)
{
    va_list args;

    if (targets->count == TARGETS_MAX)
        croft_bug("too many targets for a step");
    va_start(args, fmt);
    (void)vsnprintf(targets->text[targets->count++], TARGET_SIZE, fmt, args);
    va_end(args);
}

static int point_at(const struct targets *targets, const char *argv[STEP_ARGS_MAX])
{
    for (int i = 0; i < targets->count; i++)
        argv[i] = targets->text[i];
    return targets->count;
}

/* What has arrived at both services so far. */
static bool ask_services(struct scene *scene, struct canary_answer ret_said[2])
{
    return canary_question(&scene->victim_canary, CANARY_STATE, ASK_MS, &ret_said[0]) == 0 &&
           canary_question(&scene->host_canary, CANARY_STATE, ASK_MS, &ret_said[1]) == 0;
}

static bool look(struct scene *scene, struct trial *trial)
{
    if (netside_look(scene->victim.init, &net.victim) == 0 &&
        netside_look(scene->attacker.init, &net.attacker) == 0 && ask_services(scene, net.canary) &&
        net.canary[0].port && net.canary[1].port)
        return true;
    row_verdict(trial, VERDICT_INCONCLUSIVE, "a machine has no network");
    return false;
}

static bool note_before(struct scene *scene, struct trial *trial)
{
    (void)usleep(SETTLE_US); /* what the control sent has arrived by then */
    net.victim_before = netside_state(&net.victim, scene->victim.init);
    net.attacker_before = netside_state(&net.attacker, scene->attacker.init);
    if (ask_services(scene, net.canary))
        return true;
    row_verdict(trial, VERDICT_INCONCLUSIVE, "a service does not answer");
    return false;
}

/* Whether anything of the attack came through. Sets the verdict when it did. */
static bool nothing_came(struct scene *scene, struct trial *trial)
{
    static const char *const whose[] = {"the victim's", "the host's"};
    struct canary_answer said[2];

    (void)usleep(SETTLE_US);
    struct netside_state now = netside_state(&net.victim, scene->victim.init);
    if (!ask_services(scene, said)) {
        row_verdict(trial, VERDICT_LEAKED, "a service no longer answers");
        return false;
    }
    for (size_t i = 0; i < 2; i++)
        if (said[i].arrived != net.canary[i].arrived) {
            row_verdict(trial, VERDICT_LEAKED, "%u came to %s service",
                        said[i].arrived - net.canary[i].arrived, whose[i]);
            return false;
        }
    if (now.to_machine != net.victim_before.to_machine)
        row_verdict(trial, VERDICT_LEAKED, "%ju frames went down the victim's link",
                    (uintmax_t)(now.to_machine - net.victim_before.to_machine));
    else if (now.belief != net.victim_before.belief)
        row_verdict(trial, VERDICT_LEAKED, "the victim's neighbours or routes changed");
    else if (now.host_belief != net.victim_before.host_belief)
        row_verdict(trial, VERDICT_LEAKED, "what the host believes of her link changed");
    return trial->verdict == 0;
}

static void judge_reached(struct scene *scene, struct trial *trial, const char *what)
{
    const struct fact *fact = &trial->attack;

    if (fact->number[1] == 0)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "nothing was tried");
    else if (fact->number[0])
        row_verdict(trial, VERDICT_LEAKED, "%ju of %ju were answered: %.120s",
                    (uintmax_t)fact->number[0], (uintmax_t)fact->number[1], fact->text);
    else if (nothing_came(scene, trial))
        row_verdict(trial, VERDICT_BLOCKED, "0 of %ju %s, last %s", (uintmax_t)fact->number[1],
                    what, fact->error ? strerrorname_np(fact->error) : "no error");
}

/* The control in the victim's own machine or on the host; then, unwalled, it is the attack. */
static bool reach_control(struct scene *scene, struct trial *trial, const struct targets *targets,
                          const char *id, bool on_host)
{
    const char *argv[STEP_ARGS_MAX];
    int argc = point_at(targets, argv), error;
    char why[TRIAL_WHY_SIZE] = "";

    if (on_host)
        error = attack_host(scene, id, argc, argv, ROOM_PLAIN, AS_ROOM, &trial->live,
                            &trial->control, why, sizeof(why));
    else
        error = attack_inside(&scene->victim, id, argc, argv, &trial->live, &trial->control, why,
                              sizeof(why));
    if (error < 0 || trial->control.number[0] == 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the control reached nothing: %.120s", why);
        return false;
    }
    row_control_fact(scene, trial);
    attack_end(&trial->live);
    if (!scene->unwalled)
        return note_before(scene, trial);
    trial->attack = trial->control;
    judge_reached(scene, trial, "");
    return false;
}

static bool reach_attack(struct scene *scene, struct trial *trial, const struct targets *targets)
{
    const char *argv[STEP_ARGS_MAX];
    int argc = point_at(targets, argv);
    char why[TRIAL_WHY_SIZE];

    if (attack_inside(&scene->attacker, trial->row->id, argc, argv, &trial->live, &trial->attack,
                      why, sizeof(why)) == 0)
        return true;
    row_verdict(trial, VERDICT_INCONCLUSIVE, "attack: %.150s", why);
    return false;
}

/* Her service by both families. */
static void her_service(struct targets *targets)
{
    *targets = (struct targets){.count = 0};
    add_target(targets, "%s %u", net.victim.ipv4, net.canary[0].port);
    if (net.victim.ipv6[0])
        add_target(targets, "%s %u", net.victim.ipv6, net.canary[0].port);
}

static void perform_scan(struct scene *scene, struct trial *trial)
{
    struct targets targets;

    if (!look(scene, trial))
        return;
    her_service(&targets);
    if (reach_control(scene, trial, &targets, "N-11", false) &&
        reach_attack(scene, trial, &targets))
        judge_reached(scene, trial, "ports answered, over both families");
    if (trial->verdict == VERDICT_BLOCKED &&
        trial->attack.number[2] > trial->attack.number[1] / 100)
        row_verdict(trial, VERDICT_LEAKED, "%ju ports were not refused at once",
                    (uintmax_t)trial->attack.number[2]);
}

/* Every address the host has, and some it may be known by. */
static void host_addresses(struct targets *targets, uint32_t port)
{
    struct ifaddrs *all = NULL;

    if (getifaddrs(&all) < 0)
        return;
    for (const struct ifaddrs *at = all; at && targets->count < 5; at = at->ifa_next) {
        char text[INET6_ADDRSTRLEN] = "";
        const struct sockaddr_in6 *v6 = (const void *)at->ifa_addr;
        const struct sockaddr_in *v4 = (const void *)at->ifa_addr;
        bool ours = net_link_slot(at->ifa_name) != 0;

        if (!at->ifa_addr || (at->ifa_flags & IFF_LOOPBACK) || ours)
            continue;
        if (at->ifa_addr->sa_family == AF_INET)
            (void)inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
        else if (at->ifa_addr->sa_family == AF_INET6 && !IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
            (void)inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
        if (text[0])
            add_target(targets, "%s %u", text, port);
    }
    freeifaddrs(all);
}

static void perform_host(struct scene *scene, struct trial *trial)
{
    struct targets targets = {.count = 0}, control = {.count = 0};
    uint32_t port;

    if (!look(scene, trial))
        return;
    port = net.canary[1].port;
    add_target(&control, "127.0.0.1 %u", port);
    host_addresses(&control, port);
    host_addresses(&targets, port);
    add_target(&targets, "100.96.0.1 %u", port);
    add_target(&targets, "fe80::1%%eth0 %u", port);
    add_target(&targets, "::ffff:127.0.0.1 %u", port);
    add_target(&targets, "0.0.0.0 %u", port);
    add_target(&targets, METADATA " 80");
    add_target(&targets, "fd00:ec2::254 80");
    if (reach_control(scene, trial, &control, trial->row->id, true) &&
        reach_attack(scene, trial, &targets))
        judge_reached(scene, trial, "tries to reach the host were answered");
}

/* The same victim by other names: mapped, by her link, by a group, by addresses that are no one's.
 */
static void perform_parity(struct scene *scene, struct trial *trial)
{
    struct targets targets, control;
    uint32_t port;

    if (!look(scene, trial))
        return;
    port = net.canary[0].port;
    her_service(&control);
    targets = control;
    add_target(&targets, "::ffff:%s %u", net.victim.ipv4, port);
    add_target(&targets, "64:ff9b::%s %u", net.victim.ipv4, port);
    add_target(&targets, "2002::1 %u", port);
    add_target(&targets, "ff02::1%%eth0 %u", port);
    add_target(&targets, "ff02::2%%eth0 %u", port);
    add_target(&targets, "224.0.0.1 %u", port);
    add_target(&targets, "255.255.255.255 %u", port);
    add_target(&targets, "fe80::2%%eth0 %u", port);
    if (!net.victim.ipv6[0])
        row_verdict(trial, VERDICT_NA, "this host has no IPv6");
    else if (reach_control(scene, trial, &control, trial->row->id, false) &&
             reach_attack(scene, trial, &targets))
        judge_reached(scene, trial, "tries by ten other names of hers were answered");
}

/* One round of forged frames. Return: false with the verdict set */
static bool inject_once(struct scene *scene, struct trial *trial, bool own, const char *from4,
                        const char *from6)
{
    const struct netside *victim = &net.victim, *attacker = &net.attacker;
    char port[8], why[TRIAL_WHY_SIZE];
    const char *argv[] = {
        own ? "own" : "", own ? "" : attacker->mac, from4,          from6, victim->ipv4,
        victim->ipv6,     attacker->ipv4,           attacker->ipv6, port};
    struct fact fact;

    /* What is for the loopback is for the host's service. */
    bool hosts = strcmp(trial->row->id, "N-12") == 0;
    if (str_format(port, sizeof(port), "%u", net.canary[hosts ? 1 : 0].port) < 0)
        return false;
    int error =
        attack_host(scene, trial->row->id, ARRAY_LEN(argv), argv, own ? ROOM_NETWORK : ROOM_WIRE,
                    AS_ROOM, &trial->live, &fact, why, sizeof(why));
    attack_end(&trial->live);
    if (error < 0 || fact.number[0] == 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "no frame was sent: %.60s %s", why,
                    error == 0 && fact.error ? strerrorname_np(fact.error) : "");
        return false;
    }
    struct fact *sum = own ? &trial->control : &trial->attack;
    for (size_t i = 0; i < FACT_NUMBERS; i++)
        sum->number[i] += fact.number[i];
    return true;
}

/* Beside the frames: what a machine itself can try, which has sockets only. number[2]: sent. */
static bool claim_inside(struct scene *scene, struct trial *trial)
{
    struct targets targets;
    const char *argv[STEP_ARGS_MAX];
    char why[TRIAL_WHY_SIZE];
    struct fact fact;

    her_service(&targets);
    add_target(&targets, "as");
    add_target(&targets, "%s", net.victim.ipv4);
    add_target(&targets, "100.96.0.1");
    add_target(&targets, OUTSIDE4);
    if (net.victim.ipv6[0])
        add_target(&targets, "%s", net.victim.ipv6);
    if (attack_inside(&scene->attacker, "N-claim", point_at(&targets, argv), argv, &trial->live,
                      &fact, why, sizeof(why)) < 0) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "attack: %.120s", why);
        return false;
    }
    attack_end(&trial->live);
    /* What the machine's own kernel lets pass is for the other end to refuse. */
    trial->attack.number[2] = fact.number[0];
    return true;
}

static void judge_forged(struct scene *scene, struct trial *trial)
{
    const struct fact *fact = &trial->attack;
    struct netside_state now;

    if (!nothing_came(scene, trial))
        return;
    now = netside_state(&net.attacker, scene->attacker.init);
    uint64_t left = now.from_machine - net.attacker_before.from_machine;
    if (left < fact->number[0])
        row_verdict(trial, VERDICT_INCONCLUSIVE, "only %ju of %ju frames left his machine",
                    (uintmax_t)left, (uintmax_t)fact->number[0]);
    else
        row_verdict(trial, VERDICT_BLOCKED, "%ju forged frames left his machine, none came to hers",
                    (uintmax_t)left);
}

/* The control of forged frames: a wire without walls carries them all. */
static bool wire_control(struct scene *scene, struct trial *trial)
{
    if (!look(scene, trial) || !inject_once(scene, trial, true, net.victim.ipv4, net.victim.ipv6))
        return false;
    row_control(trial, "%ju of %ju frames at the other end of a wire without walls",
                (uintmax_t)trial->control.number[2], (uintmax_t)trial->control.number[0]);
    if (trial->control.number[2] < trial->control.number[0]) {
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the wire without walls lost frames");
        return false;
    }
    if (scene->unwalled)
        row_verdict(trial, VERDICT_LEAKED, "%ju frames arrived",
                    (uintmax_t)trial->control.number[2]);
    return !scene->unwalled;
}

static void perform_frames(struct scene *scene, struct trial *trial)
{
    if (wire_control(scene, trial) && note_before(scene, trial) &&
        inject_once(scene, trial, false, OUTSIDE4, OUTSIDE6))
        judge_forged(scene, trial);
}

static void perform_source(struct scene *scene, struct trial *trial)
{
    if (wire_control(scene, trial) && note_before(scene, trial) && claim_inside(scene, trial) &&
        inject_once(scene, trial, false, net.victim.ipv4, net.victim.ipv6) &&
        inject_once(scene, trial, false, "100.96.0.1", "fe80::1") &&
        inject_once(scene, trial, false, OUTSIDE4, OUTSIDE6))
        judge_forged(scene, trial);
}

static void perform_proc(struct scene *scene, struct trial *trial)
{
    struct targets words = {.count = 0};

    if (!look(scene, trial))
        return;
    add_target(&words, "%s", scene->host_canary.socket);
    add_target(&words, "%s", scene->victim_canary.socket);
    add_target(&words, ":%04X ", net.canary[1].port);
    add_target(&words, "%s", net.victim.link);
    if (reach_control(scene, trial, &words, trial->row->id, true) &&
        reach_attack(scene, trial, &words))
        judge_reached(scene, trial, "files of /proc/net tell of the host or of her");
}

static bool prepare_links(struct scene *scene, struct trial *trial)
{
    static const char *const kinds[] = {"veth",      "dummy", "bridge", "vxlan",
                                        "wireguard", "ifb",   "macvlan"};

    (void)scene;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        row_both(trial, "%s", kinds[i]);
    return true;
}

/* A machine whose command shoots from its first moment. Return: whether it stands */
static bool make_early(struct scene *scene, struct trial *trial, const struct targets *targets)
{
    char script[512], output[512];
    const char *const launch[] = {"launch",  PROVE_IMAGE, TRAP_MACHINE, "--",
                                  "/bin/sh", "-c",        script,       NULL};
    const char *const receive[] = {
        "exec", "-i", TRAP_MACHINE, "--", "/bin/sh", "-c", "cat >/prove; chmod 755 /prove", NULL};
    size_t size = 0;
    auto_free void *program = scene_program(&size);

    if (str_format(script, sizeof(script),
                   "[ -x /prove ] && /prove --inside N-32 %u '%s' '%s' </dev/null >>/shots; "
                   "exec sleep 1000",
                   SHOT_MS, targets->text[0], targets->count > 1 ? targets->text[1] : "") < 0 ||
        !program || trap_words(scene, launch, output, sizeof(output)) != 0)
        return false;
    if (scene_croft(&scene->attacker, receive, program, size, output, sizeof(output)) == 0)
        return true;
    row_verdict(trial, VERDICT_INCONCLUSIVE, "no machine to start: %.120s", output);
    (void)trap_close(scene, trial);
    return false;
}

static void perform_early(struct scene *scene, struct trial *trial)
{
    const char *const stop[] = {"stop", "--timeout", "0", TRAP_MACHINE, NULL};
    const char *const start[] = {"start", TRAP_MACHINE, NULL};
    struct targets targets, control = {.count = 0};
    char output[512];
    unsigned started = 0;

    if (!look(scene, trial))
        return;
    her_service(&targets);
    add_target(&control, "%u", SHOT_MS);
    for (int i = 0; i < targets.count; i++)
        add_target(&control, "%s", targets.text[i]);
    if (!reach_control(scene, trial, &control, trial->row->id, false) ||
        !make_early(scene, trial, &targets))
        return;
    for (int i = 0; i < EARLY_STARTS; i++) {
        (void)trap_words(scene, stop, output, sizeof(output));
        started += trap_words(scene, start, output, sizeof(output)) == 0;
        (void)usleep((SHOT_MS + SHOT_END_MS) * 1000);
    }
    int shots = trap_shell(scene, "wc -l </shots", output, sizeof(output));
    uint64_t rounds = 0;
    if (shots != 0 || str_u64(output, 1, 1000, &rounds) < 0 || !started)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "nothing was shot: %.100s", output);
    else if (nothing_came(scene, trial))
        row_verdict(trial, VERDICT_BLOCKED, "shots from the first moment of %ju starts, none came",
                    (uintmax_t)rounds);
    (void)trap_close(scene, trial);
}

const struct row rows_network[] = {
    {
        "N-01",
        SEVERITY_CRITICAL,
        "AC",
        "every port of the victim's machine",
        "no grant, no packet: the table inet croft",
        .perform = perform_scan,
    },
    {
        "N-02",
        SEVERITY_CRITICAL,
        "AC",
        "send as the victim, the gateway, the world",
        "link and source together give the owner; no raw sockets",
        .perform = perform_source,
    },
    {
        "N-04",
        SEVERITY_CRITICAL,
        "AC",
        "ARP: her address is mine, the gateway's too",
        "routed links with permanent neighbours, no ARP at all",
        .perform = perform_frames,
    },
    {
        "N-05",
        SEVERITY_CRITICAL,
        "AC",
        "forged router and neighbour advertisements, redirects",
        "routed links, accept_ra 0, no neighbour discovery",
        .perform = perform_frames,
    },
    {
        "N-11",
        SEVERITY_CRITICAL,
        "AC",
        "services of the host by all its addresses; metadata",
        "the table inet croft refuses what enters the host",
        .perform = perform_host,
    },
    {
        "N-12",
        SEVERITY_HIGH,
        "AC",
        "loopback and reserved addresses on the wire, source routes",
        "anti-spoofing; no IP options; martians",
        .perform = perform_frames,
    },
    {
        "N-13",
        SEVERITY_CRITICAL,
        "AC",
        "sockets and links of the host in /proc/net",
        "own network namespace",
        .perform = perform_proc,
    },
    {
        "N-24",
        SEVERITY_MEDIUM,
        "AC",
        "forged errors about the victim's packets",
        "an error must belong to a connection of hers",
        .perform = perform_frames,
    },
    {
        "N-25",
        SEVERITY_HIGH,
        "AC",
        "make links of one's own",
        "no CAP_NET_ADMIN",
        .room = ROOM_NETWORK,
        .prepare = prepare_links,
        .control = row_reaches,
        .judge = row_judge_reach,
    },
    {
        "N-32",
        SEVERITY_CRITICAL,
        "AC",
        "send from the first moment of a start",
        "the link comes up after its elements",
        .perform = perform_early,
    },
    {
        "N-36",
        SEVERITY_CRITICAL,
        "AC",
        "the victim by mapped, link-local, translated and group addresses",
        "one table for both families",
        .perform = perform_parity,
    },
    {
        "N-38",
        SEVERITY_MEDIUM,
        "AC",
        "multicast and broadcast: mDNS, LLMNR, SSDP",
        "routed links; nothing but unicast is forwarded",
        .perform = perform_frames,
    },
};
const size_t rows_network_count = ARRAY_LEN(rows_network);
