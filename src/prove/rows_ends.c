/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_ends - D rows about how a grant ends: with who had it, at once, at its time
 *
 * As in rows_grants.c, with --unwalled nothing is taken back and nothing ends.
 */
#include "prove/row.h"

#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "prove/granting.h"
#include "prove/hostproc.h"
#include "prove/speaker.h"

#define GUEST        "prove-d"
#define SPARE_PORT   6000U
#define RACE_ROUNDS  20
#define RACE_MS      "4000"
#define RACE_OPEN_US 4000
#define RACE_SHUT_US 15000

static void perform_namesake(struct scene *scene, struct trial *trial)
{
    struct party guest = {.name = GUEST, .machine = "guest"};
    struct id_range ranges[2][ID_RANGES_MAX] = {{{0, 0}}, {{0, 0}}};
    char output[8192];
    struct err err;
    bool opened =
        granting_look(scene, trial) && scene_guest_open(scene, &guest, &err) == 0 &&
        hostproc_id_map(guest.init, ranges[0]) > 0 &&
        granting_give(scene, trial, GUEST, scene->victim.machine, granting.port, true, "60s") &&
        granting_talks(&guest, true, granting.victim.ipv4, granting.port, "");

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
    else if (granting_talks(&guest, true, granting.victim.ipv4, granting.port, "") ||
             (granting.victim.ipv6[0] &&
              granting_talks(&guest, true, granting.victim.ipv6, granting.port, "")))
        row_verdict(trial, VERDICT_LEAKED, "the second of that name uses the first one's grant");
    else if (ranges[0][0].first == ranges[1][0].first)
        row_verdict(trial, VERDICT_LEAKED, "the second of that name has the first one's ids");
    else if (granting_given(scene, output, sizeof(output)) != 0)
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

    if (!granting_look(scene, trial) ||
        str_format(target4, sizeof(target4), "%s %u", granting.victim.ipv4, granting.port) < 0 ||
        str_format(target6, sizeof(target6), "%s %u", granting.victim.ipv6, granting.port) < 0 ||
        child_exec(argv, scene->attacker.uid, scene->attacker.gid, &racer) < 0)
        return;
    (void)usleep(50000);
    for (; rounds < RACE_ROUNDS && !trial->verdict; rounds++) {
        uint64_t before = granting_frames(&granting.victim, scene->victim.init);

        if (!granting_give(scene, trial, scene->attacker.name, scene->victim.machine, granting.port,
                           true, "60s"))
            break;
        (void)usleep(RACE_OPEN_US);
        bool shut =
            scene->unwalled || granting_take_back(scene, scene->attacker.name,
                                                  scene->victim.machine, granting.port, true);
        uint64_t shut_at = granting_frames(&granting.victim, scene->victim.init);
        (void)usleep(RACE_SHUT_US);
        after += granting_frames(&granting.victim, scene->victim.init) - shut_at;
        while_open += shut_at - before;
        if (!shut)
            row_verdict(trial, VERDICT_LEAKED, "a revoke failed");
        if (scene->unwalled)
            break;
    }
    (void)child_end(&racer, 0);
    (void)granting_take_back(scene, scene->attacker.name, scene->victim.machine, granting.port,
                             true);
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

    if (!granting_target(target, sizeof(target), scene->victim.machine, SPARE_PORT, true))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(words); i++, tried++) {
        const char *const argv[] = {"grant",     scene->attacker.name, "port", target,
                                    words[i][0], words[i][1],          NULL};
        *taken += granting_order(&scene->victim, argv, output, sizeof(output)) == 0;
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

    if (!granting_look(scene, trial) ||
        !granting_give(scene, trial, scene->attacker.name, scene->victim.machine, granting.port,
                       true, lasts))
        return;
    uint64_t end = clock_boot_ns() + NS_PER_S;
    bool held = granting_hold(scene, granting.victim.ipv4, &trial->live);
    unsigned tried = odd_ends(scene, &taken);
    row_control(trial, held ? "open for its second" : "closed");
    while (clock_boot_ns() < end + 150 * NS_PER_MS)
        (void)usleep(10000);
    said = granting_server(scene);
    if (!held)
        row_verdict(trial, VERDICT_INCONCLUSIVE, "the grant of a second was not open");
    else if (taken)
        row_verdict(trial, VERDICT_LEAKED, "%u of %u ends that are none were taken", taken, tried);
    else if (granting_all_talks(&scene->attacker) || said.guests)
        row_verdict(trial, VERDICT_LEAKED, "open after its end");
    else
        row_verdict(trial, VERDICT_BLOCKED,
                    "%u ends that are none refused; one second was one, and "
                    "what stood was cut",
                    tried);
    attack_end(&trial->live);
    (void)granting_take_back(scene, scene->attacker.name, scene->victim.machine, granting.port,
                             true);
}

const struct row rows_ends[] = {
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
const size_t rows_ends_count = ARRAY_LEN(rows_ends);
