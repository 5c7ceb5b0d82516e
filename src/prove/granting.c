/* SPDX-License-Identifier: Apache-2.0 */
/* granting - what the victim grants, and what the attacker makes of it */
#include "prove/granting.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

#define ASK_MS  5000U
#define HOLD_MS "15000"

struct granting granting;

bool granting_look(struct scene *scene, struct trial *trial)
{
    struct canary_answer said;

    if (netside_look(scene->victim.init, &granting.victim) == 0 &&
        netside_look(scene->attacker.init, &granting.attacker) == 0 &&
        canary_question(&scene->victim_canary, CANARY_STATE, ASK_MS, &said) == 0 && said.port) {
        granting.port = said.port;
        return true;
    }
    row_verdict(trial, VERDICT_INCONCLUSIVE, "a machine has no network");
    return false;
}

struct canary_answer granting_server(struct scene *scene)
{
    struct canary_answer said = {0};

    if (canary_question(&scene->victim_canary, CANARY_STATE, ASK_MS, &said) < 0)
        said.error = EPIPE;
    return said;
}

/* Frames that went down the victim's link so far. */
uint64_t granting_frames(const struct netside *side, pid_t init)
{
    return netside_state(side, init).to_machine;
}

int granting_order(const struct party *party, const char *const *words, char *output, size_t size)
{
    return scene_croft(party, words, NULL, 0, output, size);
}

/* What of whose is granted: "victim:5432" or "victim:53/udp". */
bool granting_target(char *text, size_t size, const char *machine, uint32_t port, bool tcp)
{
    return str_format(text, size, "%s:%u%s", machine, port, tcp ? "" : "/udp") == 0;
}

/* The victim grants @whom. Return: whether it was done; else the verdict is set */
bool granting_give(struct scene *scene, struct trial *trial, const char *whom, const char *machine,
                   uint32_t port, bool tcp, const char *for_text)
{
    char target[64], output[1024];
    const char *const words[] = {"grant", whom, "port", target, "--for", for_text, NULL};

    if (granting_target(target, sizeof(target), machine, port, tcp) &&
        granting_order(&scene->victim, words, output, sizeof(output)) == 0)
        return true;
    row_verdict(trial, VERDICT_INCONCLUSIVE, "%s could not be granted: %.120s", target, output);
    return false;
}

bool granting_take_back(struct scene *scene, const char *whom, const char *machine, uint32_t port,
                        bool tcp)
{
    char target[64], output[1024];
    const char *const words[] = {"revoke", whom, "port", target, NULL};

    return granting_target(target, sizeof(target), machine, port, tcp) &&
           granting_order(&scene->victim, words, output, sizeof(output)) == 0;
}

/* Whether @party's machine is answered there. */
bool granting_talks(const struct party *party, bool tcp, const char *address, uint32_t port,
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
unsigned granting_all_talks(const struct party *party)
{
    const char *const addresses[] = {granting.victim.ipv4, granting.victim.ipv6};
    unsigned bits = 0;

    for (unsigned i = 0; i < 4; i++)
        if (addresses[i / 2][0] &&
            granting_talks(party, i % 2 == 0, addresses[i / 2], granting.port, ""))
            bits |= 1U << i;
    return bits;
}

bool granting_hold(struct scene *scene, const char *address, struct attack *live)
{
    char target[96], why[TRIAL_WHY_SIZE];
    const char *argv[] = {target, HOLD_MS};
    struct fact fact = {0};

    return str_format(target, sizeof(target), "%s %u", address, granting.port) == 0 &&
           attack_inside(&scene->attacker, "N-35", 2, argv, live, &fact, why, sizeof(why)) == 0 &&
           fact.number[0] > 0;
}

/* How many grants the victim has given, by her own list. */
int granting_given(const struct scene *scene, char *output, size_t size)
{
    const char *const words[] = {"grants", "--json", NULL};
    int count = 0;

    if (scene_croft_all(&scene->victim, words, output, size) != 0)
        return -1;
    for (const char *at = output; (at = strstr(at, "\"id\"")); at++)
        count++;
    return count;
}
